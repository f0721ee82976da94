"""Token counts without a tokenizer: never too low for current vocabularies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gptwrite.engines.estimate import CalibratedCount, estimate_tokens, fewest_tokens
from gptwrite.engines.llama import LlamaEngine

TEXTS = {
    "Chinese": "气候变化是长期的气温和天气模式的改变，人类活动是主要原因。" * 20,
    "verse": "床前明月光，疑是地上霜。举头望明月，低头思故乡。锦瑟无端五十弦，一弦一柱思华年。",
    "English": "The committee postponed its decision, although nobody had objected. " * 20,
    "code": "def add(first: int, second: int) -> int:\n    return first + second\n\n\n" * 20,
    "digits": "1234567 89.5 2026-11-23 " * 20,
    "table": "| a | b |\n|---|---|\n| 12 | 33 |\n" * 20,
    "French": "Le changement climatique désigne une évolution déjà très étudiée. " * 20,
    "Russian": "Изменение климата — это долгосрочные изменения. " * 20,
    "spaces": "one\n\n\n      two          three\n" * 20,
}


@pytest.fixture(scope="module", params=["qwen2"])
def counted(
    request: pytest.FixtureRequest, real_model: Callable[..., Path]
) -> Callable[[str], int]:
    return LlamaEngine(real_model(request.param, "qwen2")).count_tokens


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_estimates_stand_around_what_real_vocabularies_need(
    text: str, counted: Callable[[str], int]
) -> None:
    assert fewest_tokens(text) <= counted(text) <= estimate_tokens(text) + 1 <= 3.1 * counted(text)


def test_a_server_that_counts_raises_the_estimate_and_is_asked_a_few_times() -> None:
    asked = []

    def ask(text: str) -> int:
        asked.append(text)
        return 2 * estimate_tokens(text)

    tokens = CalibratedCount(ask)
    assert tokens.count("短") == estimate_tokens("短") and not asked
    for _ in range(9):
        assert tokens.count(TEXTS["English"]) >= 2 * estimate_tokens(TEXTS["English"])
    assert len(asked) == 4 and all(len(text) <= 4096 for text in asked)


def test_a_server_that_does_not_count_is_asked_once() -> None:
    asked = []
    tokens = CalibratedCount(lambda text: asked.append(text) or 0)
    for _ in range(3):
        assert tokens.count(TEXTS["English"]) == estimate_tokens(TEXTS["English"])
    assert len(asked) == 1
