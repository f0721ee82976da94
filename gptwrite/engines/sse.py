"""Server-sent events: bytes off the wire, in any pieces, to events; deltas to whole characters.

Follows the event-stream format of the WHATWG HTML standard; ids and retry times mean nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gptwrite.engines.stream_text import Utf8Pieces
from gptwrite.errors import EngineError
from gptwrite.language import say

LONGEST_EVENT_BYTES = 8 * 2**20
FIRST_HIGH, LAST_HIGH = "\ud800", "\udbff"  # first halves of a pair
NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # surrogates that escape no byte


@dataclass(frozen=True)
class Event:
    """One event. In `data`, bytes that are no UTF-8 stand as surrogate escapes if `is_broken`."""

    data: str
    name: str = ""
    is_broken: bool = False


class EventStream:
    """Cuts a byte stream into events. Lines are decoded whole, so no cut can hurt a character."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._data: list[str] = []
        self._name = ""
        self._is_broken = False
        self._size = 0
        self._ends_with_return = False

    def push(self, piece: bytes) -> Iterator[Event]:
        """Yield the events that are whole after `piece`."""
        if self._ends_with_return and piece.startswith(b"\n"):
            piece = piece[1:]  # the second half of a line end that was cut in two
        if piece:
            self._ends_with_return = piece.endswith(b"\r")
        self._held += piece
        if b"\n" not in piece and b"\r" not in piece:
            self._check_size(len(self._held))
            return
        whole = bytes(self._held)
        lines = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._held = bytearray(lines.pop())
        for line in lines:
            if event := self._line(line):
                yield event
        self._check_size(len(self._held))

    def flush(self) -> Iterator[Event]:
        """Yield the event that the end of the stream completes, if any."""
        line, self._held = bytes(self._held), bytearray()
        for last in (line, b""):
            if event := self._line(last):
                yield event

    def _line(self, line: bytes) -> Event | None:
        if not line:
            event = Event("\n".join(self._data), self._name, self._is_broken)
            has_data, self._data = bool(self._data), []
            self._name, self._is_broken, self._size = "", False, 0
            return event if has_data else None
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._size += len(value)
            self._check_size(self._size)
            try:
                self._data.append(value.decode("utf-8"))
            except UnicodeDecodeError:
                self._is_broken = True
                self._data.append(value.decode("utf-8", "surrogateescape"))
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        return None

    def _check_size(self, size: int) -> None:
        if size > LONGEST_EVENT_BYTES:
            raise EngineError(
                say("The server sent an event without end.", "服务器发来的事件没有结尾。"),
                say("Check that the address is a language model's.", "请检查地址是否为语言模型。"),
            )


class WholeCharacters:
    """Joins characters that a server has cut in two between deltas, as bytes or as surrogates."""

    def __init__(self) -> None:
        self._bytes = Utf8Pieces()
        self._high = ""

    def push(self, text: str, is_broken: bool) -> str:
        """Return the characters that are whole after `text`; a lone half becomes U+FFFD."""
        if not is_broken and not self._high and text.isascii():
            return self._bytes.push(text.encode("ascii"))
        if is_broken:
            return self._bytes.push(NO_BYTE.sub("\ufffd", text).encode("utf-8", "surrogateescape"))
        text, self._high = self._high + text, ""
        if text and FIRST_HIGH <= text[-1] <= LAST_HIGH:
            text, self._high = text[:-1], text[-1]
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return self._bytes.push(joined.encode("utf-8"))

    def flush(self) -> str:
        """Return U+FFFD for a character that was never finished, else nothing."""
        left = self._bytes.flush() + ("\ufffd" if self._high else "")
        self._high = ""
        return left
