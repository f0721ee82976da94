"""The thread count follows what tokens cost; time is given, never measured, in these tests."""

from __future__ import annotations

import random

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
