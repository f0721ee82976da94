"""`-n 4`: several drafts of one text, decoded side by side in one context."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from gptwrite.cli.interrupt import cancelling
from gptwrite.cli.long_input import Progress
from gptwrite.cli.result import Result, checked, save
from gptwrite.engines.base import Engine, Request, Token
from gptwrite.errors import GptwriteError
from gptwrite.language import say
from gptwrite.longtext import Reading
from gptwrite.models import ModelSpec
from gptwrite.terminal import Terminal
from gptwrite.write import Job, Stream, build_request, fitting, material

RULE = "\n\n---\n\n"  # right below a line it would make a heading of it in Markdown
FIRST_SEEDS = 2**31 - 64  # the most drafts below what servers take: signed numbers of 32 bits


def draft_jobs(job: Job, count: int) -> list[Job]:
    """Return `count` jobs alike but for their seeds, which follow the first one's."""
    seed = build_request(job).sampling.seed
    first = secrets.randbelow(FIRST_SEEDS) if seed is None else seed
    return [replace(job, sampling={**job.sampling, "seed": first + i}) for i in range(count)]


def fit(
    job: Job, engine: Engine, terminal: Terminal, how: Reading, stream: Stream | None
) -> Job | None:
    """Return the job with an input that all drafts can be written from; None when interrupted."""
    with (
        cancelling(engine.cancel) as interrupted,
        terminal.spinner(say("Reading…", "正在阅读……")) as spinner,
    ):
        if isinstance(how.progress, Progress):
            how.progress.spinner = spinner
        reading = fitting(job, engine, how, stream)
        while not interrupted():
            try:
                next(reading)
            except StopIteration as end:
                short: Job | None = end.value
                return short
    return None


def write_drafts(
    job: Job,
    engine: Engine,
    options: dict[str, Any],
    terminal: Terminal,
    spec: ModelSpec,
    how: Reading,
) -> list[Result]:
    """Return the drafts in order, at least one; the first error of any is raised."""
    stream = checked(engine, spec)
    short = fit(job, engine, terminal, how, stream)
    if short is None:
        return [Result(interrupted=True)]
    jobs = draft_jobs(short, options["drafts"])
    if stream:
        from gptwrite.starter import with_notes

        jobs = [with_notes(each) for each in jobs]  # each with facts of its own choice
    requests = [build_request(each) for each in jobs]
    written: list[list[Token]] = [[] for _ in requests]
    errors: list[GptwriteError] = []
    with (
        cancelling(engine.cancel) as interrupted,
        terminal.spinner(say("Writing the drafts…", "正在写草稿……")),
    ):
        tokens_of_all = (
            _in_turn(jobs, requests, stream, interrupted)
            if stream
            else engine.generate(requests, parallel=len(requests))
        )
        for index, token in tokens_of_all:
            if isinstance(token, GptwriteError):
                errors.append(token)
            else:
                written[index].append(token)
        is_stopped = interrupted()
    if errors:
        raise errors[0]
    results = []
    for request, tokens in zip(requests, written, strict=True):
        if not tokens:
            continue  # stopped before it was begun
        beginning = request.answer if job.template.show_answer else ""
        result = Result(beginning, seed=request.sampling.seed, interrupted=is_stopped)
        thoughts = ""
        for token in tokens:
            if token.is_thinking:
                thoughts += token.text
            else:
                result.text += token.text
            result.finish = token.finish or result.finish
        if thoughts and options["show_thinking"]:
            terminal.thought(thoughts.rstrip("\n") + "\n")
        result.text = result.text.rstrip("\n") + "\n" if result.text.strip() else ""
        results.append(result)
    if how.trace:
        how.trace.texts = [result.text for result in results]
    return results or [Result(interrupted=is_stopped)]


def _in_turn(
    jobs: Sequence[Job],
    requests: Sequence[Request],
    stream: Stream,
    interrupted: Callable[[], bool],
) -> Iterator[tuple[int, Token]]:
    """Yield the tokens of all drafts, one draft after another."""
    for index, (job, request) in enumerate(zip(jobs, requests, strict=True)):
        if interrupted():
            return
        for token in stream(job, request, material(job)):
            yield index, token
            if interrupted() and token.text:
                yield index, Token(finish="cancelled")
                return


def deliver(
    drafts: Sequence[Result],
    model: str,
    options: dict[str, Any],
    terminal: Terminal,
    is_markdown: bool,
) -> None:
    """Put the drafts, one below the other, to where they belong."""
    if not any(draft.text for draft in drafts):
        return  # stopped before there was anything
    if options["json"]:
        rows = [
            {
                "draft": i,
                "text": draft.text,
                "model": model,
                "seed": draft.seed,
                "finish_reason": draft.finish or "cancelled",
            }
            for i, draft in enumerate(drafts, 1)
        ]
        content = json.dumps(rows, ensure_ascii=False) + "\n"
    else:
        content = RULE.join(draft.text for draft in drafts)
    if options["output"]:
        save(content, options["output"], drafts[-1].interrupted, terminal)
    elif options["json"]:
        terminal.out.write(content)
        terminal.out.flush()
    else:
        printer = terminal.printer(is_markdown)
        printer.push(content)
        printer.finish()
