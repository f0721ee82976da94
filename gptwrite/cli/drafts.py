"""`-n 4`: several drafts of one text, decoded side by side in one context."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from gptwrite.cli.interrupt import cancelling
from gptwrite.cli.long_input import Progress, finish_reading
from gptwrite.cli.writing import save
from gptwrite.engines.base import Engine, Request
from gptwrite.errors import ExitCode, GptwriteError
from gptwrite.language import say
from gptwrite.longtext import Reading
from gptwrite.terminal import Terminal
from gptwrite.write import Job, build_request, is_long, shortened

RULE = "\n---\n\n"


def draft_requests(job: Job, count: int) -> list[Request]:
    """Return `count` requests alike but for their seeds, which follow the first one's."""
    request = build_request(job)
    seed = request.sampling.seed
    seeds = [None if seed is None else seed + i for i in range(count)]
    return [replace(request, sampling=replace(request.sampling, seed=s)) for s in seeds]


def fit(job: Job, engine: Engine, terminal: Terminal, how: Reading) -> Job | None:
    """Return the job with an input that all drafts can be written from; None when interrupted."""
    if not is_long(job, engine):
        return job
    with (
        cancelling(engine.cancel) as interrupted,
        terminal.spinner(say("Reading…", "正在阅读……")) as spinner,
    ):
        if isinstance(how.progress, Progress):
            how.progress.spinner = spinner
        reading = shortened(job, engine, how)
        while not interrupted():
            try:
                next(reading)
            except StopIteration as end:
                short: Job | None = end.value
                finish_reading(how, None, engine.context_length)
                return short
    return None


def run_drafts(
    job: Job, engine: Engine, options: dict[str, Any], terminal: Terminal, how: Reading
) -> int:
    """Write the drafts one below the other, in order; return the exit status."""
    fitting = fit(job, engine, terminal, how)
    if fitting is None:
        return ExitCode.INTERRUPTED
    job = fitting
    requests = draft_requests(job, options["drafts"])
    beginning = requests[0].answer if job.template.show_answer else ""
    texts = [beginning] * len(requests)
    finishes: list[str] = ["cancelled"] * len(requests)
    errors: list[GptwriteError] = []
    with (
        cancelling(engine.cancel) as interrupted,
        terminal.spinner(say("Writing the drafts…", "正在写草稿……")),
    ):
        for index, token in engine.generate(requests, parallel=len(requests)):
            if isinstance(token, GptwriteError):
                errors.append(token)
            elif not token.is_thinking:
                texts[index] += token.text
                finishes[index] = token.finish or finishes[index]
    if errors:
        raise errors[0]
    texts = [text.rstrip("\n") + "\n" for text in texts]
    if options["json"]:
        rows = [
            {"draft": i + 1, "text": text, "finish_reason": finish}
            for i, (text, finish) in enumerate(zip(texts, finishes, strict=True))
        ]
        content = json.dumps(rows, ensure_ascii=False) + "\n"
    else:
        content = RULE.join(texts)
    if options["output"]:
        save(content, options["output"], interrupted(), terminal)
    elif options["json"]:
        terminal.out.write(content)
    else:
        printer = terminal.printer()
        printer.push(content)
        printer.finish()
    if interrupted():
        return ExitCode.INTERRUPTED
    if options["strict"] and "length" in finishes:
        return ExitCode.CUT
    return ExitCode.OK
