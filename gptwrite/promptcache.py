"""The prompt cache: states of prompts that were read before, as files under the cache folder.

Knows files, keys and sizes. What is in a state, and how it is written and read, is the engine's
matter; only the beginning of a file is looked at here, where the library puts the exact tokens.

A file's name is `<context>-<beginning>-<digest>.state`: what the state depends on beside its tokens
(model, library, types), a hash of the first tokens, and a hash of the content, which tells a
damaged file from a whole one.
"""

from __future__ import annotations

import array
import contextlib
import hashlib
import os
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gptwrite.files import hash_file
from gptwrite.settings import cache_dir

if TYPE_CHECKING:
    from gptwrite.settings import Settings

SUFFIX = ".state"
TEMPORARY = ".new-"
MAGIC = 0x67677371  # "ggsq", LLAMA_STATE_SEQ_MAGIC of llama.h
HEADER = struct.Struct("<III")  # magic, version, number of tokens; the tokens follow as int32
LEAST_TOKENS = 256  # of a prompt that is worth a file
BEGINNING_TOKENS = 32  # shorter shared beginnings are sooner computed than looked for
SAMPLES, SAMPLE_BYTES = 16, 64 * 1024
STALE_SECONDS = 3600


@dataclass(frozen=True)
class Found:
    """A state on disk whose first `shared` tokens are those of the prompt."""

    path: Path
    tokens: list[int]
    shared: int


@dataclass(frozen=True)
class PromptCache:
    """The states in `folder`, the least recently used of which go when they pass the limit."""

    folder: Path
    limit_bytes: int
    least_tokens: int = LEAST_TOKENS

    def pays(self, tokens: int) -> bool:
        """Say whether a state of so many tokens is worth a file."""
        return tokens >= self.least_tokens

    def find(self, key: str, prompt: Sequence[int], known: int, most: int) -> Found | None:
        """Return the state that knows most of `prompt`, if clearly more than its first `known`.

        States of more than `most` tokens do not fit into the context and are passed over.
        """
        if len(prompt) < max(BEGINNING_TOKENS, known + BEGINNING_TOKENS):
            return None
        best: Found | None = None
        for path in self.folder.glob(f"{key}-{_beginning(prompt)}-*{SUFFIX}"):
            tokens = _tokens_of(path)
            if not tokens or len(tokens) > most:
                continue
            shared = common_prefix(tokens, prompt)
            # A long state for the sake of a few tokens costs more to read than it saves.
            if shared < known + BEGINNING_TOKENS or shared * 8 < len(tokens):
                continue
            if best is None or (shared, -len(tokens)) > (best.shared, -len(best.tokens)):
                best = Found(path, tokens, shared)
        if best is None:
            return None
        if not _is_whole(best.path):
            self.discard(best.path)
            return None
        with contextlib.suppress(OSError):
            os.utime(best.path)
        return best

    def store(self, key: str, tokens: Sequence[int], write: Callable[[Path], bool]) -> None:
        """Keep the state that `write` puts into a file; nothing happens where that is impossible.

        The cache saves time and nothing else, so a full disk or a folder that cannot be written is
        no error.
        """
        start = f"{key}-{_beginning(tokens)}"
        wanted = list(tokens)
        temporary = ""
        with contextlib.suppress(OSError):
            for path in self.folder.glob(f"{start}-*{SUFFIX}"):
                if _tokens_of(path) == wanted:
                    os.utime(path)
                    return
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=self.folder)  # mode 0600
            os.close(handle)
            if write(Path(temporary)):
                digest = _digest(Path(temporary))
                os.replace(temporary, self.folder / f"{start}-{digest}{SUFFIX}")
                self.shrink()
        except OSError:
            pass
        finally:
            if temporary:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)

    def shrink(self) -> None:
        """Remove the least recently used states beyond the size limit, and what runs left over."""
        now = time.time()
        for path in self.folder.glob(f"{TEMPORARY}*"):
            with contextlib.suppress(OSError):
                if now - path.stat().st_mtime > STALE_SECONDS:
                    path.unlink()
        shrink(self.folder, SUFFIX, self.limit_bytes)

    def discard(self, path: Path) -> None:
        """Remove a file that proved to be useless."""
        with contextlib.suppress(OSError):
            path.unlink()


def shrink(folder: Path, suffix: str, limit_bytes: int) -> None:
    """Remove the least recently used files of `folder` until the rest keep to the limit."""
    rows = sorted(_files(folder, suffix), key=lambda row: row[1], reverse=True)
    total = 0
    for path, _used, size in rows:
        total += size
        if total > limit_bytes:
            with contextlib.suppress(OSError):
                path.unlink()


def _files(folder: Path, suffix: str) -> Iterator[tuple[Path, int, int]]:
    """Yield path, time of last use in nanoseconds, and size in bytes of every file."""
    for path in folder.glob(f"*{suffix}"):
        with contextlib.suppress(OSError):
            status = path.stat()
            yield path, status.st_mtime_ns, status.st_size


def usage(folder: Path) -> tuple[int, int]:
    """Return the number of files under `folder` and their size in bytes."""
    rows = list(_files(folder, ""))
    return len(rows), sum(size for _path, _used, size in rows)


def clear(folder: Path) -> tuple[int, int]:
    """Remove every file of `folder`; return how many there were and their size in bytes."""
    count = size = 0
    for path, _used, bytes_ in _files(folder, ""):
        with contextlib.suppress(OSError):
            path.unlink()
            count, size = count + 1, size + bytes_
    return count, size


def file_identity(path: Path) -> str:
    """Return a hash that tells files apart without reading all of a large one.

    Made from size, time of change, and samples spread over the file: models of one shape differ in
    their weights, which the library does not check when it reads a state.
    """
    status = path.stat()
    digest = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode())
    with path.open("rb") as file:
        step = max(SAMPLE_BYTES, status.st_size // SAMPLES)
        for offset in range(0, status.st_size, step):
            file.seek(offset)
            digest.update(file.read(SAMPLE_BYTES))
        file.seek(max(0, status.st_size - SAMPLE_BYTES))
        digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


def context_key(*parts: object) -> str:
    """Return the part of a file's name that stands for all that a state depends on."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:24]


def _bytes(tokens: Sequence[int]) -> bytes:
    return array.array("i", tokens).tobytes()


def _beginning(tokens: Sequence[int]) -> str:
    return hashlib.sha256(_bytes(tokens[:BEGINNING_TOKENS])).hexdigest()[:12]


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many tokens `a` and `b` share at their beginning."""
    limit = min(len(a), len(b))
    if a[:limit] == b[:limit]:
        return limit
    return next(i for i in range(limit) if a[i] != b[i])


def _tokens_of(path: Path) -> list[int]:
    """Return the exact tokens of the state in the file; empty for anything else."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER.size)
            if len(head) < HEADER.size:
                return []
            magic, _version, count = HEADER.unpack(head)
            if magic != MAGIC or count * 4 > path.stat().st_size:
                return []
            tokens = array.array("i")
            tokens.frombytes(file.read(count * 4))
    except (OSError, ValueError):
        return []
    if sys.byteorder == "big":
        tokens.byteswap()
    return tokens.tolist() if len(tokens) == count else []


def _digest(path: Path) -> str:
    return hash_file(path).hexdigest()[:24]


def _is_whole(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.name.removesuffix(SUFFIX).rsplit("-", 1)[-1] == _digest(path)
    return False


def open_cache(settings: Settings) -> PromptCache | None:
    """Return the prompt cache that the settings ask for."""
    if not settings.cache:
        return None
    return PromptCache(cache_dir() / "prompts", settings.cache_size_mb * 10**6)
