"""The speed of a model: counts and shapes here, times from a clock that is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random

import pexpect
import pytest

from gptwrite import machine
from gptwrite.bench import _words, bench
from gptwrite.engines import open_engine
from gptwrite.models import ModelSpec
from gptwrite.settings import Settings


def test_every_time_is_measured_and_speeds_follow_from_counts(
    models: Callable[..., Path],
) -> None:
    ticks = count()
    spec = ModelSpec("m", "llama", str(models("gpt2")))
    speed = bench(
        spec, Settings(), open_engine, tokens=16, prompt_tokens=64, clock=lambda: float(next(ticks))
    )
    assert speed.generated_tokens >= 2
    assert speed.prompt_tokens > 32
    assert speed.load_seconds == 1.0
    assert speed.first_token_seconds == 2.0
    assert speed.prefill_per_second is not None
    assert speed.decode_per_second is not None
    assert speed.flash_attention in ("on", "off")
    assert speed.threads >= 1
    assert speed.device == "cpu"


def test_a_short_context_bounds_prompt_and_text(models: Callable[..., Path]) -> None:
    spec = ModelSpec("m", "llama", str(models("gpt2", context_length=256)))
    speed = bench(spec, Settings(), open_engine, tokens=5000, prompt_tokens=5000)
    assert speed.generated_tokens <= 256


def test_nothing_is_read_from_or_left_in_the_prompt_cache(models: Callable[..., Path]) -> None:
    from gptwrite.settings import cache_dir

    spec = ModelSpec("m", "llama", str(models("gpt2")))
    for _ in range(2):
        speed = bench(spec, Settings(), open_engine, tokens=2, prompt_tokens=200)
        assert speed.prompt_tokens > 150
    assert not (cache_dir() / "prompts").exists()


@pytest.mark.parametrize("wanted", [1, 2, 50, 333])
def test_prompts_have_about_the_length_asked_for_and_differ(wanted: int) -> None:
    text = _words(lambda word: len(word.split()), wanted, Random(1))
    assert len(text.split()) == wanted
    assert _words(len, 400, Random(1)) != _words(len, 400, Random(2))


def test_peak_memory_is_that_of_this_process() -> None:
    peak = machine.peak_memory_bytes()
    assert peak is not None
    assert 10 * 2**20 < peak < 2**40


def test_the_command_prints_one_json_object(
    gptwrite: Callable[..., object], models: Callable[..., Path]
) -> None:
    ran = gptwrite(["bench", "--json", "--model", models("gpt2"), "--tokens", 4,
                    "--prompt-tokens", 16])  # fmt: skip
    assert ran.status == 0, ran.err
    report = json.loads(ran.out)
    assert report["generated_tokens"] >= 2
    assert report["peak_memory_bytes"] > 0
    assert ran.err == ""


@pytest.mark.parametrize(("language", "title"), [("en", "writing"), ("zh", "生成")])
def test_without_a_terminal_the_table_is_plain(
    language: str, title: str, gptwrite: Callable[..., object]
) -> None:
    ran = gptwrite(["bench", "--model", "echo", "--tokens", 4], env={
        "GPTWRITE_UI_LANGUAGE": language
    })  # fmt: skip
    assert ran.status == 0, ran.err
    assert title in ran.out
    assert len({line.split()[0] for line in ran.out.splitlines()}) >= 9
    assert "│" not in ran.out
    assert "\x1b" not in ran.out


def test_on_a_terminal_the_table_is_drawn(tmp_path: Path) -> None:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "gptwrite", "bench", "--model", "echo", "--tokens", "4"],
        env={**os.environ, "TERM": "xterm"},
        encoding="utf-8",
        timeout=60,
    )
    child.expect(pexpect.EOF)
    assert "│" in child.before
    assert "echo" in child.before


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from gptwrite.cli import main; main(['bench', '--help']);"
        "print([m for m in ('llama_cpp', 'numpy', 'httpx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")
