"""The models gptwrite itself has downloaded: one folder each, with a record of what is in it.

A model is there once its record is: the record is written last. Only folders with a record are
ever deleted from, and only the files it names.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from gptwrite.errors import ModelError
from gptwrite.files import hash_file, write_atomically
from gptwrite.language import say
from gptwrite.references import canonical
from gptwrite.settings import data_dir

RECORD = "model.json"
PART, STATE = ".part", ".part.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # of a model, and so of its folder


@dataclass(frozen=True)
class StoredFile:
    """One file of a model: its name in the folder, its size in bytes, and its SHA-256 in hex."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Stored:
    """A downloaded model. `reference` says where it came from; `license` may be empty."""

    name: str
    folder: Path
    reference: str
    license: str
    files: tuple[StoredFile, ...]

    @property
    def path(self) -> Path:
        """The file to open: the only one, or the first part of a split model."""
        return self.folder / self.files[0].name

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


def models_dir() -> Path:
    """Return the folder of all downloaded models, whether or not it exists."""
    return data_dir() / "models"


def installed() -> list[Stored]:
    """Return the models whose records can be read, by name."""
    root = models_dir()
    if not root.is_dir():
        return []
    found = (read_record(folder) for folder in sorted(root.iterdir()) if folder.is_dir())
    return [model for model in found if model]


def find(name: str) -> Stored | None:
    """Return the downloaded model of that name, or the one fetched from that reference."""
    reference = canonical(name)
    for model in installed():
        if name.lower() == model.name.lower() or reference == model.reference:
            return model
    return None


def read_record(folder: Path) -> Stored | None:
    """Return what the record in `folder` says; None where there is none that can be read."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        files = tuple(
            StoredFile(str(f["name"]), int(f["size_bytes"]), str(f["sha256"]))
            for f in record["files"]
        )
        if not files or any(Path(file.name).name != file.name for file in files):
            return None
        return Stored(folder.name, folder, str(record["reference"]), str(record["license"]), files)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(model: Stored) -> None:
    """Write the record of `model`; from then on it counts as there."""
    record = {
        "reference": model.reference,
        "license": model.license,
        "files": [asdict(file) for file in model.files],
    }
    write_atomically(model.folder / RECORD, json.dumps(record, indent=1) + "\n")


def remove(name: str) -> int:
    """Delete a downloaded model, or what an unfinished download left; return the bytes freed.

    Raises `ModelError` for anything that gptwrite did not download, and while it is downloaded.
    """
    folder = models_dir() / name
    if not NAME.fullmatch(name) or not folder.is_dir() or folder.is_symlink():
        model = find(name)
        if model is None:
            raise ModelError(
                say(f"gptwrite has not downloaded a model {name!r}.",
                    f"gptwrite 没有下载过模型“{name}”。"),
                say("It deletes only its own downloads; see `gptwrite models list`.",
                    "它只删除自己下载的模型；见 `gptwrite models list`。"),
            )  # fmt: skip
        folder = model.folder

    def refuse() -> NoReturn:
        raise ModelError(
            say(f"{folder.name} is being downloaded by another gptwrite.",
                f"另一个 gptwrite 正在下载 {folder.name}。"),
            say("Wait for it, or stop it first.", "请等它完成，或先停止它。"),
        )  # fmt: skip

    with lock(lock_path(folder.name), refuse):
        return _remove_files(folder)


def _remove_files(folder: Path) -> int:
    record = read_record(folder)
    own = {file.name for file in record.files} if record else set()
    freed = 0
    # The record goes first: a deletion that is interrupted leaves no model that seems whole.
    with contextlib.suppress(FileNotFoundError):
        (folder / RECORD).unlink()
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name in own or path.name.endswith((PART, STATE)):
            freed += path.stat().st_size
            path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
    return freed


def damage(model: Stored, on_bytes: Callable[[int], None] = lambda n: None) -> str:
    """Return what is wrong with the files of `model` on disk, or an empty string."""
    for file in model.files:
        path = model.folder / file.name
        if not path.exists():
            return say(f"{file.name} is missing", f"缺少 {file.name}")
        size = path.stat().st_size
        if size != file.size_bytes:
            return say(f"{file.name} has {size} bytes instead of {file.size_bytes}",
                       f"{file.name} 有 {size} 字节，应为 {file.size_bytes}")  # fmt: skip
        if hash_file(path, on_bytes).hexdigest() != file.sha256:
            return say(f"the SHA-256 of {file.name} is wrong", f"{file.name} 的 SHA-256 不符")
    return ""


def lock_path(name: str) -> Path:
    """Return the file whose lock whoever changes the folder of the model `name` must hold."""
    return models_dir() / ".locks" / name


@contextlib.contextmanager
def lock(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file `path`; calls `on_wait` once if another process holds it, and waits.

    An `on_wait` that raises does not wait. The system takes the lock from a process that dies,
    however it dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _try_lock(handle):
            on_wait()
            _wait_for_lock(handle)
        yield
    finally:
        os.close(handle)


if os.name == "nt":  # pragma: no cover

    def _try_lock(handle: int) -> bool:
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def _wait_for_lock(handle: int) -> None:
        import time

        while not _try_lock(handle):
            time.sleep(0.5)

else:

    def _try_lock(handle: int) -> bool:
        import fcntl

        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait_for_lock(handle: int) -> None:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)
