"""From a task and its input to a stream of tokens: the program's main road.

Knows templates and engines; knows no terminal, no command line and no configuration file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

from gptwrite import forms
from gptwrite.engines.base import Engine, Request, Sampling, Token
from gptwrite.errors import ContextError, UsageError
from gptwrite.inputs import Inputs
from gptwrite.language import Language, current, of_text, say
from gptwrite.longtext import Reading, condense, per_chunk, refine
from gptwrite.models import ModelSpec
from gptwrite.partials import Partials
from gptwrite.promptcache import file_identity
from gptwrite.settings import Settings
from gptwrite.splitting import count_up_to, split
from gptwrite.template import Template, render

MOST_MARKUP = 512  # tokens that a chat template adds, at the very most


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


def chosen_language(lang: str, inputs: Inputs) -> Language:
    """Return the language that `--lang` asks for; raises `UsageError` for an unknown one."""
    check_language(lang)
    return text_language(inputs) if lang == "auto" else cast(Language, lang)


def check_language(lang: str) -> None:
    """Raise `UsageError` for anything but auto, zh and en."""
    if lang not in ("auto", "zh", "en"):
        raise UsageError(
            say(f"--lang cannot be {lang!r}.", f"--lang 不能是“{lang}”。"),
            say("Choose auto, zh or en.", "可选：auto、zh、en。"),
        )


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


def is_empty(job: Job, text: str) -> bool:
    """Say whether nothing stands in `text` behind the beginning that was decided for it."""
    has_beginning = job.template.answer and job.template.show_answer
    beginning = build_request(job).answer if has_beginning else ""
    return not text.strip().removeprefix(beginning.strip()).strip()


# Answers a request that the job became, about the text given.
Stream = Callable[[Job, Request, str], Iterator[Token]]


def write(
    job: Job, engine: Engine, how: Reading | None = None, stream: Stream | None = None
) -> Iterator[Token]:
    """Yield the text of the job, its decided beginning first.

    An input that fits is read in one pass; a longer one as the template's `long_input` says. Empty
    tokens come while its parts are read. `stream` takes the place of the engine's for the text, and
    for the parts that are condensed.
    """
    how = how or Reading()
    text = ""
    for token in _write(job, engine, how, stream):
        if how.trace and not token.is_thinking:
            text += token.text
        yield token
    if how.trace:
        how.trace.texts = [text]


def _write(job: Job, engine: Engine, how: Reading, stream: Stream | None) -> Iterator[Token]:
    if job.template.long_input == "per_chunk" and is_long(job, engine):
        how = _answered(job, how, stream)
        tokens = per_chunk(engine, material(job), lambda text: _request_for(job, text), how)
        limit = job.sampling.get("max_tokens")
        yield from tokens if limit is None else _limited(tokens, limit, engine)
        return
    short = yield from fitting(job, engine, how, stream)
    if short is None:
        yield Token(finish="cancelled")
        return
    request = build_request(short)
    if request.answer and short.template.show_answer:
        yield Token(text=request.answer)
    yield from stream(job, request, material(short)) if stream else engine.stream(request)


def fitting(
    job: Job, engine: Engine, how: Reading, stream: Stream | None = None
) -> Generator[Token, None, Job | None]:
    """Return the job with an input that fits into one pass: its own, or what that becomes.

    Yields an empty token for each part that was read; returns None when the engine was stopped.
    """
    if is_long(job, engine):
        return (yield from shortened(job, engine, how, stream))
    if how.trace:
        text = material(job)
        how.trace.part(1, 0, (0, len(text)), text, engine.count_tokens(text), False)
    return job


def shortened(
    job: Job, engine: Engine, how: Reading, stream: Stream | None = None
) -> Generator[Token, None, Job | None]:
    """Return the job with an input that fits into one pass, condensed as its template says.

    Yields an empty token for each part that was read; returns None when the engine was stopped.
    Raises `ContextError` where the template wants its text in one piece.
    """
    if job.template.long_input not in ("map_reduce", "refine"):
        tokens = count_up_to(material(job), sys.maxsize, engine.count_tokens)
        raise ContextError(
            tokens,
            engine.context_length,
            _one_piece(job.template),
        )
    part_job = _part_job(job)

    def ask(text: str) -> Request:
        return _request_for(part_job, text)

    how = _answered(part_job, how, stream)

    def fits(text: str) -> bool:
        return not is_long(_with_material(job, text), engine)

    read = condense if job.template.long_input == "map_reduce" else refine
    short = yield from read(engine, material(job), ask, fits, how)
    return None if short is None else _with_material(job, short)


def _answered(job: Job, how: Reading, stream: Stream | None) -> Reading:
    """Return how a text is read whose parts `stream` answers, if it is given."""
    if stream is None:
        return how
    return replace(how, answer=lambda text, req: stream(_with_material(job, text), req, text))


def _one_piece(template: Template) -> str:
    """Return what to do where a long text cannot be shortened for the task."""
    if template.long_input == "per_chunk":
        return say(f"{template.name} does a long text part by part, and writes no drafts of it: "
                   "leave out --drafts.",
                   f"{template.name} 逐部分处理长文，不能同时写几份草稿：请去掉 --drafts。")  # fmt: skip
    return say(f"{template.name} needs its text in one piece: shorten it, or choose a model "
               "with a longer context.",
               f"{template.name} 须一次读完全文：请缩短文字，或换用上下文更长的模型。")  # fmt: skip


def is_long(job: Job, engine: Engine) -> bool:
    """Say whether the job's prompt and a fair answer to it pass the context.

    A rewriting task answers with about as much as it is given, which must fit into its
    `max_tokens` too; of other answers an eighth of the context must have room.
    """
    text = material(job)
    context, policy = engine.context_length, job.template.long_input
    if len(text) <= context:
        # No token is shorter than a byte: most inputs need not be counted.
        request = build_request(job)
        size = sum(len(message.content.encode()) for message in request.messages)
        room = size * 5 // 4 + 32
        if size + room + MOST_MARKUP <= context and room <= request.sampling.max_tokens:
            return False
    tokens = count_up_to(text, context * 5 // 4, engine.count_tokens)
    if tokens > context * 5 // 4:
        return True
    request = build_request(job)
    most = request.sampling.max_tokens
    if policy == "error":
        room = 0
    elif policy == "per_chunk":
        room = tokens * 5 // 4 + 32
        if room > most and "max_tokens" not in job.sampling:
            return True
        room = min(room, most)
    else:
        room = min(most, context // 8)
    return engine.count_prompt(request) + room > context


def material(job: Job) -> str:
    """Return the part of the input that may be long: the text, or else the topic."""
    return job.inputs.text or job.inputs.topic


def _with_material(job: Job, text: str) -> Job:
    key = "text" if job.inputs.text else "topic"
    return replace(job, inputs=replace(job.inputs, **{key: text}))


def _request_for(job: Job, text: str) -> Request:
    return build_request(_with_material(job, text))


def _part_job(job: Job) -> Job:
    """Return the job that condenses a part: the template's `part`, or the template itself.

    The seed is not handed on: another one gives another text from the same partials.
    """
    own = {k: v for k, v in job.sampling.items() if k != "seed"}
    name = job.template.part
    if not name or name == job.template.name:
        return replace(job, sampling=own)
    from gptwrite.template import Library

    own.pop("max_tokens", None)
    inputs = Inputs("", material(job))
    return Job(Library().load(name), inputs, job.language, {}, own)


def _limited(tokens: Iterator[Token], limit: int, engine: Engine) -> Iterator[Token]:
    """Yield `tokens` as far as their text has at most `limit` tokens."""
    for token in tokens:
        count = engine.count_tokens(token.text)
        if count > limit:
            begin = next(split(token.text, max(1, limit), engine.count_tokens))
            yield Token(text=begin.text if limit else "", finish="length")
            return
        limit -= count
        yield token


def partials_of(spec: ModelSpec, settings: Settings) -> Partials | None:
    """Return where the partials of this model are kept; None where no cache is wanted."""
    if not settings.cache:
        return None
    from gptwrite.settings import cache_dir

    path = Path(spec.location) if spec.engine == "llama" else None
    own = spec.sha256 or (file_identity(path) if path and path.is_file() else "")
    identity = f"{spec.engine} {spec.name} {spec.location} {own} {settings.context_length}"
    return Partials(cache_dir() / "partials", identity)


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
    spec = resolve(settings.model, settings)
    engine = open_engine(spec, settings)
    how = Reading(settings.parallel, partials_of(spec, settings))
    try:
        return "".join(token.text for token in write(job, engine, how) if not token.is_thinking)
    finally:
        engine.close()
