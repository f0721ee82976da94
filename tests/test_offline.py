"""That nothing opens a connection: with --offline nothing at all, and writing commands never.

Every run happens in a process whose audit hook, which cannot be taken away again, kills it at the
first sign of the network: a socket of the internet's families, a name looked up, a connection.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from test_discovery import ollama

GUARD = """
import os, socket, sys
def guard(event, arguments):
    opens = event == "socket.__new__" and arguments[1] in (socket.AF_INET, socket.AF_INET6)
    if opens or event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname",
                          "socket.bind", "socket.sendto", "urllib.Request"):
        os.write(2, f"NETWORK {event} {arguments}".encode())
        os._exit(99)
sys.addaudithook(guard)
from gptwrite.cli import main
status = main(sys.argv[1:])
loaded = [m for m in ("httpx", "httpx2", "httpcore", "huggingface_hub", "requests", "ssl",
                      "urllib.request", "http.client") if m in sys.modules]
sys.stdout.flush()
os.write(2, f"LOADED {loaded}".encode())
sys.exit(status)
"""


def guarded(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", GUARD, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_guard_itself_bites() -> None:
    ran = guarded(["models", "pull", "hf:owner/name"], HF_ENDPOINT="http://127.0.0.1:9")
    assert ran.returncode == 99
    assert "NETWORK" in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["article", "autumn", "--max-tokens", "3"],
        ["summary", "some text", "--max-tokens", "3"],
        ["poetry", "秋", "--max-tokens", "3"],
        ["article", "autumn", "--drafts", "2", "--max-tokens", "3"],
        ["article", "autumn", "--show-prompt"],
        ["continue", "It was", "--max-tokens", "3"],
        ["run", "review", "x = 1", "--max-tokens", "3"],
        ["batch", "title", "notes.txt", "--out", "titles", "--max-tokens", "3"],
        ["commit", "--model", "builtin"],
        ["models", "list"],
        ["models", "info", "q:1b"],
        ["models", "recommend"],
        ["models", "verify"],
        ["models", "verify", "q:1b"],
        ["models", "use", "q:1b"],
        ["doctor"],
        ["--help"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
@pytest.mark.parametrize("offline", ["", "1"], ids=["plain", "offline"])
def test_nothing_but_pull_opens_a_socket_or_loads_what_could(
    arguments: list[str],
    offline: str,
    models: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    (tmp_path / "notes.txt").write_text("Some notes.", encoding="utf-8")
    for words in (["init", "-q"], ["add", "notes.txt"]):
        subprocess.run(["git", *words], check=True)
    data = models("qwen2").read_bytes()
    ollama(Path.home() / ".ollama/models", "registry.ollama.ai/library/q/1b", data)
    ran = guarded(arguments, GPTWRITE_OFFLINE=offline, GPTWRITE_MODEL="q:1b", HF_TOKEN="hf_x")
    # Where there is a GPU that the installed library cannot use, that is a problem to `doctor`.
    assert ran.returncode == ("Problem: there is a GPU" in ran.stdout), ran.stderr
    assert "LOADED []" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["models", "pull", "qwen3-4b", "--offline"], {}),
        (["models", "pull", "hf:owner/name"], {"GPTWRITE_OFFLINE": "1"}),
        (["models", "pull", "ms:owner/name"], {"GPTWRITE_OFFLINE": "true"}),
        (["models", "pull", "https://example.com/x.gguf", "--offline"], {}),
        (["article", "x", "--offline", "--endpoint", "http://127.0.0.1:9/v1"], {}),
        (["article", "x", "--offline", "-m", "hf:owner/name"], {}),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else "",
)
def test_what_needs_the_network_says_so_and_opens_none(
    arguments: list[str], environment: dict[str, str]
) -> None:
    ran = guarded(arguments, **environment)
    assert ran.returncode == 1
    assert "offline" in ran.stderr or "not on this machine" in ran.stderr
    assert "LOADED []" in ran.stderr
