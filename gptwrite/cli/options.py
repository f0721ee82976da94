"""The options every writing command has, each named, typed and explained once."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from gptwrite.flags import SETTING_FLAGS, WRITING_FLAGS
from gptwrite.language import say
from gptwrite.settings import FIELDS


def parameter(
    name: str, kind: Any, default: Any, flags: tuple[str, ...], help: str, **extra: Any
) -> inspect.Parameter:
    """Return one keyword parameter of a command, as typer reads it."""
    option = typer.Option(*flags, help=help, **extra)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, option],
    )


def setting_parameters(names: tuple[str, ...] = tuple(SETTING_FLAGS)) -> list[inspect.Parameter]:
    """Return the options that stand for settings; None means: not given."""
    rows = []
    for name in names:
        flags, kind = SETTING_FLAGS[name]
        text = FIELDS[name].metadata[say("en", "zh")]
        rows.append(parameter(name, kind | None, None, flags, text, show_default=False))
    return rows


def writing_parameters() -> list[inspect.Parameter]:
    """Return the options of a writing command that are about this one run."""
    return [
        parameter("file", list[Path] | None, None, WRITING_FLAGS["file"],
                  say("a file to work on; may be repeated", "要处理的文件；可多次给出")),
        parameter("output", Path | None, None, WRITING_FLAGS["output"],
                  say("write to this file, whole or not at all", "写入此文件，要么完整要么不写")),
        parameter("lang", str, "auto", WRITING_FLAGS["lang"],
                  say("language of the text: auto, zh, en", "文字的语言：auto、zh、en")),
        parameter("drafts", int, 1, WRITING_FLAGS["drafts"],
                  say("write several drafts side by side", "同时写几份草稿"), min=1, max=64),
        parameter("strict", bool, False, WRITING_FLAGS["strict"],
                  say("exit with 4 when the text was cut at the token limit",
                      "文字因词元上限被截断时以 4 退出")),
        parameter("json", bool, False, WRITING_FLAGS["json"],
                  say("print one JSON object", "输出一个 JSON 对象")),
        parameter("stats", bool, False, WRITING_FLAGS["stats"],
                  say("show speed, seed and device on stderr", "在 stderr 显示速度、种子和设备")),
        parameter("trace", Path | None, None, WRITING_FLAGS["trace"],
                  say("write to this file which part of a long text fed which sentence",
                      "把长文各部分与结果各句的对应关系写入此文件")),
        parameter("show_prompt", bool, False, WRITING_FLAGS["show_prompt"],
                  say("print what would be sent; load no model", "只显示将发送的内容，不加载模型")),
        parameter("show_thinking", bool, False, WRITING_FLAGS["show_thinking"],
                  say("let the model reason, and show it on stderr", "让模型先推理，并显示在 stderr")),
    ]  # fmt: skip
