"""The READMEs are true: every command and option in them exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ran

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README.zh.md")


def commands(name: str) -> list[list[str]]:
    """Return the words of every `gptwrite ...` in the README's code, up to a pipe or a redirect."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```(?:sh|make)\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`(gptwrite [^`\n]+)`", text)
    found = []
    for line in [*"\n".join(blocks).splitlines(), *inline]:
        for part in re.split(r"\s(?:\||&&|\|\||;|>|<|2>)\s?|\$\$?\(", line):
            at = part.find("gptwrite ")
            if at >= 0 and not part.lstrip().startswith("#"):
                words = part[at:].split("#")[0].rstrip(" )'\"")
                try:
                    found.append(shlex.split(words)[1:])
                except ValueError:
                    found.append(words.split()[1:])
    return found


def test_the_first_screen_has_the_two_commands() -> None:
    for name in READMES:
        top = (ROOT / name).read_text(encoding="utf-8")[:1500]
        assert 'pip install . && gptwrite article "气候变化"' in top
        assert 'pip install ".[test]" && python -m pytest' in top
    assert "README.zh.md" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", READMES)
def test_every_command_and_option_exists(gptwrite: Callable[..., Ran], name: str) -> None:
    helps: dict[tuple[str, ...], str] = {}
    rows = commands(name)
    assert len(rows) > 5
    for words in rows:
        path = tuple(w for w in words[:2] if re.fullmatch(r"[a-z][a-z-]*", w))
        options = [w.split("=")[0] for w in words if re.match(r"-{1,2}[a-z]", w)]
        if not path:
            continue
        for depth in (2, 1):
            key = path[:depth]
            if key not in helps:
                ran = gptwrite([*key, "--help"])
                helps[key] = ran.out if ran.status == 0 else ""
            if helps[key]:
                break
        assert helps[key], f"{name}: no such command: {' '.join(words)}"
        for option in options:
            assert re.search(rf"{option}\b", helps[key]), f"{name}: {option} of {' '.join(words)}"


def test_exit_codes_are_documented() -> None:
    from gptwrite.errors import ExitCode

    for name in READMES:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert all(f"| {int(code)} |" in text for code in ExitCode)
