"""A command for every writing task, made from its YAML file, with typed options and help."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from gptwrite.cli.options import parameter, setting_parameters, writing_parameters
from gptwrite.errors import TemplateError
from gptwrite.flags import WORDS
from gptwrite.language import current, say
from gptwrite.template import Library, Template, pick
from gptwrite.variables import TYPES


def add_task(app: typer.Typer, template: Template) -> None:
    """Add the command of `template` to `app`."""
    command = command_of(template)
    app.command(template.name, help=pick(template.help, current()))(command)


def run_help() -> str:
    """Return the line of help of `run`."""
    return say("Run any template by name.", "按名称运行任一模板。")


def add_run(app: typer.Typer, library: Library, arguments: Sequence[str]) -> None:
    """Add `run NAME`, with the options of the template that `arguments` name."""
    group = typer.Typer(
        help=run_help(),
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    name = arguments[0] if arguments else ""
    names = [name] if name and not name.startswith("-") else library.names()
    for task in names:
        try:
            add_task(group, library.load(task))
        except TemplateError:
            if name:
                raise
            # Help lists what can be run; `prompts check` and the command itself name the fault.
    group.callback()(lambda: None)
    app.add_typer(group, name="run")


def command_of(template: Template) -> Callable[..., None]:
    """Return a function whose signature holds the task's variables and the common options."""

    def command(**values: Any) -> None:
        from gptwrite.cli.writing import run

        own = {variable.name: values.pop(variable.name) for variable in template.variables}
        status = run(template, own, values)
        if status:
            raise typer.Exit(status)

    words = inspect.Parameter(
        WORDS,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            list[str] | None,
            typer.Argument(
                metavar=metavar(template),
                help=say("what to write about, or the text; - for standard input",
                         "主题或文字；- 表示标准输入"),
                show_default=False,
            ),
        ],
    )  # fmt: skip
    rows = [words]
    for variable in template.variables:
        help_text = pick(variable.help, current())
        if variable.choices:
            help_text += f" [{'|'.join(variable.choices)}]"
        kind = TYPES[variable.type]
        flag = f"--{variable.name.replace('_', '-')}"
        rows.append(parameter(variable.name, kind, variable.default, (flag,), help_text))
    rows += [*writing_parameters(), *setting_parameters()]
    command.__signature__ = inspect.Signature(rows)  # type: ignore[attr-defined]
    command.__annotations__ = {row.name: row.annotation for row in rows}
    return command


def metavar(template: Template) -> str:
    """Return the word that stands for the input in a command's usage line."""
    return {"topic": "[TOPIC]", "text": "[TEXT]", "both": "[TOPIC]"}[template.input]
