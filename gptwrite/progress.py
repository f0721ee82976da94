"""Shows how long work goes on: a bar on a terminal, a few plain lines elsewhere. On stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from gptwrite.language import say
from gptwrite.terminal import Terminal, safe

LINE_EVERY_SECONDS = 15.0
LINE_EVERY_SHARE = 0.25


class Progress:
    """Tells of downloads and checks; fits `download.Watcher`. Use in a `with` block."""

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal = terminal
        self._clock = clock
        self._bar: Any = None
        self._task: Any = None
        self._name = ""
        self._total = self._start_bytes = self._done = 0
        self._start = self._last_line = 0.0
        self._last_share = 0.0

    def __enter__(self) -> Progress:
        self._bar = _open_bar(self._terminal, _transfer_columns)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def begin(self, name: str, total_bytes: int, done_bytes: int) -> None:
        self._name, self._total = safe(name), total_bytes
        self._start_bytes = self._done = done_bytes
        self._start = self._last_line = self._clock()
        self._last_share = done_bytes / total_bytes if total_bytes else 0.0
        if self._bar:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(self._name, total=total_bytes or None)
            self._bar.update(self._task, completed=done_bytes)
        else:
            size = f", {total_bytes / 1e6:.1f} MB" if total_bytes else ""
            resumed = say(f", going on at {done_bytes / 1e6:.1f} MB",
                          f"，从 {done_bytes / 1e6:.1f} MB 处继续")  # fmt: skip
            self._terminal.note(f"{self._name}{size}{resumed if done_bytes else ''}")

    def advance(self, done_bytes: int) -> None:
        if self._bar:
            self._bar.update(self._task, completed=done_bytes)
            return
        now = self._clock()
        share = done_bytes / self._total if self._total else 0.0
        is_due = now - self._last_line >= LINE_EVERY_SECONDS
        if not is_due and share - self._last_share < LINE_EVERY_SHARE and share < 1:
            return
        self._last_line, self._last_share = now, share
        self._terminal.note(self._line(done_bytes, now - self._start))

    def add(self, more_bytes: int) -> None:
        """Like `advance`, told of what has come since."""
        self._done += more_bytes
        self.advance(self._done)

    def note(self, text: str) -> None:
        if self._bar:
            self._bar.console.print(safe(text), highlight=False, markup=False)
        else:
            self._terminal.note(text)

    def _line(self, done_bytes: int, seconds: float) -> str:
        speed = (done_bytes - self._start_bytes) / seconds if seconds > 0 else 0.0
        if not self._total:
            return f"{self._name}: {done_bytes / 1e6:.1f} MB"
        share = f"{done_bytes / self._total:.0%}"
        if done_bytes >= self._total or speed <= 0:
            return f"{self._name}: {share}"
        left = (self._total - done_bytes) / speed
        return f"{self._name}: {share}, {speed / 1e6:.1f} MB/s, " + say(
            f"{left:.0f} s left", f"还需 {left:.0f} 秒"
        )


def _open_bar(terminal: Terminal, columns: Callable[[], Sequence[Any]]) -> Any:
    """Return a bar that is being shown, or None where stderr is none to draw on."""
    if not terminal.can_redraw:
        return None
    from rich.console import Console
    from rich.progress import Progress as RichProgress

    # What is printed meanwhile belongs on stdout, whatever stderr is.
    bar = RichProgress(*columns(), console=Console(file=terminal.err), redirect_stdout=False)
    bar.start()
    return bar


def _transfer_columns() -> Sequence[Any]:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )


class Steps:
    """Tells of work that has so many steps. Use in a `with` block."""

    def __init__(self, terminal: Terminal, name: str) -> None:
        self._terminal = terminal
        self._name = name
        self._bar: Any = None
        self._task: Any = None
        self._last = -1

    def __enter__(self) -> Steps:
        self._bar = _open_bar(self._terminal, lambda: ())  # Rich's own columns
        if self._bar:
            self._task = self._bar.add_task(self._name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, done: int, total: int) -> None:
        if self._bar:
            self._bar.update(self._task, completed=done, total=total)
            return
        quarter = 4 * done // max(1, total)
        if quarter > self._last:
            self._last = quarter
            self._terminal.note(f"{self._name}: {done}/{total}")
