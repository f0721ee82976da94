"""What every test gets: folders of its own, no home, no network but loopback, tiny models."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import real_vocabularies
from make_models import CHATML, write_model

# A job started in the background inherits "ignore SIGINT", and hands it on to what it starts: the
# tests of Ctrl-C would then test nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LOOPBACK = ("127.", "::1", "localhost")


@dataclass(frozen=True)
class Ran:
    """What a run of the program left behind."""

    status: int
    out: str
    err: str
    raw: bytes


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of this test alone; a home that is not the user's; English; no connections out."""
    home = tmp_path / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.startswith(("GPTWRITE_", "GIT_", "HF_")) or name in ("OLLAMA_MODELS",):
            monkeypatch.delenv(name)
    for kind in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"GPTWRITE_{kind}_DIR", str(tmp_path / kind.lower()))
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("GPTWRITE_STARTER_NOTE", "false")

    def loopback_only(self: socket.socket, address: Any) -> Any:
        if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test tried to connect to {address}")
        return connect(self, address)

    connect = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", loopback_only)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that gives the path of a tiny random model of an architecture."""
    folder = tmp_path_factory.mktemp("models")

    def model(architecture: str = "qwen2", **options: Any) -> Path:
        key = "-".join([architecture, *(f"{k}{v}" for k, v in sorted(options.items()))])
        path = folder / f"{abs(hash(key))}-{architecture}.gguf"
        if not path.exists():
            if architecture in ("qwen2", "qwen3"):
                options.setdefault("chat_template", CHATML)
            write_model(path, architecture, **options)
        return path

    return model


@pytest.fixture(scope="session")
def real_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that gives a tiny random model around a real vocabulary, by the latter's name."""
    folder = tmp_path_factory.mktemp("real")
    source: list[Path] = []

    def model(name: str, architecture: str, chat_template: str | None = CHATML) -> Path:
        if not source:
            source.append(real_vocabularies.fetch(folder))
        path = folder / f"{name}-{architecture}-{bool(chat_template)}.gguf"
        if not path.exists():
            vocabulary = real_vocabularies.read(source[0] / f"ggml-vocab-{name}.gguf")
            write_model(
                path, architecture, vocabulary=vocabulary, chat_template=chat_template,
                width=32, feed_forward=32,
            )  # fmt: skip
        return path

    return model


@pytest.fixture
def gptwrite() -> Iterator[Callable[..., Ran]]:
    """Runs the program as a shell would, in a process of its own."""

    def run(
        arguments: Sequence[str | Path],
        stdin: str | bytes | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Ran:
        given = stdin.encode("utf-8") if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [sys.executable, "-m", "gptwrite", *map(str, arguments)],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            timeout=120,
            check=False,
        )
        return Ran(
            done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace"),
            done.stdout,
        )

    yield run
