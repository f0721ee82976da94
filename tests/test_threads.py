"""The thread count follows what tokens cost; time is given, never measured, in these tests."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from gptwrite.engines.base import Message, Request, Sampling
from gptwrite.engines.llama import LlamaEngine
from gptwrite.engines.model import LoadOptions
from gptwrite.engines.threads import ThreadCount

ALONE = {1: 3.2e-3, 2: 2.0e-3}
BUSY = {1: 3.2e-3, 2: 20e-3}


def run(count: ThreadCount, costs: dict[int, float], tokens: int) -> list[int]:
    used = []
    for _ in range(tokens):
        used.append(count.current)
        count.observe(costs[count.current])
    return used


def total(used: list[int], costs: dict[int, float]) -> float:
    return sum(costs[n] for n in used)


def test_an_idle_machine_loses_less_than_five_percent_to_trials() -> None:
    used = run(ThreadCount(2), ALONE, 256)
    assert total(used, ALONE) < 256 * ALONE[2] * 1.05


def test_company_from_the_start_is_noticed_within_a_few_tokens() -> None:
    used = run(ThreadCount(2), BUSY, 256)
    assert used[16] == 1
    assert total(used, BUSY) < 256 * BUSY[1] * 1.5


def test_company_that_comes_later_is_noticed_too() -> None:
    count = ThreadCount(2)
    run(count, ALONE, 300)
    used = run(count, BUSY, 256)
    assert used[16] == 1
    assert total(used, BUSY) < 256 * BUSY[1] * 1.5


def test_the_count_comes_back_when_the_company_leaves() -> None:
    count = ThreadCount(2)
    run(count, ALONE, 64)
    run(count, BUSY, 400)
    assert run(count, ALONE, 600)[-1] == 2


def test_noise_alone_does_not_cost_much() -> None:
    noise = random.Random(1)
    count, spent, best = ThreadCount(2), 0.0, 0.0
    for _ in range(1000):
        factor = noise.choice([1, 1, 1, 1.5, 3])
        spent += ALONE[count.current] * factor
        best += ALONE[2] * factor
        count.observe(ALONE[count.current] * factor)
    assert spent < best * 1.15


def test_more_than_two_threads_are_tried_in_halves() -> None:
    costs = {8: 9e-3, 4: 2e-3, 1: 5e-3}
    assert run(ThreadCount(8), costs, 400)[-1] == 4


def test_one_thread_stays_one() -> None:
    count = ThreadCount(1)
    assert {count.observe(0.01) for _ in range(50)} == {1}


def test_the_engine_changes_its_threads_between_two_tokens(
    models: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def alternate(self: ThreadCount, seconds: float) -> int:
        assert seconds > 0
        self.current = 3 - self.current
        return self.current

    monkeypatch.setattr(ThreadCount, "observe", alternate)
    engine = LlamaEngine(models("gpt2"), LoadOptions(threads=2, drafting=False))
    asked = Request((Message("user", "x"),), completion="x", sampling=Sampling(max_tokens=6))
    used = [
        engine.model.api.llama_n_threads(engine.model.context)
        for token in engine.stream(asked)
        if token.id is not None
    ]
    engine.close()
    assert used == ([2, 1] * 3)[: len(used)] and len(used) > 2
    assert engine.stats.threads in (1, 2)


def test_a_fixed_count_stays_whatever_a_token_costs() -> None:
    assert set(run(ThreadCount(2, is_fixed=True), BUSY, 200)) == {2}
