"""Texts written sentence by sentence: what fails its check is drawn again, what fails always goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gptwrite.engines.base import Message, Request, Sampling, Stats, Token
from gptwrite.engines.echo import EchoEngine
from gptwrite.errors import ContextError
from gptwrite.redraft import WARMTHS, Check, redraft, repeats

TRIES = len(WARMTHS)


class Scripted(EchoEngine):
    """Answers each call with the next of its texts, three characters a token."""

    def __init__(self, *texts: str, finish: str = "stop") -> None:
        super().__init__()
        self.texts, self.finish = list(texts), finish
        self.asked: list[Request] = []

    def stream(self, request: Request) -> Iterator[Token]:
        self.asked.append(request)
        text = self.texts.pop(0)
        if text == "full":
            raise ContextError(9, 8)
        self.stats = Stats(prompt_tokens=5)
        for place in range(0, len(text), 3):
            self.stats.generated_tokens += 1
            yield Token(text=text[place : place + 3])
        yield Token(finish=self.finish)  # type: ignore[arg-type]


def write(engine: Scripted, check: Check, answer: str = "", most: int = 500) -> tuple[str, str]:
    request = Request(
        (Message("user", "x"),), answer, sampling=Sampling(max_tokens=most, temperature=0.3)
    )
    tokens = list(redraft(engine, request, check, seed=7))
    assert all(token.finish is None for token in tokens[:-1])
    return "".join(token.text for token in tokens), tokens[-1].finish or ""


def refuses(*bad: str) -> Check:
    return Check(lambda _, unit: not any(word in unit for word in bad))


def test_a_text_that_passes_comes_as_it_is_but_for_blank_ends() -> None:
    text = "第一句。第二句！\n\n- 一项\n- 又一项\n\n## 标题\n\n他说：“好。”然后走了？\n"
    assert write(Scripted(text), Check()) == (text.rstrip("\n"), "stop")


def test_a_sentence_that_fails_is_drawn_again_from_its_place_with_another_seed() -> None:
    engine = Scripted("好的开头。坏的一句。后面。", "好的一句。结尾。")
    assert write(engine, refuses("坏"), answer="# 题\n\n") == ("好的开头。好的一句。结尾。", "stop")
    assert engine.asked[1].answer == "# 题\n\n好的开头。"
    seeds = [request.sampling.seed for request in engine.asked]
    assert seeds == [7, 8]
    temperatures = [request.sampling.temperature for request in engine.asked]
    assert temperatures == [0.3, 0.15]
    assert not engine.asked[1].reusable
    assert engine.stats.seed == 7
    assert engine.stats.prompt_tokens == 5
    assert engine.stats.generated_tokens > 5


def test_after_the_last_try_another_sentence_takes_its_place() -> None:
    engine = Scripted("一。坏。", *["坏。"] * (TRIES - 1), "尾。")
    check = Check(lambda _, unit: "坏" not in unit, lambda before, unit: "二。")
    assert write(engine, check) == ("一。二。尾。", "stop")


def test_without_another_sentence_the_text_ends_there() -> None:
    engine = Scripted("一。坏。", *["坏。"] * (TRIES - 1))
    assert write(engine, refuses("坏")) == ("一。", "stop")


def test_a_text_that_has_not_begun_takes_its_sentence_as_it_is() -> None:
    engine = Scripted(*["坏。"] * TRIES, "好。")
    assert write(engine, refuses("坏")) == ("坏。好。", "stop")


def test_an_empty_answer_is_drawn_again_and_at_last_given_another_sentence() -> None:
    check = Check(instead=lambda before, unit: "二。")
    assert write(Scripted("", "\n", "一。"), check) == ("一。", "stop")
    assert write(Scripted(*[""] * TRIES, ""), check) == ("二。", "stop")
    assert write(Scripted(*[""] * TRIES), Check()) == ("", "stop")


def test_where_nothing_more_may_be_drawn_another_sentence_begins_and_ends_the_text() -> None:
    check = Check(lambda _, unit: "坏" not in unit, lambda before, unit: "二。")
    assert write(Scripted("坏坏坏坏坏坏坏坏坏坏坏坏。"), check, most=2) == ("二。", "stop")


def test_a_run_of_twelve_characters_comes_once() -> None:
    long = "春天来了万物复苏百花盛开。"
    engine = Scripted(f"{long}{long}", "蝴蝶飞舞。")
    assert write(engine, Check()) == (f"{long}蝴蝶飞舞。", "stop")
    assert repeats("", "一二三四五六七八九十甲乙一二三四五六七八九十甲乙")
    assert not repeats("一二三四五六七八九十甲", "一二三四五六七八九十乙")


@pytest.mark.parametrize(
    ("drawn", "again"),
    [
        ("## 一\n\n## 二\n\n下文。", "文。"),  # a heading with nothing below it
        ("## 太长了太长了太长了太长了太长了太长了太长了\n\n下文。", "文。"),
        ("## 一\n\n上文。\n\n## 一\n\n下文。", "文。"),  # one heading twice
        ("## 这是一句。\n\n下文。", "文。"),
    ],
)
def test_a_heading_that_is_none_is_drawn_again(drawn: str, again: str) -> None:
    written, finish = write(Scripted(drawn, again), Check())
    assert written.endswith("文。") and "下文" not in written
    assert finish == "stop"
    assert written.count("## ") == drawn.startswith("## 一")


def test_a_heading_at_the_end_is_not_shown() -> None:
    assert write(Scripted("一。\n\n## 二\n\n"), Check()) == ("一。", "stop")


def test_a_whole_answer_is_one_unit_and_its_last_draw_stands() -> None:
    check = Check(lambda _, unit: "坏" not in unit, lambda _, unit: unit, is_whole=True)
    assert write(Scripted("坏。一。", "好。\n一。"), check) == ("好。\n一。", "stop")
    assert write(Scripted(*["坏。一。"] * TRIES), check) == ("坏。一。", "stop")


def test_what_was_written_at_a_stop_is_kept_and_nothing_drawn_again() -> None:
    assert write(Scripted("一。坏的", finish="cancelled"), refuses("坏")) == (
        "一。坏的",
        "cancelled",
    )


def test_refused_draws_cost_no_more_than_the_text_may_have_and_cut_nothing() -> None:
    engine = Scripted("一。坏的一句坏的一句坏的一句坏的一句坏的一句。", "坏。")
    assert write(engine, refuses("坏"), most=4) == ("一。", "stop")
    assert engine.texts == ["坏。"]


def test_a_draw_may_have_as_many_tokens_as_the_text_has_left() -> None:
    engine = Scripted("一二三四。坏。", "五。")
    assert write(engine, refuses("坏"), most=40) == ("一二三四。五。", "stop")
    left = 40 - engine.count_tokens("一二三四。")
    assert [request.sampling.max_tokens for request in engine.asked] == [40, left]


def test_a_sentence_without_an_end_is_given_up() -> None:
    engine = Scripted("一。" + "啊" * 99, "二。")
    assert write(engine, Check(longest=20)) == ("一。二。", "stop")
    assert engine.stats.generated_tokens < 20


def test_a_full_context_ends_a_text_that_has_begun() -> None:
    assert write(Scripted("一。坏。", "full"), refuses("坏")) == ("一。", "length")
    with pytest.raises(ContextError):
        write(Scripted("full"), Check())
