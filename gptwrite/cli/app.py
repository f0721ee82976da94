"""Puts the commands together: one file per group, and one command per writing task."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Annotated

import typer

from gptwrite import __version__
from gptwrite.cli.tasks import add_run, add_task, run_help
from gptwrite.errors import GptwriteError
from gptwrite.language import current, say
from gptwrite.template import Library, pick

# Group or command -> the module whose `add(app)` adds it. Modules are imported for what is asked.
GROUPS = {
    "prompts": "gptwrite.cli.prompts",
    "config": "gptwrite.cli.config",
    "cache": "gptwrite.cli.cache",
    "commit": "gptwrite.cli.git",
    "hook": "gptwrite.cli.git",
    "batch": "gptwrite.cli.batch",
    "models": "gptwrite.cli.models",
    "doctor": "gptwrite.cli.doctor",
    "bench": "gptwrite.cli.bench",
}
NAMES = (*GROUPS, "run")


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """Return the app with what `arguments` need: one command whole, or the names of all.

    Building every option of every command costs more than importing typer: for the list of
    commands, names and one line of help are enough.
    """
    app = typer.Typer(
        name="gptwrite",
        help=say(
            "A local, private writing assistant. Each task below is a command.",
            "本地、私密的写作助手。下面每个任务都是一个命令。",
        ),
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    library = Library()
    arguments = _words_to_complete() or arguments
    wanted = arguments[0] if arguments else ""
    if wanted in GROUPS:
        importlib.import_module(GROUPS[wanted]).add(app)
        return app
    if wanted == "run":
        add_run(app, library, arguments[1:])
        return app
    tasks = library.names()
    if wanted in tasks and wanted not in NAMES:
        add_task(app, library.load(wanted))
        return app
    for name in tasks:
        if name in NAMES:
            continue
        try:
            app.command(name, help=pick(library.load(name).help, current()))(_named_only)
        except GptwriteError as error:
            # One broken file of the user must not take the others along.
            typer.echo(error.message, err=True)
    app.command("run", help=run_help())(_named_only)
    for module in dict.fromkeys(GROUPS.values()):
        importlib.import_module(module).add(app)
    return app


def _words_to_complete() -> list[str]:
    """Return the words of the line that a shell wants completed, without the program's name."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    return line.split()[1:] if "_GPTWRITE_COMPLETE" in os.environ else []


def _named_only() -> None:
    """Stands for a command in the list of commands; never called."""


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"gptwrite {__version__}")
        raise typer.Exit()


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help=say("Show the version and exit.", "显示版本并退出。"),
        ),
    ] = False,
) -> None:
    pass
