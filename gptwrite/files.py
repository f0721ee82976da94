"""Reading the user's texts, hashing files, and writing them so that no half is ever seen."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from gptwrite.errors import GptwriteError, InputError
from gptwrite.language import say

PIECE_BYTES = 1 << 20  # of a large file, read at a time
BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def decode(data: bytes, name: str) -> str:
    """Return the text in `data`: UTF-8, UTF-16 or GB18030; raise `InputError` for anything else.

    UTF-16 without a byte order mark is recognised by where its zero bytes fall.
    """
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return _strict(data, encoding, name)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        cut = exc.reason == "unexpected end of data"
        at = exc.start
    else:
        if "\0" not in text:
            return text
        at, cut = text.index("\0"), False
    zeros_even, zeros_odd = data[:4000:2].count(0), data[1:4000:2].count(0)
    half = max(1, len(data[:4000]) // 2)
    if zeros_odd > half // 4 and zeros_even < half // 10 and _is_printable(data, "utf-16-le"):
        return _strict(data, "utf-16-le", name)
    if zeros_even > half // 4 and zeros_odd < half // 10 and _is_printable(data, "utf-16-be"):
        return _strict(data, "utf-16-be", name)
    if b"\0" in data:
        raise InputError(
            say(f"{name} is binary, not text.", f"{name} 是二进制文件，不是文本。"),
            say("Convert it first, e.g. with pdftotext.", "请先转换成文本，例如用 pdftotext。"),
        )
    if not cut:
        for encoding in ("gb18030", "utf-16-le", "utf-16-be"):
            with contextlib.suppress(UnicodeDecodeError):
                guess = data.decode(encoding)
                if _looks_chinese(guess):
                    return guess
    raise InputError(
        say(
            f"{name} is not valid UTF-8: byte {at} is {data[at]:#04x}.",
            f"{name} 不是有效的 UTF-8：第 {at} 字节为 {data[at]:#04x}。",
        ),
        say("Convert it to UTF-8, e.g. with iconv.", "请先转成 UTF-8，例如用 iconv。"),
    )


def _strict(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as exc:
        raise InputError(
            say(
                f"{name} looks like {encoding} but is damaged at byte {exc.start}.",
                f"{name} 像是 {encoding} 编码，但第 {exc.start} 字节有损坏。",
            ),
            say("Convert it to UTF-8, e.g. with iconv.", "请先转成 UTF-8，例如用 iconv。"),
        ) from exc


def _is_printable(data: bytes, encoding: str) -> bool:
    sample = data[:4000].decode(encoding, "replace")
    return all(c.isprintable() or c in "\n\r\t\f\ufeff" for c in sample)


def _looks_chinese(text: str) -> bool:
    """Almost any bytes decode as GB18030; real Chinese is mostly common characters."""
    beyond_ascii = [c for c in text[:4000] if ord(c) > 127]
    common = sum(
        "\u4e00" <= c <= "\u9fff" or c in "，。、；：？！“”‘’（）《》—…　" for c in beyond_ascii
    )
    return bool(beyond_ascii) and common >= 0.9 * len(beyond_ascii)


def read_text(path: Path) -> str:
    """Return the text of the file at `path`, decoded like standard input."""
    try:
        data = path.read_bytes()
    except IsADirectoryError as exc:
        raise InputError(
            say(f"{path} is a directory.", f"{path} 是目录。"),
            say("Name the files in it.", "请指明其中的文件。"),
        ) from exc
    except OSError as exc:
        raise InputError(
            say(f"Cannot read {path}: {exc.strerror}.", f"无法读取 {path}：{exc.strerror}。"),
            say("Check the name and the permissions.", "请检查文件名和权限。"),
        ) from exc
    return decode(data, str(path))


def hash_file(path: Path, on_bytes: Callable[[int], None] = lambda n: None) -> hashlib._Hash:
    """Return the SHA-256 of the file, which can take in more; `on_bytes` is told of every piece."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            on_bytes(len(piece))
    return digest


def write_atomically(path: Path, content: str | bytes, mode: int | None = None) -> None:
    """Write `content` to `path` whole or not at all; raise `GptwriteError` when it cannot be.

    `mode` None keeps the permissions of a file that is there, or follows the umask.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = ""
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            # A pipe or a device, such as /dev/stdout or /dev/full, has no half-written state.
            with target.open("wb") as device:
                device.write(data)
            return
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode_for(target) if mode is None else mode)
        os.replace(temporary, target)
    except OSError as exc:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise GptwriteError(
            say(f"Cannot write {path}: {exc.strerror}.", f"无法写入 {path}：{exc.strerror}。"),
            say("Choose another place, or free some space.", "请换个位置，或腾出空间。"),
        ) from exc


def mode_for(target: Path) -> int:
    """Return the permissions of a file that is there, else those the umask gives a new one."""
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
