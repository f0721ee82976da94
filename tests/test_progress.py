"""Progress in plain lines and as a bar; the time is given, never measured."""

from __future__ import annotations

import io

import pytest

from gptwrite.progress import Progress, Steps
from gptwrite.terminal import Terminal


class Screen(io.StringIO):
    """What a terminal is written to."""

    def isatty(self) -> bool:
        return True


def terminal(err: io.StringIO, quiet: bool = False) -> Terminal:
    made = Terminal(quiet=quiet)
    made.err = err
    return made


def download(err: io.StringIO, quiet: bool = False) -> list[str]:
    """Show a file of 100 MB of which 10 MB are there, at 1 MB a second, and return the lines."""
    now = [0.0]
    with Progress(terminal(err, quiet), lambda: now[0]) as progress:
        progress.begin("x.gguf", 100_000_000, 10_000_000)
        for done in range(11, 101):
            now[0] += 1.0
            progress.advance(done * 1_000_000)
        progress.note("a note")
    return err.getvalue().splitlines()


def test_plain_lines_say_share_speed_and_time_left_and_are_few() -> None:
    assert download(io.StringIO()) == [
        "x.gguf, 100.0 MB, going on at 10.0 MB",
        "x.gguf: 25%, 1.0 MB/s, 75 s left",
        "x.gguf: 40%, 1.0 MB/s, 60 s left",
        "x.gguf: 55%, 1.0 MB/s, 45 s left",
        "x.gguf: 70%, 1.0 MB/s, 30 s left",
        "x.gguf: 85%, 1.0 MB/s, 15 s left",
        "x.gguf: 100%",
        "a note",
    ]


def test_quiet_progress_says_nothing() -> None:
    for err in (io.StringIO(), Screen()):
        assert download(err, quiet=True) == []


def test_a_size_that_nobody_knows_is_counted_up() -> None:
    now, err = [0.0], io.StringIO()
    with Progress(terminal(err), lambda: now[0]) as progress:
        progress.begin("x.gguf", 0, 0)
        for done in (1, 2, 3):
            now[0] += 10.0
            progress.advance(done * 1_000_000)
    assert err.getvalue() == "x.gguf\nx.gguf: 2.0 MB\n"


def test_a_name_cannot_command_the_terminal() -> None:
    err = io.StringIO()
    with Progress(terminal(err)) as progress:
        progress.begin("x\x1b[2J.gguf", 0, 0)
    assert "\x1b" not in err.getvalue()


@pytest.mark.parametrize("kind", ["xterm", "dumb"])
def test_a_bar_is_drawn_only_where_a_terminal_can_redraw(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", kind)
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown, steps = Screen(), Screen()
    download(shown)
    with Steps(terminal(steps), "Quantizing") as progress:
        progress.advance(1, 2)
        progress.advance(2, 2)
    for screen in (shown, steps):
        assert ("\x1b[" in screen.getvalue()) == (kind == "xterm")
    if kind == "dumb":
        assert steps.getvalue() == "Quantizing: 1/2\nQuantizing: 2/2\n"


def test_steps_are_plain_lines_at_quarters() -> None:
    err = io.StringIO()
    with Steps(terminal(err), "Quantizing") as steps:
        for done in range(9):
            steps.advance(done, 8)
    assert err.getvalue().splitlines() == [f"Quantizing: {done}/8" for done in (0, 2, 4, 6, 8)]
