"""Completion as bash, zsh and fish ask for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from conftest import Ran


def complete(shell: str, line: str) -> str:
    words = line.split(" ")
    env = {
        **os.environ,
        "_GPTWRITE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": words[-1],
    }
    code = "import sys; from gptwrite.cli import main; sys.exit(main([]))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True,
                          text=True, timeout=60, check=False)  # fmt: skip
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_and_options_are_completed(shell: str) -> None:
    assert "poetry" in complete(shell, "gptwrite poe")
    assert "--tone" in complete(shell, "gptwrite article --to")
    assert "list" in complete(shell, "gptwrite config li")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_for_every_shell(gptwrite: Callable[..., Ran], shell: str) -> None:
    env = {"SHELL": f"/bin/{shell}", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    ran = gptwrite(["--show-completion", shell], env=env)
    assert "_GPTWRITE_COMPLETE" in ran.out
