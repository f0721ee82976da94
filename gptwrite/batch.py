"""One task over many inputs: items in, finished texts out, as many side by side as there are places.

Takes an item only when a place is free and hands each result on at once, so the memory it needs
does not grow with the number of items. Knows neither files nor terminals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from gptwrite.engines.base import Engine, Finish, Request, Token
from gptwrite.errors import ContextError, GptwriteError, UsageError, nothing_written
from gptwrite.inputs import arrange
from gptwrite.items import Item
from gptwrite.language import say
from gptwrite.longtext import Reading
from gptwrite.template import Template
from gptwrite.write import Job, build_request, chosen_language, is_empty, is_long, write

WINDOW = 256  # how many finished items may wait for an earlier one, where order is kept


@dataclass(frozen=True)
class Plan:
    """What is the same for every item."""

    template: Template
    model: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    lang: str = "auto"
    instruction: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of an item: a text, an error, or nothing because it `was_done` before."""

    item: Item
    key: str = ""
    text: str = ""
    finish: Finish | None = None
    error: GptwriteError | None = None
    was_done: bool = False

    def row(self) -> dict[str, Any]:
        """Return the result as an object of JSON."""
        row: dict[str, Any] = {"id": self.item.id}
        if self.error:
            row |= {"error": self.error.message, "hint": self.error.hint}
        else:
            row |= {"text": self.text, "finish_reason": self.finish}
        return row if self.item.meta is None else {**row, "meta": self.item.meta}


@dataclass
class Work:
    """An item under way."""

    item: Item
    key: str
    job: Job
    text: str = ""


def job_of(plan: Plan, item: Item) -> Job:
    """Return the job of an item; raise `GptwriteError` where it is not one."""
    topic = item.topic or plan.instruction
    inputs = arrange(plan.template, topic, item.text)
    lang = item.lang or plan.lang
    language = chosen_language(lang, inputs)
    values = {**plan.values, **typed(plan.template, item.variables)}
    return Job(plan.template, inputs, language, values, plan.sampling)


def typed(template: Template, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with words for true and false made so where a variable is a bool."""
    bools = {variable.name for variable in template.variables if variable.type == "bool"}
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    result = dict(values)
    for name in bools & result.keys():
        word = str(result[name]).lower()
        if word not in words:
            raise UsageError(
                say(f"{name} must be true or false, not {word}.",
                    f"{name} 应为 true 或 false，而不是“{word}”。")
            )  # fmt: skip
        result[name] = words[word]
    return result


def key_of(plan: Plan, item: Item) -> str:
    """Return a digest of all that decides the text: task, options, model and the item itself.

    A task stays the same when it is moved, or explained in other words.
    """
    task = plan.template
    decisive = (
        (task.name, task.input, task.system, task.prompt, task.answer, task.completion),
        (task.form, task.show_answer, [(v.name, v.default, v.choices) for v in task.variables]),
        *(sorted(m.items()) for m in (task.sampling, plan.sampling, plan.values, item.variables)),
        (plan.model, plan.lang, plan.instruction),
        (item.topic, item.text, item.lang),
    )
    return hashlib.sha256(repr(decisive).encode("utf-8", "replace")).hexdigest()[:16]


@dataclass(frozen=True)
class Alone:
    """Which jobs are written one after another, and how any is that cannot be side by side."""

    wants: Callable[[Job], bool]
    write: Callable[[Job, Engine, Reading], Iterator[Token]]


class Batch:
    """Runs the items of one plan through an engine, up to `how.parallel` side by side.

    The engine is fed in segments: it gets items until one has to wait (for its turn in the order,
    for the next row of a slow writer, for an input too long for one pass), finishes those under
    way, and goes on. The engine is opened when the first item needs it.
    """

    def __init__(
        self,
        plan: Plan,
        items: Iterator[Item | None],
        open_engine: Callable[[], Engine],
        *,
        how: Reading,
        is_ordered: bool,
        is_done: Callable[[Item, str], bool],
        is_stopped: Callable[[], bool],
        alone: Alone | None = None,
    ) -> None:
        self._plan = plan
        self._items = items
        self._open_engine = open_engine
        self._engine: Engine | None = None
        self._how = how
        self._is_ordered = is_ordered
        self._is_done = is_done
        self._is_stopped = is_stopped
        self._helped = alone or Alone(lambda _: False, write)
        self._exhausted = False
        self._active: dict[int, Work] = {}  # by the number of the request in this segment
        self._alone: list[Work] = []  # to be written by themselves: too long, or suspected
        self._waiting: dict[int, Outcome] = {}  # by position
        self._head = 0  # the position that comes next, where order is kept

    def run(self) -> Iterator[Outcome]:
        """Yield what becomes of the items as they finish, or in their order.

        When stopped, yields what is finished and ends; items under way are dropped.
        """
        while not self._exhausted and not self._is_stopped():
            yield from self._segment()
            for work in self._alone:
                if self._engine and not self._is_stopped():
                    self._write_alone(work, self._engine)
                    yield from self._ready()
            self._alone.clear()
        for position in sorted(self._waiting):
            yield self._waiting.pop(position)

    def _segment(self) -> Iterator[Outcome]:
        self._active.clear()
        feed = self._feed()
        first = next(feed, None)
        yield from self._ready()
        if first is None:
            return
        if self._is_stopped() or not self._engine:
            return
        requests = chain([first], feed)
        try:
            for number, token in self._engine.generate(requests, parallel=self._how.parallel):
                self._take(number, token)
                yield from self._ready()
        except GptwriteError as error:
            # The engine itself failed, and does not say over which item: try each alone.
            if not self._active:
                raise
            if len(self._active) == 1:
                (work,) = self._active.values()
                self._settle(Outcome(work.item, work.key, error=error))
            else:
                self._alone += self._active.values()
        yield from self._ready()

    def _feed(self) -> Iterator[Request]:
        """Yield requests until one has to wait; called by the engine when it has a free place."""
        number = 0
        while not self._must_pause():
            try:
                item = next(self._items)
            except StopIteration:
                self._exhausted = True
                return
            if item is None:
                if self._active or self._alone or self._waiting:
                    return
                continue
            work = self._prepare(item)
            if work is None:
                continue
            self._engine = self._engine or self._open_engine()
            try:
                # The engine may be at work: counting tokens is all that is asked of it here.
                can_be_long = work.job.template.long_input != "error"
                if self._helped.wants(work.job) or (
                    can_be_long and is_long(work.job, self._engine)
                ):
                    self._alone.append(work)
                    continue
                request = replace(build_request(work.job), reusable=False)
            except GptwriteError as error:
                self._settle(Outcome(item, work.key, error=error))
                continue
            if request.answer and work.job.template.show_answer:
                work.text = request.answer
            self._active[number] = work
            yield request
            number += 1

    def _must_pause(self) -> bool:
        return (
            self._is_stopped()
            or len(self._waiting) >= WINDOW
            or len(self._alone) >= self._how.parallel
        )

    def _prepare(self, item: Item) -> Work | None:
        if item.error:
            self._settle(Outcome(item, error=item.error))
            return None
        key = key_of(self._plan, item)
        try:
            if self._is_done(item, key):
                self._settle(Outcome(item, key, was_done=True))
                return None
            return Work(item, key, job_of(self._plan, item))
        except GptwriteError as error:
            self._settle(Outcome(item, key, error=error))
            return None

    def _take(self, number: int, token: Token | GptwriteError) -> None:
        work = self._active[number]
        if isinstance(token, GptwriteError):
            del self._active[number]
            if isinstance(token, ContextError) and work.job.template.long_input != "error":
                self._alone.append(work)
            else:
                self._settle(Outcome(work.item, work.key, error=token))
            return
        if not token.is_thinking:
            work.text += token.text
        if token.finish:
            del self._active[number]
            if token.finish != "cancelled":
                self._settle(_written(work, work.text, token.finish))

    def _write_alone(self, work: Work, engine: Engine) -> None:
        text, finish = "", None
        try:
            for token in self._helped.write(work.job, engine, self._how):
                text += "" if token.is_thinking else token.text
                finish = token.finish or finish
        except GptwriteError as error:
            self._settle(Outcome(work.item, work.key, error=error))
            return
        if finish != "cancelled" and not self._is_stopped():
            self._settle(_written(work, text, finish))

    def _settle(self, outcome: Outcome) -> None:
        light = replace(outcome.item, topic="", text="")  # it may wait long for its turn
        self._waiting[light.position] = replace(outcome, item=light)

    def _ready(self) -> Iterator[Outcome]:
        if not self._is_ordered:
            while self._waiting:
                yield self._waiting.pop(next(iter(self._waiting)))
        while self._head in self._waiting:
            outcome = self._waiting.pop(self._head)
            self._head += 1
            yield outcome


def _written(work: Work, text: str, finish: Finish | None) -> Outcome:
    """Return the outcome of what was written: an error, where that is nothing."""
    if is_empty(work.job, text):
        return Outcome(work.item, work.key, error=nothing_written(finish == "length"))
    return Outcome(work.item, work.key, text, finish)
