"""`gptwrite bench`: how fast a model is on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gptwrite.language import say
from gptwrite.settings import FIELDS

if TYPE_CHECKING:
    from gptwrite.bench import Speed


def _setting_help(name: str) -> str:
    text: str = FIELDS[name].metadata[say("en", "zh")]
    return text


def add(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        "bench",
        help=say("Measure a model's speed on this machine.", "测量模型在本机的速度。"),
    )(bench)


def bench(
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help=_setting_help("model"),
                     show_default=False),
    ] = None,
    tokens: Annotated[
        int,
        typer.Option("--tokens", "-n", min=2, help=say("tokens to write", "生成的词元数")),
    ] = 128,
    prompt_tokens: Annotated[
        int,
        typer.Option("--prompt-tokens", min=1, help=say("tokens to read", "提示的词元数")),
    ] = 512,
    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", help=_setting_help("endpoint"),
                     show_default=False),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", help=_setting_help("threads"),
                     show_default=False),
    ] = None,
    gpu_layers: Annotated[
        int | None,
        typer.Option("--gpu-layers", help=_setting_help("gpu_layers"),
                     show_default=False),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help=say("print one JSON object", "输出一个 JSON 对象"))
    ] = False,
) -> None:  # fmt: skip
    import dataclasses
    import json

    from gptwrite.bench import bench as measure
    from gptwrite.engines import open_engine
    from gptwrite.models import resolve
    from gptwrite.settings import load_settings
    from gptwrite.terminal import Terminal

    flags = {"model": model, "endpoint": endpoint, "threads": threads, "gpu_layers": gpu_layers}
    settings = load_settings(flags)
    spec = resolve(settings.model, settings)
    terminal = Terminal(quiet=settings.quiet, plain=settings.plain)
    with terminal.spinner(say("Measuring…", "正在测量……")):
        speed = measure(spec, settings, open_engine, tokens=tokens, prompt_tokens=prompt_tokens)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(speed), ensure_ascii=False))
        return
    rows = cells(speed)
    if terminal.out_is_tty and not terminal.plain:
        show(rows)
        return
    from gptwrite.cli.models import print_table

    print_table((say("what", "项目"), say("measured", "结果")), rows)


def cells(speed: Speed) -> list[tuple[str, str]]:
    """Return the rows of the table."""
    memory = speed.peak_memory_bytes
    return [
        (say("model", "模型"), speed.model),
        (say("device", "设备"), speed.device),
        (say("threads", "线程"), str(speed.threads or "-")),
        ("flash attention", speed.flash_attention or "-"),
        (say("load", "加载"), _seconds(speed.load_seconds)),
        (say("first token", "首词元"), _seconds(speed.first_token_seconds)),
        (say("reading", "读取"), _rate(speed.prefill_per_second, speed.prompt_tokens)),
        (say("writing", "生成"), _rate(speed.decode_per_second, speed.generated_tokens)),
        (say("peak memory", "内存峰值"), f"{memory / 1e6:.0f} MB" if memory else "-"),
    ]


def _seconds(seconds: float) -> str:
    return say(f"{seconds:.2f} s", f"{seconds:.2f} 秒")


def _rate(rate: float | None, tokens: int) -> str:
    if rate is None:
        return "-"
    return say(f"{rate:.0f} tokens/s ({tokens} tokens)", f"{rate:.0f} 词元/秒（{tokens} 词元）")


def show(rows: list[tuple[str, str]]) -> None:
    """Draw the table on the terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from gptwrite.terminal import safe

    table = Table()
    table.add_column(say("what", "项目"))
    table.add_column(say("measured", "结果"))
    for name, value in rows:
        table.add_row(name, escape(safe(value)))
    Console().print(table)
