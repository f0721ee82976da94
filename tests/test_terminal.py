"""What a person sees, on a real pseudo-terminal."""

from __future__ import annotations

import io
import itertools
import os
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from gptwrite.terminal import Terminal, block_end, safe

MARKDOWN = "# 标题\n\n第一段 **重点**。\n\n- 一\n- 二\n\n```python\nx = 1\n\ny = 2\n```\n\n末段。"


def spawn(arguments: list[str], rows: int = 24, columns: int = 80, **env: str) -> pexpect.spawn:
    return pexpect.spawn(
        sys.executable,
        ["-m", "gptwrite", *arguments],
        encoding="utf-8",
        dimensions=(rows, columns),
        timeout=60,
        env={**os.environ, "TERM": "xterm-256color", **env},
    )


def screen(arguments: list[str], **env: str) -> str:
    child = spawn(arguments, **env)
    child.expect(pexpect.EOF)
    child.close()
    return str(child.before)


def test_markdown_is_rendered_on_a_terminal() -> None:
    seen = screen(["ask", MARKDOWN, "-m", "echo", "-q"])
    assert "**" not in seen and "```" not in seen
    assert "重点" in seen and "x" in seen and "末段。" in seen


def test_lines_of_a_verse_stay_lines() -> None:
    verse = "古道无愁自有余，\n莫把新诗成不作。\n白露青春如梦梦，\n故将归梦为君诗。"
    seen = screen(["ask", verse, "-m", "echo", "-q"], NO_COLOR="1").replace("\r", "")
    assert [line.strip() for line in seen.strip().split("\n")] == verse.split("\n")


def test_code_keeps_its_lines_and_its_indentation() -> None:
    code = "def f(x):\n    # **not** bold\n    return x\n\n# no heading"
    seen = screen(["code", code, "-m", "echo", "-q"], NO_COLOR="1").replace("\r", "")
    assert code in seen


def test_a_rule_between_drafts_makes_no_heading_of_the_line_above() -> None:
    seen = screen(["ask", "x", "-m", "echo", "-q", "-n", "2"], TERM="xterm")
    first, rule, second = seen.replace("\r", "").strip().split("\n\n")
    assert (first, second) == ("x", "x") and "---" in rule
    code = screen(["code", "def f():\n    pass", "-m", "echo", "-q", "-n", "2"], NO_COLOR="1")
    assert code.replace("\r", "").count("def f():\n    pass") == 2


def test_one_blank_line_stands_between_blocks() -> None:
    seen = screen(["ask", MARKDOWN, "-m", "echo", "-q"], NO_COLOR="1").replace("\r", "")
    lines = [line.strip() for line in seen.strip().split("\n")]
    assert not any(a == b == "" for a, b in itertools.pairwise(lines))


def test_plain_gives_the_raw_text_on_a_terminal() -> None:
    seen = screen(["ask", MARKDOWN, "-m", "echo", "-q", "--plain"])
    assert seen.replace("\r\n", "\n") == MARKDOWN + "\n"


def test_nothing_is_repainted() -> None:
    seen = screen(["ask", MARKDOWN, "-m", "echo", "-q"])
    assert "\x1b[A" not in seen and "\x1b[2K" not in seen and "\x1b[H" not in seen


@pytest.mark.parametrize("flags", [[], ["--plain"]])
def test_escape_sequences_never_reach_the_terminal(flags: list[str]) -> None:
    attack = "a\x1b]0;title\x07b\x1b[31mc\x9b2Jd\x08e"
    seen = screen(["ask", attack, "-m", "echo", "-q", *flags], NO_COLOR="1")
    assert "\x1b]" not in seen and "\x1b[31m" not in seen and "\x07" not in seen
    assert "\x9b" not in seen and "\x08" not in seen


def test_a_dumb_terminal_gets_no_spinner_and_no_escape() -> None:
    seen = screen(["ask", "你好", "-m", "echo"], TERM="dumb")
    assert "\x1b" not in seen
    assert "你好" in seen


def test_lines_fit_an_80_column_window() -> None:
    seen = screen(["ask", "气候变化" * 60, "-m", "echo", "-q"], NO_COLOR="1", TERM="dumb")
    lines = [line for line in seen.replace("\r", "").split("\n") if line]
    assert len(lines) > 1
    assert all(2 * len(line.strip()) <= 80 for line in lines)


def test_a_lone_dash_reads_what_is_typed() -> None:
    child = spawn(["ask", "-", "-m", "echo", "-q", "--plain"])
    child.setecho(False)
    child.expect_exact("Type the text; Ctrl-D ends it.\r\n")
    child.send("第一行\n第二行\n")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, child.before) == (0, "第一行\r\n第二行\r\n")


@pytest.mark.parametrize(
    ("act", "status", "said"),
    [("sendeof", 2, "Error: Standard input is empty."), ("sendintr", 130, "")],
)
def test_nothing_typed_is_no_text_and_ctrl_c_leaves(act: str, status: int, said: str) -> None:
    child = spawn(["ask", "-", "-m", "echo", "-q"])
    child.setecho(False)
    child.expect_exact("Type the text; Ctrl-D ends it.\r\n")
    getattr(child, act)()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == status
    assert said in child.before and "Traceback" not in child.before


def test_ctrl_c_keeps_the_text_and_restores_the_terminal(models: Callable[..., Path]) -> None:
    model = models("qwen2", context_length=100_000, layers=4, is_endless=True)
    child = spawn(
        [
            "ask",
            "x",
            "-m",
            str(model),
            "--max-tokens",
            "90000",
            "--plain",
            "-t",
            "0",
            "--repeat-penalty",
            "1",
        ]
    )
    before = termios.tcgetattr(child.child_fd)
    child.expect(r"\S{3}")
    child.sendintr()
    child.expect(pexpect.EOF)
    after = termios.tcgetattr(child.child_fd)
    child.close()
    assert child.exitstatus == 130
    assert "Traceback" not in str(child.before)
    assert "\x1b[?25l" not in str(child.before) or "\x1b[?25h" in str(child.before)
    assert after == before


def test_the_starter_note_is_said_once(tmp_path: Path) -> None:
    from gptwrite.models import builtin_path

    if not builtin_path().exists():
        pytest.fail("the built-in model is missing")
    env = {"GPTWRITE_STARTER_NOTE": "true"}
    assert "models recommend" in screen(["ask", "你好", "--max-tokens", "4"], **env)
    assert "models recommend" not in screen(["ask", "你好", "--max-tokens", "4"], **env)


BLOCKS = [
    ("# A\n", 4),
    ("text\n", None),
    ("text\n\nmore", 6),
    ("text\n# B\n", 5),
    ("```\na\n\nb\n", None),
    ("```\na\n\nb\n```\n", 13),
    ("```\na\n```", None),
    ("before\n```\n", 7),
    ("\n\n", None),
    ("~~~\n```\n~~~\n", 12),
]


@pytest.mark.parametrize(("text", "end"), BLOCKS)
def test_a_block_ends_where_markdown_says(text: str, end: int | None) -> None:
    assert block_end(text) == end


def test_safe_keeps_text_and_drops_commands() -> None:
    assert safe("a\tb\n中\x00\x1b[31m\x7f\x9f文") == "a\tb\n中[31m文"


@pytest.mark.parametrize(("is_tty", "seen"), [(True, "a[2Jb"), (False, "a\x1b[2Jb")])
def test_reasoning_cannot_command_a_terminal(is_tty: bool, seen: str) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return is_tty

    terminal = Terminal()
    terminal.err = Screen()
    terminal.thought("a\x1b[2Jb")
    assert terminal.err.getvalue() == seen
