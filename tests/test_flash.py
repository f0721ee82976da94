"""Flash attention by measurement; times are given, never measured, in these tests."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gptwrite.engines import flash
from gptwrite.engines.base import Message, Request, Sampling
from gptwrite.engines.flash import BUDGET_SECONDS, ENTRIES, OFF, ON, PAUSE_SECONDS
from gptwrite.engines.llama import LlamaEngine, open_engine
from gptwrite.engines.model import LoadedModel, LoadOptions
from gptwrite.models import ModelSpec
from gptwrite.settings import Settings, cache_dir


class Machine:
    """Two contexts that take a given time for a token, and the clock that they share."""

    def __init__(self, off: float, on: float, fails: str = "") -> None:
        self.now = 0.0
        self.fails = fails
        self.cost = {OFF: off, ON: on}
        self.decoded = {OFF: 0, ON: 0}

    def faster(self) -> str | None:
        def decoder(name: str) -> Callable[[int], bool]:
            def decode(count: int) -> bool:
                # Tokens read together cost less: about a quarter.
                self.now += self.cost[name] * max(1, count / 4)
                self.decoded[name] += count
                return name != self.fails

            return decode

        return flash.faster({n: decoder(n) for n in (OFF, ON)}, lambda: self.now)


@pytest.mark.parametrize(
    ("off", "on", "winner"),
    [
        (0.002, 0.0035, OFF),
        (0.002, 0.0015, ON),
        (0.002, 0.00199, OFF),  # no clear winner
        (0.0001, 0.00005, ON),
    ],
)
def test_the_one_that_decodes_clearly_sooner_wins(off: float, on: float, winner: str) -> None:
    machine = Machine(off, on)
    assert machine.faster() == winner
    assert machine.decoded[OFF] == machine.decoded[ON]
    assert machine.now <= BUDGET_SECONDS


@pytest.mark.parametrize("cost", [0.05, 1.0])
def test_a_slow_model_is_given_up(cost: float) -> None:
    machine = Machine(cost, cost / 2)
    assert machine.faster() is None
    assert machine.decoded[OFF] <= flash.CHUNK_TOKENS + flash.LEAST_DECODES


@pytest.mark.parametrize("name", [OFF, ON])
def test_a_decode_that_fails_ends_the_measurement(name: str) -> None:
    assert Machine(0.001, 0.0005, fails=name).faster() is None


def test_company_during_some_decodes_does_not_change_the_winner() -> None:
    times = iter([0.001, 0.002, 0.03, 0.002, 0.001, 0.05] + [0.001, 0.002] * 20)
    now = 0.0

    def decode(count: int) -> bool:
        nonlocal now
        now += next(times) if count == 1 else 0.001
        return True

    assert flash.faster({OFF: decode, ON: decode}, lambda: now) == OFF


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    record = tmp_path / "new" / "flash.json"
    assert flash.choose(record, "model a", lambda: ON) == ON
    assert flash.choose(record, "model b", lambda: OFF) == OFF

    def never() -> str:
        raise AssertionError

    assert flash.choose(record, "model a", never) == ON
    assert json.loads(record.read_text(encoding="utf-8")) == {"model a": ON, "model b": OFF}
    assert [path.name for path in record.parent.iterdir()] == ["flash.json"]


def test_without_time_it_is_off_and_tried_again_later(tmp_path: Path) -> None:
    record, tries = tmp_path / "flash.json", []

    def measure() -> str | None:
        tries.append(1)
        return None if len(tries) == 1 else ON

    assert flash.choose(record, "m", measure, now=lambda: 1000.0) == OFF
    assert flash.choose(record, "m", measure, now=lambda: 1000.0 + PAUSE_SECONDS / 2) == OFF
    assert len(tries) == 1
    assert flash.choose(record, "m", measure, now=lambda: 1000.0 + PAUSE_SECONDS) == ON
    assert flash.choose(record, "m", measure, now=lambda: 0.0) == ON
    assert len(tries) == 2


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"m": 7', b'{"m": "maybe"}', b"\xff\xfe"])
def test_a_damaged_record_is_replaced(content: bytes, tmp_path: Path) -> None:
    record = tmp_path / "flash.json"
    record.write_bytes(content)
    assert flash.choose(record, "m", lambda: ON) == ON
    assert json.loads(record.read_text(encoding="utf-8"))["m"] == ON


def test_a_record_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert flash.choose(tmp_path / "file" / "flash.json", "m", lambda: ON) == ON


def test_the_record_keeps_the_newest(tmp_path: Path) -> None:
    record = tmp_path / "flash.json"
    for number in range(ENTRIES + 3):
        flash.choose(record, str(number), lambda: OFF)
    known = list(json.loads(record.read_text(encoding="utf-8")))
    assert (len(known), known[-1]) == (ENTRIES, str(ENTRIES + 2))


def test_a_changed_file_library_thread_count_or_device_is_another_key(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    keys = [flash.key_of(path, "1", 2, "cpu")]
    keys += [flash.key_of(path, "2", 2, "cpu"), flash.key_of(path, "1", 1, "cpu")]
    keys += [flash.key_of(path, "1", 2, "GPU0 (9 layers)")]
    os.utime(path, ns=(2, 2))
    keys.append(flash.key_of(path, "1", 2, "cpu"))
    assert len(set(keys)) == 5


@pytest.mark.parametrize("winner", [ON, OFF])
def test_the_engine_uses_the_winner_and_says_so(
    winner: str, models: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoadedModel, "_measure_flash", lambda _self, _threads: winner)
    spec = ModelSpec("m", "llama", str(models("qwen2")))
    request = Request((Message("user", "hi"),), sampling=Sampling(temperature=0, max_tokens=2))
    engine = open_engine(spec, Settings())
    list(engine.stream(request))
    assert engine.stats.flash_attention == winner
    engine.close()
    record = cache_dir() / "measured" / "flash_attention.json"
    assert list(json.loads(record.read_text(encoding="utf-8")).values()) == [winner]


@pytest.mark.parametrize("architecture", ["gpt2", "gptneox", "llama", "qwen2", "qwen3"])
def test_real_contexts_with_and_without_it_can_be_measured(
    architecture: str, models: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flash, "BUDGET_SECONDS", 600.0)
    model = LoadedModel(models(architecture), LoadOptions())
    assert model._measure_flash(1) in (ON, OFF)
    model.close()


def test_a_model_with_a_short_context_is_not_measured(models: Callable[..., Path]) -> None:
    model = LoadedModel(models("gpt2", context_length=256), LoadOptions())
    assert model._measure_flash(1) is None
    model.close()


def test_an_engine_without_a_record_does_not_measure(
    models: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoadedModel, "_measure_flash", None)
    engine = LlamaEngine(models("qwen2"))
    list(engine.stream(Request((Message("user", "hi"),), sampling=Sampling(max_tokens=2))))
    assert engine.stats.flash_attention == OFF
    engine.close()
