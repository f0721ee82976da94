"""The table of what the model can do, as measured on prompts and texts it never saw.

Every row is computed from `build/eval/*.jsonl` and the exported GGUF alone, with the sampling of
the task's own template and one answer a prompt.  What only a reader can judge (whether an article
is true) is written out to a file for reading.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import yaml

from gptwrite.starter import NOTED_SAMPLING
from training import generate, in_program, ngram
from training.compose.repetition import repeated_run, support
from training.generate import Sampling, Written
from training.tokenizer import SEPARATOR

PROMPTS = Path(__file__).resolve().parent.parent / "prompts"
FORMS = {"五绝": (4, 5), "七绝": (4, 7), "五律": (8, 5), "七律": (8, 7)}
# What the program writes by itself from the record; a commit message has a measurement of its own.
IN_PROGRAM = ("articles_noted", "articles_untaught", "poems", "summaries", "code")
COMMIT = re.compile(r"(\w+)(\([^()]+\))?!?: \S.{2,70}")
Record = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, the figures, and what was asked for."""

    what: str
    measured: str
    wanted: str
    in_program: str = ""


def sampling_of(task: str) -> Sampling:
    """The sampling that the task's template asks for."""
    values: dict[str, Any] = {}
    for name in ("_writer", task):
        path = PROMPTS / f"{name}.yaml"
        values |= yaml.safe_load(path.read_text(encoding="utf-8")).get("sampling", {})
    known = {key: value for key, value in values.items() if key in Sampling.__dataclass_fields__}
    return Sampling(**known)


def read(path: Path) -> list[Record]:
    """The records of a jsonl; none if the file is not there."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def answers(model: llama_cpp.Llama, records: Iterable[Record]) -> list[tuple[Record, Written]]:
    """Every record with its one answer."""
    written = []
    for record in records:
        how = sampling_of(record["task"])
        if record.get("facts"):
            how = replace(how, **NOTED_SAMPLING)
        written.append((record, generate.write(model, record["messages"], record["start"], how)))
    return written


def share(claims: Sequence[bool]) -> str:
    """`57 of 60 (95%)`."""
    if not claims:
        return "no data"
    return f"{sum(claims)} of {len(claims)} ({sum(claims) / len(claims):.0%})"


def body_of(article: str) -> str:
    """An article without its title line."""
    return article.split("\n", 1)[1].strip() if article.startswith("# ") else article.strip()


def sentences(text: str) -> list[str]:
    """The sentences of a text, list marks and blanks cut."""
    parts = re.split(r"[。！？!?；\n]+", text)
    return [part.strip(" -•*0123456789.、") for part in parts if part.strip(" -•*0123456789.、")]


def taught_articles(done: list[tuple[Record, Written]], how: str = "taught") -> list[Row]:
    """The four rows on taught topics; the reading is left to a person."""
    ends, names, terms, fresh = [], [], [], []
    for record, written in done:
        body = body_of(written.text)
        first = sentences(body)[:1]
        ends.append(written.is_ended)
        called = [record["name"], *record.get("names", [])]
        names.append(any(name in part for part in first for name in called))
        terms.append(sum(term in body for term in record["terms"]) >= 3)
        fresh.append(repeated_run(body) is None)
    return [
        Row(f"articles, {how}: end by themselves", share(ends), "95%"),
        Row(f"articles, {how}: name the topic in the first sentence", share(names), "98%"),
        Row(f"articles, {how}: 3 of the key terms", share(terms), "90%"),
        Row(f"articles, {how}: no 12 characters twice", share(fresh), "90%"),
    ]


def untaught_articles(done: list[tuple[Record, Written]], taught: set[str]) -> list[Row]:
    """The row on unknown topics; an article strays when another topic is named more often."""
    good, ends, stays, fresh = [], [], [], []
    for record, written in done:
        body = body_of(written.text)
        own = body.count(record["name"])
        other = max((body.count(name) for name in taught if name not in record["name"]), default=0)
        ends.append(written.is_ended)
        stays.append(own >= 2 and own > other)
        fresh.append(repeated_run(body) is None)
        good.append(ends[-1] and stays[-1] and fresh[-1])
    parts = f"; end {share(ends)}, stay {share(stays)}, no repeat {share(fresh)}"
    return [Row("articles, never taught: all three", share(good) + parts, "90%")]


def poems(done: list[tuple[Record, Written]]) -> list[Row]:
    """The row on the number of lines and characters."""
    good = []
    for record, written in done:
        lines = [line for line in re.split(r"[，。！？；：、\s]+", written.text) if line]
        count, width = FORMS[record["form"]]
        good.append(len(lines) == count and all(len(line) == width for line in lines))
    return [Row("绝句 and 律诗: lines and characters right", share(good), "95%")]


def summaries(done: list[tuple[Record, Written]]) -> list[Row]:
    """The row on length, end and support, with its parts."""
    good, short, ends, backed = [], [], [], []
    for record, written in done:
        short.append(0 < len(written.text) <= 0.4 * len(record["text"]))
        ends.append(written.is_ended)
        backed.append(all(support(part, record["text"]) >= 0.6 for part in sentences(written.text)))
        good.append(short[-1] and ends[-1] and backed[-1])
    parts = f"; short {share(short)}, end {share(ends)}, supported {share(backed)}"
    return [Row("summaries of unseen text: all three", share(good) + parts, "90%")]


def passes(code: str, test: str) -> bool:
    """Whether the test of a function runs through, in a process of its own, within 5 seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.py"
        path.write_text(f"{code}\n\n{test}\n", encoding="utf-8")
        command = [sys.executable, "-I", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=5, cwd=folder, check=False)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


def parses(code: str) -> bool:
    """Whether Python can read the code and finds a function in it."""
    try:
        compile(code, "answer", "exec")
    except (SyntaxError, ValueError):
        return False
    return "def " in code


def code(done: list[tuple[Record, Written]]) -> list[Row]:
    """The two rows on taught functions asked for in new words."""
    parsed, passed = [], []
    for record, written in done:
        block = written.text.split("```python\n")[-1].split("```")[0]
        parsed.append(parses(block))
        passed.append(parsed[-1] and passes(block, record["test"]))
    return [
        Row("code: parses", share(parsed), "95%"),
        Row("code: passes its test", share(passed), "70%"),
    ]


def commits(done: list[tuple[Record, Written]]) -> list[Row]:
    """The two rows on the subjects of unseen diffs."""
    formed, right = [], []
    for record, written in done:
        match = COMMIT.fullmatch(written.text.strip().split("\n")[0])
        formed.append(bool(match) and written.is_ended)
        right.append(bool(match and match.group(1) == record["type"]))
    return [
        Row("commit subjects: well-formed", share(formed), "98%"),
        Row("commit subjects: right type", share(right), "60%"),
    ]


def log_losses(model: llama_cpp.Llama, ids: list[int]) -> np.ndarray:
    """The loss in nats of each token of a document but the first, (count - 1,)."""
    logits = generate.scores(model, ids)[:-1].astype(np.float64)
    highest = logits.max(axis=1)
    total = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
    return np.asarray(total - logits[np.arange(len(ids) - 1), ids[1:]])


def held_out(
    model: llama_cpp.Llama, build: Path, pieces_per_kind: int, length: int = 512
) -> list[Row]:
    """By kind, the bits a character of the model and of a 5-gram model of the same training data."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for record in read(build / "heldout.jsonl"):
        by_kind[record["kind"]].append(record["text"])
    if not by_kind:
        return [Row("held-out bits a character", "no data", "below 5-gram")]
    seen = []
    for path in sorted(build.glob("*.npz")):
        if "held_out" not in path.stem:
            with np.load(path) as arrays:
                seen.append(arrays["tokens"].reshape(-1))
    text = np.concatenate(seen)
    text = text[~((text == SEPARATOR) & (np.roll(text, 1) == SEPARATOR))]  # the padding
    baseline = ngram.fit(text, model.n_vocab())
    rows = []
    for kind, texts in sorted(by_kind.items()):
        ours = theirs = 0.0
        characters = 0
        for piece in texts[:pieces_per_kind]:
            ids = generate.token_ids(model, piece.replace("<|", "< |"))[:length]
            if len(ids) < 2:
                continue
            ours += log_losses(model, ids).sum()
            theirs += ngram.losses(baseline, np.array(ids)).sum()
            characters += len(generate.decode(model, ids[1:]))
        bits = [nats / np.log(2) / max(1, characters) for nats in (ours, theirs)]
        figure = f"{bits[0]:.3f} against {bits[1]:.3f}"
        rows.append(Row(f"held-out bits a character: {kind}", figure, "below 5-gram"))
    return rows


def speed(model: llama_cpp.Llama, path: Path) -> list[Row]:
    """Tokens a second of one long answer, and seconds from starting a process to its first token."""
    ids = generate.token_ids(model, generate.render([{"role": "user", "content": "写一篇文章"}]))
    model.reset()
    began, count = time.perf_counter(), 0
    for _ in generate.draws(model, ids, Sampling()):
        count += 1
        if count == 300:
            break
    rate = count / (time.perf_counter() - began)
    command = [sys.executable, "-m", "gptwrite", "ask", "你好", "--model", str(path)]
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(
            [*command, "--max-tokens", "1", "--no-cache"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )
        taken.append(time.perf_counter() - began)
    return [
        Row("speed: tokens a second on 2 cores", f"{rate:.0f}", "300"),
        Row("speed: process start to first token", f"{min(taken):.2f} s", "under 0.7 s"),
    ]


def write_for_reading(done: list[tuple[Record, Written]], path: Path) -> None:
    """Writes all answers out as plain text."""
    with path.open("w", encoding="utf-8") as out:
        for record, written in done:
            question = record["messages"][-1]["content"]
            end = "" if written.is_ended else " [not ended]"
            out.write(f">>> {question}\n{written.text}{end}\n\n")


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [f"| {row.what} | {row.measured} | {row.in_program} | {row.wanted} |" for row in rows]
    head = ["| what | bare weights | in the program | at least |", "|---|---|---|---|"]
    return "\n".join([*head, *lines])


def evaluate(
    path: Path, build: Path, most: int, wanted: set[str], report: Callable[[str], None]
) -> list[Row]:
    """All rows; `most` caps the prompts a file, `wanted` names the parts (all if empty)."""
    model = generate.load(path)
    taught = {name for record in read(build / "eval" / "articles_taught.jsonl")
              for name in record["names"] if len(name) > 1}  # fmt: skip
    measures: dict[str, Callable[[list[tuple[Record, Written]]], list[Row]]] = {
        "articles_noted": taught_articles,
        "articles_taught": lambda done: taught_articles(done, "taught, without the notes"),
        "articles_untaught": lambda done: untaught_articles(done, taught),
        "poems": poems,
        "summaries": summaries,
        "code": code,
        "commits": commits,
    }
    rows: list[Row] = []
    for name, measure in measures.items():
        if wanted and name not in wanted:
            continue
        records = read(build / "eval" / f"{name}.jsonl")[:most]
        done = answers(model, records)
        write_for_reading(done, build / "eval" / f"{name}.bare.txt")
        measured = measure(done)
        if name in IN_PROGRAM:
            done = in_program.answers(path, records)
            write_for_reading(done, build / "eval" / f"{name}.read.txt")
            pairs = zip(measured, measure(done), strict=True)
            measured = [replace(bare, in_program=ours.measured) for bare, ours in pairs]
        rows += measured
        report(table(measured))
        if name == "articles_noted":
            rows.append(Row("articles, taught: nothing false", f"read {name}.read.txt", "18 of 20"))
    if not wanted or "held_out" in wanted:
        rows += held_out(model, build, pieces_per_kind=20)
    if not wanted or "speed" in wanted:
        rows += speed(model, path)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a GGUF and print the table.")
    parser.add_argument("--model", type=Path, default=Path("training/build/model-q8_0.gguf"))
    parser.add_argument("--build", type=Path, default=Path("training/build"))
    parser.add_argument("--most", type=int, default=1000, help="prompts of a file at most")
    parser.add_argument("--only", default="", help="parts, separated by commas")
    parser.add_argument("--out", type=Path, help="write the table here, too")
    options = parser.parse_args()
    wanted = {part for part in options.only.split(",") if part}
    rows = evaluate(
        options.model,
        options.build,
        options.most,
        wanted,
        lambda text: print(text, file=sys.stderr),
    )
    print(table(rows))
    if options.out:
        options.out.write_text(table(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
