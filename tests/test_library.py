"""The C library's log, and Ctrl-C while C is at work."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gptwrite.engines import library
from gptwrite.engines.llama import LlamaEngine
from gptwrite.engines.model import LoadOptions


@pytest.fixture
def interrupting() -> Iterator[list[int]]:
    """The signals that the log's callback gets next, as Python runs handlers: inside of it."""
    waiting: list[int] = []

    def noisy(level: int, text: bytes, data: Any) -> None:
        while waiting:
            os.kill(os.getpid(), waiting.pop())
        library._keep(level, text, data)

    api = library.load()
    callback = api.llama_log_callback(noisy)
    api.llama_log_set(callback, None)
    yield waiting
    api.llama_log_set(api.gptwrite_log_callback, None)


def test_ctrl_c_while_a_model_loads_is_neither_printed_nor_lost(
    models: Callable[..., Path], interrupting: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    interrupting.append(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        LlamaEngine(models("qwen2"), LoadOptions())
    assert not interrupting and capfd.readouterr().err == ""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_run_when_the_block_ends() -> None:
    heard: list[int] = []
    old = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    try:
        with library.undisturbed(), library.undisturbed():
            signal.raise_signal(signal.SIGTERM)
            assert heard == []
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, old)
