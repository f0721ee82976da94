"""`gptwrite prompts`: list, show, new, check, path."""

from __future__ import annotations

from typing import Annotated

import typer

from gptwrite.errors import GptwriteError, UsageError
from gptwrite.files import write_atomically
from gptwrite.language import current, say
from gptwrite.settings import config_dir
from gptwrite.template import Library, Template, pick, render, template_folders

NEW = """\
# A writing task. `gptwrite prompts check {name}` tests it; then `gptwrite {name} "..."` runs it.
extends: _writer
name: {name}
help: {name}
input: both
variables:
  tone: {{default: plain, help: Tone of the text.}}
prompt: |-
  Write in a {{{{ tone }}}} tone: {{{{ topic }}}}{{% if text %}}

  {{{{ text }}}}{{% endif %}}
completion: "{{{{ topic }}}}\\n\\n"
"""

STAND_IN = """\
# Stands in the place of the built-in {name}. What is not written here stays as it is there;
# `gptwrite prompts check {name}` tests it.
extends: {name}
name: {name}
# sampling: {{temperature: 0.7}}
# prompt: |-
#   Write of this: {{{{ topic }}}} {{{{ text }}}}
"""


def add(app: typer.Typer) -> None:
    """Add the group to `app`."""
    group = typer.Typer(
        help=say("Show and write templates.", "查看和编写模板。"),
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("list", help=say("List all templates.", "列出所有模板。"))(list_all)
    group.command("show", help=say("Print a template's file.", "显示模板文件。"))(show)
    group.command("new", help=say("Begin a template of your own.", "新建自己的模板。"))(new)
    group.command("check", help=say("Test templates.", "检查模板。"))(check)
    group.command("path", help=say("Show where a template, or all of yours, are.",
                                   "显示模板或自有模板目录的路径。"))(path)  # fmt: skip
    app.add_typer(group, name="prompts")


def list_all() -> None:
    library = Library()
    for name in sorted(library.names()):
        try:
            summary = pick(library.load(name).help, current())
        except GptwriteError as error:
            summary = error.message
        typer.echo(f"{name:<16} {summary}")


def show(name: str) -> None:
    typer.echo(Library().path(name).read_text(encoding="utf-8"), nl=False)


def new(name: str) -> None:
    from gptwrite.cli.app import NAMES

    if not name.replace("-", "_").isidentifier() or name in NAMES:
        raise UsageError(
            say(f"{name!r} cannot be the name of a template.", f"“{name}”不能作模板名。"),
            say("Use letters, digits and hyphens, and no command's name.",
                "请用字母、数字和连字符，且不要与命令同名。"),
        )  # fmt: skip
    file = config_dir() / "prompts" / f"{name}.yaml"
    if file.exists():
        raise UsageError(
            say(f"{file} is already there.", f"{file} 已存在。"),
            say("Edit it, or choose another name.", "请编辑它，或换个名字。"),
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    is_built_in = name in Library(template_folders()[:1]).all_names()
    write_atomically(file, (STAND_IN if is_built_in else NEW).format(name=name))
    typer.echo(str(file))
    if is_built_in:
        typer.echo(
            say(f"It stands in the place of the built-in {name} from now on; remove it to have "
                "that back.",
                f"从现在起它取代内置的 {name}；删除它即可恢复。"),
            err=True,
        )  # fmt: skip


def check(names: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    library = Library()
    failed = 0
    for name in names or sorted(library.names()):
        try:
            check_template(library.load(name))
            typer.echo(f"{say('ok   ', '正常')} {name}")
        except GptwriteError as error:
            failed += 1
            typer.echo(f"{say('wrong', '有误')} {error.message}")
    if failed:
        raise typer.Exit(1)


def check_template(template: Template) -> None:
    """Render the template in both languages, with and without material."""
    from gptwrite.cli.app import NAMES
    from gptwrite.errors import TemplateError

    if template.name in NAMES:
        raise TemplateError(
            f"{template.path}:1: "
            + say(f"{template.name!r} is the name of a command", f"“{template.name}”是命令的名称")
        )
    for text in ("", "text"):
        render(template, "en", "topic", text)
        render(template, "zh", "topic", text)


def path(name: Annotated[str, typer.Argument()] = "") -> None:
    typer.echo(str(Library().path(name) if name else config_dir() / "prompts"))
