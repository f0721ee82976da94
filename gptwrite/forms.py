"""What a text must look like: forms of verse and lists of labels, as tests of beginnings.

A form says of any beginning whether it can still become a whole text of its kind; an engine that
asks before each token can write nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gptwrite import prosody
from gptwrite.engines.base import Form


@dataclass(frozen=True)
class Verse:
    """Classical verse: `lines` lines of `width` characters, two to a couplet.

    Written as couplets "前句，后句。" one below the other. No character comes more than
    `most_repeats` times, and no line twice. It rhymes; and who writes it character by character is
    held to its tones too. A whole poem is not refused for its tones: good poets broke them.
    """

    width: int
    lines: int
    most_repeats: int = 3

    def accepts(self, prefix: str) -> bool:
        """Return whether `prefix` is right so far.

        That is enough to be completed: no rhyme asks for more than its line's last character.
        """
        return self._measures(prefix) and prosody.obeys(_lines(prefix), self.width)

    def is_complete(self, text: str) -> bool:
        ends = [line[-1] for line in _lines(text)]
        is_whole = len(text) == len(self._skeleton())
        return is_whole and self._measures(text) and prosody.rhymes(ends)

    def _measures(self, prefix: str) -> bool:
        """Return whether characters and marks stand where they should, and what repeats may."""
        expected = self._skeleton()
        if len(prefix) > len(expected):
            return False
        for actual, want in zip(prefix, expected, strict=False):
            if want == "字":
                if not "\u4e00" <= actual <= "\u9fff":
                    return False
            elif actual != want:
                return False
        characters = [c for c, want in zip(prefix, expected, strict=False) if want == "字"]
        if any(characters.count(c) > self.most_repeats for c in set(characters)):
            return False
        whole = [line for line in _lines(prefix) if len(line) == self.width]
        return len(whole) == len(set(whole))

    def _skeleton(self) -> str:
        couplet = "字" * self.width + "，" + "字" * self.width + "。"
        return "\n".join([couplet] * (self.lines // 2))


def _lines(text: str) -> list[str]:
    return [line for line in text.replace("，", "\n").replace("。", "\n").split("\n") if line]


@dataclass(frozen=True)
class Labels:
    """One of a few fixed texts, for choosing among them."""

    labels: tuple[str, ...]

    def accepts(self, prefix: str) -> bool:
        return any(label.startswith(prefix) for label in self.labels)

    def is_complete(self, text: str) -> bool:
        return text in self.labels and not any(
            label != text and label.startswith(text) for label in self.labels
        )


def labels(values: Sequence[str]) -> Labels:
    """Return the form of one of `values`."""
    return Labels(tuple(values))


VERSE = {"五绝": Verse(5, 4), "七绝": Verse(7, 4), "五律": Verse(5, 8), "七律": Verse(7, 8)}


def named(name: str) -> Form | None:
    """Return the form of that name, or None for an empty name or a free form."""
    return VERSE.get(name.strip())
