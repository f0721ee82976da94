"""Fetches one file over HTTP so that its final name never stands for anything but the right bytes.

Bytes go to `NAME.part`; `NAME.part.json` beside it says of which version they are the beginning.
A download that was stopped anywhere, by whatever, goes on where it stopped if the server still has
that version. The SHA-256 is checked before the file gets its name. Knows nothing of hubs.
"""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gptwrite import download_errors
from gptwrite.errors import ModelError
from gptwrite.files import hash_file, write_atomically
from gptwrite.language import say
from gptwrite.references import public_address
from gptwrite.store import PART, STATE

if TYPE_CHECKING:
    import httpx

OK, PARTIAL, FORBIDDEN, NO_SUCH_RANGE = 200, 206, 403, 416
SPARE_BYTES = 64 * 2**20  # left free on the disk
MAX_TRIES = 6  # attempts in a row that bring not one byte
LONGEST_WAIT_SECONDS = 120.0
CONNECT_SECONDS, READ_SECONDS = 30.0, 60.0
SHA256 = re.compile(r"[0-9a-f]{64}")
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch. `size_bytes` 0 and an empty `sha256` mean: not known beforehand.

    `page` is where a hub tells about the model.
    """

    name: str
    url: str
    size_bytes: int = 0
    sha256: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    page: str = ""

    @property
    def shown_url(self) -> str:
        """The address as it may be stored and shown: without secrets."""
        return public_address(self.url)


class Watcher(Protocol):
    """Is told how a download goes. Sizes are in bytes; a total of 0 is not known."""

    def begin(self, name: str, total_bytes: int, done_bytes: int) -> None: ...

    def advance(self, done_bytes: int) -> None: ...

    def note(self, text: str) -> None: ...


class _PassingError(Exception):
    """An attempt failed in a way that may pass. `after_seconds` is the server's wish."""

    def __init__(self, reason: str, after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


class _ChangedError(Exception):
    """What has been fetched does not belong to what the server has: begin again."""


def open_client() -> httpx.Client:
    """Return a client for downloads; the caller closes it. Proxies follow the environment."""
    import httpx

    from gptwrite import __version__

    timeout = httpx.Timeout(CONNECT_SECONDS, read=READ_SECONDS)
    headers = {"User-Agent": f"gptwrite/{__version__}", "Accept-Encoding": "identity"}
    return httpx.Client(follow_redirects=True, timeout=timeout, headers=headers)


def fetch(
    client: httpx.Client,
    remote: RemoteFile,
    target: Path,
    watcher: Watcher,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Make `target` the file `remote` and return its SHA-256 in hex.

    Raises `ModelError` when that is impossible; what has come so far stays for the next time. Two
    processes must not fetch one target at once: the caller holds a lock.
    """
    partial = _Partial(target, remote)
    failures = 0
    has_restarted = False
    while True:
        before = partial.size()
        try:
            return _attempt(client, remote, partial, watcher)
        except _PassingError as problem:
            failures = 1 if partial.size() > before else failures + 1
            wait = min(LONGEST_WAIT_SECONDS, 2.0 ** (failures - 1))
            if problem.after_seconds is not None:
                wait = problem.after_seconds
            if failures >= MAX_TRIES or wait > LONGEST_WAIT_SECONDS:
                raise download_errors.gave_up(remote.name, problem) from problem
            watcher.note(
                say(f"{problem}; trying again in {wait:.0f} s", f"{problem}；{wait:.0f} 秒后重试")
            )
            sleep(wait)
        except _ChangedError as problem:
            partial.discard()
            if has_restarted:
                raise ModelError(
                    say(f"{remote.name}: {problem}, twice.", f"{remote.name}：{problem}，两次如此。"),
                    say("The source is damaged or is just being changed: try later, or another "
                        "source.", "来源已损坏或正在更新：请稍后再试，或换一个来源。"),
                ) from problem  # fmt: skip
            has_restarted = True
            watcher.note(say(f"{problem}; beginning again", f"{problem}；重新开始"))
        except OSError as exc:
            raise download_errors.disk_error(
                exc, target, remote.size_bytes - partial.size()
            ) from exc


class _Partial:
    """The unfinished file beside its target, and what is known of the version it belongs to."""

    def __init__(self, target: Path, remote: RemoteFile) -> None:
        self.target = target
        self.path = target.with_name(target.name + PART)
        self._state_path = target.with_name(target.name + STATE)
        self._remote = remote

    def size(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return self.path.stat().st_size
        return 0

    def state(self) -> dict[str, Any]:
        """Return the version the part belongs to; empty where it is of no use."""
        try:
            state = json.loads(self._state_path.read_text(encoding="utf-8"))
            url, sha256, etag = str(state["url"]), str(state["sha256"]), str(state["etag"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        if self._remote.sha256:
            is_same = sha256 == self._remote.sha256
        else:
            is_same = url == self._remote.shown_url and bool(etag)
        return {"sha256": sha256, "etag": etag} if is_same else {}

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._state_path.unlink(missing_ok=True)

    def begin(self, sha256: str, etag: str) -> None:
        """Forget all bytes, then note the version of those to come; in this order."""
        self.discard()
        state = {"url": self._remote.shown_url, "sha256": sha256, "etag": etag}
        write_atomically(self._state_path, json.dumps(state))

    def finish(self) -> None:
        """Give the file its final name, all of it on the disk before."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self.target)
        self._state_path.unlink(missing_ok=True)


def _attempt(client: httpx.Client, remote: RemoteFile, partial: _Partial, watcher: Watcher) -> str:
    import httpx

    state = partial.state()
    offset = partial.size() if state else 0
    if remote.size_bytes and offset > remote.size_bytes:
        raise _ChangedError(say("the unfinished file is too long", "未完成的文件过长"))
    digest = [hash_file(partial.path) if offset else hashlib.sha256()]
    if not (remote.size_bytes and offset == remote.size_bytes):
        headers = dict(remote.headers)
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if state["etag"]:
                headers["If-Range"] = state["etag"]
        try:
            with client.stream("GET", remote.url, headers=headers) as response:
                _check_status(response, remote)
                known = remote.sha256 or state.get("sha256", "")
                expected = _receive(response, remote, partial, offset, known, digest, watcher)
        except httpx.UnsupportedProtocol as exc:
            raise download_errors.unusable_address(remote.shown_url, exc) from exc
        except httpx.TransportError as exc:
            raise _PassingError(_reason(exc)) from exc
        except (httpx.TooManyRedirects, httpx.InvalidURL, httpx.DecodingError) as exc:
            raise download_errors.unusable_address(remote.shown_url, exc) from exc
    else:
        expected = remote.sha256 or state["sha256"]
        watcher.begin(remote.name, remote.size_bytes, offset)
    found = digest[0].hexdigest()
    if expected and found != expected:
        raise _ChangedError(say("the SHA-256 is wrong", "SHA-256 不符"))
    check_content(partial.path, remote)
    if not expected and remote.name.lower().endswith(".gguf"):
        _check_whole(partial, remote)
    partial.finish()
    return str(found)


def _receive(
    response: httpx.Response,
    remote: RemoteFile,
    partial: _Partial,
    offset: int,
    known_sha256: str,
    digest: list[Any],
    watcher: Watcher,
) -> str:
    """Append the response to the part and return the SHA-256 it must have, if that is known."""
    linked_sha256, linked_size = _linked(response)
    expected = remote.sha256 or linked_sha256 or known_sha256
    etag = _strong_validator(response)
    if response.status_code == PARTIAL:
        start, total = _content_range(response)
        is_wrong = start != offset or (remote.size_bytes and total not in (0, remote.size_bytes))
        if is_wrong or expected != known_sha256:
            raise _ChangedError(
                say("the server sends another part of the file", "服务器发来的不是所需部分")
            )
        size = remote.size_bytes or total
    else:
        size = remote.size_bytes or linked_size
        length = int(response.headers.get("Content-Length") or 0)
        if size and length and length != size:
            raise _ChangedError(
                say(f"the server sends {length} bytes instead of {size}",
                    f"服务器发来 {length} 字节，应为 {size} 字节")
            )  # fmt: skip
        size = size or length
    if not remote.size_bytes:
        require_space(partial.target.parent, size - partial.size())
    if response.status_code != PARTIAL:
        offset = 0
        digest[0] = hashlib.sha256()
        partial.begin(expected, etag)
    watcher.begin(remote.name, size, offset)
    # Unbuffered: whatever has come is in the file, also when the process is killed.
    with partial.path.open("ab", buffering=0) as file:
        for piece in response.iter_raw():
            offset += len(piece)
            if size and offset > size:
                raise _ChangedError(say("the server sends too much", "服务器发来的数据过多"))
            _write_all(file, piece)
            digest[0].update(piece)
            watcher.advance(offset)
    if size and offset < size:
        raise _PassingError(say("the connection was cut", "连接中断"))
    return expected


def require_space(folder: Path, missing_bytes: int) -> None:
    """Raise `ModelError` when the disk of `folder` has no room for so many bytes more."""
    free = shutil.disk_usage(folder).free
    if missing_bytes > 0 and missing_bytes + SPARE_BYTES > free:
        raise download_errors.no_space(folder, missing_bytes + SPARE_BYTES, free)


def _write_all(file: Any, piece: bytes) -> None:
    """Write all of `piece`: an unbuffered file may take less at a time."""
    view = memoryview(piece)
    while view:
        view = view[file.write(view) :]


def _linked(response: httpx.Response) -> tuple[str, int]:
    """Return SHA-256 and size that the Hub states of a file it redirects to; empty, 0 if none."""
    for answer in (*response.history, response):
        etag = answer.headers.get("X-Linked-Etag", "").removeprefix("W/").strip('"').lower()
        size = answer.headers.get("X-Linked-Size", "")
        if SHA256.fullmatch(etag):
            return etag, int(size) if size.isdigit() else 0
    return "", 0


def _strong_validator(response: httpx.Response) -> str:
    """Return the ETag if it stands for the exact bytes, else an empty string."""
    etag: str = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else ""


def _content_range(response: httpx.Response) -> tuple[int, int]:
    match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not match:
        return -1, 0
    return int(match[1]), 0 if match[2] == "*" else int(match[2])


def _check_status(response: httpx.Response, remote: RemoteFile) -> None:
    status = response.status_code
    if status in (OK, PARTIAL):
        return
    if status == NO_SUCH_RANGE:
        raise _ChangedError(say("the file at the source is shorter now", "来源的文件变短了"))
    if status in (408, 425, 429) or status >= 500:
        raise _PassingError(
            say(f"the server answers {status}", f"服务器返回 {status}"),
            retry_after(response.headers),
        )
    if status == FORBIDDEN and response.history:
        # A signed address behind a redirect has run out: asking again gives a new one.
        raise _PassingError(say("the address has expired", "地址已过期"))
    if status in (401, 403):
        # The Hub tells everybody what a gated repository holds, and refuses the bytes.
        if remote.page and response.headers.get("X-Error-Code") == "GatedRepo":
            raise download_errors.gated(remote.name, remote.page)
        raise download_errors.refused(remote.name, status)
    if status in (404, 410):
        raise ModelError(
            say(f"There is no file {remote.name} at the source.", f"来源没有文件 {remote.name}。"),
            say("Check the name.", "请检查名称。"),
        )
    raise ModelError(
        say(
            f"{remote.name}: the server answers {status}.", f"{remote.name}：服务器返回 {status}。"
        ),
        say("Check the address.", "请检查地址。"),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for, given as a number or a date; None if none."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isdigit():
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, when - time.time())


def check_content(path: Path, remote: RemoteFile) -> None:
    """Raise `ModelError` for a file that is plainly not the model it is named after."""
    with path.open("rb") as file:
        begin = file.read(64)
    if begin.startswith(b"GGUF") or not remote.name.lower().endswith(".gguf"):
        return
    path.unlink()
    is_page = begin.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml"))
    is_pointer = begin.startswith(b"version https://git-lfs")
    what = ("a web page", "网页") if is_page else ("not a GGUF file", "非 GGUF 文件")
    what = ("a git-lfs pointer", "git-lfs 指针") if is_pointer else what
    raise ModelError(
        say(f"What {remote.shown_url} gives is {what[0]}.", f"{remote.shown_url} 给出的是{what[1]}。"),
        say("Name the file itself: the address usually contains /resolve/, not /blob/.",
            "请指明文件本身：地址通常含 /resolve/ 而不是 /blob/。"),
    )  # fmt: skip


def _check_whole(partial: _Partial, remote: RemoteFile) -> None:
    """Where no digest is known, a file must at least reach to its last tensor."""
    from gptwrite import gguf_file

    try:
        gguf_file.check_complete(gguf_file.read_header(partial.path))
    except ModelError as exc:
        partial.discard()
        raise ModelError(
            say(f"{remote.shown_url} gives a damaged model: {exc.message}",
                f"{remote.shown_url} 给出的模型已损坏：{exc.message}"),
            say("Try another source.", "请换一个来源。"),
        ) from exc  # fmt: skip


def _reason(exc: httpx.TransportError) -> str:
    import httpx

    if isinstance(exc, httpx.TimeoutException):
        return say("no answer in time", "等待超时")
    if isinstance(exc, httpx.ConnectError):
        return say(f"no connection ({exc})", f"无法连接（{exc}）")
    return say("the connection was cut", "连接中断")
