"""The catalogue of models that gptwrite knows by name: `models.yaml`, which is data."""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptwrite.language import say
from gptwrite.references import Reference, Source

FILE = Path(__file__).parent / "models.yaml"


@dataclass(frozen=True)
class Entry:
    """A model of the catalogue. Sizes are in bytes, parameters in thousand millions.

    `kv_bytes_per_token` is what one token of context costs in memory at 16 bits.
    `active_b` is what one token passes through, less than `parameters_b` for mixtures of experts.
    """

    name: str
    title: str
    repo: str
    quantization: str
    size_bytes: int
    parameters_b: float
    active_b: float
    context_length: int
    kv_bytes_per_token: int
    license: str
    languages: tuple[str, ...]
    good_at: tuple[str, str]  # in English and in Chinese
    file: str = ""
    modelscope: str = ""

    def reference(self, source: Source) -> Reference | None:
        """Return where `source` has the model; None where it is not known to have it."""
        if source == "modelscope":
            if not self.modelscope:
                return None
            return Reference("modelscope", self.modelscope, self.file, self.quantization)
        return Reference("hf", self.repo, self.file, self.quantization)

    def writes(self, language: str) -> bool:
        """Say whether the model writes `language`, a code such as zh or pt_BR; empty is any."""
        code = re.split("[-_.]", language.lower())[0]
        return code in ("", *self.languages) or "many" in self.languages

    @property
    def strengths(self) -> str:
        return say(*self.good_at)


@functools.cache
def load(path: Path = FILE) -> tuple[Entry, ...]:
    """Return the entries in the file's order, which is our order of preference."""
    import yaml

    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    return tuple(_entry(row) for row in rows)


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(
        name=row["name"],
        title=row["title"],
        repo=row["repo"],
        quantization=row["quantization"],
        size_bytes=int(row["size_mb"] * 1_000_000),
        parameters_b=float(row["parameters_b"]),
        active_b=float(row.get("active_b", row["parameters_b"])),
        context_length=row["context_length"],
        kv_bytes_per_token=row["kv_bytes_per_token"],
        license=row["license"],
        languages=tuple(row["languages"]),
        good_at=(row["good_at"]["en"], row["good_at"]["zh"]),
        file=row.get("file", ""),
        modelscope=row.get("modelscope", ""),
    )


def find(name: str) -> Entry | None:
    """Return the entry of that name, whatever its capitals; None when there is none."""
    return next((entry for entry in load() if entry.name == name.lower()), None)


def nearest(name: str, others: tuple[str, ...] = ()) -> list[str]:
    """Return up to three known names that look like `name`, the nearest first."""
    known = [*others, *(entry.name for entry in load())]
    by_lower = {known_name.lower(): known_name for known_name in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)
    close += [n for n in by_lower if name.lower() in n and n not in close]
    return [by_lower[n] for n in close[:3]]
