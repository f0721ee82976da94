"""`gptwrite models`: list, info, recommend, pull, use, rm, verify, quantize."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gptwrite.language import say

JSON = typer.Option("--json", help=say("print JSON", "输出 JSON"))
OFFLINE = typer.Option("--offline", help=say("never open a network connection", "从不联网"))
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
        ("verify", verify, say("Check downloaded models against their SHA-256.",
                               "用 SHA-256 检查已下载的模型。")),
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
    for name, value in facts.items():
        is_words = isinstance(value, dict)
        words = ", ".join(f"{k} {v!r}" for k, v in value.items()) if is_words else value
        typer.echo(safe(f"{name.replace('_', ' ')}: {words}"))
    typer.echo(f"chat template:{' -' if not template else ''}")
    if template:
        typer.echo("  " + template.replace("\n", "\n  "))
    for warning in warnings:
        typer.echo(say("Warning: ", "警告：") + warning, err=True)


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
    from gptwrite.settings import check, load_settings
    from gptwrite.terminal import Terminal

    if source is not None:
        check("model_source", source, "--source")
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

    for name in names:
        freed = store.remove(name)
        typer.echo(
            say(f"{name}: {freed / 1e9:.2f} GB freed", f"{name}：已腾出 {freed / 1e9:.2f} GB")
        )


def verify(names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...")] = None) -> None:
    from gptwrite import store
    from gptwrite.errors import ModelError
    from gptwrite.gguf_file import read_header
    from gptwrite.model_list import unsupported
    from gptwrite.models import unknown_model

    models = store.installed()
    if names:
        chosen = [(name, store.find(name)) for name in names]
        for name, model in chosen:
            if model is None:
                raise unknown_model(name)
        models = [model for _, model in chosen if model]
    damaged = []
    for model in models:
        problem = store.damage(model)
        if problem:
            damaged.append(model.name)
        else:
            problem = unsupported(read_header(model.path))
        typer.echo(f"{'wrong' if problem else 'ok   '} {model.name} {problem}".rstrip())
    if damaged:
        name = damaged[0]
        raise ModelError(
            say(f"Damaged: {', '.join(damaged)}.", f"已损坏：{'、'.join(damaged)}。"),
            say(f"Fetch it again: gptwrite models rm {name} && gptwrite models pull {name}",
                f"请重新下载：gptwrite models rm {name} && gptwrite models pull {name}"),
        )  # fmt: skip


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
    """Print columns as wide as their widest cell; the last one runs free. Safe for a terminal."""
    from gptwrite.terminal import safe

    table = [list(titles), *[[safe(cell) for cell in row] for row in rows]]
    widths = [max(width(row[column]) for row in table) for column in range(len(titles))]
    for row in table:
        cells = [cell + " " * (size - width(cell)) for cell, size in zip(row, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())


def width(text: str) -> int:
    """Return how many columns of a terminal `text` takes: a Chinese character takes two."""
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
