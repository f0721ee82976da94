"""Leaves out what a text has said before: a small model likes to begin again.

Works on sentences, list items and headings as they stream by. A sentence is held back only for as
long as it may still become an earlier one; a heading until something stands below it. When nothing
new comes for a while, the text ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gptwrite.engines.base import Token

ENDS = "。！？"
LOOP = 3  # repeated sentences in a row after which the text ends


class Fresh:
    """Takes a text character by character; gives back what is new in it."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._unit = ""  # the current sentence, or heading
        self._held = ""  # the end of it that is not shown yet
        self._heading = ""  # waits for something to stand below it
        self._lines = 0  # line breaks that wait for something to come
        self._has_begun = False
        self.repeats = 0  # repeated sentences in a row

    def push(self, character: str) -> str:
        """Return what is to be shown now."""
        if character == "\n":
            shown = self._end_unit()
            self._lines = min(2, self._lines + 1)
            return shown
        self._unit += character
        self._held += character
        if self._unit.startswith("#") or any(old.startswith(self._unit) for old in self._seen):
            return self._end_unit() if character in ENDS and self._unit in self._seen else ""
        shown = self._release()
        if character in ENDS:
            self._end_unit()
        return shown

    def finish(self) -> str:
        """Return what was held back and is new after all."""
        return "" if self._unit.startswith("#") else self._end_unit()

    def _end_unit(self) -> str:
        unit, shown = self._unit, ""
        if unit.startswith("#"):
            if unit not in self._seen:
                is_below_title = self._heading.startswith("# ")
                self._heading = f"{self._heading}\n\n{unit}" if is_below_title else unit
        elif unit and unit in self._seen:
            self.repeats += 1
        elif unit:
            shown = self._release()
        self._seen |= {unit} - {""}
        self._unit = self._held = ""
        return shown

    def _release(self) -> str:
        if not self._held:
            return ""
        breaks = "\n" * self._lines if self._has_begun else ""
        if self._heading:
            breaks = ("\n\n" if self._has_begun else "") + self._heading + "\n\n"
        shown = breaks + self._held
        self._heading, self._lines, self._held = "", 0, ""
        self._has_begun, self.repeats = True, 0
        return shown


def without_repeats(tokens: Iterator[Token]) -> Iterator[Token]:
    """Yield the tokens without what they repeat; end the text when it goes round in circles."""
    fresh = Fresh()
    for token in tokens:
        if token.is_thinking:
            yield token
            continue
        shown, is_loop = "", False
        for character in token.text:
            shown += fresh.push(character)
            if is_loop := fresh.repeats >= LOOP:
                break
        if token.finish or is_loop:
            shown += "" if is_loop else fresh.finish()
            yield replace(token, text=shown, finish=token.finish or "stop")
            return
        yield replace(token, text=shown)
