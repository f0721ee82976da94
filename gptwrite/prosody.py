"""Rhyme and tone of Chinese characters, by the old book of rhymes and by the new one.

平水韵 is what the poets of the Tang are measured by, 中华新韵 goes by today's pronunciation; a poem
keeps to one of them throughout. A character with several readings serves by any of them, and one
that neither book lists, as rare and traditional characters are, cannot be judged and serves always.
Knows lines of verse, and nothing of how many a form has or how they are written down.
"""

from __future__ import annotations

import functools
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RHYMES = Path(__file__).parent / "builtin" / "rhymes.tsv.gz"
LEVEL, OBLIQUE = "平", "仄"
NO_GROUP = ""  # of what is oblique, and of what is level and rhymes on nothing


@dataclass(frozen=True)
class Book:
    """A book of rhymes: the groups of level tone by character, and what can be of oblique tone.

    All books list the same characters; one that has no group in a book rhymes on nothing there.
    """

    groups: Mapping[str, frozenset[str]]
    oblique: frozenset[str]

    def lists(self, character: str) -> bool:
        return character in self.groups or character in self.oblique

    def can_be(self, tone: str, character: str) -> bool:
        """Return whether a reading of `character` has the tone; any has, if it is not listed."""
        held = self.groups if tone == LEVEL else self.oblique
        return character in held or not self.lists(character)

    def share_group(self, characters: Sequence[str]) -> bool:
        """Return whether those of the characters that are listed can all rhyme with each other."""
        groups = [self.groups.get(c, frozenset()) for c in characters if self.lists(c)]
        return not groups or bool(frozenset.intersection(*groups))


@functools.cache
def books() -> tuple[Book, ...]:
    """Return the books that the package holds; they are read once, for the first poem."""
    groups: dict[str, dict[str, set[str]]] = {}
    oblique: dict[str, frozenset[str]] = {}
    with gzip.open(RHYMES, "rt", encoding="utf-8") as rows:
        for row in rows:
            book, tone, group, characters = row.rstrip("\n").split("\t")
            if tone == OBLIQUE:
                oblique[book] = frozenset(characters)
                continue
            for character in characters:
                found = groups.setdefault(book, {}).setdefault(character, set())
                found |= {group} - {NO_GROUP}
    return tuple(
        Book({c: frozenset(found) for c, found in held.items()}, oblique[book])
        for book, held in groups.items()
    )


def rhymes(ends: Sequence[str]) -> bool:
    """Return whether lines of one poem may end in these characters, first line first.

    Those of the second, fourth and so on share a group of level tone; the first line joins them or
    ends in an oblique tone, as the other lines do. No rhyme comes twice.
    """
    return any(_rhymes_by(book, ends) for book in books())


def obeys(lines: Sequence[str], width: int) -> bool:
    """Return whether lines of `width`, the last perhaps only begun, keep rhyme and tones by a book.

    The tones of a line's second, fourth and sixth characters alternate. The second characters of a
    couplet's lines are opposite (对), those of the two lines where couplets meet are alike (粘).
    """
    ends = [line[-1] for line in lines if len(line) == width]
    return any(_rhymes_by(book, ends) and _keeps_tones_by(book, lines) for book in books())


def _rhymes_by(book: Book, ends: Sequence[str]) -> bool:
    first, rhyming, others = ends[:1], ends[1::2], ends[2::2]
    if len({*first, *rhyming}) < len(first) + len(rhyming):
        return False
    if not all(book.can_be(OBLIQUE, end) for end in others):
        return False
    if all(book.can_be(OBLIQUE, end) for end in first) and book.share_group(rhyming):
        return True
    return book.share_group([*first, *rhyming])


def _keeps_tones_by(book: Book, lines: Sequence[str]) -> bool:
    """Return whether either of the two patterns, by the tone of the second character, fits."""
    return any(
        all(
            book.can_be(_tone(start, number, place), line[place])
            for number, line in enumerate(lines)
            for place in range(1, min(len(line), 6), 2)
        )
        for start in (0, 1)
    )


def _tone(start: int, number: int, place: int) -> str:
    """Return the tone that line `number` has at `place`, both from 0; `start` chooses a pattern."""
    turns = start + (number + 1) // 2 + place // 2
    return (LEVEL, OBLIQUE)[turns % 2]
