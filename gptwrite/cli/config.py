"""`gptwrite config`: list, get, set, unset, path."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from gptwrite.language import say
from gptwrite.settings import (
    FIELDS,
    check_name,
    config_file,
    load_settings,
    parse,
    write_setting,
)


def add(app: typer.Typer) -> None:
    """Add the group to `app`."""
    group = typer.Typer(
        help=say("Show and change settings.", "查看和修改设置。"),
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("list", help=say("Show all settings in force.", "列出当前所有设置。"))(list_all)
    group.command("get", help=say("Show one setting.", "查看一项设置。"))(get)
    # A value such as -1 is no option.
    group.command("set", help=say("Change a setting.", "修改一项设置。"),
                  context_settings={"ignore_unknown_options": True})(set_)  # fmt: skip
    group.command("unset", help=say("Go back to the default.", "恢复默认值。"))(unset)
    group.command("path", help=say("Show the file's path.", "显示配置文件的路径。"))(path)
    app.add_typer(group, name="config")


def list_all() -> None:
    settings = load_settings()
    for name, row in FIELDS.items():
        value = json.dumps(getattr(settings, name), ensure_ascii=False)
        typer.echo(f"{name} = {value}  # {row.metadata[say('en', 'zh')]}")


def get(key: str) -> None:
    check_name(key, "config get")
    value = getattr(load_settings(), key)
    typer.echo(value if isinstance(value, str) else json.dumps(value))


def set_(key: str, value: Annotated[str, typer.Argument()]) -> None:
    write_setting(config_file(), key, parse(key, value, "config set"))


def unset(key: str) -> None:
    check_name(key, "config unset")
    write_setting(config_file(), key, None)


def path() -> None:
    typer.echo(str(config_file()))
