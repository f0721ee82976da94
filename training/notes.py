"""Writes into the package what the built-in model is helped with: notes, and plain pairs.

    python -m training.notes

Notes: one topic a line, its name and aliases, then its facts by role as JSON.  Plain pairs: every
pair of neighbouring characters in the sentences that the composer puts around facts or tells of any
word; an article's other sentences must be made of them.  The archives hold no time stamp, so the
same corpus gives the same bytes.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

from gptwrite.checks import pairs
from gptwrite.starter import NOTES, PLAIN
from training.compose.sources import Sources


def write_notes(path: Path = NOTES) -> int:
    """Writes every topic and returns how many there are."""
    topics = sorted(Sources().topics, key=lambda topic: topic.name)
    taken = {topic.name for topic in topics}
    lines = []
    for topic in topics:
        names = [topic.name]
        for alias in topic.aliases:
            if alias not in taken:
                taken.add(alias)
                names.append(alias)
        facts = json.dumps(topic.facts, ensure_ascii=False, separators=(",", ":"))
        lines.append(f"{'|'.join(names)}\t{facts}\n")
    path.write_bytes(gzip.compress("".join(lines).encode("utf-8"), mtime=0))
    return len(lines)


def strings(value: object) -> Iterator[str]:
    """Yields the strings of nested lists and tables."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def write_plain_pairs(path: Path = PLAIN) -> int:
    """Writes the pairs of all patterns of articles and returns how many there are."""
    found: set[str] = set()
    for name in ("articles", "unfamiliar"):
        for line in strings(Sources().patterns(name)):
            for part in re.split(r"\{\w+\}", line):
                found.update(pairs(part))
    path.write_bytes(gzip.compress("".join(sorted(found)).encode("utf-8"), mtime=0))
    return len(found)


if __name__ == "__main__":
    print(write_notes(), "topics,", write_plain_pairs(), "pairs")
