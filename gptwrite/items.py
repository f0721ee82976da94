"""What a batch works through: files, folders, globs and rows of JSON, one item at a time.

Nothing is read before it is asked for, so thousands of inputs take the memory of one. An item that
cannot be used is an item with an error: it is reported like any other result.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import queue
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, BinaryIO

from gptwrite.errors import GptwriteError, InputError, UsageError
from gptwrite.files import decode, read_text
from gptwrite.language import say

ROW_KEYS = ("id", "topic", "text", "variables", "lang", "meta")
ROW_FILES = (".jsonl", ".ndjson")
MAGIC = re.compile(r"[*?\[]")
UNSAFE_IN_NAMES = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
LARGEST_BYTES = 256 * 2**20
LONGEST_NAME_BYTES = 120
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Item:
    """One input. `id` is how results name it, `name` the relative path its own file would have.

    `path` is the file it was read from; `meta` is handed through to the result untouched. `error`
    says why the item cannot be used; `position` counts the items from 0.
    """

    id: str | int
    name: str
    position: int = 0
    topic: str = ""
    text: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    lang: str = ""
    meta: Any = None
    path: Path | None = None
    error: GptwriteError | None = None


def read_items(arguments: Sequence[str], pattern: str, leave_out: Path | None) -> Iterator[Item]:
    """Yield the items that the command line names; those of a folder in the order of their names.

    `pattern` chooses among the files of a folder; `leave_out` is a folder that is not entered.
    """
    root = common_root(arguments)
    seen: set[bytes] = set()
    for argument in arguments:
        try:
            for path in expand(argument, pattern, leave_out):
                mark = hashlib.blake2b(os.fsencode(path.absolute()), digest_size=12).digest()
                if mark in seen:
                    continue
                seen.add(mark)
                if path.suffix in ROW_FILES and path.is_file():
                    with path.open("rb") as file:
                        yield from rows(file, f"{shown(path)}:")
                else:
                    yield _file_item(path, root)
        except GptwriteError as error:
            yield Item(argument, safe_name(argument), error=error)
        except OSError as exc:
            yield Item(argument, safe_name(argument), error=_unreadable(argument, exc))


def expand(argument: str, pattern: str, leave_out: Path | None) -> Iterator[Path]:
    """Yield the files that one argument stands for; raise `InputError` where there are none."""
    path = Path(argument)
    if path.is_dir():
        found: Iterable[Path] = _walk(path, pattern, leave_out)
    elif MAGIC.search(argument) and not path.exists():
        names = sorted(glob.iglob(argument, recursive=True))  # noqa: PTH207 - a pattern from anywhere
        inside = leave_out.resolve() if leave_out else None
        found = (p for p in map(Path, names)
                 if p.is_file() and (inside is None or inside not in p.resolve().parents))  # fmt: skip
    else:
        yield path
        return
    empty = True
    for file in found:
        empty = False
        yield file
    if empty:
        raise InputError(
            say(f"{argument} matches no file.", f"{argument} 没有匹配的文件。"),
            say("Check the name, or --pattern.", "请检查名称或 --pattern。"),
        )


def _walk(folder: Path, pattern: str, leave_out: Path | None) -> Iterator[Path]:
    """Yield the regular files below `folder` that match; hidden ones are not looked at."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(
            name for name in folders
            if not name.startswith(".")
            and not (leave_out and leave_out.exists() and leave_out.samefile(Path(here, name)))
        )  # fmt: skip
        for name in sorted(files):
            path = Path(here, name)
            inside = path.relative_to(folder).as_posix()
            if name.startswith(".") or not (fnmatch(name, pattern) or fnmatch(inside, pattern)):
                continue
            if path.is_file():
                yield path


def numbered(items: Iterable[Item | None], unique: bool) -> Iterator[Item | None]:
    """Yield the items with their positions; with `unique`, an id that came before is an error."""
    seen: set[str | int] = set()
    position = 0
    for item in items:
        if item is None:
            yield None
            continue
        if unique and item.id in seen:
            error = UsageError(
                say(f"The id {item.id!r} came before.", f"id “{item.id}”重复。"),
                say("Give every row an id of its own.", "请让每行的 id 各不相同。"),
            )
            name = f"{item.id}#{position + 1}"
            yield Item(name, item.name, position, meta=item.meta, error=error)
        else:
            if unique:
                seen.add(item.id)
            yield replace(item, position=position)
        position += 1


def common_root(arguments: Sequence[str]) -> Path:
    """Return the deepest folder that holds everything the arguments name.

    Results keep their paths from there on, so `a/x.txt` and `b/x.txt` stay apart.
    """
    folders = []
    for argument in arguments:
        path = Path(argument)
        if MAGIC.search(argument) and not path.exists():
            parts = path.parts
            plain = next(i for i, part in enumerate(parts) if MAGIC.search(part))
            path = Path(*parts[:plain])
        elif not path.is_dir():
            path = path.parent
        folders.append(absolute(path))
    try:
        return Path(os.path.commonpath(folders)) if folders else Path()
    except ValueError:  # drives of Windows have nothing in common
        return Path()


def absolute(path: Path) -> Path:
    """Return the path from the root on, without `..`; links are not followed."""
    return Path(os.path.normpath(path.absolute()))


def _file_item(path: Path, root: Path) -> Item:
    label = shown(path)
    try:
        name = absolute(path).relative_to(root).as_posix()
    except ValueError:
        name = path.name
    try:
        if path.is_file() and path.stat().st_size > LARGEST_BYTES:
            raise InputError(
                say(f"{label} is larger than {LARGEST_BYTES >> 20} MiB.",
                    f"{label} 超过 {LARGEST_BYTES >> 20} MiB。"),
                say("Split it.", "请先拆分。"),
            )  # fmt: skip
        return Item(label, name, text=read_text(path), path=path)
    except GptwriteError as error:
        return Item(label, name, path=path, error=error)


def shown(path: Path | str) -> str:
    """Return the path as text, also where its name is not valid UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def _unreadable(name: str, exc: OSError) -> InputError:
    return InputError(
        say(f"Cannot read {name}: {exc.strerror}.", f"无法读取 {name}：{exc.strerror}。"),
        say("Check the name and the permissions.", "请检查文件名和权限。"),
    )


def rows(lines: Iterable[bytes], prefix: str) -> Iterator[Item]:
    """Yield an item for each line of JSON that is not blank; `prefix` begins the made-up ids."""
    for number, line in enumerate(lines, 1):
        if line.strip(b" \t\r\n\xef\xbb\xbf"):
            yield row_item(line, f"{prefix}{number}")


def row_item(line: bytes, label: str) -> Item:
    """Return the item in a line of JSON: an object, or a string that is the input itself."""
    try:
        row = json.loads(decode(line, label))
        if isinstance(row, str):
            row = {"text": row}
        _check_row(row, label)
    except GptwriteError as error:
        return Item(label, safe_name(label) + ".txt", error=error)
    except (ValueError, RecursionError) as exc:
        reason = exc.msg if isinstance(exc, json.JSONDecodeError) else type(exc).__name__
        wrong = _bad_row(label, f"is not JSON: {reason}", f"不是有效的 JSON：{reason}")
        return Item(label, safe_name(label) + ".txt", error=wrong)
    name = safe_name(str(row.get("id", label)))
    return Item(
        id=row.get("id", label),
        name=name if Path(name).suffix else name + ".txt",
        topic=row.get("topic") or "",
        text=row.get("text") or "",
        variables=row.get("variables") or {},
        lang=row.get("lang") or "",
        meta=row.get("meta"),
    )


def _check_row(row: Any, label: str) -> None:
    if not isinstance(row, dict):
        raise _bad_row(label, "is neither an object nor a string", "既不是对象也不是字符串")
    for key in row:
        if key not in ROW_KEYS:
            known = ", ".join(ROW_KEYS)
            raise _bad_row(
                label, f"has the unknown key {key!r}; known: {known}",
                f"有未知的键“{key}”；可用：{known}",
            )  # fmt: skip
    for key in ("topic", "text", "lang"):
        if not isinstance(row.get(key) or "", str):
            raise _bad_row(label, f"{key!r} is not a text", f"“{key}”不是文字")
    name = row.get("id", "")
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise _bad_row(label, "'id' is neither text nor a whole number", "“id”不是文字或整数")
    variables = row.get("variables") or {}
    if not isinstance(variables, dict) or not all(
        isinstance(value, str | int | float) for value in variables.values()
    ):
        raise _bad_row(label, "'variables' must map names to texts, numbers or true/false",
                       "“variables”的值应为文字、数字或 true/false")  # fmt: skip


def _bad_row(label: str, en: str, zh: str) -> InputError:
    return InputError(
        f"{label}: {say(en, zh)}",
        say('A row looks like {"id": 1, "topic": "…", "text": "…"}.',
            '每行形如 {"id": 1, "topic": "…", "text": "…"}。'),
    )  # fmt: skip


def safe_name(text: str) -> str:
    """Return `text` as a relative path that stays where it is put and every system can hold."""
    parts = []
    for part in UNSAFE_IN_NAMES.sub("_", text.encode("utf-8", "replace").decode()).split("/"):
        if part.strip(" ."):
            parts.append(_shortened(part.strip()))
    return "/".join(parts) or "item"


def _shortened(name: str) -> str:
    data = name.encode("utf-8")
    if len(data) <= LONGEST_NAME_BYTES:
        return name
    mark = hashlib.sha256(data).hexdigest()[:12]
    return data[: LONGEST_NAME_BYTES - 13].decode("utf-8", "ignore") + "-" + mark


def count_files(arguments: Sequence[str], pattern: str, leave_out: Path | None) -> int | None:
    """Return how many items there will be; None where only reading everything would tell."""
    total = 0
    for argument in arguments:
        try:
            for path in expand(argument, pattern, leave_out):
                if path.suffix in ROW_FILES:
                    return None
                total += 1
        except (GptwriteError, OSError):
            total += 1
    return total


def arriving_rows(stdin: BinaryIO, ahead: int) -> Iterator[Item | None]:
    """Yield the items on a stream as its lines come in, and None whenever none is there yet.

    A thread reads at most `ahead` lines in advance. So a slow writer does not hold up the texts
    under way, and somebody who waits for an answer before sending the next row gets it.
    """
    arrived: queue.Queue[bytes | OSError | None] = queue.Queue(maxsize=ahead)

    def read() -> None:
        try:
            for line in stdin:
                arrived.put(line)
        except OSError as exc:
            arrived.put(exc)
        arrived.put(None)

    threading.Thread(target=read, daemon=True).start()
    number = 0
    while True:
        try:
            line = arrived.get(timeout=POLL_SECONDS)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        if isinstance(line, OSError):
            yield Item("stdin", "stdin", error=_unreadable("stdin", line))
            return
        number += 1
        if line.strip(b" \t\r\n\xef\xbb\xbf"):
            yield row_item(line, f"line-{number}")


def need_inputs() -> UsageError:
    """Return the error for a batch without anything to do."""
    return UsageError(
        say("There is nothing to do: no input.", "没有输入，无事可做。"),
        say("Name files, folders or globs, or pipe rows of JSON in.",
            "请给出文件、目录或通配符，或用管道输入 JSON 行。"),
    )  # fmt: skip
