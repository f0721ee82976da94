"""One answer from one peer, as a process of its own: the text to stdout, its version to stderr.

    python peer.py KIND MODEL TOKENS THREADS PROMPT

Every peer is given all processors and a context no larger than needed, both to its advantage.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

CONTEXT = 1024
SILENT = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(
    lambda _level, _text, _data: None
)


def llama_cpp_python(model: str, tokens: int, threads: int, prompt: str) -> str:
    """The high-level API."""
    from llama_cpp import Llama

    llama = Llama(model, n_ctx=CONTEXT, n_threads=threads, n_threads_batch=threads, verbose=False)
    chunks: Any = llama.create_chat_completion(
        [{"role": "user", "content": prompt}], stream=True, max_tokens=tokens
    )
    for chunk in chunks:
        sys.stdout.write(chunk["choices"][0]["delta"].get("content") or "")
        sys.stdout.flush()
    return importlib.metadata.version("llama-cpp-python")


def bare_loop(model: str, tokens: int, threads: int, prompt: str) -> str:
    """The loop of llama.cpp's own simple example over the C functions, with a usual sampler."""
    import llama_cpp as c

    c.llama_log_set(SILENT, ctypes.c_void_p(0))
    c.llama_backend_init()
    loaded = c.llama_model_load_from_file(model.encode(), c.llama_model_default_params())
    vocab = c.llama_model_get_vocab(loaded)
    params = c.llama_context_default_params()
    params.n_ctx, params.n_outputs_max, params.no_perf = CONTEXT, 1, True
    params.n_threads = params.n_threads_batch = threads
    params.flash_attn_type = 0
    context = c.llama_init_from_model(loaded, params)
    chain = c.llama_sampler_chain_init(c.llama_sampler_chain_default_params())
    for sampler in (
        c.llama_sampler_init_top_k(40),
        c.llama_sampler_init_top_p(0.95, 1),
        c.llama_sampler_init_temp(0.7),
        c.llama_sampler_init_dist(1),
    ):
        c.llama_sampler_chain_add(chain, sampler)
    data, ids = prompt.encode(), (c.llama_token * CONTEXT)()
    count = c.llama_tokenize(vocab, data, len(data), ids, CONTEXT, True, False)
    c.llama_decode(context, c.llama_batch_get_one(ids, count))
    buffer, one = ctypes.create_string_buffer(256), (c.llama_token * 1)()
    for _ in range(tokens):
        one[0] = c.llama_sampler_sample(chain, context, -1)
        if c.llama_vocab_is_eog(vocab, one[0]):
            break
        size = c.llama_token_to_piece(vocab, one[0], buffer, 256, 0, False)
        sys.stdout.buffer.write(buffer.raw[: max(0, size)])
        sys.stdout.buffer.flush()
        c.llama_decode(context, c.llama_batch_get_one(one, 1))
    return "llama-cpp-python " + importlib.metadata.version("llama-cpp-python")


def llama_cpp_server(model: str, tokens: int, threads: int, prompt: str) -> str:
    """Its server, started for one request."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "llama_cpp.server", "--model", model, "--n_ctx", str(CONTEXT),
         "--n_threads", str(threads), "--n_threads_batch", str(threads), "--port", str(port),
         "--verbose", "false"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}/v1"
        while True:
            try:
                urllib.request.urlopen(f"{address}/models", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                if server.poll() is not None:
                    raise SystemExit("the server does not start") from None
                time.sleep(0.02)
        body = {
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": tokens,
            "stream": True,
        }
        asked = urllib.request.Request(
            f"{address}/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=600) as answer:
            for line in answer:
                if line.startswith(b"data: {"):
                    delta = json.loads(line[6:])["choices"][0]["delta"]
                    sys.stdout.write(delta.get("content") or "")
                    sys.stdout.flush()
    finally:
        server.kill()
        server.wait()
    return importlib.metadata.version("llama-cpp-python")


def xllamacpp(model: str, tokens: int, threads: int, prompt: str) -> str:
    """Its in-process server, which is its API."""
    import xllamacpp as x

    params = x.CommonParams()
    params.model.path = model
    params.n_ctx, params.n_parallel, params.warmup = CONTEXT, 1, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    server = x.Server(params)

    def show(chunk: Any) -> None:
        for part in chunk if isinstance(chunk, list) else [chunk]:
            part = json.loads(part) if isinstance(part, str | bytes) else part
            for choice in part.get("choices", []):
                sys.stdout.write(choice.get("delta", {}).get("content") or "")
                sys.stdout.flush()

    request = {
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "stream": True,
    }
    server.handle_chat_completions(json.dumps(request), show)
    return importlib.metadata.version("xllamacpp")


def llm_gguf(model: str, tokens: int, _threads: int, prompt: str) -> str:
    """`llm` with its plug-in. It has no option for the number of tokens, so its call gets one."""
    import llm

    folder = Path(os.environ["LLM_USER_PATH"]) / "gguf"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "models.json").write_text(
        json.dumps({"m": {"path": model, "aliases": [], "n_ctx": CONTEXT}}), encoding="utf-8"
    )
    opened = llm.get_model("gguf/m")
    inner = opened.get_model()  # type: ignore[attr-defined]
    inner.create_chat_completion = functools.partial(
        inner.create_chat_completion, max_tokens=tokens
    )
    for text in opened.prompt(prompt):
        sys.stdout.write(text)
        sys.stdout.flush()
    return " + ".join(f"{n} {importlib.metadata.version(n)}" for n in ("llm", "llm-gguf"))


KINDS = {
    "bare C loop": bare_loop,
    "llama-cpp-python": llama_cpp_python,
    "llama-cpp-python server": llama_cpp_server,
    "xllamacpp": xllamacpp,
    "llm-gguf": llm_gguf,
}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a server ends with this process
    kind, file, count, processors, text = sys.argv[1:]
    sys.stderr.write(f"\nversion {KINDS[kind](file, int(count), int(processors), text)}\n")
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(0)  # what a peer does at its end is not what is measured
