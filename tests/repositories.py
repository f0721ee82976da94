"""Real git repositories for tests, with an editor that only looks."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CONFIG = """\
[user]
    name = A Tester
    email = tester@example.invalid
[init]
    defaultBranch = main
[protocol "file"]
    allow = always
[commit]
    gpgSign = false
"""


@dataclass(frozen=True)
class Repository:
    """A repository. Its editor copies what it is shown to the file `seen` and changes nothing."""

    path: Path
    outside: Path

    def git(
        self, *arguments: str | Path, env: dict[str, str] | None = None, check: bool = True
    ) -> str:
        """Run git and return what it prints; a failure is a failed test unless `check` is off."""
        done = subprocess.run(
            ["git", *map(str, arguments)],
            cwd=self.path,
            env={**os.environ, "GIT_EDITOR": str(self.editor), **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=150,
            check=False,
        )
        said = done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")
        assert not check or done.returncode == 0, f"git {arguments}: {said}"
        return said

    @property
    def editor(self) -> Path:
        return self.outside / "editor.sh"

    @property
    def seen(self) -> str:
        """What the editor was shown last; empty when it was not started."""
        path = self.outside / "seen"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return path

    def stage(self, name: str, content: str | bytes) -> Path:
        path = self.write(name, content)
        self.git("add", "--force", "--", name)
        return path

    def commit(self, name: str, content: str | bytes, message: str = "chore: begin") -> None:
        """Make a commit without any hook."""
        self.stage(name, content)
        self.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", message)

    def message(self) -> str:
        """The last commit's message."""
        return self.git("log", "-1", "--format=%B").strip()

    def at(self, path: Path) -> Repository:
        return Repository(path, self.outside)


def make(folder: Path, name: str = "repository") -> Repository:
    """Return a new repository on an unborn branch; git's own settings are put into $HOME."""
    home = Path(os.environ["HOME"])
    assert str(home).startswith(str(folder.parent)) or home.is_relative_to(folder)
    (home / ".gitconfig").write_text(CONFIG, encoding="utf-8")
    outside = folder / "outside"
    outside.mkdir(exist_ok=True)
    path = folder / name
    path.mkdir()
    repository = Repository(path, outside)
    editor = repository.editor
    editor.write_text(f'#!/bin/sh\ncp "$1" "{outside}/seen"\n', encoding="utf-8")
    editor.chmod(0o755)
    repository.git("init", "-q")
    return repository


def gptwrite(
    repository: Repository, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program in the repository."""
    root = Path(__file__).resolve().parent.parent
    return subprocess.run(
        [sys.executable, "-m", "gptwrite", *arguments],
        cwd=repository.path,
        env={
            **os.environ,
            "PYTHONPATH": str(root),
            "GIT_EDITOR": str(repository.editor),
            **(env or {}),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=150,
        check=False,
    )
