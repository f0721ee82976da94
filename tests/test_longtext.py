"""Texts of any length: every part is read, in the layout and the order of the text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import Ran
from hypothesis import given, settings
from hypothesis import strategies as st
from long_texts import FILLER, LIBRARY, job, marked, ranges, rewritten, seen, text_of

from gptwrite.engines.base import Engine, Request, Token
from gptwrite.engines.echo import EchoEngine
from gptwrite.engines.llama import LlamaEngine
from gptwrite.errors import ContextError, EngineError, GptwriteError
from gptwrite.inputs import Inputs
from gptwrite.longtext import Reading, Step
from gptwrite.trace import Trace
from gptwrite.write import Job, is_long, write


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(FILLER), min_size=1, max_size=12),
    st.integers(20, 30_000),
    st.integers(160, 1500),
    st.sampled_from(["map_reduce", "refine"]),
    st.sampled_from(["summary", "title", "article"]),
)
def test_no_part_of_the_input_is_dropped(
    parts: list[str], length: int, context: int, policy: str, task: str
) -> None:
    text, last = marked(parts, length)
    trace = Trace()
    how = Reading(trace=trace)
    answer = text_of(write(job(task, text, policy), EchoEngine(context, ranges), how))
    assert seen(answer)[:1] == [f"MARK0TO{last}"]
    first = sorted((p["start"], p["end"]) for p in trace.parts if p["level"] == 1)
    assert first[0][0] == 0 and first[-1][1] == len(text)
    assert all(a[1] == b[0] for a, b in pairwise(first))


def test_several_levels_are_used_where_one_does_not_fit() -> None:
    text, last = marked(FILLER, 60_000)
    steps: list[Step] = []
    tokens = write(job("summary", text), EchoEngine(400, ranges), Reading(progress=steps.append))
    assert seen(text_of(tokens))[:1] == [f"MARK0TO{last}"]
    assert max(step.level for step in steps) >= 3
    by_level = [max(s.share for s in steps if s.level == n) for n in range(1, steps[-1].level + 1)]
    assert by_level == [1.0] * len(by_level)


@pytest.mark.parametrize("length", [10_000, 300_000])
def test_work_grows_with_the_length_and_no_faster(length: int) -> None:
    """Counted in characters that the engine is given, so that no clock is needed."""

    class Counting(EchoEngine):
        read = 0

        def count_tokens(self, text: str) -> int:
            self.read += len(text)
            return super().count_tokens(text)

    text, last = marked(FILLER, length)
    engine = Counting(1024, ranges)
    assert seen(text_of(write(job("summary", text), engine)))[:1] == [f"MARK0TO{last}"]
    assert engine.read < 16 * len(text)


class Strict(EchoEngine):
    """An echo engine that refuses what would not fit together with its whole answer."""

    def _stream(self, request: Request) -> Iterator[Token]:
        need = self.count_prompt(request) + min(request.sampling.max_tokens, 16)
        assert need <= self.context_length
        if not request.reusable:
            assert self.count_prompt(request) + request.sampling.max_tokens <= self.context_length
        yield from super()._stream(request)


@pytest.mark.parametrize("policy", ["map_reduce", "refine", "per_chunk"])
@pytest.mark.parametrize("context", [160, 333, 1024])
def test_every_request_is_checked_to_fit_with_its_answer(policy: str, context: int) -> None:
    text, _ = marked(FILLER, 5000)
    list(write(job("summary", text, policy), Strict(context, ranges)))


LAYOUTS = [
    "　　第一段。很好。\n\n　　第二段，也好。\n\n\n\n## 标题\n\n- 一\n- 二\n\n" * 30,
    "第一行。\n第二行。\n　　第三行！\n" * 60,
    "\n\n  A narrow page\nthat breaks its\nlines. And so on\nand so forth\n\n\nNew one. " * 40,
    "没有任何换行的一段话，很长很长。" * 120,
    "One line without an end " * 150,
    "a.\r\n\r\nb.\r\n" * 150,
]


@pytest.mark.parametrize("text", LAYOUTS)
@pytest.mark.parametrize("context", [200, 1000])
@pytest.mark.parametrize("task", ["polish", "spell", "translate"])
def test_rewriting_keeps_the_layout_to_the_letter(text: str, context: int, task: str) -> None:
    engine = EchoEngine(context, rewritten)
    assert is_long(job(task, text), engine)
    assert text_of(write(job(task, text), engine)) == text


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(FILLER), min_size=1, max_size=300), st.integers(160, 700))
def test_rewriting_gives_back_any_text_that_needs_no_change(parts: list[str], context: int) -> None:
    text = "".join(parts)
    if is_long(job("polish", text), EchoEngine(context)):
        assert text_of(write(job("polish", text), EchoEngine(context, rewritten))) == text


def test_a_model_that_merges_paragraphs_is_asked_for_each_of_them() -> None:
    def merged(message: str) -> str:
        return rewritten(message).replace("\n", "").replace("。", "！")

    text = "　　第一段。很好。\n\n　　第二段，也好。\n\n\n" * 40
    answer = text_of(write(job("polish", text), EchoEngine(400, merged)))
    assert answer == text.replace("。", "！")


def test_an_answer_that_was_cut_is_asked_for_again_in_halves() -> None:
    def wordy(message: str) -> str:
        return rewritten(message).replace("好", "很好很好")

    text = "天气好，花好。" * 200
    answer = text_of(write(job("polish", text), EchoEngine(300, wordy)))
    assert answer == text.replace("好", "很好很好")


def test_what_a_model_leaves_out_stands_as_it_was() -> None:
    def silent(message: str) -> str:
        return "" if "MARK3 " in message else rewritten(message)

    text, last = marked(["春天来了。\n\n"], 3000)
    answer = text_of(write(job("polish", text), EchoEngine(300, silent)))
    assert seen(answer) == [f"MARK{i}" for i in range(last + 1)]
    condensed = text_of(write(job("summary", text), EchoEngine(2000, lambda m: ""), Reading()))
    assert condensed == ""  # the last word is the model's; see what it was given:
    given_to_last: list[str] = []

    def watch(message: str) -> str:
        given_to_last.append(message)
        return ""

    with pytest.raises(EngineError, match="shorter"):
        text_of(write(job("summary", text), EchoEngine(300, watch)))
    assert len(seen(" ".join(given_to_last))) >= last


def test_a_limit_of_tokens_bounds_the_whole_text() -> None:
    engine = EchoEngine(300, rewritten)
    tokens = list(write(job("polish", "春天来了。" * 300, max_tokens=40), engine))
    assert engine.count_tokens(text_of(tokens)) <= 40
    assert text_of(tokens).startswith("春天来了。春天")
    assert tokens[-1].finish == "length"


def test_a_task_that_wants_its_text_in_one_piece_says_so() -> None:
    with pytest.raises(ContextError) as caught:
        list(write(job("continue", "春天来了。" * 2000), EchoEngine(1000)))
    assert "10000" in caught.value.message and "one piece" in caught.value.hint


def test_an_instruction_that_fills_the_context_is_named() -> None:
    asked = Job(LIBRARY.load("polish"), Inputs("改" * 300, "春" * 900), "zh")
    with pytest.raises(ContextError) as caught:
        list(write(asked, EchoEngine(300)))
    assert "instruction" in caught.value.hint


@pytest.mark.parametrize("task", ["article", "summary", "polish"])
def test_a_context_that_is_too_small_is_told_the_least_it_must_have(task: str) -> None:
    with pytest.raises(ContextError) as caught:
        list(write(job(task, "春天来了。" * 200), EchoEngine(60)))
    assert "context of 60 tokens is too small" in caught.value.message
    match = re.search(r"at least (\d+) tokens \(--context (\d+)\)", caught.value.hint)
    assert match and match[1] == match[2]
    least = int(match[1])
    assert text_of(write(job(task, "春天来了。" * 200), EchoEngine(least)))
    with pytest.raises(ContextError, match=f"context of {least - 1} tokens is too small"):
        list(write(job(task, "春天来了。" * 200), EchoEngine(least - 1)))


def test_a_long_topic_is_condensed_too() -> None:
    text, last = marked(FILLER, 9000)
    asked = Job(LIBRARY.load("article"), Inputs(text, ""), "zh")
    answer = text_of(write(asked, EchoEngine(700, ranges)))
    assert f"MARK0TO{last}" in answer


@pytest.mark.parametrize("length", [1, 50])
def test_a_text_that_fits_is_read_in_one_pass(length: int) -> None:
    steps: list[Step] = []
    text_of(write(job("summary", "春" * length), EchoEngine(512), Reading(progress=steps.append)))
    assert steps == []


def test_cancelling_ends_the_reading() -> None:
    engine = EchoEngine(300, ranges)
    text, _ = marked(FILLER, 20_000)
    tokens = []
    for token in write(job("summary", text), engine, Reading()):
        tokens.append(token)
        if len(tokens) == 3:
            engine.cancel()
    assert [token.finish for token in tokens] == [None, None, None, "cancelled"]


class Shuffled(EchoEngine):
    """Answers requests in pairs, the second of each first, as parallel sequences may."""

    def generate(
        self, requests: Iterable[Request], parallel: int = 1
    ) -> Iterator[tuple[int, Token | GptwriteError]]:
        waiting = iter(enumerate(requests))
        while pair := [item for _ in range(2) if (item := next(waiting, None))]:
            for index, request in reversed(pair):
                for token in self._stream(request):
                    yield index, token


@pytest.mark.parametrize("task", ["summary", "polish"])
def test_answers_that_come_out_of_order_are_put_in_order(task: str) -> None:
    text, last = marked(["春天来了。\n\n", "花开。"], 9000)
    answer = ranges if task == "summary" else rewritten
    result = text_of(write(job(task, text), Shuffled(500, answer)))
    assert result == text if task == "polish" else seen(result)[:1] == [f"MARK0TO{last}"]


def test_a_real_model_reads_the_parts_side_by_side_as_it_does_one_by_one(
    models: Callable[..., Path],
) -> None:
    text = "气候变化 the end of the world. " * 60
    answers = []
    for parallel in (1, 4):
        engine: Engine = LlamaEngine(models())
        asked = job("summary", text, seed=5, temperature=0.0, max_tokens=20)
        answers.append(text_of(write(asked, engine, Reading(parallel=parallel))))
        engine.close()
    assert answers[0] == answers[1] != ""


Run = Callable[..., Ran]


@pytest.mark.parametrize("task", ["summary", "polish"])
def test_the_seed_that_is_reported_gives_a_long_text_again(
    gptwrite: Run, models: Callable[..., Path], task: str
) -> None:
    text = "气候变化 the end of the world.\n\n" * 60
    arguments = [task, "-m", models(), "--json", "--no-cache", "--max-tokens", "40"]
    first = json.loads(gptwrite(arguments, stdin=text).out)
    again = json.loads(gptwrite([*arguments, "--seed", str(first["seed"])], stdin=text).out)
    assert again["text"] == first["text"] != ""


def test_the_command_line_says_how_a_long_text_was_read(gptwrite: Run, tmp_path: Path) -> None:
    text, _ = marked(FILLER, 20_000)
    trace = tmp_path / "trace.json"
    ran = gptwrite(["summary", "-m", "echo", "--trace", trace], stdin=text)
    assert ran.status == 0
    assert "4096" in ran.err and "parts, condensed" in ran.err and "part 1 is done" in ran.err
    assert json.loads(trace.read_text(encoding="utf-8"))["chunks"][0]["start"] == 0
    again = gptwrite(["summary", "-m", "echo"], stdin=text)
    assert "from the cache" in again.err and again.out == ran.out
    assert gptwrite(["summary", "-m", "echo", "--quiet"], stdin=text).err == ""
    assert "from the cache" not in gptwrite(["summary", "-m", "echo", "--no-cache"], stdin=text).err


def test_the_times_of_a_long_text_are_those_the_user_has_waited(
    gptwrite: Run, models: Callable[..., Path]
) -> None:
    text = "气候变化 the end of the world. " * 60
    asked = ["summary", "-m", models(), "--max-tokens", "4", "--json", "--stats"]
    ran = gptwrite(asked, stdin=text)
    assert ran.status == 0 and "read in" in ran.err, ran.err
    times = json.loads(ran.out)["timings"]
    assert times["load"] > 0
    assert times["load"] + times["prefill"] < times["first_token"] <= times["total"]


def test_drafts_of_a_long_text_are_written_from_one_reading(gptwrite: Run) -> None:
    text, _ = marked(FILLER, 20_000)
    ran = gptwrite(["summary", "-m", "echo", "-n", "2", "--json"], stdin=text)
    assert len(json.loads(ran.out)) == 2
    assert ran.err.count("does not fit") == 1
