"""Asking git: one place that starts it, and says in words why it failed.

Only plumbing commands are read, whose output no setting of the user changes.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gptwrite.errors import GptwriteError
from gptwrite.language import say

EMPTY_TREE = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


MOST_PATHS = 50  # of one commit of the log; the first import may have any number


@dataclass(frozen=True)
class Commit:
    """A commit of the log: its first line, and the files that it changed."""

    subject: str
    paths: tuple[str, ...] = ()


class GitError(GptwriteError):
    """Git is missing, or refused what it was asked."""


def run(arguments: Sequence[str], folder: Path | None = None, stdin: bytes | None = None) -> bytes:
    """Return what `git ARGUMENTS` prints; raise `GitError` when it fails."""
    done = _start(arguments, folder, stdin)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        problem = said[0] if said else f"status {done.returncode}"
        raise GitError(
            say(
                f"git {arguments[0]} failed: {problem}.", f"git {arguments[0]} 运行失败：{problem}"
            ),
            say("Run it inside a git repository.", "请在 git 仓库中运行。"),
        )
    return done.stdout


def ask(arguments: Sequence[str], folder: Path | None = None) -> str:
    """Return the text that git prints, without its line end; empty when git fails."""
    done = _start(arguments, folder, None)
    return "" if done.returncode else done.stdout.decode("utf-8", "replace").rstrip("\n")


def _start(
    arguments: Sequence[str],
    folder: Path | None,
    stdin: bytes | None,
    environ: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**os.environ, **environ} if environ else None,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            check=False,
        )
    except OSError as exc:
        raise _missing(exc) from exc


def _missing(exc: OSError) -> GitError:
    return GitError(
        say(f"git cannot be started: {exc.strerror}.", f"无法启动 git：{exc.strerror}。"),
        say("Install git, and see that it is on the PATH.", "请安装 git，并确认它在 PATH 中。"),
    )


@contextmanager
def reading(arguments: Sequence[str], folder: Path | None = None) -> Iterator[IO[bytes]]:
    """Give the output of git as it comes; git is ended when the block is left early."""
    try:
        process = subprocess.Popen(
            ["git", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as exc:
        raise _missing(exc) from exc
    try:
        assert process.stdout
        yield process.stdout
    finally:
        process.kill()
        process.communicate()


def top_folder(folder: Path | None = None) -> Path:
    """Return the top of the working tree; raise `GitError` outside of one."""
    path = run(["rev-parse", "--show-toplevel"], folder).decode("utf-8", "surrogateescape")
    if not path.rstrip("\n"):
        raise GitError(
            say("This repository has no working tree.", "此仓库没有工作区。"),
            say("Run it in a clone that is not bare.", "请在非裸仓库中运行。"),
        )
    return Path(path.rstrip("\n"))


def base_tree(amend: bool = False) -> str:
    """Return what the index is compared with: HEAD, its parent for an amended commit, or nothing.

    An unborn branch, and the parent of a first commit, are the empty tree.
    """
    wanted = "HEAD^" if amend else "HEAD"
    head = ask(["rev-parse", "--verify", "--quiet", wanted])
    if head:
        return head
    return EMPTY_TREE[64 if ask(["rev-parse", "--show-object-format"]) == "sha256" else 40]


def recent_commits(count: int = 100) -> list[Commit]:
    """Return the last commits that are not merges, newest first; empty on an unborn branch."""
    log = ["-c", "core.quotePath=false", "log", f"-{count}", "--no-merges", "--no-color",
           "--no-show-signature", "--format=%x01%s"]  # fmt: skip
    # A clone without old trees would fetch them; there the subjects have to do.
    done = _start([*log, "--no-renames", "--name-only"], None, None, {"GIT_NO_LAZY_FETCH": "1"})
    if done.returncode:
        done = _start(log, None, None)
    rows = done.stdout.decode("utf-8", "replace").split("\x01")[1:]
    found = []
    for subject, *paths in (row.split("\n") for row in rows):
        found.append(Commit(subject, tuple(filter(None, paths))[:MOST_PATHS]))
    return found


def config(name: str, *options: str) -> str:
    """Return a setting of git; empty when it is not set."""
    return ask(["config", *options, "--get", name])


def off_switch(environ: dict[str, str] | os._Environ[str] | None = None) -> bool:
    """Say whether the hook is switched off here, by environment or by `gptwrite.hook`."""
    value = (os.environ if environ is None else environ).get("GPTWRITE_HOOK", "")
    return value in ("0", "off", "no", "false") or config("gptwrite.hook", "--bool") == "false"
