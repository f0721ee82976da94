"""Batch: items through an engine, in order or as they finish, whatever some of them do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gptwrite.batch import WINDOW, Batch, Outcome, Plan, job_of, key_of, typed
from gptwrite.engines.base import Request, Token
from gptwrite.engines.echo import EchoEngine
from gptwrite.engines.llama import LlamaEngine
from gptwrite.errors import EngineError, GptwriteError, InputError, UsageError
from gptwrite.items import Item
from gptwrite.longtext import Reading
from gptwrite.template import Library


def plan(task: str = "ask", **options: Any) -> Plan:
    return Plan(Library().load(task), **options)


def items(texts: Iterable[str]) -> list[Item]:
    return [Item(f"i{n}", f"i{n}", n, topic=text) for n, text in enumerate(texts)]


def run(given: Iterable[Item | None], engine: Any, **options: Any) -> Iterator[Outcome]:
    options = {
        "how": Reading(options.pop("parallel", 3)), "is_ordered": True, "is_done": lambda item, key: False,
        "is_stopped": lambda: False, **options,
    }  # fmt: skip
    return Batch(options.pop("plan", plan()), iter(given), lambda: engine, **options).run()


class Turns(EchoEngine):
    """Really runs side by side: a word of each in turn, so short texts overtake long ones."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0
        self.segments = 0

    def generate(
        self, requests: Iterable[Request], parallel: int = 1
    ) -> Iterator[tuple[int, Token | GptwriteError]]:
        self.segments += 1
        waiting = enumerate(requests)
        active: dict[int, Iterator[Token]] = {}
        while True:
            while len(active) < parallel and (following := next(waiting, None)):
                self.taken += 1
                active[following[0]] = self._stream(following[1])
            if not active:
                return
            for number in list(active):
                try:
                    token = next(active[number])
                except GptwriteError as error:
                    del active[number]
                    yield number, error
                    continue
                if token.finish:
                    del active[number]
                yield number, token


def long_then_short(count: int) -> list[Item]:
    return items(["slow " * 40, *[f"quick {n}" for n in range(count - 1)]])


def test_order_is_kept_while_quick_ones_overtake() -> None:
    done = list(run(long_then_short(20), Turns()))
    assert [o.item.position for o in done] == list(range(20))
    assert done[3].text == "quick 2"


def test_without_order_results_come_as_they_finish() -> None:
    done = list(run(long_then_short(20), Turns(), is_ordered=False))
    assert done[0].item.position != 0
    assert sorted(o.item.position for o in done) == list(range(20))


def test_items_are_taken_only_as_places_get_free() -> None:
    engine = Turns()
    asked: list[int] = []

    def source() -> Iterator[Item]:
        for item in items(["a b c"] * 50):
            asked.append(item.position)
            yield item

    outcomes = run(source(), engine)
    assert asked == []
    next(outcomes)
    assert len(asked) <= 4
    assert len(list(outcomes)) == 49


def test_a_slow_item_holds_up_only_so_many_finished_ones() -> None:
    count = 3 * WINDOW
    engine = Turns()
    batch = Batch(
        plan(),
        iter(items(["slow " * 1500, *["x"] * (count - 1)])),
        lambda: engine,
        how=Reading(8),
        is_ordered=True,
        is_done=lambda item, key: False,
        is_stopped=lambda: False,
    )
    most = 0
    positions = []
    for outcome in batch.run():
        most = max(most, len(batch._waiting))
        positions.append(outcome.item.position)
    assert positions == list(range(count))
    assert most <= WINDOW + 8
    assert engine.segments >= 2


def test_waiting_results_do_not_hold_their_inputs() -> None:
    (outcome,) = run([Item("x", "x", topic="some words")], EchoEngine())
    assert outcome.item.topic == "" and outcome.text == "some words"


def test_one_bad_item_does_not_stop_the_rest() -> None:
    bad = Item("bad", "bad", 1, error=InputError("no"))
    given = [
        Item("a", "a", 0, text="fine"),
        bad,
        Item("long", "long", 2, text="word " * 9000),
        Item("empty", "empty", 3),
        Item("wrong", "wrong", 4, text="x", variables={"nothing": 1}),
        Item("choice", "choice", 5, text="x", variables={"style": "rhymed"}),
        Item("lang", "lang", 6, text="x", lang="fr"),
        Item("z", "z", 7, text="fine too"),
    ]
    review = plan("review")
    review = replace(review, template=replace(review.template, long_input="error"))
    done = list(run(given, Turns(), plan=review))
    assert [o.item.id for o in done] == [item.id for item in given]
    assert [bool(o.error) for o in done] == [False, True, True, True, True, True, True, False]
    assert "context" in str(done[2].error) and "needs something" in str(done[3].error)
    assert done[1].row() == {"id": "bad", "error": "no", "hint": ""}


def test_the_rest_goes_on_in_a_real_engine(models: Callable[..., Path]) -> None:
    engine = LlamaEngine(models())
    texts = ["the end", "word " * 2000, "of the world", "气候变化" * 2000, "is"]
    short = plan(sampling={"max_tokens": 5, "seed": 1})
    short = replace(short, template=replace(short.template, long_input="error"))
    done = list(run(items(texts), engine, plan=short, parallel=4))
    engine.close()
    assert [bool(o.error) for o in done] == [False, True, False, True, False]
    assert all(o.finish in ("stop", "length") for o in done if not o.error)


class Breaking(Turns):
    """Fails as a whole, not naming a request, when it meets the word `poison`."""

    def _stream(self, request: Request) -> Iterator[Token]:
        for token in super()._stream(request):
            if "poison" in token.text:
                raise SystemError
            yield token

    def generate(
        self, requests: Iterable[Request], parallel: int = 1
    ) -> Iterator[tuple[int, Token | GptwriteError]]:
        try:
            yield from super().generate(requests, parallel)
        except SystemError:
            raise EngineError("failed to decode") from None

    def stream(self, request: Request) -> Iterator[Token]:
        try:
            yield from self._stream(request)
        except SystemError:
            raise EngineError("failed to decode") from None


@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize("place", [0, 2, 5])
def test_when_the_engine_fails_only_the_item_at_fault_is_lost(parallel: int, place: int) -> None:
    texts = [f"fine text {n}" for n in range(6)]
    texts[place] = "some poison here"
    done = list(run(items(texts), Breaking(), parallel=parallel))
    assert [o.item.position for o in done] == list(range(6))
    assert [n for n, o in enumerate(done) if o.error] == [place]
    assert [o.text for o in done if not o.error] == [t for n, t in enumerate(texts) if n != place]


def test_items_done_before_are_passed_over_and_need_no_engine() -> None:
    def never() -> EchoEngine:
        raise AssertionError("opened")

    batch = Batch(
        plan(), iter(items("abc")), never, how=Reading(2), is_ordered=True,
        is_done=lambda item, key: True, is_stopped=lambda: False,
    )  # fmt: skip
    assert [o.was_done for o in batch.run()] == [True] * 3


def test_a_bad_item_alone_needs_no_engine_either() -> None:
    (outcome,) = run([Item("x", "x", error=InputError("no"))], None)
    assert outcome.error


def test_a_writer_that_waits_for_its_answer_gets_it() -> None:
    sent: list[int] = []
    answered: list[int] = []

    def source() -> Iterator[Item | None]:
        for item in items(["one", "two", "three"]):
            while len(answered) < len(sent):
                yield None
            sent.append(item.position)
            yield item

    for outcome in run(source(), Turns(), parallel=8):
        answered.append(outcome.item.position)
    assert answered == [0, 1, 2]


def test_when_stopped_the_finished_are_kept_and_the_rest_dropped() -> None:
    engine = Turns()
    stopped: list[bool] = []
    done = []
    for outcome in run(long_then_short(50), engine, is_ordered=False,
                       is_stopped=lambda: bool(stopped)):  # fmt: skip
        done.append(outcome.item.position)
        if len(done) == 5:
            engine.cancel()
            stopped.append(True)
    assert 5 <= len(done) <= 8
    assert 0 not in done


def test_a_text_longer_than_the_context_goes_through_the_pipeline_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def write(job: Any, engine: Any, how: Any) -> Iterator[Token]:
        seen.append(job.inputs.text[:4])
        yield Token(text="in parts", finish="stop")

    monkeypatch.setattr("gptwrite.batch.write", write)
    texts = ["long " * 9000, "a", "Long " * 9000, "b"]
    given = [Item(n, str(n), n, text=text) for n, text in enumerate(texts)]
    long = plan("summary")
    long = replace(long, template=replace(long.template, long_input="map_reduce"))
    done = list(run(given, Turns(), plan=long))
    assert [o.item.id for o in done] == [0, 1, 2, 3]
    assert [done[0].text, done[2].text] == ["in parts", "in parts"]
    assert seen == ["long", "Long"]
    seen.clear()
    never = replace(long, template=replace(long.template, long_input="error"))
    assert [bool(o.error) for o in run(given, Turns(), plan=never)] == [True, False, True, False]
    assert seen == []


def test_the_decided_beginning_is_part_of_the_text() -> None:
    (outcome,) = run([Item("x", "x", topic="秋天")], EchoEngine(), plan=plan("article"))
    assert outcome.text.startswith("# 秋天\n\n")


def test_every_item_is_written_in_its_own_language() -> None:
    jobs = [job_of(plan("summary"), Item(1, "1", text=text)) for text in ("气候变化", "weather")]
    assert [job.language for job in jobs] == ["zh", "en"]
    assert job_of(plan("summary", lang="zh"), Item(1, "1", text="x")).language == "zh"
    assert job_of(plan("summary", lang="zh"), Item(1, "1", text="x", lang="en")).language == "en"


def test_an_instruction_goes_with_every_item_but_gives_way_to_its_own() -> None:
    same = plan("summary", instruction="numbers only")
    assert job_of(same, Item(1, "1", text="t")).inputs.topic == "numbers only"
    assert job_of(same, Item(1, "1", text="t", topic="names")).inputs.topic == "names"


def test_the_variables_of_an_item_go_over_those_of_the_plan() -> None:
    same = plan("article", values={"length": 100, "tone": "lively"})
    job = job_of(same, Item(1, "1", topic="t", variables={"length": 9}))
    assert job.values == {"length": 9, "tone": "lively"}


def test_words_for_true_and_false_are_understood() -> None:
    from gptwrite.template import Template
    from gptwrite.variables import Variable

    switch = Variable("on", "bool", False, "", {})
    template = Template("t", Path(), "", variables=(switch,))
    for word, value in (("true", True), ("No", False), (True, True), ("0", False)):
        assert typed(template, {"on": word, "x": "no"}) == {"on": value, "x": "no"}
    with pytest.raises(UsageError, match="true or false"):
        typed(template, {"on": "maybe"})


def test_the_key_changes_with_whatever_changes_the_text() -> None:
    item = Item("i", "n", 3, text="t")
    base = key_of(plan(), item)
    assert base == key_of(plan(), replace(item, id="other", name="other", position=9))
    moved = plan()
    assert base == key_of(replace(moved, template=replace(moved.template, path=Path("/x"))), item)
    changed = [
        (plan(), replace(item, text="u")),
        (plan(), replace(item, topic="u")),
        (plan(), replace(item, lang="zh")),
        (plan(), replace(item, variables={"a": 1})),
        (plan("summary"), item),
        (plan(model="m"), item),
        (plan(values={"a": 1}), item),
        (plan(sampling={"seed": 1}), item),
        (plan(instruction="x"), item),
    ]
    assert len({base, *(key_of(*pair) for pair in changed)}) == len(changed) + 1


def test_an_item_about_which_nothing_is_written_has_failed() -> None:
    done = list(run(items(["a", "b"]), EchoEngine(answer=lambda message: " \n")))
    assert [outcome.error.message for outcome in done if outcome.error] == [
        "The model has written nothing."
    ] * 2
