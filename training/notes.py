"""Writes into the package what the built-in model is helped with: notes, and plain pairs.

    python -m training.notes

Notes: one topic a line, its name and aliases, then its facts by role as JSON.  Plain pairs: every
pair of neighbouring characters in the sentences that the composer puts around facts or tells of any
word; an article's other sentences must be made of them.  Functions: one a line, its head and the
features of each wording of its request.  The archives hold no time stamp, so the same corpus gives
the same bytes.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

from gptwrite.checks import pairs
from gptwrite.functions import FUNCTIONS, features
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


def head(code: str) -> str:
    """Returns the lines of a function up to and with its docstring."""
    lines = code.strip("\n").split("\n")
    last = next(number for number, line in enumerate(lines) if '"""' in line)
    return "\n".join(lines[: last + 1]) + "\n"


def write_functions(path: Path = FUNCTIONS) -> int:
    """Writes the functions that have a docstring of one line and returns how many there are."""
    rows = []
    for record in Sources().functions:
        if record["code"].count('"""') < 2:
            continue
        wordings = [
            *record["zh"], *record["en"], *record["title"].values(), *record["explain"].values(),
            record["name"].replace("_", " "),
        ]  # fmt: skip
        row = [head(record["code"]), *(sorted(features(wording)) for wording in wordings)]
        rows.append(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    path.write_bytes(gzip.compress("".join(sorted(rows)).encode("utf-8"), mtime=0))
    return len(rows)


if __name__ == "__main__":
    print(write_notes(), "topics,", write_plain_pairs(), "pairs,", write_functions(), "functions")
