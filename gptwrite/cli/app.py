"""Puts the commands together: one file per group, and one command per writing task."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Annotated

import typer

from gptwrite import __version__
from gptwrite.cli.tasks import add_run, add_task
from gptwrite.errors import GptwriteError
from gptwrite.language import say
from gptwrite.template import Library

# Group or command -> the module whose `add(app)` adds it. Modules are imported for what is asked.
GROUPS = {
    "prompts": "gptwrite.cli.prompts",
    "config": "gptwrite.cli.config",
    "batch": "gptwrite.cli.batch",
    "models": "gptwrite.cli.models",
    "doctor": "gptwrite.cli.doctor",
}
NAMES = (*GROUPS, "run")


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """Return the app with what `arguments` need: one command's, or all for help and completion."""
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
            add_task(app, library.load(name))
        except GptwriteError as error:
            # One broken file of the user must not take the others along.
            typer.echo(error.message, err=True)
    add_run(app, library, [])
    for module in dict.fromkeys(GROUPS.values()):
        importlib.import_module(module).add(app)
    return app


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"gptwrite {__version__}")
        raise typer.Exit()


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass
