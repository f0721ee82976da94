"""The options every writing command has, each named, typed and explained once."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from gptwrite.language import say
from gptwrite.settings import FIELDS

# Option -> (flags, type) of those that are settings too: their help is the setting's.
SETTING_FLAGS: dict[str, tuple[tuple[str, ...], Any]] = {
    "model": (("--model", "-m"), str),
    "endpoint": (("--endpoint",), str),
    "temperature": (("--temperature", "-t"), float),
    "top_k": (("--top-k",), int),
    "top_p": (("--top-p",), float),
    "min_p": (("--min-p",), float),
    "repeat_penalty": (("--repeat-penalty",), float),
    "dry_multiplier": (("--dry",), float),
    "max_tokens": (("--max-tokens",), int),
    "seed": (("--seed",), int),
    "context_length": (("--context",), int),
    "gpu_layers": (("--gpu-layers",), int),
    "threads": (("--threads",), int),
    "offline": (("--offline",), bool),
    "quiet": (("--quiet", "-q"), bool),
    "plain": (("--plain",), bool),
    "cache": (("--cache/--no-cache",), bool),
}


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
        parameter("file", list[Path] | None, None, ("--file", "-f"),
                  say("a file to work on; may be repeated", "要处理的文件；可多次给出")),
        parameter("output", Path | None, None, ("--output", "-o"),
                  say("write to this file, whole or not at all", "写入此文件，要么完整要么不写")),
        parameter("lang", str, "auto", ("--lang",),
                  say("language of the text: auto, zh, en", "文字的语言：auto、zh、en")),
        parameter("drafts", int, 1, ("--drafts", "-n"),
                  say("write several drafts side by side", "同时写几份草稿"), min=1, max=64),
        parameter("strict", bool, False, ("--strict",),
                  say("exit with 4 when the text was cut at the token limit",
                      "文字因词元上限被截断时以 4 退出")),
        parameter("json", bool, False, ("--json",),
                  say("print one JSON object", "输出一个 JSON 对象")),
        parameter("stats", bool, False, ("--stats",),
                  say("show speed, seed and device on stderr", "在 stderr 显示速度、种子和设备")),
        parameter("trace", Path | None, None, ("--trace",),
                  say("write to this file which part of a long text fed which sentence",
                      "把长文各部分与结果各句的对应关系写入此文件")),
        parameter("show_prompt", bool, False, ("--show-prompt",),
                  say("print what would be sent; load no model", "只显示将发送的内容，不加载模型")),
        parameter("show_thinking", bool, False, ("--show-thinking",),
                  say("let the model reason, and show it on stderr", "让模型先推理，并显示在 stderr")),
    ]  # fmt: skip
