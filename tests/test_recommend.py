from __future__ import annotations

import pytest

from gptwrite import catalogue
from gptwrite.recommend import Machine, fits, memory_needed, recommend, tokens_per_second

GB = 10**9


def best(machine: Machine, language: str = "") -> str:
    advice = recommend(catalogue.load(), machine, language)
    return next((row.entry.name for row in advice if row.is_best), "")


@pytest.mark.parametrize(
    ("memory_gb", "cores", "gpu_gb", "language", "name"),
    [
        (24, 2, 0, "zh", "qwen3.5-4b"),
        (64, 16, 0, "zh", "qwen3.5-9b"),
        (8, 4, 0, "zh", "qwen3-8b"),
        (6, 4, 0, "zh", "qwen3.5-4b"),
        (4, 4, 0, "en", "qwen3.5-4b"),
        (2.5, 2, 0, "zh", "qwen3.5-2b"),
        (1.2, 2, 0, "zh", "qwen2.5-0.5b"),
        (16, 2, 12, "zh", "qwen3.5-9b"),
        (0.5, 2, 0, "zh", ""),
        (64, 2, 0, "zh", "qwen3-30b-a3b-2507"),
        (64, 16, 0, "ja", "qwen3.5-9b"),
        (4, 4, 0, "pt_BR", "qwen3.5-4b"),
    ],
)
def test_the_best_model_follows_memory_cores_and_gpu(
    memory_gb: float, cores: int, gpu_gb: float, language: str, name: str
) -> None:
    machine = Machine(int(memory_gb * GB), cores, int(gpu_gb * GB))
    assert best(machine, language) == name


def test_where_nothing_is_fast_the_fastest_is_best() -> None:
    advice = recommend(catalogue.load()[:3], Machine(64 * GB, 1))
    assert advice[0].is_best
    assert advice[0].tokens_per_second == max(row.tokens_per_second for row in advice)


def test_only_models_of_the_language_are_shown_and_those_that_fit_come_first() -> None:
    advice = recommend(catalogue.load(), Machine(4 * GB, 4), "zh")
    assert all("zh" in row.entry.languages for row in advice)
    names = {row.entry.name for row in advice}
    assert "smollm2-360m" not in names and "qwen3-4b" in names
    assert [row.fits for row in advice] == sorted((row.fits for row in advice), reverse=True)


@pytest.mark.parametrize(
    ("language", "writes"),
    [("", True), ("en", True), ("EN", True), ("en_US.UTF-8", True), ("zh-CN", False)],
)
def test_a_language_is_known_by_its_code(language: str, writes: bool) -> None:
    entry = catalogue.find("smollm2-360m")
    assert entry and entry.languages == ("en",)
    assert entry.writes(language) is writes


def test_a_model_of_many_languages_is_shown_for_one_that_is_not_named() -> None:
    advice = recommend(catalogue.load(), Machine(64 * GB, 8), "ja")
    assert advice[0].is_best
    assert all("many" in row.entry.languages for row in advice)


def test_memory_counts_weights_context_and_work() -> None:
    assert memory_needed(1000, 10, 100) == 2000 + 300_000_000
    assert fits(8 * GB, Machine(10 * GB, 1)) == (True, False)
    assert fits(8 * GB + 1, Machine(10 * GB, 1)) == (False, False)
    assert fits(8 * GB, Machine(GB, 1, 10 * GB)) == (True, True)
    assert fits(8 * GB, Machine(None, 1)) == (True, False)


def test_speed_falls_with_size_and_rises_with_cores_and_sparsity() -> None:
    assert tokens_per_second(GB, 1, False, 2) == pytest.approx(14)
    assert tokens_per_second(2 * GB, 1, False, 2) == pytest.approx(7)
    assert tokens_per_second(2 * GB, 0.5, False, 2) == pytest.approx(14)
    assert tokens_per_second(GB, 1, False, 64) == pytest.approx(30)
    assert tokens_per_second(GB, 1, True, 2) == pytest.approx(200)
