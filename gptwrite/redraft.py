"""Writes sentence by sentence and draws again what should not stand.

A small model repeats itself, strays, and miscopies. Each sentence (or line) is shown when it is
whole and `Check` has passed it; one that fails is drawn anew from the same place, which costs some
milliseconds because all before it is still in the engine's memory. Knows nothing of topics: what
may stand is for the caller to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from gptwrite.engines.base import Engine, Finish, Request, Stats, Token
from gptwrite.errors import ContextError

RUN_CHARACTERS = 12  # of text that may not come twice
# The temperature of each draw of one sentence, as a multiple of what was asked for: cooler against
# slips, warmer against what comes again and again.
WARMTHS = (1.0, 0.5, 1.5, 0.25, 2.0)
LONGEST_HEADING = 20  # characters
MOST_DRAWN = 2  # tokens drawn, refused ones too, for each that the text may have
_UNIT = re.compile(r"[^\n]*?[。！？!?]+[”’」』）)]*(?=[^。！？!?”’」』）)])|[^\n]*\n+")


@dataclass(frozen=True)
class Check:
    """What may stand in a text.

    `allows(before, unit)` says whether a unit may follow what is written; `instead(before, unit)`
    gives what takes its place after the last try, None to end the text there (a text that has not
    begun takes the unit as it is). `is_whole` takes the whole answer as one unit. A heading has a
    check of its own. A unit of more than `longest` characters is refused before it ends.
    """

    allows: Callable[[str, str], bool] = lambda before, unit: True
    instead: Callable[[str, str], str | None] = lambda before, unit: None
    is_whole: bool = False
    longest: int = 4000
    allows_heading: Callable[[str, str], bool] = lambda before, heading: True


def redraft(engine: Engine, request: Request, check: Check, seed: int) -> Iterator[Token]:
    """Yield the answer to `request` a unit at a time, without what `check` refuses.

    An empty answer is refused too. The same seed gives the same text. The engine's statistics are
    those of all draws together.
    """
    text = Text(request.answer, check)
    most = request.sampling.max_tokens
    total: Stats | None = None
    failures = draws = 0
    finish: Finish | None = None
    while finish is None:
        sampling = replace(
            request.sampling,
            seed=seed + draws,
            temperature=request.sampling.temperature * WARMTHS[failures],
            max_tokens=max(1, most - engine.count_tokens(text.drawn)),
        )
        attempt = replace(request, answer=text.written, sampling=sampling, reusable=draws == 0)
        refused = ""
        try:
            for token in engine.stream(attempt):
                if token.is_thinking:
                    yield token
                    continue
                for unit in text.push(token.text, bool(token.finish)):
                    if token.finish != "cancelled" and not text.allows(unit):
                        refused = unit
                        break
                    failures = 0
                    yield replace(token, text=text.take(unit), finish=None)
                refused = refused or text.endless()
                if refused:
                    break
                finish = token.finish
        except ContextError:
            if not draws:
                raise
            finish = "length"
        draws += 1
        total = together(total, engine.stats)
        is_empty = finish == "stop" and not text.has_begun
        if refused or is_empty:
            finish = None
            failures += 1
            text.forget()
            is_spent = total.generated_tokens >= MOST_DRAWN * most
            if is_spent and text.has_begun:
                finish = "stop"
            elif is_spent or failures == len(WARMTHS):
                failures = 0
                other = check.instead(text.written, refused)
                if other is None and not text.has_begun:
                    other = refused
                if other:
                    yield Token(text=text.take(other))
                if is_spent or check.is_whole or not other:
                    finish = "stop"
    if total:
        vars(engine.stats).update(vars(replace(total, seed=seed)))
    yield Token(finish=finish)


class Text:
    """What is written, what waits to be whole, and the headings that wait for text below them."""

    def __init__(self, beginning: str, check: Check) -> None:
        self.written = beginning
        self._start = len(beginning)
        self._check = check
        self._waiting = ""
        self._held = ""  # headings and line breaks that are written but not shown

    @property
    def drawn(self) -> str:
        """What stands behind the beginning."""
        return self.written[self._start :]

    @property
    def has_begun(self) -> bool:
        """Whether anything does."""
        return bool(self.drawn.strip())

    def endless(self) -> str:
        """Return the unit that is under way where it is longer than any should be."""
        return self._waiting if len(self._waiting) > self._check.longest else ""

    def push(self, piece: str, is_end: bool) -> list[str]:
        """Return the units that `piece` makes whole."""
        self._waiting += piece
        units = []
        if not self._check.is_whole:
            while found := _UNIT.match(self._waiting):
                units.append(found.group())
                self._waiting = self._waiting[found.end() :]
        if is_end and self._waiting:
            units.append(self._waiting)
            self._waiting = ""
        return units

    def allows(self, unit: str) -> bool:
        """Say whether `unit` may come next."""
        bare = unit.strip()
        if not bare or self._check.is_whole:
            return self._check.allows(self.written, unit) if bare else True
        if bare.startswith("#"):
            return self._allows_heading(bare)
        return not repeats(self.drawn, unit) and self._check.allows(self.written, bare)

    def _allows_heading(self, heading: str) -> bool:
        title = heading.lstrip("# ")
        above = [line for line in self.written.split("\n") if line.startswith("#")]
        return (
            0 < len(title) <= LONGEST_HEADING
            and not re.search(r"[。！；]", title)
            and title not in (line.lstrip("# ") for line in above)
            and "#" not in self._held
            and self._check.allows_heading(self.written, title)
        )

    def take(self, unit: str) -> str:
        """Put `unit` behind what is written; return what may be shown now."""
        if not unit.strip() and (self.written.endswith("\n\n") or not self.written):
            return ""
        self.written += unit
        if unit.lstrip().startswith("#") or not unit.strip():
            self._held += unit
            return ""
        body = unit.rstrip("\n")
        shown = self._held + body
        self._held = unit[len(body) :]
        return shown

    def forget(self) -> None:
        """Drop what was begun behind the last unit taken."""
        self._waiting = ""


def repeats(before: str, unit: str) -> bool:
    """Say whether a run of 12 characters of `unit` stands in `before`, or twice in itself."""
    seen = {before[i : i + RUN_CHARACTERS] for i in range(len(before) - RUN_CHARACTERS + 1)}
    together = before[-(RUN_CHARACTERS - 1) :] + unit
    for i in range(len(together) - RUN_CHARACTERS + 1):
        run = together[i : i + RUN_CHARACTERS]
        if run in seen:
            return True
        seen.add(run)
    return False


def together(total: Stats | None, last: Stats) -> Stats:
    """Add what one more draw cost; its prompt was counted with the first."""
    if total is None:
        return replace(last)
    return replace(
        total,
        generated_tokens=total.generated_tokens + last.generated_tokens,
        prefill_seconds=total.prefill_seconds + last.prefill_seconds,
        decode_seconds=total.decode_seconds + last.decode_seconds,
    )
