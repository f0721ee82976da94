"""How much faster `gptwrite batch` is than a shell loop of single calls, on the same short texts.

    python tests/benchmarks/batch.py --model model.gguf [--texts 64] [--jobs 8]

Both write the same number of tokens; both are measured in the same run, one after the other, so
that only their ratio counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SENTENCES = (
    "The committee met on Monday and decided to plant forty trees along the river.",
    "气候变化使冬天更短，农民开始改种别的作物。",
    "A new library opens in the old station; its first guest is a school class.",
    "列车晚点两小时，乘客在站台上唱起了歌。",
)


def seconds(command: list[str], folder: Path) -> float:
    """Return how long the command takes; it must succeed."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={**os.environ, "GPTWRITE_CACHE_DIR": str(folder / "cache")}, check=True)  # fmt: skip
    return time.perf_counter() - start


def main() -> None:
    """Print one JSON object with the times of both ways and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--texts", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--jobs", type=int, nargs="+", default=[8])
    options = parser.parse_args()
    common = ["-m", str(options.model.resolve()), "--max-tokens", str(options.tokens), "--seed", "1",
              "-q"]  # fmt: skip
    program = [sys.executable, "-m", "gptwrite"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        (folder / "loop").mkdir()
        for number in range(options.texts):
            text = f"{number}. {SENTENCES[number % len(SENTENCES)]}"
            (folder / "in" / f"{number:03}.txt").write_text(text, encoding="utf-8")
        single = " ".join([*program, "summary", *common])
        loop = f'for f in in/*.txt; do {single} < "$f" > "loop/$(basename "$f")"; done'
        row: dict[str, object] = {"texts": options.texts, "tokens": options.tokens}
        row["loop_seconds"] = round(by_loop := seconds(["bash", "-ec", loop], folder), 2)
        for jobs in options.jobs:
            command = [*program, "batch", "summary", "in", "--out", f"out{jobs}", "-j", str(jobs)]
            by_batch = seconds([*command, *common], folder)
            assert len(list((folder / f"out{jobs}").glob("*.txt"))) == options.texts
            row[f"batch_{jobs}_seconds"] = round(by_batch, 2)
            row[f"batch_{jobs}_ratio"] = round(by_loop / by_batch, 2)
    print(json.dumps(row))


if __name__ == "__main__":
    main()
