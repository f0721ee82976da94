"""Drafting: guesses come from the prompt, and never change what is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gptwrite.engines.base import Message, Request, Sampling
from gptwrite.engines.drafting import FIRST_TRIALS, TRIAL_EVERY, Drafter, DraftGain
from gptwrite.engines.llama import LlamaEngine
from gptwrite.engines.model import LoadOptions

COPY = "the end of the world and the end of the world and the end of the world. "


def test_a_guess_is_what_followed_the_same_tokens_last_time() -> None:
    drafter = Drafter([1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert drafter.guess() == []
    for token in (1, 2, 3):
        drafter.add(token)
    assert drafter.guess() == [4, 5, 6, 7]
    assert drafter.guess(most=1) == [4]
    drafter.add(40)
    assert drafter.guess() == []
    for token in (1, 2, 3):
        drafter.add(token)
    assert drafter.guess() == [40, 1, 2, 3]


def test_guessing_stops_while_it_does_not_pay_and_is_tried_again() -> None:
    gain = DraftGain()
    for _ in range(FIRST_TRIALS):
        assert gain.pays()
        gain.saw_batch(1)
    assert [gain.pays() for _ in range(TRIAL_EVERY)] == [False] * (TRIAL_EVERY - 1) + [True]
    for _ in range(8):
        gain.saw_batch(5)
    assert gain.pays()


@pytest.mark.parametrize("architecture", ["gpt2", "gptneox", "llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_the_text_is_the_same_with_and_without_guesses(
    architecture: str,
    temperature: float,
    models: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(DraftGain, "pays", lambda _self: True)
    path = models(architecture)
    with_guesses, without = LlamaEngine(path), LlamaEngine(path, LoadOptions(drafting=False))
    batches: list[int] = []
    saw = DraftGain.saw_batch
    monkeypatch.setattr(
        DraftGain,
        "saw_batch",
        lambda self, tokens: (batches.append(tokens), saw(self, tokens))[1],
    )
    for seed in range(4):
        sampling = Sampling(temperature=temperature, seed=seed, max_tokens=120, top_k=2)
        asked = Request((Message("user", COPY * 3),), completion=COPY * 3, sampling=sampling)
        texts = [
            "".join(token.text for token in engine.stream(asked))
            for engine in (with_guesses, without)
        ]
        assert texts[0] == texts[1]
    if temperature == 0:
        assert any(tokens > 1 for tokens in batches)
    with_guesses.close()
    without.close()
