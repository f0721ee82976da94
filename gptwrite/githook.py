"""Installing, removing and describing the hook that writes commit messages.

A hook of somebody else is never overwritten: it is set aside under another name, runs first, and
stands where it was after an uninstall.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gptwrite import git
from gptwrite.errors import GptwriteError
from gptwrite.files import write_atomically
from gptwrite.hook_shim import BEFORE, MADE_FOLDER, MARK, NAME, OTHER_HOOKS, pass_on, shim
from gptwrite.language import say
from gptwrite.settings import data_dir

HUSKY_SNIPPET = """\
# .husky/prepare-commit-msg
gptwrite hook run "$@" || true
"""
PRE_COMMIT_SNIPPET = """\
# .pre-commit-config.yaml, then: pre-commit install --hook-type prepare-commit-msg
repos:
  - repo: local
    hooks:
      - id: gptwrite-commit-message
        name: write a commit message
        entry: gptwrite hook run
        language: system
        stages: [prepare-commit-msg]
        always_run: true
"""


class ManagedError(GptwriteError):
    """The repository's hooks belong to another tool; `snippet` is what goes into its files."""

    def __init__(self, message: str, hint: str, snippet: str) -> None:
        super().__init__(message, hint)
        self.snippet = snippet


@dataclass(frozen=True)
class Installed:
    """What an install, or an uninstall, did."""

    path: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """How things stand in one hooks folder. `before`: a hook of somebody else runs first."""

    path: Path
    is_ours: bool
    is_foreign: bool
    before: bool


def hooks_folder(folder: Path | None = None) -> Path:
    """Return where git looks for the hooks of this repository, worktree or submodule."""
    top = git.top_folder(folder)
    path = git.run(["rev-parse", "--git-path", "hooks"], top).decode("utf-8", "surrogateescape")
    return top / path.rstrip("\n")


def install(folder: Path | None = None) -> Installed:
    """Put the hook where git looks for it; raise `ManagedError` where husky keeps the hooks."""
    hooks = hooks_folder(folder)
    top = git.top_folder(folder)
    if _is_husky(hooks):
        raise ManagedError(
            say("husky keeps this repository's hooks; nothing was installed.",
                "此仓库的钩子由 husky 管理；未安装任何内容。"),
            say("Add these lines to its file instead.", "请把下面几行加到它的文件中。"),
            HUSKY_SNIPPET,
        )  # fmt: skip
    is_shared = hooks == shared_folder()
    notes = []
    if (top / ".pre-commit-config.yaml").exists():
        notes.append(
            say("This repository uses pre-commit. Should it manage this hook too:",
                "此仓库使用 pre-commit。若也由它管理此钩子：") + "\n" + PRE_COMMIT_SNIPPET
        )  # fmt: skip
    if not is_shared and git.config("core.hooksPath", "--global"):
        notes.append(
            say(f"core.hooksPath is set for all your repositories: {hooks}",
                f"core.hooksPath 对您的所有仓库有效：{hooks}")
        )  # fmt: skip
    return Installed(_put(hooks, is_shared), tuple(notes) + _before_note(hooks))


def _is_husky(hooks: Path) -> bool:
    return hooks.name == ".husky" or (hooks.name == "_" and hooks.parent.name == ".husky")


def _before_note(hooks: Path) -> tuple[str, ...]:
    before = hooks / (NAME + BEFORE)
    if not before.exists():
        return ()
    return (
        say(f"The hook that was there runs first; it is now {before}.",
            f"原有的钩子会先运行，现位于 {before}。"),
    )  # fmt: skip


def _put(hooks: Path, is_shared: bool) -> Path:
    path = hooks / NAME
    before = hooks / (NAME + BEFORE)
    made = not hooks.exists() or (_is_ours(path) and MADE_FOLDER in _read(path))
    is_set_aside = False
    try:
        hooks.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path) and not _is_ours(path):
            if os.path.lexists(before):
                raise GptwriteError(
                    say(f"{before} is there from before, and {path} is not ours.",
                        f"已有 {before}，而 {path} 不是 gptwrite 的。"),
                    say("Remove the one that is not needed.", "请删除不需要的那个。"),
                )  # fmt: skip
            path.rename(before)
            is_set_aside = True
        write_atomically(path, shim(is_shared, made), mode=0o755)
    except OSError as exc:
        raise _failed(path, exc) from exc
    except GptwriteError:
        if is_set_aside:
            os.replace(before, path)  # a hook that was there goes on running
        raise
    return path


def uninstall(folder: Path | None = None) -> Installed:
    """Remove the hook and put back what was there before; raise `GptwriteError` without one."""
    return Installed(_take(hooks_folder(folder)))


def _take(hooks: Path) -> Path:
    path = hooks / NAME
    if not _is_ours(path):
        raise GptwriteError(
            say(
                f"{path} is not gptwrite's hook; it stays.",
                f"{path} 不是 gptwrite 的钩子，未改动。",
            )
            if os.path.lexists(path)
            else say(
                f"There is no hook of gptwrite in {hooks}.", f"{hooks} 中没有 gptwrite 的钩子。"
            ),
            say("See `gptwrite hook status`.", "见 `gptwrite hook status`。"),
        )
    before = hooks / (NAME + BEFORE)
    made = MADE_FOLDER in _read(path)
    try:
        if os.path.lexists(before):
            os.replace(before, path)
        else:
            path.unlink()
        if made and not any(hooks.iterdir()):
            hooks.rmdir()
    except OSError as exc:
        raise _failed(path, exc) from exc
    return path


def _failed(path: Path, exc: OSError) -> GptwriteError:
    return GptwriteError(
        say(f"Cannot change {path}: {exc.strerror}.", f"无法修改 {path}：{exc.strerror}。"),
        say("Check the permissions of its folder.", "请检查其目录的权限。"),
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _is_ours(path: Path) -> bool:
    return MARK in _read(path)[:400]


def state(hooks: Path) -> State:
    """Return how things stand in a hooks folder."""
    path = hooks / NAME
    is_ours = _is_ours(path)
    is_foreign = os.path.lexists(path) and not is_ours
    return State(path, is_ours, is_foreign, os.path.lexists(hooks / (NAME + BEFORE)))


def shared_folder() -> Path:
    """Return the folder of ours that core.hooksPath can be set to."""
    return data_dir() / "hooks"


def template_folder() -> Path:
    """Return the folder of ours that init.templateDir can be set to."""
    return data_dir() / "git-template"


def global_folder() -> Path | None:
    """Return the hooks folder that git uses for every repository of the user; None without one."""
    path = git.config("core.hooksPath", "--global", "--type=path")
    return Path(path) if path else None


def install_globally() -> Installed:
    """Put the hook into the folder of core.hooksPath, setting that to ours where it is not set.

    Ours passes every other hook on to the repository's own.
    """
    there = global_folder()
    if there and there != shared_folder():
        return Installed(_put(there, is_shared=False), _before_note(there))
    hooks = shared_folder()
    path = _put(hooks, is_shared=True)
    for name in OTHER_HOOKS:
        write_atomically(hooks / name, pass_on(name), mode=0o755)
    git.run(["config", "--global", "core.hooksPath", str(hooks)])
    return Installed(path)


def uninstall_globally() -> Installed:
    """Undo `install_globally`."""
    there = global_folder()
    if there and there != shared_folder():
        return Installed(_take(there))
    hooks = shared_folder()
    path = _take(hooks)
    for name in OTHER_HOOKS:
        if _is_ours(hooks / name):
            (hooks / name).unlink()
    if hooks.is_dir() and not any(hooks.iterdir()):
        hooks.rmdir()
    if there:
        git.run(["config", "--global", "--unset", "core.hooksPath"])
    return Installed(path)


def _templates() -> Path | None:
    path = git.config("init.templateDir", "--global", "--type=path")
    return Path(path) if path else None


def install_in_template() -> Installed:
    """Put the hook into the template of new repositories and clones."""
    there = _templates()
    templates = there or template_folder()
    path = _put(templates / "hooks", is_shared=False)
    if not there:
        git.run(["config", "--global", "init.templateDir", str(templates)])
    note = say(
        "New repositories and clones have it; in one that exists, run `git init` once.",
        "新建和克隆的仓库会带有它；已有仓库请运行一次 `git init`。",
    )
    return Installed(path, (note, *_before_note(templates / "hooks")))


def uninstall_from_template() -> Installed:
    """Undo `install_in_template`; repositories made meanwhile keep their copies."""
    there = _templates()
    templates = there or template_folder()
    path = _take(templates / "hooks")
    if templates == template_folder():
        if templates.is_dir() and not any(templates.iterdir()):
            templates.rmdir()
        if there:
            git.run(["config", "--global", "--unset", "init.templateDir"])
    return Installed(path)
