"""`gptwrite batch TASK INPUTS... --out DIR`: one task over thousands of inputs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gptwrite.cli.options import parameter, setting_parameters
from gptwrite.language import say

if TYPE_CHECKING:
    from gptwrite.batch import Alone, Outcome, Plan
    from gptwrite.engines.base import Engine
    from gptwrite.items import Item
    from gptwrite.longtext import Reading
    from gptwrite.models import ModelSpec
    from gptwrite.settings import Settings
    from gptwrite.terminal import Terminal
    from gptwrite.write import Job

JOBS = 8
MOST_NOTES = 3  # on what the built-in model is poor at
PLAIN_LINES = 20  # at most so many lines of progress without a terminal
PLAIN_EVERY = 100  # items a line where nobody knows how many there will be


def add(app: typer.Typer) -> None:
    """Add the command to `app`."""

    def command(**values: Any) -> None:
        status = run(values)
        if status:
            raise typer.Exit(status)

    rows = [*_arguments(), *_options(), *setting_parameters()]
    command.__signature__ = inspect.Signature(rows)  # type: ignore[attr-defined]
    command.__annotations__ = {row.name: row.annotation for row in rows}
    text = say(
        "Do one task over many inputs: files, folders, globs, or rows of JSON. "
        "Run it again to continue a run that was stopped.",
        "对大量输入执行同一任务：文件、目录、通配符或 JSON 行。中断后再次运行即可继续。",
    )
    app.command("batch", help=text)(command)


def _arguments() -> list[inspect.Parameter]:
    task = typer.Argument(metavar="TASK", help=say("a task", "任务名"), show_default=False)
    inputs = typer.Argument(
        metavar="[INPUTS]...",
        help=say("files, folders, globs, .jsonl files; nothing or - reads rows of JSON from stdin",
                 "文件、目录、通配符、.jsonl 文件；不写或写 - 则从标准输入读 JSON 行"),
        show_default=False,
    )  # fmt: skip
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter("task", kind, annotation=Annotated[str, task]),
        inspect.Parameter(
            "inputs", kind, default=None, annotation=Annotated[list[str] | None, inputs]
        ),
    ]


def _options() -> list[inspect.Parameter]:
    return [
        parameter("out", str, "", ("--out", "-o"),
                  say("a folder for one file an item, or a .jsonl file; else rows go to stdout",
                      "每项一个文件的目录，或 .jsonl 文件；不写则输出到标准输出")),
        parameter("jobs", int, JOBS, ("--jobs", "-j"),
                  say("how many to write side by side", "同时写多少份"), min=1, max=64),
        parameter("pattern", str, "*", ("--pattern",),
                  say("which files of a folder, such as '*.md'", "取目录中哪些文件，如 '*.md'")),
        parameter("suffix", str, "", ("--suffix",),
                  say("ending of the files written, such as .summary.md",
                      "输出文件的后缀，如 .summary.md")),
        parameter("set_", list[str] | None, None, ("--set",),
                  say("a variable of the task: name=value; may be repeated",
                      "任务的变量：名称=值；可多次给出")),
        parameter("instruction", str, "", ("--instruction",),
                  say("what to observe with every input", "对每份输入的附加要求")),
        parameter("lang", str, "auto", ("--lang",),
                  say("language of the texts: auto (each its own), zh, en",
                      "文字的语言：auto（各随其文）、zh、en")),
        parameter("force", bool, False, ("--force",),
                  say("do finished items again", "重做已完成的项")),
    ]  # fmt: skip


def run(options: dict[str, Any]) -> int:
    """Do the batch and return the exit status; raises `GptwriteError` for what a user can mend."""
    from gptwrite.cli.interrupt import cancelling

    opened: list[Engine] = []

    def cancel() -> None:
        for engine in opened:
            engine.cancel()

    with cancelling(cancel) as interrupted:
        return _run(options, opened, interrupted)


def _run(options: dict[str, Any], opened: list[Engine], interrupted: Callable[[], bool]) -> int:
    from gptwrite.batch import Batch
    from gptwrite.engines import open_engine
    from gptwrite.errors import ExitCode
    from gptwrite.items import count_files, numbered
    from gptwrite.journal import Folder, Stream, open_results
    from gptwrite.longtext import Reading
    from gptwrite.models import resolve
    from gptwrite.settings import FIELDS, load_settings
    from gptwrite.terminal import Terminal
    from gptwrite.write import partials_of

    settings = load_settings({k: v for k, v in options.items() if k in FIELDS})
    terminal = Terminal(quiet=settings.quiet, plain=settings.plain)
    spec = resolve(settings.model, settings)
    plan = _plan(options, settings, spec.name)
    arguments: list[str] = options["inputs"] or []
    results = open_results(options["out"], options["suffix"], options["force"], terminal.out)
    folder = Path(options["out"]) if isinstance(results, Folder) else None
    how = Reading(options["jobs"], partials_of(spec, settings))
    weaknesses: dict[str, None] = {}

    def open_model() -> Engine:
        opened.append(open_engine(spec, settings))
        return opened[0]

    try:
        items = _items(arguments, options, folder)
        is_stream = isinstance(results, Stream)
        is_bar = terminal.err_is_tty and not (is_stream and terminal.out_is_tty)
        total = None if items is None else count_files(arguments, options["pattern"], folder)
        progress = Progress(terminal, total, is_bar)
        # A second Ctrl-C breaks off what the first did not end, and is heard here.
        with suppress(KeyboardInterrupt), progress:
            batch = Batch(
                plan,
                numbered(items or _stdin_items(options["jobs"]), unique=not is_stream),
                open_model,
                how=how,
                is_ordered=results.is_ordered,
                is_done=results.is_done,
                is_stopped=interrupted,
                alone=_alone(spec, weaknesses),
            )
            for outcome in batch.run():
                progress.count(keep(results, outcome))
    finally:
        with suppress(KeyboardInterrupt):
            _close(results, opened, how)
    for engine in opened:
        for note in engine.stats.notes:
            terminal.note(say("Note: ", "注意：") + note)
    for note in list(weaknesses)[:MOST_NOTES] if settings.starter_note else ():
        terminal.note(note)
    progress.summarize(interrupted())
    if interrupted():
        return ExitCode.INTERRUPTED
    return ExitCode.ERROR if progress.failed else ExitCode.OK


def _close(results: Any, opened: list[Engine], how: Reading) -> None:
    try:
        results.close()
    finally:
        for engine in opened:
            engine.close()
        if how.partials:
            how.partials.shrink()


def keep(results: Any, outcome: Outcome) -> Outcome:
    """Hand a result to where it is kept; return it, or its error where it could not be."""
    from dataclasses import replace

    from gptwrite.errors import GptwriteError
    from gptwrite.journal import is_fatal

    if outcome.was_done:
        return outcome
    try:
        results.put(outcome.item, outcome.key, outcome.row())
    except GptwriteError as error:
        if is_fatal(error):
            raise
        return replace(outcome, error=error)
    return outcome


def _plan(options: dict[str, Any], settings: Settings, model: str) -> Plan:
    from gptwrite.batch import Plan, job_of, typed
    from gptwrite.errors import UsageError
    from gptwrite.items import Item
    from gptwrite.template import Library
    from gptwrite.write import build_request, check_language, sampling_of

    if "/" in options["suffix"]:
        raise UsageError(
            say(f"--suffix cannot be {options['suffix']!r}.",
                f"--suffix 不能是“{options['suffix']}”。"),
            say("For example: --suffix .summary.md", "例如：--suffix .summary.md"),
        )  # fmt: skip
    check_language(options["lang"])
    values = {}
    for pair in options["set_"] or []:
        name, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(
                say(f"--set {pair} has no value.", f"--set {pair} 没有值。"),
                say("For example: --set length=300", "例如：--set length=300"),
            )
        values[name.strip()] = value
    template = Library().load(options["task"])
    plan = Plan(
        template,
        model,
        typed(template, values),
        sampling_of(settings),
        options["lang"],
        options["instruction"],
    )
    build_request(job_of(plan, Item("", "", topic="x")))  # a wrong variable is said at once
    return plan


def _alone(spec: ModelSpec, notes: dict[str, None]) -> Alone | None:
    """Return how the built-in model writes what needs its help; None for other models.

    What a reader should know of its texts is put into `notes`.
    """
    from gptwrite.models import is_builtin

    if not is_builtin(spec.location):
        return None
    from gptwrite import starter
    from gptwrite.batch import Alone

    def wants(job: Job) -> bool:
        if note := starter.weakness(job):
            notes.setdefault(note)
        return starter.needs_help(job)

    return Alone(wants, starter.write_helped)


def _items(
    arguments: list[str], options: dict[str, Any], folder: Path | None
) -> Iterator[Item | None] | None:
    """Return the items that the arguments name; None for rows on standard input."""
    from gptwrite.errors import UsageError
    from gptwrite.inputs import stdin_is_tty
    from gptwrite.items import need_inputs, read_items

    if "-" in arguments and len(arguments) > 1:
        raise UsageError(
            say("`-` cannot stand beside other inputs.", "`-` 不能与其他输入并用。"),
            say("Name files, or pipe rows in.", "请给出文件，或用管道输入。"),
        )
    if arguments in ([], ["-"]):
        if stdin_is_tty():
            raise need_inputs()
        return None
    return read_items(arguments, options["pattern"], folder)


def _stdin_items(jobs: int) -> Iterator[Item | None]:
    from gptwrite.items import arriving_rows

    # A reader of our own: the thread may still be waiting in it when the program ends.
    return arriving_rows(open(sys.stdin.fileno(), "rb", closefd=False), ahead=2 * jobs)


class Progress:
    """Counts the results and shows them on stderr: a bar on a terminal, else plain lines."""

    def __init__(self, terminal: Terminal, total: int | None, is_bar: bool) -> None:
        self._terminal = terminal
        self._total = total
        self._bar: Any = None
        self._task: Any = None
        self._is_bar = is_bar and not terminal.quiet
        self._every = max(1, -(-total // PLAIN_LINES)) if total else PLAIN_EVERY
        self.written = self.failed = self.found = self.cut = 0

    def __enter__(self) -> Progress:
        import os

        if self._is_bar and os.environ.get("TERM") != "dumb":
            self._bar = _bar(self._terminal)
            self._task = self._bar.add_task("", total=self._total)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            with suppress(OSError):
                self._bar.stop()

    def count(self, outcome: Outcome) -> None:
        """Add a result; a failed one is reported at once."""
        from gptwrite.terminal import safe

        if error := outcome.error:
            self.failed += 1
            label = str(outcome.item.id)
            # What went wrong in reading names its place; elsewhere an id may be any word or number.
            is_named = outcome.item.error is not None and label in error.message
            text = error.message if is_named else f"{label}: {error.message}"
            text = say("Failed: ", "失败：") + safe(text)
            if self._bar:
                self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
            else:
                self._terminal.error(text)
        elif outcome.was_done:
            self.found += 1
        else:
            self.written += 1
            self.cut += outcome.finish == "length"
        done = self.written + self.failed + self.found
        if self._bar:
            self._bar.update(self._task, completed=done, description=safe(str(outcome.item.id)))
        elif done % self._every == 0:
            self._terminal.note(f"{done}/{self._total}" if self._total else str(done))

    def summarize(self, interrupted: bool) -> None:
        """Say how it went."""
        parts = [say(f"{self.written} written", f"写成 {self.written} 项")]
        if self.found:
            parts.append(say(f"{self.found} there already", f"已有 {self.found} 项"))
        if self.failed:
            parts.append(say(f"{self.failed} failed", f"失败 {self.failed} 项"))
        if self.cut:
            parts.append(say(f"{self.cut} cut at the token limit (--max-tokens raises it)",
                             f"{self.cut} 项在词元上限处被截断（可用 --max-tokens 提高）"))  # fmt: skip
        text = say(", ", "，").join(parts) + say(".", "。")
        if interrupted:
            text = say("Stopped. ", "已停止。") + text
            text += say(" The same command goes on from here.", "再次运行同一命令即可继续。")
        self._terminal.note(text)


def _bar(terminal: Terminal) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
        console=Console(file=terminal.err),
        redirect_stdout=False,
        redirect_stderr=False,
    )
