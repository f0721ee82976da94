"""From a task and its input to a stream of tokens: the program's main road.

Knows templates and engines; knows no terminal, no command line and no configuration file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from gptwrite import forms
from gptwrite.engines.base import Engine, Request, Sampling, Token
from gptwrite.inputs import Inputs
from gptwrite.language import Language, current, of_text
from gptwrite.settings import Settings
from gptwrite.template import Template, render


@dataclass(frozen=True)
class Job:
    """One task to be done: a template, its input, its variables and the sampling asked for."""

    template: Template
    inputs: Inputs
    language: Language
    values: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    alternatives: int = 0
    thinking: bool = False


def text_language(inputs: Inputs) -> Language:
    """Return the language to write in: that of the input, or else of the interface."""
    return of_text(inputs.text or inputs.topic) or of_text(inputs.topic) or current()


def sampling_of(settings: Settings) -> dict[str, Any]:
    """Return the sampling values that are set, to go over a template's own."""
    names = {f.name for f in fields(Sampling)}
    values = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
    return {name: value for name, value in values.items() if value is not None}


def build_request(job: Job, inputs: Inputs | None = None) -> Request:
    """Return what an engine is asked; `inputs` takes the place of the job's own, for a part."""
    inputs = inputs or job.inputs
    rendered = render(job.template, job.language, inputs.topic, inputs.text, job.values)
    values = {**job.template.sampling, **job.sampling}
    values["stop"] = tuple(values.get("stop", ()))
    return Request(
        messages=rendered.messages,
        answer=rendered.answer,
        completion=rendered.completion,
        sampling=Sampling(**values),
        alternatives=job.alternatives,
        form=forms.named(rendered.form),
        thinking=job.thinking,
    )


def write(job: Job, engine: Engine) -> Iterator[Token]:
    """Yield the text of the job, its decided beginning first."""
    request = build_request(job)
    if request.answer and job.template.show_answer:
        yield Token(text=request.answer)
    yield from engine.stream(request)


def write_text(task: str, topic: str = "", text: str = "", **options: Any) -> str:
    """Return a whole text, for use from Python.

    `options` are the task's variables and the settings by name, e.g. `model`, `length`, `seed`.
    """
    from gptwrite.engines import open_engine
    from gptwrite.models import resolve
    from gptwrite.settings import FIELDS, load_settings
    from gptwrite.template import Library

    settings = load_settings({k: v for k, v in options.items() if k in FIELDS})
    values = {k: v for k, v in options.items() if k not in FIELDS}
    inputs = Inputs(topic, text)
    job = Job(Library().load(task), inputs, text_language(inputs), values, sampling_of(settings))
    engine = open_engine(resolve(settings.model, settings), settings)
    try:
        return "".join(token.text for token in write(job, engine) if not token.is_thinking)
    finally:
        engine.close()
