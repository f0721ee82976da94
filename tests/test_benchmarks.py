"""The benchmarks run, and their models are models; what they measure is not for tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gptwrite.engines.base import Message, Request, Sampling
from gptwrite.engines.llama import LlamaEngine

FOLDER = Path(__file__).parent / "benchmarks"


def test_the_one_command_knows_every_script() -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "run.py"), "--list"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) >= 12
    text = (FOLDER / "run.py").read_text(encoding="utf-8")
    for path in FOLDER.glob("*.py"):
        helpers = ("run.py", "models.py", "peer.py", "peers.py", "commit_messages.py")
        assert path.name in helpers or f'"{path.name}"' in text


@pytest.mark.parametrize("quantization", ["Q4_0", "Q8_0"])
def test_models_of_random_blocks_load_and_decode(
    quantization: str, models: Callable[..., Path]
) -> None:
    path = models("qwen2", quantization=quantization, is_tied=True)
    engine = LlamaEngine(path)
    tokens = list(
        engine.stream(
            Request(
                (Message("user", "hi"),), sampling=Sampling(seed=1, max_tokens=4), alternatives=2
            )
        )
    )
    engine.close()
    logprobs = [token.logprob for token in tokens if token.logprob is not None]
    assert logprobs
    assert all(-100 < logprob <= 0 for logprob in logprobs)
