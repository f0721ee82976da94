"""The thread count follows what tokens cost; time is given, never measured, in these tests."""

from __future__ import annotations

from gptwrite.engines.threads import ThreadCount

ALONE = {1: 3.2e-3, 2: 2.0e-3}
BUSY = {1: 3.2e-3, 2: 20e-3}


def run(count: ThreadCount, costs: dict[int, float], tokens: int) -> list[int]:
    return [count.observe(costs[count.current]) for _ in range(tokens)]


def test_an_idle_machine_keeps_all_threads() -> None:
    assert set(run(ThreadCount(2), ALONE, 1000)) == {2}


def test_company_brings_the_count_down_soon_and_keeps_it_down_mostly() -> None:
    count = ThreadCount(2)
    run(count, ALONE, 64)
    used = run(count, BUSY, 400)
    assert used[16] == 1
    assert sum(u == 2 for u in used[16:]) < 40


def test_the_count_comes_back_when_the_company_leaves() -> None:
    count = ThreadCount(2)
    run(count, ALONE, 64)
    run(count, BUSY, 400)
    assert run(count, ALONE, 400)[-1] == 2


def test_one_thread_stays_one() -> None:
    assert set(run(ThreadCount(1), ALONE, 50)) == {1}
