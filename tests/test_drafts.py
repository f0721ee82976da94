"""`-n 4`: candidates side by side in one context, which computes their prompt once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gptwrite.cli.drafts import draft_requests
from gptwrite.cli.writing import save
from gptwrite.engines.base import Token
from gptwrite.engines.llama import LlamaEngine
from gptwrite.inputs import Inputs
from gptwrite.template import Library
from gptwrite.terminal import Terminal
from gptwrite.write import Job

Models = Callable[..., Path]


def texts_of(engine: LlamaEngine, count: int, **sampling: object) -> list[str]:
    values = {"max_tokens": 16, "temperature": 1.0, **sampling}
    job = Job(Library().load("summary"), Inputs("", "气候变化 the end."), "zh", {}, values)
    texts = [""] * count
    for index, token in engine.generate(draft_requests(job, count), parallel=count):
        assert isinstance(token, Token)
        texts[index] += token.text
    return texts


def test_drafts_share_one_context_and_one_reading_of_the_prompt(models: Models) -> None:
    engine = LlamaEngine(models())
    texts = texts_of(engine, 4, seed=1)
    one_prompt = engine.stats.prompt_tokens // 4
    assert len(set(texts)) == 4
    assert engine.stats.cached_tokens == 3 * (one_prompt - 1)
    assert engine.model.api.llama_n_seq_max(engine.model.context) == 4
    engine.close()


@pytest.mark.parametrize("count", [1, 2, 8])
def test_each_draft_is_what_its_seed_gives_alone(models: Models, count: int) -> None:
    engine = LlamaEngine(models())
    together = texts_of(engine, count, seed=1)
    alone = [texts_of(engine, 1, seed=1 + i)[0] for i in range(count)]
    engine.close()
    assert together == alone


def test_drafts_without_a_seed_differ(models: Models) -> None:
    engine = LlamaEngine(models())
    assert len(set(texts_of(engine, 4))) == 4
    engine.close()


def test_interrupted_drafts_leave_the_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "text.md"
    path.write_text("whole\n", encoding="utf-8")
    save("half\n", path, True, Terminal(quiet=True))
    assert path.read_text(encoding="utf-8") == "whole\n"
    assert (tmp_path / "text.md.partial").read_text(encoding="utf-8") == "half\n"
