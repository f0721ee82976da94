"""`gptwrite models`: list, info, recommend, pull, use, rm, verify, quantize."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gptwrite.language import say

JSON = typer.Option("--json", help=say("print JSON", "输出 JSON"))
OFFLINE = typer.Option("--offline", help=say("open no connection at all", "不建立任何连接"))
LEAST_LAST_COLUMN = 12  # of a table on a terminal: with less room its lines are wrapped
QUIET = typer.Option("--quiet", "-q", help=say("no notes on stderr", "stderr 上不出提示"))


def add(app: typer.Typer) -> None:
    """Add the group to `app`."""
    group = typer.Typer(
        help=say("Find, fetch, check and choose models.", "查找、下载、检查和选择模型。"),
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    rows: list[tuple[str, Callable[..., None], str]] = [
        ("list", list_all, say("List the models on this machine, those of other tools too.",
                               "列出本机的模型，包括其他工具的。")),
        ("info", info, say("Show what a model's header says.", "显示模型文件头的信息。")),
        ("recommend", recommend, say("Show models that suit this machine.", "推荐适合本机的模型。")),
        ("pull", pull, say("Download a model; goes on where it was stopped.",
                           "下载模型；中断后可继续。")),
        ("use", use, say("Write with this model from now on.", "从现在起使用此模型。")),
        ("rm", rm, say("Delete a model that gptwrite downloaded.", "删除 gptwrite 下载的模型。")),
        ("verify", verify, say("Check models for damage: those downloaded, or those named.",
                               "检查模型是否损坏：已下载的，或指定的。")),
        ("quantize", quantize, say("Make a smaller model of a larger one.", "把模型量化变小。")),
    ]  # fmt: skip
    for name, command, text in rows:
        group.command(name, help=text)(command)
    app.add_typer(group, name="models")


def list_all(as_json: Annotated[bool, JSON] = False) -> None:
    from gptwrite.model_list import rows

    found = rows()
    if as_json:
        typer.echo(json.dumps([row.as_json() for row in found], ensure_ascii=False, indent=1))
        return
    titles = say("NAME SOURCE ARCH PARAMS QUANT SIZE CONTEXT FITS",
                 "名称 来源 架构 参数 量化 大小 上下文 可运行").split()  # fmt: skip
    print_table(titles, [row.cells() for row in found])


def info(
    model: Annotated[str, typer.Argument(help=say("a name or a path", "名称或路径"))],
    as_json: Annotated[bool, JSON] = False,
) -> None:
    from gptwrite.model_list import describe
    from gptwrite.terminal import safe

    facts = describe(model)
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    warnings, template = facts.pop("warnings"), safe(facts.pop("chat_template"))
    colon = say(": ", "：")
    for name, value in facts.items():
        label = say(name.replace("_", " ").removesuffix(" bytes"), LABELS[name])
        typer.echo(safe(f"{label}{colon}{_words(name, value)}"))
    typer.echo(say("chat template:", "对话模板：") + ("" if template else " -"))
    if template:
        typer.echo("  " + template.replace("\n", "\n  "))
    for warning in warnings:
        typer.echo(say("Warning: ", "警告：") + safe(warning), err=True)


# The Chinese of what `info` tells; the English is the key of the JSON.
LABELS = {
    "name": "名称", "path": "路径", "title": "标题", "architecture": "架构", "parameters": "参数",
    "quantization": "量化", "size_bytes": "大小", "context_length": "上下文长度",
    "memory_bytes": "所需内存", "fits": "可运行", "license": "许可", "sha256": "SHA-256",
    "special_tokens": "特殊词元",
}  # fmt: skip


def _words(name: str, value: Any) -> str:
    from gptwrite.model_list import count

    if isinstance(value, bool):
        return say("yes", "是") if value else say("no", "否")
    if name == "parameters":
        return count(value)
    if name.endswith("_bytes"):
        return f"{value / 1e9:.2f} GB"
    if isinstance(value, dict):
        return ", ".join(f"{role} {text!r}" for role, text in value.items()) or "-"
    return str(value or "-")


def recommend(
    lang: Annotated[
        str, typer.Option("--lang", help=say("language to write: zh, en", "写作语言：zh、en"))
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help=say("also those that do not fit", "也列出放不下的"))
    ] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    from gptwrite import catalogue
    from gptwrite.language import current
    from gptwrite.recommend import recommend as advise
    from gptwrite.recommend import this_machine

    machine = this_machine()
    advice = advise(catalogue.load(), machine, lang or current())
    shown = [row for row in advice if row.fits or everything]
    if as_json:
        typer.echo(json.dumps([_advice_json(row) for row in shown], ensure_ascii=False, indent=1))
        return
    free = "?" if machine.memory_bytes is None else f"{machine.memory_bytes / 1e9:.1f} GB"
    gpu = f", {machine.gpu_name} {machine.gpu_bytes / 1e9:.1f} GB" if machine.gpu_bytes else ""
    typer.echo(
        say(f"Free memory {free}, {machine.cores} cores{gpu}. Speeds are estimates.",
            f"可用内存 {free}，{machine.cores} 核{gpu}。速度为估计值。"),
        err=True,
    )  # fmt: skip
    titles = say(
        "NAME SIZE MEMORY TOK/S LICENCE GOOD-AT", "名称 大小 内存 词元/秒 许可 擅长"
    ).split()
    cells = [
        [
            ("* " if row.is_best else "  ") + row.entry.name,
            f"{row.entry.size_bytes / 1e9:.1f} GB",
            f"{row.memory_bytes / 1e9:.1f} GB",
            f"~{row.tokens_per_second:.0f}",
            row.entry.license,
            row.entry.strengths,
        ]
        for row in shown
    ]
    print_table(titles, cells)
    best = next((row.entry.name for row in shown if row.is_best), "")
    if best:
        command = f"gptwrite models pull {best} && gptwrite models use {best}"
        typer.echo(say(f"Best here (*): {command}", f"推荐（*）：{command}"), err=True)
    elif not shown:
        typer.echo(say("No model of the catalogue fits the free memory.",
                       "目录中没有模型能放入可用内存。"), err=True)  # fmt: skip


def _advice_json(row: Any) -> dict[str, Any]:
    return {
        "name": row.entry.name,
        "title": row.entry.title,
        "repository": row.entry.repo,
        "license": row.entry.license,
        "languages": list(row.entry.languages),
        "size_bytes": row.entry.size_bytes,
        "memory_bytes": row.memory_bytes,
        "tokens_per_second": round(row.tokens_per_second, 1),
        "fits": row.fits,
        "on_gpu": row.on_gpu,
        "is_best": row.is_best,
    }


def pull(
    model: Annotated[
        str,
        typer.Argument(
            help=say("a name, hf:owner/repo[:Q4_K_M|:file.gguf], ms:owner/repo, or https://...",
                     "名称、hf:owner/repo[:Q4_K_M|:文件.gguf]、ms:owner/repo 或 https://..."),
        ),
    ],
    name: Annotated[
        str, typer.Option("--name", help=say("a name of your own for it", "自定的名称"))
    ] = "",
    source: Annotated[
        str | None,
        typer.Option("--source", help=say("for names: hf or modelscope", "名称的来源：hf 或 modelscope")),
    ] = None,
    sha256: Annotated[
        str, typer.Option("--sha256", help=say("the digest it must have", "应有的 SHA-256"))
    ] = "",
    offline: Annotated[bool | None, OFFLINE] = None,
    quiet: Annotated[bool | None, QUIET] = None,
) -> None:  # fmt: skip
    from gptwrite.progress import Progress
    from gptwrite.pull import pull as fetch
    from gptwrite.settings import load_settings
    from gptwrite.terminal import Terminal

    settings = load_settings({"offline": offline, "quiet": quiet, "model_source": source})
    terminal = Terminal(quiet=settings.quiet)
    try:
        with Progress(terminal) as progress:
            found = fetch(model, settings, progress, name=name, sha256=sha256)
    except KeyboardInterrupt:
        terminal.note(
            say(
                "Stopped; the same command goes on from here.", "已停止；再次运行同一命令即可继续。"
            )
        )
        raise
    for warning in warnings_about(found.path):
        terminal.note(say("Warning: ", "警告：") + warning)
    typer.echo(found.name)
    terminal.note(say(f"Write with it: gptwrite models use {found.name}",
                      f"使用它：gptwrite models use {found.name}"))  # fmt: skip


def warnings_about(path: Path) -> list[str]:
    """Return what is worth knowing of a model before it is used."""
    from gptwrite.chat_template import problems
    from gptwrite.errors import ModelError
    from gptwrite.gguf_file import read_header
    from gptwrite.model_list import unsupported

    try:
        header = read_header(path)
    except ModelError as error:
        return [error.message]
    unknown = unsupported(header)
    return ([unknown] if unknown else []) + problems(header)


def use(model: Annotated[str, typer.Argument(help=say("a name or a path", "名称或路径"))]) -> None:
    from gptwrite import gguf_file
    from gptwrite.models import resolve
    from gptwrite.settings import Settings, config_file, write_setting

    spec = resolve(model, Settings())
    if spec.engine == "llama":
        path = Path(spec.location)
        gguf_file.check_complete(gguf_file.read_header(path))
        is_path = model.startswith("file:") or spec.location == str(Path(model).expanduser())
        model = str(path.resolve()) if is_path else spec.name
    write_setting(config_file(), "model", model)
    typer.echo(model)
    for warning in warnings_about(Path(spec.location)) if spec.engine == "llama" else []:
        typer.echo(say("Warning: ", "警告：") + warning, err=True)


def rm(names: Annotated[list[str], typer.Argument(metavar="NAME...")]) -> None:
    from gptwrite import store
    from gptwrite.settings import load_settings

    in_use = store.find(load_settings().model)
    for name in names:
        is_in_use = in_use is not None and store.find(name) == in_use
        freed = store.remove(name)
        typer.echo(
            say(f"{name}: {freed / 1e9:.2f} GB freed", f"{name}：已腾出 {freed / 1e9:.2f} GB")
        )
        if is_in_use:
            typer.echo(say("It was the model in use; choose another: gptwrite models use builtin",
                           "这是正在使用的模型；请另选：gptwrite models use builtin"), err=True)  # fmt: skip


def verify(names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...")] = None) -> None:
    from gptwrite import store
    from gptwrite.errors import ModelError
    from gptwrite.model_list import unsupported_file
    from gptwrite.models import resolve
    from gptwrite.progress import Progress
    from gptwrite.settings import Settings
    from gptwrite.terminal import Terminal, safe
    from gptwrite.verify import damage, remedy, size_bytes

    if not names:
        names = [model.name for model in store.installed()]
        if not names:
            typer.echo(say("gptwrite has downloaded no model; name another to check it.",
                           "gptwrite 没有下载过模型；可指定其他模型来检查。"), err=True)  # fmt: skip
    for name in names:
        resolve(name, Settings())  # a wrong name is told before a large model is read
    damaged = []
    ok, wrong = say("ok   ", "完好"), say("wrong", "损坏")
    for name in names:
        # Reading a large model takes a while: a bar where one can be drawn, no lines elsewhere.
        with Progress(Terminal(quiet=not Terminal().can_redraw)) as progress:
            progress.begin(name, size_bytes(name), 0)
            problem = damage(name, progress.add)
        status = wrong if problem else ok
        if problem:
            damaged.append(name)
        else:
            problem = unsupported_file(name)
        typer.echo(safe(f"{status} {name} {problem}".rstrip()))
    if damaged:
        raise ModelError(
            say(f"Damaged: {', '.join(damaged)}.", f"已损坏：{'、'.join(damaged)}。"),
            remedy(damaged[0]),
        )


def quantize(
    source: Annotated[Path, typer.Argument(metavar="IN", help=say("an F16, BF16 or F32 GGUF",
                                                                  "F16、BF16 或 F32 的 GGUF"))],
    target: Annotated[Path, typer.Argument(metavar="OUT", help=say("the file to write", "输出文件"))],
    type_name: Annotated[str, typer.Option("--type", help=say("such as Q4_K_M, Q8_0",
                                                              "如 Q4_K_M、Q8_0"))] = "Q4_K_M",
    force: Annotated[bool, typer.Option("--force", help=say("replace OUT", "覆盖输出文件"))] = False,
    quiet: Annotated[bool, QUIET] = False,
) -> None:  # fmt: skip
    from gptwrite.progress import Steps
    from gptwrite.quantize import quantize as make
    from gptwrite.terminal import Terminal

    terminal = Terminal(quiet=quiet)
    with Steps(terminal, say("Quantizing", "量化")) as steps:
        make(source, target, type_name, steps.advance, replace=force)
    before, after = source.stat().st_size, target.stat().st_size
    typer.echo(f"{target}: {before / 1e6:.1f} MB -> {after / 1e6:.1f} MB")


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as their widest cell. Safe for a terminal.

    The last column runs free; on a terminal it goes on below itself where the edge comes first.
    """
    import shutil

    from gptwrite.terminal import Terminal, safe

    edge = shutil.get_terminal_size().columns if Terminal().out_is_tty else 0
    table = [list(titles), *[[safe(cell) for cell in row] for row in rows]]
    widths = [max(width(row[column]) for row in table) for column in range(len(titles) - 1)]
    margin = sum(widths) + 2 * len(widths)
    for *cells, last in table:
        begin = "".join(c + " " * (w - width(c) + 2) for c, w in zip(cells, widths, strict=True))
        fits = edge - margin >= LEAST_LAST_COLUMN
        for line in wrap(last, edge - margin) if fits else [last]:
            typer.echo((begin + line).rstrip())
            begin = " " * margin


def wrap(text: str, room: int) -> list[str]:
    """Return `text` as lines of at most `room` columns, broken at spaces and between Chinese."""
    import re

    lines = [""]
    for word in re.findall(r"[!-~]+|.", text):
        if lines[-1] and width(lines[-1] + word) > room:
            lines.append("")
        if lines[-1] or word != " ":
            lines[-1] += word
    return [line.rstrip() for line in lines]


def width(text: str) -> int:
    """Return how many columns of a terminal `text` takes: a Chinese character takes two."""
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
