"""Which part of a long text fed which sentence of the result, as rows of a JSON file.

The model says nothing about its sources. What is known for certain is which part went into which
request; within that, a sentence is laid to the parts whose partial texts it shares most with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gptwrite.language import of_text

SENTENCE = re.compile(
    r"[^。！？!?\n.]*(?:[。！？!?\n]+|\.(?!\d)|\.(?=\d)[^。！？!?\n]*|$)[”’」』）\"')\]]*"
)
MOST_SOURCES = 3


@dataclass
class Trace:
    """The parts of one run, level by level, and its result."""

    policy: str = "one_pass"
    parts: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""

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
        first = [part for part in self.parts if part["level"] == 1]
        rows = [{"sentence": s, "chunks": _sources(s, first)} for s in sentences(self.text)]
        content = {"policy": self.policy, "chunks": self.parts, "sentences": rows}
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def sentences(text: str) -> list[str]:
    """Return the sentences of `text`, without white space around them."""
    return [found for match in SENTENCE.finditer(text) if (found := match.group().strip())]


def _sources(sentence: str, parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the chunks whose partials share most with the sentence, and what share of it."""
    wanted = _pieces(sentence)
    rows = []
    for part in parts:
        shared = len(wanted & _pieces(part["partial"]))
        if shared:
            rows.append({"id": part["id"], "overlap": round(shared / len(wanted), 3)})
    rows.sort(key=lambda row: -row["overlap"])
    return rows[:MOST_SOURCES]


def _pieces(text: str) -> set[str]:
    """Return words, and for Chinese pairs of neighbouring characters."""
    if of_text(text) == "zh":
        letters = re.sub(r"[^\w]", "", text)
        return {letters[i : i + 2] for i in range(max(1, len(letters) - 1))}
    return set(re.findall(r"\w+", text.lower()))
