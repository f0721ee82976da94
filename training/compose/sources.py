"""Reads everything the composer is made from: our own corpus and the open text.

Files that are not there read as empty, so that the recipe runs on any part of it.
"""

import json
import lzma
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

CORPUS_FOLDER = Path(__file__).resolve().parent.parent / "corpus"
HELD_OUT_RECORDS = 160
ROLES = (
    "definition",
    "background",
    "mechanism",
    "example",
    "impact",
    "misconception",
    "action",
    "outlook",
)


@dataclass(frozen=True)
class Topic:
    """A topic of the knowledge: facts by role, each a list of wordings of one fact."""

    name: str
    aliases: tuple[str, ...]
    field: str
    terms: tuple[str, ...]
    facts: dict[str, list[list[str]]]

    def sentences(self) -> list[str]:
        """Returns every wording of every fact."""
        return [wording for facts in self.facts.values() for fact in facts for wording in fact]


class Sources:
    """The corpus folder and, if given, the folder of open text; each part is read once, on use."""

    def __init__(self, corpus: Path = CORPUS_FOLDER, open_corpus: Path | None = None):
        self.corpus = corpus
        self.open_corpus = open_corpus
        self._read: dict[str, tuple[list, list]] = {}

    @cached_property
    def topics(self) -> list[Topic]:
        """The topics of the knowledge files, the first of a name where two have the same."""
        topics = {}
        for path in sorted((self.corpus / "knowledge").glob("*.jsonl")):
            for record in read_jsonl(path):
                topic = Topic(
                    record["topic"],
                    tuple(record["aliases"]),
                    record["field"],
                    tuple(record["terms"]),
                    {role: record["facts"].get(role, []) for role in ROLES},
                )
                topics.setdefault(topic.name, topic)
        return list(topics.values())

    @cached_property
    def functions(self) -> list[dict]:
        """The records of functions/*.yaml: name, title, zh, en, explain, code, test."""
        found = {}
        for path in sorted((self.corpus / "functions").glob("*.yaml")):
            try:
                records = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
            except yaml.YAMLError:
                continue  # a file that is being written
            for record in records or []:
                found.setdefault(record["name"], record)
        return list(found.values())

    def tasks(self, name: str) -> list[dict]:
        """Returns the records of tasks/<name>.jsonl; none where the file is absent."""
        return read_jsonl(self.corpus / "tasks" / f"{name}.jsonl")

    def patterns(self, name: str):
        """Returns patterns/<name>.yaml."""
        path = self.corpus / "patterns" / f"{name}.yaml"
        return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)

    def open_text(self, name: str) -> list[dict]:
        """Returns the records of <name>.jsonl.xz to train on; none where the file is absent."""
        return self._split(name)[0]

    def held_out(self, name: str) -> list[dict]:
        """Returns the records of <name>.jsonl.xz that are never trained on."""
        return self._split(name)[1]

    def _split(self, name: str) -> tuple[list[dict], list[dict]]:
        if name not in self._read:
            path = self.open_corpus / f"{name}.jsonl.xz" if self.open_corpus else None
            records = []
            if path and path.exists():
                with lzma.open(path, "rt", encoding="utf-8") as lines:
                    records = [json.loads(line) for line in lines]
            self._read[name] = split_records(records)
        return self._read[name]

    def open_table(self, name: str) -> list[list[str]]:
        """Returns the tab-separated rows of <name>.txt.xz of the open text."""
        path = self.open_corpus / f"{name}.txt.xz" if self.open_corpus else None
        if not path or not path.exists():
            return []
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            return [line.rstrip("\n").split("\t") for line in lines if not line.startswith("#")]


def split_records(records: list[dict], wanted: int = HELD_OUT_RECORDS):
    """Returns (to train on, held out): the last records of each source are held out.

    About `wanted` records in all, and at most one in twelve of any source.
    """
    by_source: dict[str, list[dict]] = {}
    for record in records:
        by_source.setdefault(record.get("source", ""), []).append(record)
    train, held_out = [], []
    for group in by_source.values():
        count = min(-(-wanted * len(group) // max(1, len(records))), len(group) // 12)
        train += group[: len(group) - count]
        held_out += group[len(group) - count :]
    return train, held_out


def read_jsonl(path: Path) -> list[dict]:
    """Returns the records of a JSON-lines file; broken lines (a file being written) are left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return records


def pick_field(record: dict, *names: str) -> str:
    """Returns the first of the named fields that a record has, "" if none; lists become lines."""
    for name in names:
        value = record.get(name)
        if isinstance(value, list):
            return "\n".join(map(str, value))
        if value:
            return str(value)
    return ""
