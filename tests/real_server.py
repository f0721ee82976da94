"""A real llama.cpp server on loopback: llama-cpp-python's own, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONTEXT_LENGTH = 512
KEY = "sk-of-the-test-server"
READY = re.compile(rb"running on (http://127\.0\.0\.1:\d+)")


@contextmanager
def llama_server(model: Path, log: Path) -> Iterator[str]:
    """Serve `model`; yields the address. `log` takes what the server says.

    By default that server breaks off a running answer when another request comes.
    """
    arguments = {
        "model": model,
        "model_alias": "tiny",
        "n_ctx": CONTEXT_LENGTH,
        "n_threads": 1,
        "n_threads_batch": 1,  # two would spin against each other on a busy machine
        "interrupt_requests": False,
        "api_key": KEY,
        "host": "127.0.0.1",
        "port": 0,
    }
    command = [sys.executable, "-m", "llama_cpp.server"]
    for name, value in arguments.items():
        command += [f"--{name}", str(value)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        process.wait(30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    while process.poll() is None:
        if found := READY.search(log.read_bytes()):
            return found.group(1).decode()
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")
