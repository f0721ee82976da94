"""How a long text is read, said on stderr while it is, and traced into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gptwrite.files import write_atomically
from gptwrite.language import say
from gptwrite.longtext import Reading, Step
from gptwrite.models import ModelSpec
from gptwrite.settings import Settings
from gptwrite.terminal import Terminal
from gptwrite.trace import Trace
from gptwrite.write import partials_of

NOTE_EVERY = 0.1  # share of the text between lines where no spinner can show it


class Progress:
    """Tells how far the reading is: in the spinner while there is one, else by a line at times."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self.parts = 0
        self._cached = 0
        self._levels = 0
        self._policy = ""
        self._next_note = 0.0
        self.spinner: Any = None

    def __call__(self, step: Step) -> None:
        if step.level > self._levels:
            self._next_note = 0.0
        self._policy, self._levels = step.policy, step.level
        self.parts += 1
        self._cached += step.is_cached
        again = say(f", level {step.level}", f"，第 {step.level} 层") if step.level > 1 else ""
        line = say(
            f"A long text: part {step.part} is done ({step.share:.0%}{again}).",
            f"长文：已完成第 {step.part} 部分（{step.share:.0%}{again}）。",
        )
        if self.spinner is not None:
            self.spinner.update(line)
        elif step.share >= self._next_note and not self._terminal.out_is_tty:
            self._next_note = step.share + NOTE_EVERY
            self._terminal.note(line)

    def say_how(self, context_length: int) -> None:
        """Say, once all is done, how the text was read; nothing where it went in one piece."""
        if not self.parts:
            return
        en, zh = {
            "map_reduce": (f"condensed in {self._levels} level(s)", f"经 {self._levels} 层归纳"),
            "refine": ("each after a summary of those before", "逐部分累积归纳"),
            "per_chunk": ("each rewritten in its place", "逐部分改写"),
        }[self._policy]
        kept_en = f"; {self._cached} from the cache" if self._cached else ""
        kept_zh = f"；其中 {self._cached} 部分取自缓存" if self._cached else ""
        self._terminal.note(
            say(
                f"The text does not fit into the context of {context_length} tokens: "
                f"read in {self.parts} parts, {en}{kept_en}.",
                f"全文超出 {context_length} 词元的上下文：分 {self.parts} 部分读完，{zh}{kept_zh}。",
            )
        )


def reading_of(
    spec: ModelSpec, settings: Settings, terminal: Terminal, trace: Path | None
) -> Reading:
    """Return how this run reads a long text."""
    partials = partials_of(spec, settings)
    return Reading(settings.parallel, partials, Progress(terminal), Trace() if trace else None)


def finish_reading(
    how: Reading, trace: Path | None, context_length: int, interrupted: bool = False
) -> None:
    """Say how the text was read, write the trace, and keep the partials within their limit."""
    if isinstance(how.progress, Progress) and not interrupted:
        how.progress.say_how(context_length)
    if trace and how.trace:
        write_atomically(trace, how.trace.to_json(), mode=0o600)
    if how.partials:
        how.partials.shrink()
