"""Writes the facts of the knowledge into the package, as the built-in model's notes.

    python -m training.notes

One topic a line: its name and aliases, then its facts by role as JSON.  The archive holds no time
stamp, so the same knowledge gives the same bytes.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from training.compose.sources import Sources

NOTES = Path(__file__).resolve().parent.parent / "gptwrite" / "builtin" / "notes.tsv.gz"


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


if __name__ == "__main__":
    print(write_notes(), "topics")
