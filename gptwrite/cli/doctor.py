"""`gptwrite doctor`: what is installed, what the machine gives, what is wrong."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gptwrite.language import say


def add(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command(
        "doctor",
        help=say("Check the installation: library, devices, models, settings; exit 1 for a problem.",
                 "检查安装：推理库、设备、模型、设置；有问题则以 1 退出。"),
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
    offline: Annotated[
        bool,
        typer.Option("--offline", help=say("do not ask the server of the settings",
                                           "不询问设置中的服务器")),
    ] = False,
) -> None:  # fmt: skip
    import json

    from gptwrite.doctor import examine

    report = examine(is_offline=offline)
    problems = report["problems"]
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        tell(report, problems)
    if problems:
        raise typer.Exit(1)


def tell(report: dict[str, Any], problems: list[str]) -> None:
    """Print the report for people, the problems last."""
    for title, value in report.items():
        if title != "problems":
            show(title, value, "")
    typer.echo("")
    if not problems:
        typer.echo(say("No problems found.", "未发现问题。"))
    for problem in problems:
        typer.echo(say("Problem: ", "问题：") + problem)


# What a key of the report is called for people. Names of devices, tools, settings and templates
# stand for themselves.
LABELS = {
    "gptwrite": ("gptwrite", "gptwrite"),
    "python": ("Python", "Python"),
    "system": ("system", "系统"),
    "executable": ("executable", "解释器"),
    "library": ("llama.cpp", "llama.cpp"),
    "llama_cpp_python": ("llama-cpp-python", "llama-cpp-python"),
    "backends": ("backends", "后端"),
    "processor_features": ("processor features", "处理器特性"),
    "can_offload": ("can use a GPU", "可用 GPU"),
    "to_use_the_gpu": ("to use the GPU", "要使用 GPU，请运行"),
    "to_use_a_gpu": ("to use a GPU, if there is one", "若有 GPU，要使用它请运行"),
    "error": ("error", "错误"),
    "machine": ("machine", "机器"),
    "processors": ("processors", "处理器"),
    "memory_free_bytes": ("free memory", "可用内存"),
    "devices": ("devices", "设备"),
    "description": ("description", "说明"),
    "is_gpu": ("is a GPU", "是 GPU"),
    "free_bytes": ("free", "可用"),
    "total_bytes": ("in all", "总计"),
    "threads": ("threads", "线程"),
    "chosen": ("chosen", "采用"),
    "why": ("why", "原因"),
    "usable_processors": ("usable processors", "可用处理器"),
    "physical_cores": ("physical cores", "物理核"),
    "cgroup_quota": ("quota of the container", "容器配额"),
    "models": ("models", "模型"),
    "folder": ("folder", "目录"),
    "disk_free_bytes": ("free disk", "可用磁盘"),
    "downloaded": ("downloaded", "已下载"),
    "downloaded_bytes": ("their size", "占用"),
    "of_other_tools": ("of other tools", "其他工具的"),
    "builtin": ("built in", "内置"),
    "config": ("settings", "设置"),
    "file": ("file", "文件"),
    "exists": ("exists", "存在"),
    "endpoint_answers": ("server answers", "服务器有应答"),
    "changed": ("changed", "已更改"),
    "templates": ("templates", "模板"),
    "broken": ("broken", "无法加载"),
}


def show(title: str, value: Any, indent: str) -> None:
    """Print one entry of the report, and what is inside it further to the right."""
    name = say(*LABELS.get(title, (title, title)))
    if title.endswith("_bytes") and isinstance(value, int):
        value = f"{value / 1e9:.1f} GB"
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
