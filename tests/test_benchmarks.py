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


ROWS = {
    "startup", "process-0.5b", "process-30m", "decode-0.5b", "decode-30m", "second", "parts",
    "batch", "copying", "cost", "memory",
}  # fmt: skip


def test_every_promised_figure_has_a_row_and_single_rows_can_be_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import run

    assert set(run.ROWS) >= ROWS
    done = []
    monkeypatch.setattr(run, "run", lambda row, _setup: done.append(row.about) or "no reason")
    arguments = ["run.py", "--work", str(tmp_path), "--only", "cost", "memory"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert run.main() == 1
    assert done == [run.ROWS["cost"].about, run.ROWS["memory"].about]
    shown = capsys.readouterr().out
    assert "llama-cpp-python" in shown and "without a result: cost, memory" in shown


def test_a_peer_that_cannot_be_had_is_missing_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    import peers

    def broken(*_arguments: object, **_options: object) -> None:
        raise FileNotFoundError("no such program")

    monkeypatch.setattr(subprocess, "run", broken)
    monkeypatch.setattr(peers.shutil, "which", lambda _name: None)
    assert len(peers.PEERS) == 6
    for name in peers.PEERS:
        with pytest.raises(peers.Missing, match=r"no such program|node is not installed"):
            peers.get(name, tmp_path)


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
