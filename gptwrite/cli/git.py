"""`gptwrite commit` and `gptwrite hook`: messages for what is staged."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gptwrite.cli.options import setting_parameters
from gptwrite.language import say

COMMIT_SETTINGS = ("model", "endpoint", "temperature", "seed", "context_length", "gpu_layers",
                   "threads", "offline", "quiet")  # fmt: skip


def add(app: typer.Typer) -> None:
    """Add both commands to `app`."""
    app.command(
        "commit",
        help=say("Write a commit message for what is staged.", "为已暂存的改动写提交说明。"),
    )(_with_settings(commit))
    group = typer.Typer(
        help=say("The git hook that writes commit messages.", "写提交说明的 git 钩子。"),
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("install", help=say("Install it in this repository.", "安装到此仓库。"))(install)
    group.command("uninstall", help=say("Remove it; restore what was there.",
                                        "移除它并恢复原状。"))(uninstall)  # fmt: skip
    group.command("status", help=say("Show whether it is installed; exit 1 if not.",
                                     "显示是否已安装；未安装则以 1 退出。"))(status)  # fmt: skip
    group.command("run", help=say("What git calls; not for people.",
                                  "由 git 调用，不必手动运行。"))(run)  # fmt: skip
    app.add_typer(group, name="hook")


def _with_settings(command: Any) -> Any:
    """Give `command` the options that stand for settings, besides its own."""
    import inspect

    own = [p for p in inspect.signature(command, eval_str=True).parameters.values()
           if p.kind is not inspect.Parameter.VAR_KEYWORD]  # fmt: skip
    rows = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    rows += setting_parameters(COMMIT_SETTINGS)

    def wrapped(**values: Any) -> None:
        command(**values)

    wrapped.__signature__ = inspect.Signature(rows)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {row.name: row.annotation for row in rows}
    return wrapped


def commit(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- GIT_OPTIONS]",
            help=say(
                "with --apply: more options for git commit",
                "与 --apply 同用：传给 git commit 的选项",
            ),
        ),
    ] = None,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply",
            help=say("commit with it, after showing it in the editor", "在编辑器中显示后用它提交"),
        ),
    ] = False,
    style: Annotated[
        str | None,
        typer.Option("--style", help="conventional, plain, gitmoji"),
    ] = None,
    lang: Annotated[
        str | None,
        typer.Option("--lang", help=say("language: auto, en, zh", "语言：auto、en、zh")),
    ] = None,
    body: Annotated[
        bool | None,
        typer.Option("--body/--no-body", help=say("write a body too", "也写正文")),
    ] = None,
    **options: Any,
) -> None:
    from dataclasses import replace

    from gptwrite import git
    from gptwrite.cli.interrupt import cancelling
    from gptwrite.engines.base import Engine
    from gptwrite.errors import GptwriteError, UsageError
    from gptwrite.propose import staged_message
    from gptwrite.settings import load_settings
    from gptwrite.terminal import Terminal

    named = {"commit_style": style, "commit_language": lang, "commit_body": body}
    settings = load_settings({**options, **named})
    if arguments and not apply:
        raise UsageError(
            say("Options for git need --apply.", "传给 git 的选项需要 --apply。"),
            say("Add --apply, or leave them out.", "请加上 --apply，或去掉它们。"),
        )
    if settings.model.endswith(".gguf") and Path(settings.model).is_file():
        settings = replace(settings, model=str(Path(settings.model).absolute()))
    os.chdir(git.top_folder())  # git names files from the top
    terminal = Terminal(quiet=settings.quiet)
    engines: list[Engine] = []

    def cancel() -> None:
        for engine in engines:
            engine.cancel()

    spinner = terminal.spinner(say("Writing a commit message…", "正在写提交说明……"))
    with spinner, cancelling(cancel) as interrupted:
        try:
            message = staged_message(settings, on_open=engines.append)
        except GptwriteError:
            if not interrupted():  # Ctrl-C reaches git as well, which then fails
                raise
    if interrupted():
        raise KeyboardInterrupt
    if not apply:
        terminal.out.write(message + "\n")
        terminal.out.flush()
        return
    raise typer.Exit(_apply(message, arguments or []))


def _apply(message: str, arguments: list[str]) -> int:
    """Commit with `message` after the editor; return git's exit status."""
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory(prefix="gptwrite-") as folder:
        file = Path(folder) / "message"
        file.write_text(message + "\n", encoding="utf-8")
        command = ["git", "commit", "--edit", f"--file={file}", *arguments]
        sys.stdout.flush()
        return subprocess.run(
            command, env={**os.environ, "GPTWRITE_HOOK": "off"}, check=False
        ).returncode


GLOBAL = Annotated[
    bool,
    typer.Option("--global", help=say("for all repositories, by core.hooksPath",
                                      "用于所有仓库（core.hooksPath）")),
]  # fmt: skip
TEMPLATE = Annotated[
    bool,
    typer.Option("--template", help=say("with --global: by init.templateDir, for new repositories",
                                        "与 --global 同用：经 init.templateDir 用于新仓库")),
]  # fmt: skip


def install(is_global: GLOBAL = False, template: TEMPLATE = False) -> None:
    from gptwrite import githook

    _check_template(is_global, template)
    if template:
        done = githook.install_in_template()
    elif is_global:
        done = githook.install_globally()
    else:
        try:
            done = githook.install()
        except githook.ManagedError as error:
            typer.echo(error.snippet, nl=False)
            raise
    _say(done.notes)
    typer.echo(str(done.path))


def uninstall(is_global: GLOBAL = False, template: TEMPLATE = False) -> None:
    from gptwrite import githook

    _check_template(is_global, template)
    if template:
        done = githook.uninstall_from_template()
    else:
        done = githook.uninstall_globally() if is_global else githook.uninstall()
    _say(done.notes)
    typer.echo(str(done.path))


def _check_template(is_global: bool, template: bool) -> None:
    from gptwrite.errors import UsageError

    if template and not is_global:
        raise UsageError(
            say("--template goes with --global.", "--template 要与 --global 同用。"),
            say("Add --global.", "请加上 --global。"),
        )


def _say(notes: tuple[str, ...]) -> None:
    for note in notes:
        typer.echo(note, err=True)


def status() -> None:
    from gptwrite import git, githook
    from gptwrite.settings import load_settings

    settings = load_settings()
    found = githook.state(githook.hooks_folder())
    words = say("not installed", "未安装")
    if found.is_ours:
        words = say("installed", "已安装")
    elif found.is_foreign:
        words = say("not installed; another hook is there", "未安装；已有其他钩子")
    typer.echo(f"{found.path}: {words}")
    if found.is_ours and found.before:
        typer.echo(say("the hook that was there before runs first", "原有的钩子会先运行"))
    if shared := githook.global_folder():
        typer.echo(f"core.hooksPath: {shared}")
    if git.off_switch():
        typer.echo(say("switched off here (GPTWRITE_HOOK or gptwrite.hook)",
                       "在此处已关闭（GPTWRITE_HOOK 或 gptwrite.hook）"))  # fmt: skip
    for name in ("hook_mode", "hook_timeout_seconds", "hook_messages"):
        typer.echo(f"{name} = {getattr(settings, name)}")
    if not found.is_ours:
        raise typer.Exit(1)


def run(
    file: Path,
    source: Annotated[str, typer.Argument()] = "",
    object_name: Annotated[str, typer.Argument()] = "",
) -> None:
    """Whatever goes wrong here, the commit goes on: nothing is raised, and the status is 0."""
    from gptwrite import hook_run
    from gptwrite.errors import GptwriteError
    from gptwrite.settings import Settings, load_settings

    # The pre-commit framework gives the file's name only, and the rest in variables.
    source = source or os.environ.get("PRE_COMMIT_COMMIT_MSG_SOURCE", "")
    object_name = object_name or os.environ.get("PRE_COMMIT_COMMIT_OBJECT_NAME", "")
    settings = Settings()
    try:
        settings = load_settings()
        hook_run.run(file, source, object_name, settings)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
        problem = error.message if isinstance(error, GptwriteError) else repr(error)
        _give_up(file, hook_run.one_line(problem))


def _give_up(file: Path, problem: str) -> None:
    """Leave the comment if that much is possible, else say it on stderr."""
    from gptwrite import hook_run

    try:
        hook_run.add(file, hook_run.Outcome(problem=problem), "comment")
    except (Exception, KeyboardInterrupt):  # noqa: BLE001
        print(f"gptwrite: {problem}", file=sys.stderr)
