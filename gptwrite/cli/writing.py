"""One run of a writing command: input, settings, model, text, and what is said about it."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gptwrite.cli.interrupt import cancelling
from gptwrite.cli.long_input import Progress, finish_reading, reading_of
from gptwrite.cli.result import Result, as_json, checked, is_markdown, save
from gptwrite.engines import open_engine
from gptwrite.engines.base import Engine, Finish, Stats, Token, as_turns
from gptwrite.errors import ExitCode, UsageError, nothing_written
from gptwrite.inputs import Inputs, gather, read_stdin
from gptwrite.language import say
from gptwrite.longtext import Reading
from gptwrite.models import ModelSpec, is_builtin, resolve
from gptwrite.settings import FIELDS, Settings, data_dir, load_settings
from gptwrite.template import Template
from gptwrite.terminal import RawPrinter, Terminal
from gptwrite.write import Job, build_request, chosen_language, is_empty, sampling_of, write

EMPTY = Token()


def run(template: Template, values: Mapping[str, Any], options: dict[str, Any]) -> int:
    """Do the task and return the exit status; raises `GptwriteError` for what a user can mend."""
    settings = load_settings({k: v for k, v in options.items() if k in FIELDS})
    terminal = Terminal(quiet=settings.quiet, plain=settings.plain)
    plain = _job(template, values, options, settings)
    job = _with_notes(plain, settings)
    if options["show_prompt"]:
        print_prompt(job, settings, terminal)
        return ExitCode.OK
    build_request(job, Inputs("-", "-"))  # a wrong variable is said before a model is loaded
    for path in (options["output"], options["trace"]):
        if path:
            check_writable(path)
    spec = resolve(settings.model, settings)
    started = time.perf_counter()
    with terminal.spinner(say("Loading the model…", "正在加载模型……")):
        engine = open_engine(spec, settings)
    loaded = time.perf_counter()
    how = reading_of(spec, settings, terminal, options["trace"])
    try:
        if options["drafts"] > 1:
            from gptwrite.cli.drafts import deliver, write_drafts

            drafts = write_drafts(plain, engine, options, terminal, spec, how)
            result = drafts[-1]
        else:
            drafts = []
            result = produce(job, engine, options, terminal, spec, how)
    finally:
        engine.close()
    finish_reading(how, options["trace"], engine.context_length, result.interrupted)
    if not result.interrupted and all(is_empty(job, one.text) for one in drafts or [result]):
        raise nothing_written(result.finish == "length")
    result.seconds = time.perf_counter() - started
    stats = engine.stats
    if not stats.load_seconds:
        # The engine tells what its last request cost; of a long text the first ones have paid for
        # the model, and the user has waited for all of them.
        first = result.first - started if result.first else stats.first_token_seconds
        stats = dataclasses.replace(stats, load_seconds=loaded - started, first_token_seconds=first)
    if drafts:
        deliver(drafts, engine.name, options, terminal, is_markdown(job))
        stats = dataclasses.replace(stats, seed=drafts[0].seed)
    else:
        _deliver(result, engine.name, stats, options, terminal)
    finishes = [one.finish for one in drafts or [result]]
    _say_afterwards(finishes, stats, plain, settings, options, terminal)
    if result.interrupted:
        return ExitCode.INTERRUPTED
    if options["strict"] and "length" in finishes:
        return ExitCode.CUT
    return ExitCode.OK


def _job(
    template: Template, values: Mapping[str, Any], options: dict[str, Any], settings: Settings
) -> Job:
    inputs = gather(template, options["words"] or [], options["file"] or [], read_stdin())
    language = chosen_language(options["lang"], inputs)
    return Job(
        template,
        inputs,
        language,
        values,
        sampling_of(settings),
        thinking=options["show_thinking"],
    )


def _with_notes(job: Job, settings: Settings) -> Job:
    """Return the job with what the package knows of its topic, for the model inside the package."""
    if not uses_builtin(settings):
        return job
    from gptwrite.starter import with_notes

    return with_notes(job)


def uses_builtin(settings: Settings) -> bool:
    """Say whether the model inside the package writes."""
    return is_builtin(settings.model) and not settings.endpoint


def print_prompt(job: Job, settings: Settings, terminal: Terminal) -> None:
    """Print the messages of the request, and the decided beginning of the answer."""
    request = build_request(job)
    if uses_builtin(settings):
        from gptwrite.starter import plan_of

        plan = plan_of(job, request)
        request = plan.sent
        if plan.stand_in:
            terminal.note(
                say(f"The built-in model writes of “{plan.stand_in}”; the text gets "
                    f"“{plan.asked}” back.",
                    f"内置模型以“{plan.stand_in}”代写，文中再换回“{plan.asked}”。")
            )  # fmt: skip
    printer = RawPrinter(terminal.out, terminal.out_is_tty)
    printer.push(as_turns(request.messages, request.answer))
    printer.finish()


def check_writable(path: Path) -> None:
    """Raise `UsageError` before any work is done for a place that cannot be written."""
    import os

    folder = path.resolve().parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(
            say(f"Cannot write to {path}.", f"无法写入 {path}。"),
            say(
                "Choose a file in a folder that exists and is yours.",
                "请选择已存在且可写的目录中的文件。",
            ),
        )


def produce(
    job: Job,
    engine: Engine,
    options: dict[str, Any],
    terminal: Terminal,
    spec: ModelSpec,
    how: Reading | None = None,
) -> Result:
    """Stream the text to where it belongs and return it; Ctrl-C ends it, keeping what there is."""
    result = Result()
    is_shown = not options["json"] and not options["output"]
    printer = terminal.printer(is_markdown(job)) if is_shown else None
    tokens = write(job, engine, how, checked(engine, spec))
    with cancelling(engine.cancel) as interrupted:
        for token in after_first(tokens, terminal, how, interrupted):
            if token.is_thinking:
                if options["show_thinking"]:
                    terminal.thought(token.text)
                continue
            if token.id is not None:
                result.first = result.first or time.perf_counter()
            result.text += token.text
            if printer:
                printer.push(token.text)
            result.finish = token.finish or result.finish
            if interrupted():
                break
        result.interrupted = interrupted()
    if printer:
        printer.finish()
    if how and how.trace:
        how.trace.texts = [result.text]
    return result


def after_first(
    tokens: Iterator[Token],
    terminal: Terminal,
    how: Reading | None,
    interrupted: Callable[[], bool],
) -> Iterator[Token]:
    """Yield `tokens`, with a spinner until the first one that shows something."""
    progress = how.progress if how and isinstance(how.progress, Progress) else None
    waiting: list[Token] = []
    with terminal.spinner(say("Reading…", "正在阅读……")) as spinner:
        if progress:
            progress.spinner = spinner
        for token in tokens:
            if token != EMPTY:
                waiting.append(token)
            # A server gives no ids: there the second text is surely the model's own.
            if token.id is not None or token.finish or sum(bool(t.text) for t in waiting) > 1:
                break
            if interrupted() or (progress and progress.parts and token.text):
                break
        if progress:
            progress.spinner = None
    yield from waiting
    yield from tokens


def _deliver(
    result: Result, model: str, stats: Stats, options: dict[str, Any], terminal: Terminal
) -> None:
    content = result.text if result.text.endswith("\n") or not result.text else result.text + "\n"
    if options["json"]:
        content = json.dumps(as_json(result, model, stats), ensure_ascii=False) + "\n"
    if not options["output"]:
        if options["json"]:
            terminal.out.write(content)
            terminal.out.flush()
        return
    save(content, options["output"], result.interrupted, terminal)


def _say_afterwards(
    finishes: Sequence[Finish | None],
    stats: Stats,
    job: Job,
    settings: Settings,
    options: dict[str, Any],
    terminal: Terminal,
) -> None:
    for note in stats.notes:
        terminal.note(say("Note: ", "注意：") + note)
    if "length" in finishes:
        terminal.note(
            say("The text was cut at the token limit; --max-tokens raises it.",
                "文字在词元上限处被截断；可用 --max-tokens 提高。")
        )  # fmt: skip
    if options["stats"]:
        terminal.error(stats_line(stats))
    if uses_builtin(settings) and settings.starter_note:
        from gptwrite.starter import weakness

        if note := weakness(job):
            terminal.note(note)
        if terminal.err_is_tty:
            mention_larger_models(terminal)


def stats_line(stats: Stats) -> str:
    """Return one line on speed, seed and device."""
    prompt = max(0, stats.prompt_tokens - stats.cached_tokens)
    prefill = prompt / stats.prefill_seconds if stats.prefill_seconds else 0.0
    decode = stats.generated_tokens / stats.decode_seconds if stats.decode_seconds else 0.0
    return say(
        f"prompt {stats.prompt_tokens} tokens ({stats.cached_tokens} cached), {prefill:.0f} tok/s; "
        f"generated {stats.generated_tokens} tokens, {decode:.0f} tok/s; "
        f"first token {stats.first_token_seconds:.2f} s; load {stats.load_seconds:.2f} s; "
        f"seed {stats.seed}; {stats.device}, {stats.threads} threads",
        f"提示 {stats.prompt_tokens} 词元（缓存 {stats.cached_tokens}），{prefill:.0f} 词元/秒；"
        f"生成 {stats.generated_tokens} 词元，{decode:.0f} 词元/秒；"
        f"首词元 {stats.first_token_seconds:.2f} 秒；加载 {stats.load_seconds:.2f} 秒；"
        f"种子 {stats.seed}；{stats.device}，{stats.threads} 线程",
    )


def mention_larger_models(terminal: Terminal) -> None:
    """Say once, ever, that the built-in model is a starter."""
    import contextlib

    mark = data_dir() / "starter-note-shown"
    if mark.exists():
        return
    terminal.note(
        say("The built-in model is a small starter; larger ones write better: "
            "`gptwrite models recommend`.",
            "内置模型只是小小的起步模型；更大的模型写得更好：`gptwrite models recommend`。")
    )  # fmt: skip
    with contextlib.suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
