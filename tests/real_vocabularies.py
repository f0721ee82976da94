"""Real vocabularies for tests: they travel in llama-cpp-python's source package.

Fetched once with pip from the package index into pip's own cache; no model is among them.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

from make_models import Vocabulary

PACKAGE = "llama-cpp-python==0.3.36"
NAMES = ("gpt-2", "gpt-neox", "qwen2", "llama-spm", "llama-bpe")
SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}


def fetch(folder: Path) -> Path:
    """Return a folder with `ggml-vocab-NAME.gguf` for every name.

    GPTWRITE_TEST_VOCABULARIES may name a folder that has them already.
    """
    given = os.environ.get("GPTWRITE_TEST_VOCABULARIES")
    if given:
        return Path(given)
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary",
         "llama-cpp-python", PACKAGE, "-d", str(folder)],
        check=True,
    )  # fmt: skip
    wanted = {f"ggml-vocab-{name}.gguf" for name in NAMES}
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        for member in archive:
            name = member.name.rsplit("/", 1)[-1]
            if name in wanted and "/models/" in member.name:
                source = archive.extractfile(member)
                assert source
                (folder / name).write_bytes(source.read())
    return folder


def read(path: Path) -> Vocabulary:
    """Return the vocabulary in the GGUF file at `path`."""
    fields = _read_fields(path.read_bytes())
    tokenizer = {k.removeprefix("tokenizer.ggml."): v for k, v in fields.items()}
    return Vocabulary(
        kind=tokenizer["model"],
        tokens=tuple(tokenizer["tokens"]),
        types=tuple(tokenizer["token_type"]),
        merges=tuple(tokenizer.get("merges", ())),
        scores=tuple(tokenizer.get("scores", ())),
        pre=tokenizer.get("pre", "default"),
        bos=tokenizer.get("bos_token_id"),
        eos=tokenizer["eos_token_id"],
        add_bos=tokenizer.get("add_bos_token", False),
    )


def _read_fields(data: bytes) -> dict[str, Any]:
    """Read the key-value part of a GGUF file: faster than a general reader on long arrays."""
    at = 16

    def number(code: str) -> Any:
        nonlocal at
        (value,) = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize(code)
        return value

    def text() -> str:
        nonlocal at
        size = number("Q")
        at += size
        return data[at - size : at].decode("utf-8")

    def value(kind: int) -> Any:
        if kind == 8:
            return text()
        if kind == 9:
            inner, count = number("I"), number("Q")
            return [value(inner) for _ in range(count)]
        return number(SCALARS[kind])

    count = number("Q")
    return {text(): value(number("I")) for _ in range(count)}
