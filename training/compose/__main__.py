"""The command: writes pretrain.jsonl, tune.jsonl, heldout.jsonl and eval/*.jsonl."""

import argparse
import json
import sys
import time
from pathlib import Path
from random import Random

from training.compose.budget import SHARES, fill
from training.compose.evaluation import evaluation_files
from training.compose.example import open_desk
from training.compose.pretrain import heldout_documents, pretrain_documents
from training.compose.sources import Sources


def main(arguments: list[str] | None = None) -> None:
    """Composes everything; each file is written whole and then renamed into place."""
    parser = argparse.ArgumentParser(prog="python -m training.compose", description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("training/build"))
    parser.add_argument("--open-corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="of the characters composed")
    parser.add_argument("--only", choices=("tune", "pretrain", "eval"))
    options = parser.parse_args(arguments)
    sources, desk = Sources(open_corpus=options.open_corpus), open_desk()
    (options.build / "eval").mkdir(parents=True, exist_ok=True)
    if options.only in (None, "tune"):
        examples = []
        for name in SHARES:
            start = time.monotonic()
            made = fill(name, sources, desk, options.seed, options.scale)
            examples += made
            report(name, len(made), sum(item.characters() for item in made), start)
        Random(options.seed).shuffle(examples)
        write_jsonl(options.build / "tune.jsonl", [item.record() for item in examples])
    if options.only in (None, "eval"):
        for name, records in evaluation_files(sources, desk, options.seed).items():
            write_jsonl(options.build / "eval" / f"{name}.jsonl", records)
            print(f"{'eval/' + name:20} {len(records):7,}", file=sys.stderr)
    if options.only in (None, "pretrain"):
        start = time.monotonic()
        documents = pretrain_documents(sources, options.seed, options.scale)
        write_jsonl(options.build / "pretrain.jsonl", documents)
        report("pretrain", len(documents), sum(len(item["text"]) for item in documents), start)
        write_jsonl(options.build / "heldout.jsonl", heldout_documents(sources, options.seed))


def report(name: str, count: int, characters: int, start: float) -> None:
    """Writes one line on what was made to stderr."""
    seconds = time.monotonic() - start
    print(f"{name:20} {count:7,} {characters:12,} characters {seconds:6.1f} s", file=sys.stderr)


def write_jsonl(path: Path, records: list[dict]) -> None:
    """Writes records one a line; the file appears whole or not at all."""
    part = path.with_suffix(".part")
    with open(part, "w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    part.replace(path)


if __name__ == "__main__":
    main()
