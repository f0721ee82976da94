"""What the header of a GGUF file says, read by the library itself, in milliseconds.

Also recognises the usual things that are saved under a name ending in .gguf and are no model.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gptwrite.errors import ModelError
from gptwrite.language import say
from gptwrite.references import shards

STRING, ARRAY, BOOL = 8, 9, 7
SCALARS = {
    0: ("u8", ctypes.c_uint8),
    1: ("i8", ctypes.c_int8),
    2: ("u16", ctypes.c_uint16),
    3: ("i16", ctypes.c_int16),
    4: ("u32", ctypes.c_uint32),
    5: ("i32", ctypes.c_int32),
    6: ("f32", ctypes.c_float),
    BOOL: ("bool", ctypes.c_bool),
    10: ("u64", ctypes.c_uint64),
    11: ("i64", ctypes.c_int64),
    12: ("f64", ctypes.c_double),
}


class _InitParams(ctypes.Structure):
    _fields_ = [("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p)]


@dataclass(frozen=True)
class Header:
    """The header of one GGUF file. `metadata` leaves out arrays (vocabularies), but their lengths
    are in `array_lengths`. `data_end` is the offset in bytes at which the file should end."""

    path: Path
    metadata: dict[str, Any]
    array_lengths: dict[str, int]
    tensor_types: dict[int, int] = field(default_factory=dict)
    n_tensors: int = 0
    n_parameters: int = 0
    data_end: int = 0
    special_tokens: dict[str, str] = field(default_factory=dict)

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    @property
    def context_length(self) -> int:
        """The context length the model was trained for, in tokens; 0 when it is not stated."""
        return self._number("context_length")

    @property
    def chat_template(self) -> str:
        return str(self.metadata.get("tokenizer.chat_template", ""))

    @property
    def quantization(self) -> str:
        """The file's type as llama.cpp names it, such as Q4_K_M, or that of most of its bytes."""
        from gptwrite.engines import library

        kind = self.metadata.get("general.file_type")
        api = library.load()
        for name in dir(api):
            if name.startswith("LLAMA_FTYPE_") and getattr(api, name) == kind:
                return (
                    name.removeprefix("LLAMA_FTYPE_").removeprefix("MOSTLY_").removeprefix("ALL_")
                )
        if not self.tensor_types:
            return ""
        most = max(self.tensor_types, key=lambda tensor_type: self.tensor_types[tensor_type])
        return str(_library().ggml_type_name(most).decode("ascii")).upper()

    @property
    def layers(self) -> int:
        """How many layers the model has; 0 when it is not stated."""
        return self._number("block_count")

    def kv_bytes_per_token(self) -> int:
        """Return about how many bytes one token of context takes at 16 bits; 0 if unknown."""
        heads = self._number("attention.head_count") or 1
        kv_heads = self._number("attention.head_count_kv") or heads
        width = self._number("embedding_length")
        key = self._number("attention.key_length") or width // heads
        value = self._number("attention.value_length") or width // heads
        # Hybrid models keep a growing cache in every n-th layer only.
        interval = self._number("full_attention_interval") or 1
        return self.layers // interval * kv_heads * (key + value) * 2

    def _number(self, key: str) -> int:
        value = self.metadata.get(f"{self.architecture}.{key}", 0)
        return int(value) if isinstance(value, int | float) else 0


def check_first_bytes(path: Path) -> None:
    """Raise `ModelError` when `path` is plainly no GGUF file."""
    if not path.exists():
        raise ModelError(
            say(f"No model file at {path}.", f"{path} 处没有模型文件。"),
            say(
                "Check the path, or see `gptwrite models list`.",
                "请检查路径，或查看 `gptwrite models list`。",
            ),
        )
    if path.is_dir():
        raise ModelError(
            say(f"{path} is a directory, not a model file.", f"{path} 是目录，不是模型文件。"),
            say("Name the .gguf file in it.", "请指明其中的 .gguf 文件。"),
        )
    try:
        with path.open("rb") as file:
            begin = file.read(64)
    except OSError as exc:
        raise ModelError(
            say(f"Cannot read {path}: {exc.strerror}.", f"无法读取 {path}：{exc.strerror}。"),
            say("Check its permissions.", "请检查其权限。"),
        ) from exc
    if not begin:
        raise ModelError(
            say(f"{path} is empty.", f"{path} 是空文件。"),
            say("Download the model again.", "请重新下载模型。"),
        )
    text = begin.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ModelError(
            say(
                f"{path} is a web page saved under a model's name.",
                f"{path} 是以模型名保存的网页。",
            ),
            say(
                "Download the file itself (the address usually contains /resolve/, not /blob/).",
                "请下载文件本身（地址通常含 /resolve/ 而不是 /blob/）。",
            ),
        )
    if begin.startswith(b"version https://git-lfs"):
        raise ModelError(
            say(
                f"{path} is a git-lfs pointer, not the model itself.",
                f"{path} 是 git-lfs 指针，不是模型本身。",
            ),
            say(
                "Fetch the real file with `git lfs pull`, or with `gptwrite models pull`.",
                "请用 `git lfs pull` 或 `gptwrite models pull` 获取真正的文件。",
            ),
        )
    if not begin.startswith(b"GGUF"):
        raise ModelError(
            say(f"{path} is not a GGUF file.", f"{path} 不是 GGUF 文件。"),
            say("gptwrite needs a model in GGUF format.", "gptwrite 需要 GGUF 格式的模型。"),
        )


@functools.cache
def _library() -> ctypes.CDLL:
    from gptwrite.engines import library

    api = library.load()
    lib = ctypes.CDLL(api._lib._name)
    if not hasattr(lib, "gguf_init_from_file"):
        # Windows looks for a function in one library only, not in those that it needs. Elsewhere
        # the file beside it must not be opened: it is a second copy, which logs to stderr.
        path = Path(api._lib._name)
        lib = ctypes.CDLL(str(path.with_name(path.name.replace("llama", "ggml-base"))))
    lib.gguf_init_from_file.argtypes = [ctypes.c_char_p, _InitParams]
    lib.gguf_init_from_file.restype = ctypes.c_void_p
    lib.gguf_free.argtypes = [ctypes.c_void_p]
    for name in ("gguf_get_n_kv", "gguf_get_n_tensors"):
        function = getattr(lib, name)
        function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_int64
    lib.gguf_get_data_offset.argtypes = [ctypes.c_void_p]
    lib.gguf_get_data_offset.restype = ctypes.c_size_t
    by_index = [ctypes.c_void_p, ctypes.c_int64]
    for name, result in {
        "gguf_get_key": ctypes.c_char_p,
        "gguf_get_kv_type": ctypes.c_int,
        "gguf_get_arr_n": ctypes.c_size_t,
        "gguf_get_val_str": ctypes.c_char_p,
        "gguf_get_tensor_offset": ctypes.c_size_t,
        "gguf_get_tensor_size": ctypes.c_size_t,
        "gguf_get_tensor_type": ctypes.c_int,
    }.items():
        function = getattr(lib, name)
        function.argtypes, function.restype = by_index, result
    lib.gguf_find_key.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    lib.gguf_find_key.restype = ctypes.c_int64
    lib.gguf_get_arr_str.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_size_t]
    lib.gguf_get_arr_str.restype = ctypes.c_char_p
    for suffix, scalar in SCALARS.values():
        function = getattr(lib, f"gguf_get_val_{suffix}")
        function.argtypes, function.restype = by_index, scalar
    lib.ggml_type_name.argtypes, lib.ggml_type_name.restype = [ctypes.c_int], ctypes.c_char_p
    lib.ggml_blck_size.argtypes, lib.ggml_blck_size.restype = [ctypes.c_int], ctypes.c_int64
    lib.ggml_type_size.argtypes, lib.ggml_type_size.restype = [ctypes.c_int], ctypes.c_size_t
    return lib


def read_header(path: Path) -> Header:
    """Return the header of the GGUF file at `path`; raise `ModelError` when it is damaged."""
    check_first_bytes(path)
    from gptwrite.engines import library

    lib = _library()
    library.clear_log()
    handle = lib.gguf_init_from_file(str(path).encode("utf-8"), _InitParams(True, None))
    if not handle:
        raise ModelError(
            say(
                f"{path} is a damaged GGUF file: "
                f"{library.reason() or 'its header cannot be read'}.",
                f"{path} 是损坏的 GGUF 文件：{library.reason() or '文件头无法读取'}。",
            ),
            say(
                "Download it again; `gptwrite models verify` finds damaged files.",
                "请重新下载；`gptwrite models verify` 可查出损坏的文件。",
            ),
        )
    try:
        return _read(lib, handle, path)
    finally:
        lib.gguf_free(handle)


def read_split(path: Path) -> Header:
    """Return the header of a model with the parameters of all its parts, where it is split.

    Raises `ModelError` for a part that is missing or damaged, too.
    """
    first = read_header(path)
    others = [read_header(path.with_name(name)) for name in shards(path.name)[1:]]
    return replace(first, n_parameters=sum(part.n_parameters for part in (first, *others)))


def check_split(path: Path) -> None:
    """Raise `ModelError` when a part of the model is missing or ends before its last tensor."""
    for name in shards(path.name):
        check_complete(read_header(path.with_name(name)))


def _read(lib: ctypes.CDLL, handle: int, path: Path) -> Header:
    metadata: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    for index in range(lib.gguf_get_n_kv(handle)):
        key = lib.gguf_get_key(handle, index).decode("utf-8", "replace")
        kind = lib.gguf_get_kv_type(handle, index)
        if kind == STRING:
            metadata[key] = lib.gguf_get_val_str(handle, index).decode("utf-8", "replace")
        elif kind == ARRAY:
            lengths[key] = lib.gguf_get_arr_n(handle, index)
        elif kind in SCALARS:
            metadata[key] = getattr(lib, f"gguf_get_val_{SCALARS[kind][0]}")(handle, index)
    end = data = lib.gguf_get_data_offset(handle)
    types: dict[int, int] = {}
    parameters = 0
    for index in range(lib.gguf_get_n_tensors(handle)):
        size = lib.gguf_get_tensor_size(handle, index)
        kind = lib.gguf_get_tensor_type(handle, index)
        end = max(end, data + lib.gguf_get_tensor_offset(handle, index) + size)
        types[kind] = types.get(kind, 0) + size
        parameters += size // lib.ggml_type_size(kind) * lib.ggml_blck_size(kind)
    count = lib.gguf_get_n_tensors(handle)
    tokens = _special_tokens(lib, handle, metadata, lengths)
    return Header(path, metadata, lengths, types, count, parameters, end, tokens)


def _special_tokens(
    lib: ctypes.CDLL, handle: int, metadata: dict[str, Any], lengths: dict[str, int]
) -> dict[str, str]:
    """Return role -> text of the tokens the header names by id, such as bos and eos."""
    words = "tokenizer.ggml.tokens"
    where = lib.gguf_find_key(handle, words.encode())
    found: dict[str, str] = {}
    for key, value in metadata.items():
        if where < 0 or not key.startswith("tokenizer.ggml.") or not key.endswith("_token_id"):
            continue
        if isinstance(value, int) and 0 <= value < lengths.get(words, 0):
            role = key.removeprefix("tokenizer.ggml.").removesuffix("_token_id")
            text = lib.gguf_get_arr_str(handle, where, value)
            found[role] = text.decode("utf-8", "replace")
    return found


def check_complete(header: Header) -> None:
    """Raise `ModelError` when the file ends before its last tensor does."""
    size = header.path.stat().st_size
    if size < header.data_end:
        missing = header.data_end - size
        raise ModelError(
            say(
                f"{header.path} is cut short: {missing} bytes are missing of {header.data_end}.",
                f"{header.path} 不完整：{header.data_end} 字节中缺少 {missing} 字节。",
            ),
            say(
                "Download it again; an interrupted `gptwrite models pull` resumes where it "
                "stopped.",
                "请重新下载；中断的 `gptwrite models pull` 会从断点继续。",
            ),
        )
