"""Answers to the evaluation's prompts as the program gives them: checked, redrawn, held to a form.

The other column of the table is the bare weights, one draw a prompt (`generate.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gptwrite.engines.llama import LlamaEngine
from gptwrite.inputs import Inputs
from gptwrite.starter import NOTED_SAMPLING, stream_of
from gptwrite.template import Library
from gptwrite.write import Job, text_language, write
from training.generate import Written

VALUES = ("length", "style", "form")


def job_of(record: dict[str, Any], library: Library, seed: int = 1) -> Job:
    """The job that a user's command would make of a record."""
    task = record["task"]
    text = "\n".join(record["facts"]) if record.get("facts") else record.get("text", "")
    inputs = Inputs(record.get("topic", ""), text)
    sampling: dict[str, Any] = {"seed": seed}
    if record.get("facts"):
        sampling |= NOTED_SAMPLING
    values = {name: record[name] for name in VALUES if name in record}
    return Job(library.load(task), inputs, text_language(inputs), values, sampling)


def answers(path: Path, records: Iterable[dict[str, Any]]) -> list[tuple[dict[str, Any], Written]]:
    """Every record with the program's answer to it."""
    engine, library = LlamaEngine(path), Library()
    done = []
    try:
        for record in records:
            job = job_of(record, library)
            tokens = list(write(job, engine, stream=stream_of(engine)))
            text = "".join(token.text for token in tokens if not token.is_thinking)
            ended = bool(tokens) and tokens[-1].finish == "stop"
            done.append((record, Written(text, ended, engine.stats.generated_tokens)))
    finally:
        engine.close()
    return done
