"""The sampler chain: penalties that see the prompt, a fast path equal to the slow one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gptwrite.engines import admission, sampler
from gptwrite.engines.base import Message, Request, Sampling
from gptwrite.engines.llama import LlamaEngine


@pytest.fixture
def engine(models: Callable[..., Path]) -> Iterator[LlamaEngine]:
    opened = LlamaEngine(models("gpt2"))
    yield opened
    opened.close()


def ids(engine: LlamaEngine, text: str, **sampling: Any) -> list[int]:
    asked = Request(
        (Message("user", text),), completion=text, sampling=Sampling(max_tokens=40, **sampling)
    )
    return [token.id for token in engine.stream(asked) if token.id is not None]


def test_a_seed_is_drawn_and_reported(engine: LlamaEngine) -> None:
    first = ids(engine, "the end")
    seed = engine.stats.seed
    assert seed is not None
    second = ids(engine, "the end")
    assert engine.stats.seed != seed and second != first
    assert ids(engine, "the end", seed=seed) == first


def test_temperature_zero_takes_the_likeliest_token(engine: LlamaEngine) -> None:
    asked = Request(
        (Message("user", "x"),),
        completion="the",
        sampling=Sampling(temperature=0, max_tokens=10),
        alternatives=3,
    )
    for token in engine.stream(asked):
        if token.id is not None:
            assert token.logprob == max(a.logprob for a in token.alternatives)


def test_penalties_count_what_stands_in_the_prompt(engine: LlamaEngine) -> None:
    text = "the end of the world"
    first = ids(engine, text, temperature=0.0)[0]
    piece = engine.model.vocabulary.piece(first).decode("utf-8", "replace")
    with_it = text + piece * 3
    held = ids(engine, with_it, temperature=0.0, repeat_penalty=1e9)
    prompt, _ = engine.prompt_tokens(Request((), completion=with_it))
    assert not set(held[:1]) & set(prompt)


@pytest.mark.parametrize(
    "sampling",
    [
        {"repeat_penalty": 1.3, "repeat_last_n": 24},
        {"repeat_penalty": 1.3, "repeat_last_n": 24, "dry_multiplier": 0.8},
        {"repeat_penalty": 1.1, "repeat_last_n": 8, "top_k": 3, "temperature": 1.5},
    ],
)
def test_cutting_down_before_the_penalties_changes_nothing(
    engine: LlamaEngine, sampling: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "the end of the world and the end "
    fast = [ids(engine, text, seed=seed, **sampling) for seed in range(5)]

    class WithoutShortcut:
        """The library, but that the first cut of a chain keeps everything."""

        def __init__(self, api: Any, top_k: int) -> None:
            self._api, self._top_k = api, top_k

        def __getattr__(self, name: str) -> Any:
            return getattr(self._api, name)

        def llama_sampler_init_top_k(self, k: int) -> Any:
            return self._api.llama_sampler_init_top_k(k if k <= self._top_k else 10**6)

    def slow(api: Any, *rest: Any) -> Any:
        return sampler.build_chain(WithoutShortcut(api, sampling.get("top_k", 40)), *rest)

    monkeypatch.setattr(admission, "build_chain", slow)
    assert [ids(engine, text, seed=seed, **sampling) for seed in range(5)] == fast


def test_dry_breaks_a_loop(engine: LlamaEngine) -> None:
    looped = ids(engine, "the the the the", temperature=0.0)
    broken = ids(engine, "the the the the", temperature=0.0, dry_multiplier=5.0)
    assert longest_repeat(broken) <= longest_repeat(looped)


def longest_repeat(tokens: list[int]) -> int:
    """Return the length of the longest run of tokens that comes twice."""
    return max(
        (
            size
            for size in range(len(tokens))
            for at in range(len(tokens) - size)
            if tokens[at : at + size] in [tokens[i : i + size] for i in range(at)]
        ),
        default=0,
    )
