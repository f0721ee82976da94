"""From token bytes to clean text: whole characters, stop sequences, reasoning set aside.

Three small machines, each fed piece by piece. Concatenated output equals the decoded whole.
"""

from __future__ import annotations

import codecs


class Utf8Pieces:
    """Joins bytes into whole characters; an invalid byte becomes U+FFFD, never an error."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, piece: bytes) -> str:
        """Return the characters that are whole after `piece`."""
        return self._decoder.decode(piece)

    def flush(self) -> str:
        """Return U+FFFD for a character that was never finished, else nothing."""
        return self._decoder.decode(b"", final=True)


def longest_partial(text: str, targets: tuple[str, ...]) -> int:
    """Return the length of the longest end of `text` that begins one of `targets`."""
    longest = 0
    for target in targets:
        for size in range(min(len(target) - 1, len(text)), longest, -1):
            if target.startswith(text[-size:]):
                longest = size
                break
    return longest


class StopSequences:
    """Withholds text that may be the start of a stop sequence until it is decided."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.found = False

    def push(self, text: str) -> str:
        """Return the text that is safe to show; sets `found` when a stop sequence is whole."""
        if not self._stops:
            return text
        if self.found:
            return ""
        self._held += text
        places = [(at, stop) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if places:
            self.found = True
            shown, self._held = self._held[: min(places)[0]], ""
            return shown
        keep = longest_partial(self._held, self._stops)
        shown, self._held = (
            self._held[: len(self._held) - keep],
            self._held[len(self._held) - keep :],
        )
        return shown

    def flush(self) -> str:
        """Return what was withheld and turned out to be no stop sequence."""
        shown, self._held = self._held, ""
        return shown


OPEN, CLOSE = "<think>", "</think>"


class Reasoning:
    """Separates reasoning between <think> tags at the start of an answer from the answer.

    Only the very beginning counts: an article about the tag keeps it. `is_open` starts True when
    the chat template itself opened the tag.
    """

    def __init__(self, is_open: bool = False) -> None:
        self._state = "thinking" if is_open else "start"
        self._held = ""

    def push(self, text: str) -> tuple[str, str]:
        """Return (answer, thinking) that are decided after `text`."""
        if self._state == "answer":
            return text, ""
        self._held += text
        if self._state == "start":
            begin = self._held.lstrip()
            if begin.startswith(OPEN):
                self._state, self._held = "thinking", begin[len(OPEN) :]
            elif OPEN.startswith(begin):
                return "", ""
            else:
                return self._release()
        if self._state == "after":
            return self._skip_space("")
        at = self._held.find(CLOSE)
        if at >= 0:
            thinking, rest = self._held[:at], self._held[at + len(CLOSE) :]
            self._state, self._held = "after", rest
            return self._skip_space(thinking)
        keep = longest_partial(self._held, (CLOSE,))
        cut = len(self._held) - keep
        thinking, self._held = self._held[:cut], self._held[cut:]
        return "", thinking

    def flush(self) -> tuple[str, str]:
        """Return what is left as (answer, thinking) at the end of the stream."""
        left, self._held = self._held, ""
        return ("", left) if self._state == "thinking" else (left, "")

    def _release(self) -> tuple[str, str]:
        answer, self._held, self._state = self._held, "", "answer"
        return answer, ""

    def _skip_space(self, thinking: str) -> tuple[str, str]:
        self._held = self._held.lstrip()
        if not self._held:
            return "", thinking
        return self._release()[0], thinking
