"""Which part of a long text fed which sentence of the result, as rows of a JSON file.

The model says nothing about its sources. What is known for certain is which part went into which
request; within that, a sentence is laid to the parts whose partial texts it shares most with. Where
the parts' texts are the result themselves, a sentence is found in its own.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gptwrite.language import of_text

SENTENCE = re.compile(
    r"[^。！？!?\n.]*(?:[。！？!?\n]+|\.(?!\d)|\.(?=\d)[^。！？!?\n]*|$)[”’」』）\"')\]]*"
)
MOST_SOURCES = 3
BETWEEN_PARTIALS = "\n\n"  # in the text that the next level reads


@dataclass
class Trace:
    """The parts of one run, level by level, and its results: one, or several drafts."""

    policy: str = "one_pass"
    parts: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def part(
        self, level: int, index: int, span: tuple[int, int], text: str, tokens: int, cached: bool
    ) -> None:
        """Note that the characters of `span` of the level's text became `text`.

        Level 1 is the input; each further level is the joined partials of the one before.
        """
        self.parts.append(
            {
                "id": f"{level}.{index + 1}",
                "level": level,
                "start": span[0],
                "end": span[1],
                "tokens": tokens,
                "cached": cached,
                "partial": text,
            }
        )

    def to_json(self) -> str:
        """Return the file's content."""
        rows = [
            {**({"draft": number} if len(self.texts) > 1 else {}), **row}
            for number, text in enumerate(self.texts, 1)
            for row in self._rows(text)
        ]
        chunks = [{**part, **self._fed_by(part)} for part in self.parts]
        content = {"policy": self.policy, "chunks": chunks, "sentences": rows}
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def _rows(self, text: str) -> Iterator[dict[str, Any]]:
        first = [part for part in self.parts if part["level"] == 1]
        places = _places(first, "") if self.policy == "per_chunk" else []
        joined = "".join(part["partial"] for part, _, _ in places)
        pieces = [(part["id"], _pieces(part["partial"])) for part in first]
        at = 0
        for sentence in sentences(text):
            found = joined.find(sentence, at)
            if found >= 0:
                at = found + len(sentence)
                sources = _within(places, found, at)
            else:
                sources = _sources(sentence, pieces)
            yield {"sentence": sentence, "chunks": sources}

    def _fed_by(self, part: dict[str, Any]) -> dict[str, list[str]]:
        """Return the parts of the level before that this one was made of, under `from`."""
        if part["level"] == 1:
            return {}
        before = [other for other in self.parts if other["level"] == part["level"] - 1]
        places = _places(before, BETWEEN_PARTIALS)
        return {"from": [row["id"] for row in _within(places, part["start"], part["end"])]}


def _places(parts: Sequence[dict[str, Any]], between: str) -> list[tuple[dict[str, Any], int, int]]:
    """Return each part whose partial is not empty, with its start and end when all are joined."""
    rows, at = [], 0
    for part in parts:
        if part["partial"]:
            end = at + len(part["partial"])
            rows.append((part, at, end))
            at = end + len(between)
    return rows


def _within(
    places: Sequence[tuple[dict[str, Any], int, int]], start: int, end: int
) -> list[dict[str, Any]]:
    """Return the chunks with a share in the characters from `start` to `end`, and what share."""
    rows = []
    for part, low, high in places[bisect_right(places, start, key=lambda place: place[2]) :]:
        if low >= end:
            break
        share = (min(high, end) - max(low, start)) / (end - start)
        rows.append({"id": part["id"], "overlap": round(share, 3)})
    return rows


def sentences(text: str) -> list[str]:
    """Return the sentences of `text`, without white space around them."""
    return [found for match in SENTENCE.finditer(text) if (found := match.group().strip())]


def _sources(sentence: str, parts: Sequence[tuple[str, set[str]]]) -> list[dict[str, Any]]:
    """Return the chunks whose partials share most with the sentence, and what share of it."""
    wanted = _pieces(sentence)
    shares = [(len(wanted & pieces) / max(1, len(wanted)), name) for name, pieces in parts]
    # The sort is stable: of parts that share the same, the one read first goes first.
    best = sorted((row for row in shares if row[0]), key=lambda row: -row[0])[:MOST_SOURCES]
    return [{"id": name, "overlap": round(share, 3)} for share, name in best]


def _pieces(text: str) -> set[str]:
    """Return words, and for Chinese pairs of neighbouring characters."""
    if of_text(text) == "zh":
        letters = re.sub(r"[^\w]", "", text)
        return {letters[i : i + 2] for i in range(max(1, len(letters) - 1))}
    return set(re.findall(r"\w+", text.lower()))
