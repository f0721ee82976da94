"""Commit messages for real commits: how many are well formed, and agree in type with the author.

    python tests/benchmarks/commit_messages.py [COMMITS.jsonl[.xz]] [--model MODEL] [--count 60] [--log 100]

A line of the file has the diff as `text` and the author's subject as `summary`. Without a file the
corpus beside the repository is read, and of it what the built-in model was not trained on. Types
are compared where the author wrote one. Without `--model` the built-in model is used. `--log` gives
each commit a log of that many others of its project, drawn from those that were trained on: the
types of a project's log are followed, as its language is.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from gptwrite import commit, diff, evidence, subject
from gptwrite.engines import open_engine
from gptwrite.git import Commit
from gptwrite.language import of_text
from gptwrite.models import BUILTIN, resolve
from gptwrite.settings import load_settings
from gptwrite.template import Library

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"


def read(path: Path) -> list[dict[str, Any]]:
    with (lzma.open if path.suffix == ".xz" else open)(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def corpus() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the commits to train on, and those that the training recipe sets aside."""
    sys.path.insert(0, str(ROOT))
    from training.compose.sources import Sources

    sources = Sources(open_corpus=CORPUS)
    return sources.open_text("commits"), sources.held_out("commits")


def logs(rows: list[dict[str, Any]], count: int) -> dict[str, tuple[Commit, ...]]:
    """Return `count` commits of each project among `rows`."""
    found: dict[str, list[Commit]] = {}
    for row in random.Random(1).sample(rows, len(rows)):
        paths = tuple(change.path for change in diff.parse_text(row["text"]))
        of_project = found.setdefault(row["source"], [])
        if len(of_project) < count:
            of_project.append(Commit(row.get("summary", ""), paths))
    return {source: tuple(commits) for source, commits in found.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--model")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument(
        "--style", default="conventional", choices=("conventional", "plain", "gitmoji")
    )
    parser.add_argument("--show", action="store_true", help="print every message")
    parser.add_argument("--log", type=int, default=0, help="commits of the log (default: none)")
    options = parser.parse_args()

    others, rows = ([], read(options.file)) if options.file else corpus()
    log_of = logs(others, options.log) if options.log else {}
    rows = [row for row in rows if row.get("summary") and diff.parse_text(row["text"])]
    # Those with a type first: only they say whether the types agree.
    random.Random(1).shuffle(rows)
    rows.sort(key=lambda row: not subject.read(row["summary"]).type)
    rows = rows[: options.count]

    settings = load_settings({"model": options.model, "seed": 1})
    engine = open_engine(resolve(settings.model, settings), settings)
    template = Library().load(commit.TASK)
    well_formed = typed = agreed = by_model = by_model_agreed = fallbacks = 0
    seconds = []
    for row in rows:
        changes = diff.parse_text(row["text"])
        language = of_text(subject.read(row["summary"]).text) or "en"
        log = log_of.get(row.get("source", ""), ())
        wishes = commit.Wishes(
            options.style, language, sampling={"seed": 1}, log=log,
            keeps_to_diff=settings.model == BUILTIN,
        )  # fmt: skip
        start = time.perf_counter()
        fixed = subject.fixed(changes, language)
        if fixed:
            message = subject.line(fixed, options.style)
        else:
            message = commit.Writer(template, wishes, engine).message(changes)
        seconds.append(time.perf_counter() - start)
        well_formed += subject.is_well_formed(message, options.style)
        fallback = subject.line(subject.fallback(changes, language), options.style)
        fallbacks += message == fallback and not fixed
        expected, found = subject.read(row["summary"]).type, subject.read(message).type
        if expected and options.style == "conventional":
            typed += 1
            agreed += expected == found
            if not fixed and not evidence.decided(changes, log):
                by_model += 1
                by_model_agreed += expected == found
        if options.show:
            print(f"{row['summary'][:90]}\n    {message}")
    engine.close()
    total = len(rows)
    with_log = f", a log of {options.log} commits" if options.log else ""
    print(f"{total} commits with {engine.name}, style {options.style}{with_log}")
    print(f"well formed: {well_formed}/{total} = {100 * well_formed / max(1, total):.1f}%")
    print(f"answers that could not be used (message from the paths): {fallbacks}/{total}")
    if typed:
        print(f"same type as the author's: {agreed}/{typed} = {100 * agreed / typed:.1f}%")
    if by_model:
        print(f"  of these chosen with the model: {by_model_agreed}/{by_model}")
    print(f"seconds a message: median {statistics.median(seconds):.2f}, most {max(seconds):.2f}")
    return 0 if well_formed == total else 1


if __name__ == "__main__":
    sys.exit(main())
