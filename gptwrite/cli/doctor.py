"""`gptwrite doctor`: what is installed, what the machine gives, what is wrong."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gptwrite.language import say


def add(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        "doctor",
        help=say("Check the installation: library, devices, models, settings.",
                 "检查安装：推理库、设备、模型、设置。"),
    )(doctor)  # fmt: skip


def doctor(
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help=say("print one JSON object, for a bug report; nothing private is in it",
                     "输出一个 JSON 对象，供报告问题；不含隐私"),
        ),
    ] = False,
) -> None:  # fmt: skip
    import json

    from gptwrite.doctor import examine

    report = examine()
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False, indent=1))
        return
    for title, value in report.items():
        if title != "problems":
            show(title, value, "")
    problems = report["problems"]
    typer.echo("")
    if not problems:
        typer.echo(say("No problems found.", "未发现问题。"))
    for problem in problems:
        typer.echo(say("Problem: ", "问题：") + problem)


def show(title: str, value: Any, indent: str) -> None:
    """Print one entry of the report, and what is inside it further to the right."""
    name = title.replace("_", " ")
    if title.endswith("_bytes") and isinstance(value, int):
        name, value = name.removesuffix(" bytes"), f"{value / 1e9:.1f} GB"
    if isinstance(value, dict):
        typer.echo(f"{indent}{name}:" + ("" if value else " -"))
        for key, inner in value.items():
            show(key, inner, indent + "  ")
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        typer.echo(f"{indent}{name}:")
        for inner in value:
            show(str(inner.get("name", "")), {k: v for k, v in inner.items() if k != "name"},
                 indent + "  ")  # fmt: skip
    elif isinstance(value, list):
        typer.echo(f"{indent}{name}: {', '.join(map(str, value)) or '-'}")
    else:
        words = {True: say("yes", "是"), False: say("no", "否"), None: "-"}
        text = words[value] if value is None or isinstance(value, bool) else value
        typer.echo(f"{indent}{name}: {text}")
