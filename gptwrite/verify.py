"""Whether a model's file is whole: by the digest that is known of it, or at least to its end."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from gptwrite import catalogue, gguf_file, store
from gptwrite.errors import ModelError
from gptwrite.files import hash_file
from gptwrite.language import say
from gptwrite.models import ModelSpec, model_file


def damage(reference: str, on_bytes: Callable[[int], None] = lambda n: None) -> str:
    """Return what is wrong with the file of the model on disk, or an empty string.

    `on_bytes` is told of every piece read. Raises `ModelError` for a name that means no file.
    """
    if stored := store.find(reference):
        return store.damage(stored, on_bytes)
    spec = model_file(reference)
    path = Path(spec.location)
    if not path.exists():
        gguf_file.check_first_bytes(path)
    try:
        gguf_file.check_split(path)
    except ModelError as error:
        return error.message
    if spec.sha256 and hash_file(path, on_bytes).hexdigest() != spec.sha256:
        return say("its SHA-256 is wrong", "SHA-256 不符")
    return ""


def size_bytes(reference: str) -> int:
    """Return how many bytes `damage` has to read; 0 where that is not worth a bar."""
    if stored := store.find(reference):
        return stored.size_bytes
    spec = model_file(reference)
    return spec.size_bytes if spec.sha256 else 0


def remedy(reference: str) -> str:
    """Return what to do about a damaged model."""
    stored = store.find(reference)
    if stored is None:
        spec: ModelSpec = model_file(reference)
        return say(f"gptwrite has not fetched {spec.location} and leaves it alone: fetch it again "
                   "with the program that did.",
                   f"{spec.location} 不是 gptwrite 下载的，不会改动：请用原来的程序重新下载。")  # fmt: skip
    wanted = stored.name
    if catalogue.find(wanted) is None:
        wanted = f"{shlex.quote(stored.reference)} --name {wanted}"
    command = f"gptwrite models rm {stored.name} && gptwrite models pull {wanted}"
    return say(f"Fetch it again: {command}", f"请重新下载：{command}")
