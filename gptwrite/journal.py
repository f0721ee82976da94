"""Where the results of a batch go so that a killed run can be continued.

A result is there whole or not at all: a file appears under its name when it is complete, a row of
JSON counts when its line is. Knows results as plain rows; knows no engine and no terminal.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol, TextIO

from gptwrite.errors import GptwriteError, UsageError
from gptwrite.items import Item, shown
from gptwrite.language import say
from gptwrite.settings import cache_dir
from gptwrite.store import lock

RECORD = ".gptwrite-batch.jsonl"
PART = ".gptwrite-batch.part"
Row = Mapping[str, Any]
# These will meet every item that follows, so there is no use in going on.
FATAL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class Results(Protocol):
    """Takes finished items. `is_ordered` asks for them in the order of the inputs."""

    is_ordered: bool

    def is_done(self, item: Item, key: str) -> bool:
        """Say whether an earlier run has finished the item with this `key`."""
        ...

    def put(self, item: Item, key: str, row: Row) -> None:
        """Keep a finished item. `row` has its "text", or its "error"."""
        ...

    def close(self) -> None:
        """Put in order what there is; further calls do nothing."""
        ...


class Stream:
    """Rows of JSON on standard output, in order. Remembers nothing."""

    is_ordered = True

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def is_done(self, item: Item, key: str) -> bool:
        return False

    def put(self, item: Item, key: str, row: Row) -> None:
        self._out.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._out.flush()

    def close(self) -> None:
        pass


class Journal:
    """A file of JSON rows that is only appended to, by one process at a time.

    Opening it cuts off a last line that a killed run left torn. Raises `UsageError` for a file that
    is something else, before anything in it is changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held = ExitStack()
        self._handle = -1
        mark = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:24]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._held.enter_context(
                lock(cache_dir() / "locks" / f"{mark}.lock", lambda: _refuse(path))
            )
            whole = self._check()
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._handle = os.open(path, flags, 0o666)
            if whole is not None:
                os.ftruncate(self._handle, whole)
        except OSError as exc:
            self.close()
            raise cannot_write(path, exc) from exc
        except BaseException:
            self.close()
            raise

    def rows(self) -> Iterator[tuple[int, int, Row]]:
        """Yield (offset in bytes, size in bytes, row) of every whole line."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            offset = 0
            for number, line in enumerate(file, 1):
                row = _parse(line)
                if row is None:
                    if not line.endswith(b"\n") and (number > 1 or b'{"id":'.startswith(line[:6])):
                        return
                    raise _not_ours(self.path, number)
                yield offset, len(line), row
                offset += len(line)

    def _check(self) -> int | None:
        """Return where the last whole line ends if something follows it."""
        end = 0
        for offset, size, _row in self.rows():
            end = offset + size
        size = self.path.stat().st_size if self.path.exists() else 0
        return end if end < size else None

    def append(self, row: Row) -> None:
        """Add a row; once this returns, no death of the process can undo it."""
        data = (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        try:
            while data:
                data = data[os.write(self._handle, data) :]
        except OSError as exc:
            raise cannot_write(self.path, exc) from exc

    def rewrite(self, ranges: list[tuple[int, int]]) -> None:
        """Keep only the lines at these (offset, size), in this order; atomic, and in flat memory.

        Nothing can be appended afterwards.
        """
        temporary = ""
        try:
            handle, temporary = tempfile.mkstemp(
                prefix=f".{self.path.name[:40]}.", dir=self.path.parent
            )
            with os.fdopen(handle, "wb") as target, self.path.open("rb") as source:
                for offset, size in ranges:
                    source.seek(offset)
                    target.write(source.read(size))
                target.flush()
                os.fsync(target.fileno())
            os.chmod(temporary, self.path.stat().st_mode & 0o777)
            os.replace(temporary, self.path)
        except OSError as exc:
            with suppress(OSError):
                os.unlink(temporary)
            raise cannot_write(self.path, exc) from exc

    def close(self) -> None:
        """Let go of the file; further calls do nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        self._held.close()


def _parse(line: bytes) -> Row | None:
    """Return the row in a whole line that a batch has written, else None."""
    try:
        row = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    is_ours = isinstance(row, dict) and isinstance(row.get("id"), str | int) and "key" in row
    return row if is_ours else None


class RowFile:
    """Rows of JSON in a file: appended as items finish, put in order at the end."""

    is_ordered = False

    def __init__(self, path: Path, afresh: bool) -> None:
        self._journal = Journal(path)
        self._done: dict[str | int, str] = {}
        self._position: dict[str | int, int] = {}
        self._is_tidy = True
        self._last = -1
        for _offset, _size, row in self._journal.rows():
            self._is_tidy = False
            if "error" in row or afresh:
                self._done.pop(row["id"], None)
            else:
                self._done[row["id"]] = row["key"]

    def is_done(self, item: Item, key: str) -> bool:
        self._position[item.id] = item.position
        return self._done.get(item.id) == key

    def put(self, item: Item, key: str, row: Row) -> None:
        self._position[item.id] = item.position
        self._is_tidy = self._is_tidy and item.position > self._last
        self._last = item.position
        self._journal.append({**row, "key": key})

    def close(self) -> None:
        """Leave one row an item, the newest, in the order of the inputs; earlier ones come first."""
        if self._last >= 0 and not self._is_tidy:
            newest: dict[str | int, tuple[int, int]] = {}
            for offset, size, row in self._journal.rows():
                newest[row["id"]] = (offset, size)
            order = sorted(newest, key=lambda name: self._position.get(name, -1))
            self._journal.rewrite([newest[name] for name in order])
        self._last = -1
        self._journal.close()


class Folder:
    """A file for each item, under the item's own relative path, each written atomically.

    A hidden record says with what `key` each was written, so that a changed input or option is
    noticed. A file that the record does not know is taken as finished, and never written over.
    """

    is_ordered = False

    def __init__(self, folder: Path, suffix: str, afresh: bool) -> None:
        self._folder = folder
        self._suffix = suffix
        self._afresh = afresh
        self._names: dict[str | int, str] = {}
        self._taken: set[str] = set()
        self._record = Journal(folder / RECORD)
        self._keys = {row["id"]: row["key"] for _offset, _size, row in self._record.rows()}

    def is_done(self, item: Item, key: str) -> bool:
        name = self._name_for(item)
        path = self._folder / name
        if item.path and path.exists() and path.samefile(item.path):
            raise UsageError(
                say(f"{item.id} would be written over.", f"{item.id} 会被覆盖。"),
                say("Choose another --out, or give a --suffix.", "请换个 --out，或给出 --suffix。"),
            )
        self._taken.add(name)
        if path.exists() and not self._afresh and self._keys.get(shown(name), key) == key:
            return True
        self._names[item.id] = name
        return False

    def _name_for(self, item: Item) -> str:
        """Return the item's file name; the whole old name stays where two would be alike."""
        path = Path(item.name)
        short = path.with_name(path.stem + self._suffix) if self._suffix else path
        for name in (short.as_posix(), item.name + (self._suffix or ".txt")):
            if name not in self._taken and name not in (RECORD, PART):
                return name
        raise UsageError(
            say(f"{item.id}: another item is written to {short} already.",
                f"{item.id}：{short} 已用于另一项。"),
            say("Give every row an id of its own.", "请让每行的 id 各不相同。"),
        )  # fmt: skip

    def put(self, item: Item, key: str, row: Row) -> None:
        name = self._names.pop(item.id, "")
        if "error" in row:
            return
        path = self._folder / name
        # One place for the unfinished file: whatever a kill leaves there, the next run takes over.
        part = self._folder / PART
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write((row["text"].rstrip("\n") + "\n").encode("utf-8", "replace"))
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except OSError as exc:
            raise cannot_write(path, exc) from exc
        self._record.append({"id": shown(name), "key": key})

    def close(self) -> None:
        with suppress(OSError):
            (self._folder / PART).unlink(missing_ok=True)
        self._record.close()


def open_results(out: str, suffix: str, afresh: bool, stdout: TextIO) -> Results:
    """Return what `out` names: standard output (empty or `-`), a file of rows, or a folder."""
    if out in ("", "-"):
        return Stream(stdout)
    path = Path(out).expanduser()
    if path.suffix in (".jsonl", ".ndjson") and not path.is_dir():
        return RowFile(path, afresh)
    if path.exists() and not path.is_dir():
        raise UsageError(
            say(f"{path} is not a folder.", f"{path} 不是目录。"),
            say("Name a folder, or a file that ends in .jsonl.", "请给出目录，或 .jsonl 文件。"),
        )
    return Folder(path, suffix, afresh)


def cannot_write(path: Path, exc: OSError) -> GptwriteError:
    """Return the error for a result that could not be kept."""
    return GptwriteError(
        say(f"Cannot write {path}: {exc.strerror}.", f"无法写入 {path}：{exc.strerror}。"),
        say("Choose another place, or free some space.", "请换个位置，或腾出空间。"),
    )


def is_fatal(error: GptwriteError) -> bool:
    """Say whether a failed write will fail for every other item too, as on a full disk."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in FATAL


def _refuse(path: Path) -> None:
    raise UsageError(
        say(f"Another run is writing to {path}.", f"另一个进程正在写入 {path}。"),
        say("Wait for it, or choose another --out.", "请等它结束，或换个 --out。"),
    )


def _not_ours(path: Path, line: int) -> UsageError:
    return UsageError(
        say(f"{path}:{line}: this is no result of `gptwrite batch`.",
            f"{path}:{line}：这不是 `gptwrite batch` 的结果。"),
        say("Choose another --out.", "请换个 --out。"),
    )  # fmt: skip
