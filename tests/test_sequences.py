"""The sequences of one context: side by side they write what each writes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gptwrite import machine
from gptwrite.engines.base import Message, Request, Sampling, Token
from gptwrite.engines.llama import LlamaEngine
from gptwrite.engines.sequences import Layout, layout_of
from gptwrite.promptcache import PromptCache

Models = Callable[..., Path]

PREFIX = "春天来了，冰雪消融，河水涨了起来。他说：我们该动身了。 " * 6
TOPICS = ("秋天", "冬天的雪", "the road was long", "河")


def request(topic: str, max_tokens: int = 12, prefix: str = PREFIX, **values: object) -> Request:
    text = prefix + topic
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens, seed=1)
    asked = Request((Message("user", text),), completion=text, sampling=sampling)
    return replace(asked, **values)  # type: ignore[arg-type]


def together(engine: LlamaEngine, asked: list[Request], parallel: int) -> list[str]:
    texts = [""] * len(asked)
    for index, token in engine.generate(asked, parallel):
        assert isinstance(token, Token)
        texts[index] += token.text
    return texts


def alone(path: Path, asked: list[Request]) -> list[str]:
    engine = LlamaEngine(path)
    try:
        return ["".join(token.text for token in engine.stream(each)) for each in asked]
    finally:
        engine.close()


@pytest.fixture
def engine(models: Models) -> Iterator[LlamaEngine]:
    opened = LlamaEngine(models())
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("first", "parallel", "layout"),
    [
        ([], 4, Layout()),
        ([request("one")], 4, Layout()),
        ([request("one"), request("two")], 1, Layout()),
        ([request("one"), request("two")], 4, Layout(4, is_pool=False)),
        ([request("one"), request("one", sampling=Sampling(seed=2))], 4, Layout(4, is_pool=True)),
    ],
)
def test_drafts_share_a_pool_and_other_texts_have_cells_of_their_own(
    first: list[Request], parallel: int, layout: Layout
) -> None:
    found, taken, rest = layout_of(iter(first), parallel)
    assert found == layout
    assert [*taken, *rest] == first


@pytest.mark.parametrize("parallel", [2, 3, 4])
def test_texts_side_by_side_are_what_each_is_alone(
    models: Models, engine: LlamaEngine, parallel: int
) -> None:
    asked = [request(topic) for topic in TOPICS]
    assert together(engine, asked, parallel) == alone(models(), asked)


def test_a_beginning_that_texts_share_is_read_once(engine: LlamaEngine) -> None:
    asked = [request(topic) for topic in TOPICS]
    together(engine, asked, parallel=4)
    shared = engine.count_tokens(PREFIX) - 4
    assert engine.stats.cached_tokens >= 3 * shared
    assert engine.model.streams == 4


@pytest.mark.parametrize("lengths", [(40, 2, 40, 40), (40, 2, 3, 40), (2, 40, 3, 40)])
def test_a_text_that_moves_into_a_gap_goes_on_as_it_would_have(
    models: Models, engine: LlamaEngine, lengths: tuple[int, ...]
) -> None:
    asked = [request(*each) for each in zip(TOPICS, lengths, strict=True)]
    moves = []
    move = engine._sequences._move
    engine._sequences._move = lambda *seqs: (moves.append(seqs), move(*seqs))[1]  # type: ignore
    assert together(engine, asked, parallel=4) == alone(models(), asked)
    assert moves


def test_where_memory_is_short_fewer_go_side_by_side(
    models: Models, engine: LlamaEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [request(topic) for topic in TOPICS]
    cells = engine.count_prompt(asked[1]) + 12
    room = 2 * 2 * (cells + 256) * engine.model.kv_bytes(1)
    monkeypatch.setattr(machine, "available_memory_bytes", lambda: room)
    monkeypatch.setattr("gptwrite.engines.model.RESERVED_BYTES", 0)
    assert together(engine, asked, parallel=4) == alone(models(), asked)
    assert 1 <= engine._sequences.count < 4


def test_a_longer_text_waits_for_a_context_that_holds_it(
    models: Models, engine: LlamaEngine
) -> None:
    short, long = [request(topic, prefix="") for topic in TOPICS], request(TOPICS[0])
    asked = [*short[:2], long, *short[2:]]
    assert together(engine, asked, parallel=2) == alone(models(), asked)


def test_states_are_kept_apart_by_how_many_sequences_a_context_has(
    models: Models, tmp_path: Path
) -> None:
    cache = PromptCache(tmp_path, limit_bytes=10**8, least_tokens=32)
    asked = [request(topic, reusable=True) for topic in TOPICS[:2]]
    known = []
    for count in (1, 2, 1, 2):
        engine = LlamaEngine(models(), cache=cache)
        together(engine, asked[:count], parallel=count)
        known.append(engine.stats.cached_tokens)
        engine.close()
    first_alone, first_two, alone_again, two_again = known
    assert first_alone == 0 < alone_again
    assert 0 < first_two < two_again  # the second of two shares with the first in any case


def test_a_state_from_the_disk_is_not_lost_under_a_copy(models: Models, tmp_path: Path) -> None:
    """The disk knows more of the second prompt than the first prompt shares with it."""
    cache = PromptCache(tmp_path, limit_bytes=10**8, least_tokens=32)
    path = models(context_length=2048, is_endless=True)
    shared = PREFIX[:60]
    asked = [request("a b c d e f g " * 16, prefix=shared), request("雪 " * 60, prefix=shared)]
    expected = alone(path, asked)
    for _ in range(3):
        engine = LlamaEngine(path, cache=cache)
        assert together(engine, asked, parallel=2) == expected
        known = engine.stats.cached_tokens
        engine.close()
    assert known > 150


def test_a_window_that_has_slid_cannot_be_read_again(models: Models, tmp_path: Path) -> None:
    """A state on disk has only the cells of the window: no shorter beginning can come of it."""
    path = models("gemma2", layers=4, context_length=4096, sliding_window=32, scale=1.0)
    cache = PromptCache(tmp_path, limit_bytes=10**8, least_tokens=32)
    document = "春天来了 the road was long. " * 30
    asked = [request(rest, 4, prefix=document, alternatives=1) for rest in ("说" * 200, "河", "书")]

    def likelihoods(kept: PromptCache | None, each: Request) -> list[float | None]:
        engine = LlamaEngine(path, cache=kept)
        found = [token.logprob for token in engine.stream(each) if token.logprob is not None]
        engine.close()
        return found

    for each in asked:
        assert likelihoods(cache, each) == pytest.approx(likelihoods(None, each), abs=1e-3)


def test_a_request_taken_in_advance_is_cancelled_too(engine: LlamaEngine) -> None:
    def asked() -> Iterator[Request]:
        yield request("one")
        engine.cancel()

    tokens = [token for _, token in engine.generate(asked(), parallel=4)]
    assert [token.finish for token in tokens if isinstance(token, Token)] == ["cancelled"]
