"""The caches as a user meets them: a second call that reads nothing again, info, clear, off."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran
from long_texts import FILLER, marked

from gptwrite.settings import cache_dir

Run = Callable[..., Ran]
DOCUMENT = "气候变化 the end of the world. " * 18


@pytest.fixture
def ask(gptwrite: Run, models: Callable[..., Path]) -> Callable[..., dict[str, Any]]:
    """A function that asks about the document and gives the JSON object of the answer."""

    def run(*options: str, text: str = DOCUMENT, **env: str) -> dict[str, Any]:
        asked = ["summary", "-m", models(context_length=2048), "--max-tokens", "4", "--seed", "1"]
        ran = gptwrite([*asked, "--json", "-q", *options], stdin=text, env=env)
        assert (ran.status, ran.err) == (0, "")
        row: dict[str, Any] = json.loads(ran.out)
        return row

    return run


def test_a_second_call_does_not_read_the_document_again(
    ask: Callable[..., dict[str, Any]], gptwrite: Run
) -> None:
    first, second = ask(), ask()
    assert first["cached_tokens"] == 0
    assert first["prompt_tokens"] > 256
    assert 256 < second["cached_tokens"] < first["prompt_tokens"]
    assert second["text"] == first["text"]
    (state,) = (cache_dir() / "prompts").iterdir()
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert "states of prompts: 1 files" in gptwrite(["cache", "info"]).out


def test_another_question_shares_the_template_and_the_document(
    ask: Callable[..., dict[str, Any]],
) -> None:
    ask()
    other = ask(text=DOCUMENT + "然后呢？")
    assert 256 < other["cached_tokens"] < other["prompt_tokens"]


@pytest.mark.parametrize(
    ("options", "env"),
    [(["--no-cache"], {}), ([], {"GPTWRITE_CACHE": "false"})],
    ids=["flag", "environment"],
)
def test_without_the_cache_nothing_is_read_from_it_or_left_in_it(
    options: list[str], env: dict[str, str], ask: Callable[..., dict[str, Any]]
) -> None:
    whole = ask(*options, **env)
    assert not (cache_dir() / "prompts").exists()
    ask()
    again = ask(*options, **env)
    assert again["cached_tokens"] == 0
    assert again["text"] == whole["text"]


def test_a_limit_of_no_megabytes_keeps_nothing(ask: Callable[..., dict[str, Any]]) -> None:
    ask(GPTWRITE_CACHE_SIZE_MB="0")
    assert not list((cache_dir() / "prompts").glob("*.state"))


def test_clearing_makes_the_next_call_the_first(
    ask: Callable[..., dict[str, Any]], gptwrite: Run
) -> None:
    ask()
    cleared = gptwrite(["cache", "clear"])
    assert cleared.status == 0 and "Removed: states of prompts: 1 files" in cleared.out
    assert "states of prompts: 0 files" in gptwrite(["cache", "info"]).out
    assert ask()["cached_tokens"] == 0


def test_the_cache_is_shown_and_cleared(gptwrite: Run) -> None:
    assert "parts of long texts: 0 files" in gptwrite(["cache", "info"]).out
    text, _ = marked(FILLER, 20_000)
    gptwrite(["summary", "-m", "echo"], stdin=text)
    info = gptwrite(["cache", "info"])
    assert info.status == 0 and "parts of long texts: 0 files" not in info.out
    assert "Limit: 1024 MB" in info.out
    assert gptwrite(["cache", "clear"]).status == 0
    assert "parts of long texts: 0 files" in gptwrite(["cache", "info"]).out
    assert (
        "缓存"
        in gptwrite(
            ["cache", "info"], env={"GPTWRITE_UI_LANGUAGE": "zh", "GPTWRITE_CACHE": "false"}
        ).out
    )
