"""Batches of a prompt: the same text whatever was kept of it, to the last bit of every logit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptwrite.engines import llama
from gptwrite.engines.base import Message, Request, Sampling
from gptwrite.engines.llama import LlamaEngine
from gptwrite.engines.model import LoadOptions
from gptwrite.engines.reading import batch_sizes

Models = Callable[..., Path]


@pytest.mark.parametrize(
    ("done", "end", "least", "sizes"),
    [
        (0, 1, 2, [1]),  # there are no more
        (0, 2, 2, [2]),
        (0, 512, 2, [512]),
        (0, 513, 2, [511, 2]),
        (0, 514, 2, [512, 2]),
        (0, 1025, 2, [512, 511, 2]),
        (511, 513, 2, [2]),
        (0, 40, 64, [40]),
        (0, 530, 64, [466, 64]),
        (466, 530, 64, [64]),
    ],
)
def test_no_batch_is_smaller_than_the_least(
    done: int, end: int, least: int, sizes: list[int]
) -> None:
    assert list(batch_sizes(done, end, 512, least, is_tail_apart=False)) == sizes


@pytest.mark.parametrize("end", [1, 2, 3, 40, 64, 65, 100, 512, 513, 1500])
@pytest.mark.parametrize("least", [2, 64])
def test_a_tail_apart_ends_alike_whether_the_beginning_was_kept(end: int, least: int) -> None:
    whole = list(batch_sizes(0, end, 512, least, is_tail_apart=True))
    assert sum(whole) == end
    if end > least:
        assert whole[-1] == least
        assert list(batch_sizes(end - least, end, 512, least, is_tail_apart=True)) == [least]


class Recorder:
    """Writes with one engine and keeps the logits of every token."""

    def __init__(self, engine: LlamaEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = engine
        self._logits: list[np.ndarray] = []
        drawn = llama.draw

        def draw(api: Any, context: Any, output: int, vocabulary: Any, slot: Any) -> Any:
            pointer = api.llama_get_logits_ith(context, output)
            row = np.ctypeslib.as_array(pointer, shape=(vocabulary.size,))
            self._logits.append(row.copy())
            return drawn(api, context, output, vocabulary, slot)

        monkeypatch.setattr(llama, "draw", draw)

    def write(self, text: str, max_tokens: int = 12) -> np.ndarray:
        self._logits.clear()
        sampling = Sampling(seed=4, max_tokens=max_tokens, temperature=1.0)
        asked = Request((Message("user", text),), completion=text, sampling=sampling)
        list(self.engine.stream(asked))
        return np.array(self._logits)


# Beginnings that the text shares with what was written before: all, much, a few tokens, none.
BEFORE = ("", " and more of the end", " 秋夜", " the")


@pytest.mark.parametrize("architecture", ["gpt2", "gptneox", "llama", "qwen2", "qwen3"])
@pytest.mark.parametrize("flash", ["off", "on"])
@pytest.mark.parametrize("words", [1, 4, 60])
def test_what_was_kept_changes_no_bit_of_what_is_written(
    models: Models, monkeypatch: pytest.MonkeyPatch, architecture: str, flash: str, words: int
) -> None:
    options = LoadOptions(flash_attention=flash, threads=1)
    text = "the end " * words
    fresh = Recorder(LlamaEngine(models(architecture), options), monkeypatch)
    expected = fresh.write(text)
    fresh.engine.close()
    kept = Recorder(LlamaEngine(models(architecture), options), monkeypatch)
    for ending in BEFORE:
        kept.write(text[: len(text) * 2 // 3] + ending)
        np.testing.assert_array_equal(kept.write(text), expected)
        np.testing.assert_array_equal(kept.write(text), expected)
    kept.engine.close()


def test_a_text_that_was_written_is_read_anew_as_a_prompt(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LlamaEngine(models("gpt2"))
    asked = Request((), completion="the end of", sampling=Sampling(seed=4, max_tokens=30))
    written = "the end of" + "".join(token.text for token in engine.stream(asked))
    kept = Recorder(engine, monkeypatch).write(written)
    engine.close()
    other = LlamaEngine(models("gpt2"))
    np.testing.assert_array_equal(Recorder(other, monkeypatch).write(written), kept)
    other.close()


def test_drafting_decides_without_a_clock(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "the end of the world and " * 6

    def write(seconds_per_call: float) -> np.ndarray:
        now = 0.0

        def clock() -> float:
            nonlocal now
            now += seconds_per_call * (1 + now % 7)
            return now

        with monkeypatch.context() as patched:
            patched.setattr("gptwrite.engines.llama.time.perf_counter", clock)
            recorder = Recorder(LlamaEngine(models("qwen2")), patched)
            rows = recorder.write(text, max_tokens=60)
            recorder.engine.close()
        return rows

    np.testing.assert_array_equal(write(1e-3), write(5.0))


@pytest.mark.parametrize(("flash", "is_fixed"), [("on", True), ("off", False)])
def test_threads_do_not_change_while_sums_follow_them(
    models: Models, flash: str, is_fixed: bool
) -> None:
    options = LoadOptions(flash_attention=flash, threads=2)
    engine = LlamaEngine(models("qwen2", context_length=2048), options)
    next(stream := engine.stream(Request((Message("user", "x"),), sampling=Sampling())))
    stream.close()  # type: ignore[attr-defined]
    assert engine.model.cells >= 512
    assert engine.model.sums_follow_threads == is_fixed
    used = {engine._threads.observe(0.001 if i < 40 else 1.0) for i in range(400)}
    assert (used == {2}) == is_fixed
    engine.close()
