"""Parts on disk: a run that was broken off or killed goes on where it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran
from long_texts import FILLER, job, marked, ranges, text_of

from gptwrite.engines.base import Request, Token
from gptwrite.engines.echo import EchoEngine
from gptwrite.errors import EngineError
from gptwrite.longtext import Reading
from gptwrite.partials import Partials
from gptwrite.write import write

Run = Callable[..., Ran]


class Failing(EchoEngine):
    """Breaks down after so many answers, and counts them."""

    def __init__(self, context: int, answers: int) -> None:
        super().__init__(context, ranges)
        self.left = answers
        self.given = 0

    def _stream(self, request: Request) -> Iterator[Token]:
        if not self.left:
            raise EngineError("broken")
        self.left -= 1
        self.given += 1
        yield from super()._stream(request)


def test_a_broken_run_goes_on_where_it_was(tmp_path: Path) -> None:
    text, last = marked(FILLER, 20_000)
    how = Reading(partials=Partials(tmp_path, "echo"))
    whole = Failing(500, 10**6)
    expected = text_of(write(job("summary", text), whole))
    broken, second = Failing(500, 7), Failing(500, 10**6)
    with pytest.raises(EngineError, match="broken"):
        list(write(job("summary", text), broken, how))
    assert text_of(write(job("summary", text), second, how)) == expected
    assert second.given == whole.given - 7
    assert f"MARK0TO{last}" in expected


@pytest.mark.parametrize(
    ("identity", "change"),
    [("other model", {}), ("echo", {"temperature": 0.1})],
)
def test_partials_are_those_of_the_same_model_and_request(
    tmp_path: Path, identity: str, change: dict[str, Any]
) -> None:
    text, _ = marked(FILLER, 3000)
    list(write(job("summary", text), EchoEngine(500), Reading(partials=Partials(tmp_path, "echo"))))
    again = Failing(500, 10**6)
    how = Reading(partials=Partials(tmp_path, identity))
    list(write(job("summary", text, **change), again, how))
    assert again.given > 2


@pytest.mark.parametrize(("task", "asked"), [("summary", 1), ("polish", None)])
def test_another_seed_gives_another_text_of_the_same_partials(
    tmp_path: Path, task: str, asked: int | None
) -> None:
    """Where the parts are themselves the text, they are written anew."""
    text, _ = marked(FILLER, 3000)
    how = Reading(partials=Partials(tmp_path, "echo"))
    first, again = Failing(500, 10**6), Failing(500, 10**6)
    list(write(job(task, text), first, how))
    list(write(job(task, text, seed=8), again, how))
    assert again.given == (asked or first.given)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"text": 3, "finish": "stop"}', "\0\0"])
def test_a_damaged_partial_is_written_again(tmp_path: Path, content: str) -> None:
    text, _ = marked(FILLER, 3000)
    how = Reading(partials=Partials(tmp_path, "echo"))
    expected = text_of(write(job("summary", text), EchoEngine(500, ranges), how))
    for path in tmp_path.glob("*.json"):
        assert path.stat().st_mode & 0o777 == 0o600
        path.write_text(content, encoding="utf-8")
    assert text_of(write(job("summary", text), EchoEngine(500, ranges), how)) == expected


def test_a_killed_run_goes_on_where_it_was(gptwrite: Run, tmp_path: Path) -> None:
    text, _ = marked(FILLER, 200_000)
    file = tmp_path / "book.txt"
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "gptwrite", "summary", "-m", "echo", "-f", str(file)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as running:
        assert running.stderr is not None
        assert b"part 1" in running.stderr.readline()
        running.send_signal(signal.SIGKILL)
    ran = gptwrite(["summary", "-m", "echo", "-f", file])
    assert ran.status == 0 and "from the cache" in ran.err
