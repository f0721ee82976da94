"""Makes a smaller model of a larger one, by the library's own quantizer; whole or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import difflib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gptwrite import gguf_file, machine
from gptwrite.engines import library
from gptwrite.errors import ModelError, UsageError
from gptwrite.files import mode_for
from gptwrite.language import say

# A file type -> bytes per weight at most, for the check of the disk.
BITS = re.compile(r"Q(\d)|(BF16|F16)|(F32)")
TENSOR_LINE = re.compile(r"\[\s*(\d+)\s*/\s*(\d+)\s*\]")


def types() -> dict[str, int]:
    """Return the names of the types a model can be made into, and the library's numbers of them."""
    api = library.load()
    names = {
        name.removeprefix("LLAMA_FTYPE_").removeprefix("MOSTLY_").removeprefix("ALL_"): value
        for name, value in vars(api).items()
        if name.startswith("LLAMA_FTYPE_") and name != "LLAMA_FTYPE_GUESSED"
    }
    # The types below three bits need an importance matrix, which gptwrite does not make.
    return {name: value for name, value in names.items() if not name.startswith(("IQ1", "IQ2"))}


def quantize(
    source: Path,
    target: Path,
    type_name: str,
    on_tensor: Callable[[int, int], None] = lambda done, total: None,
    replace: bool = False,
) -> None:
    """Write the model `source` as `type_name` to `target`; `on_tensor` is told (done, total).

    Raises `GptwriteError`, with nothing left at `target` that was not there before.
    """
    number = _number(type_name)
    header = gguf_file.read_header(source)
    gguf_file.check_complete(header)
    if target.exists() and (not replace or target.samefile(source)):
        raise UsageError(
            say(f"{target} is already there.", f"{target} 已存在。"),
            say(
                "Choose another name, or --force to replace it.", "请换个名字，或用 --force 覆盖。"
            ),
        )
    if header.quantization.startswith(("Q", "IQ")):
        raise UsageError(
            say(f"{source} is already quantized ({header.quantization}).",
                f"{source} 已量化过（{header.quantization}）。"),
            say("Begin from the F16, BF16 or F32 file: quantizing twice loses quality.",
                "请从 F16、BF16 或 F32 文件开始：重复量化会损失质量。"),
        )  # fmt: skip
    folder = target.resolve().parent
    temporary = _temporary(folder, target.name)
    try:
        _check_space(folder, header.n_parameters, type_name)
        _run(source, temporary, number, header.n_tensors, on_tensor)
        gguf_file.check_complete(gguf_file.read_header(temporary))
        os.chmod(temporary, mode_for(target))
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _number(type_name: str) -> int:
    known = types()
    if type_name.upper() in known:
        return known[type_name.upper()]
    near = difflib.get_close_matches(type_name.upper(), known, n=3) or ["Q4_K_M", "Q5_K_M", "Q8_0"]
    raise UsageError(
        say(f"There is no type {type_name!r}.", f"没有类型“{type_name}”。"),
        say(f"For example: {', '.join(near)}.", f"例如：{'、'.join(near)}。"),
    )


def _check_space(folder: Path, n_parameters: int, type_name: str) -> None:
    match = BITS.search(type_name.upper())
    bits = 32 if match is None or match[3] else 16 if match[2] else int(match[1]) + 1
    needed, free = n_parameters * bits // 8, shutil.disk_usage(folder).free
    if needed > free:
        raise ModelError(
            say(f"About {needed / 1e9:.2f} GB are needed in {folder}; {free / 1e9:.2f} GB are free.",
                f"{folder} 约需 {needed / 1e9:.2f} GB，仅剩 {free / 1e9:.2f} GB。"),
            say("Free some space, or write to another disk.", "请腾出空间，或写到其他磁盘。"),
        )  # fmt: skip


def _temporary(folder: Path, name: str) -> Path:
    try:
        handle, path = tempfile.mkstemp(prefix=f".{name[:40]}.", suffix=".part", dir=folder)
    except OSError as exc:
        raise ModelError(
            say(
                f"Cannot write in {folder}: {exc.strerror}.", f"无法写入 {folder}：{exc.strerror}。"
            ),
            say("Choose another folder.", "请换一个目录。"),
        ) from exc
    os.close(handle)
    return Path(path)


def _run(
    source: Path,
    target: Path,
    number: int,
    n_tensors: int,
    on_tensor: Callable[[int, int], None],
) -> None:
    """Quantize in a thread of its own: Ctrl-C is heard between tensors of the log, not after all."""
    api = library.load()
    params = api.llama_model_quantize_default_params()
    params.ftype = number
    params.nthread = machine.inference_threads()
    result: list[int] = []

    def work() -> None:
        result.append(
            api.llama_model_quantize(
                str(source).encode("utf-8"), str(target).encode("utf-8"), ctypes.byref(params)
            )
        )

    library.clear_log()
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    done = 0
    while thread.is_alive():
        thread.join(0.1)
        done = max(done, _tensors_done(library.logged(0)))
        on_tensor(min(done, n_tensors), n_tensors)
    if result != [0]:
        raise ModelError(
            say(f"{source} cannot be quantized: {_reason()}.", f"无法量化 {source}：{_reason()}。"),
            say("Choose another type or model.", "请换一种类型或模型。"),
        )
    on_tensor(n_tensors, n_tensors)


def _tensors_done(lines: list[str]) -> int:
    found: list[Any] = [match for line in lines[-8:] if (match := TENSOR_LINE.search(line))]
    return int(found[-1][1]) if found else 0


def _reason() -> str:
    return library.reason() or say("the library gives no reason", "库未给出原因")
