"""Decode speed of gptwrite against a bare loop over the C API, alone and in company.

    python tests/benchmarks/decode.py MODEL.gguf [--tokens 256] [--rounds 3] [--company busy inference]

Every row is measured in this one run, in turn, round by round; the ratio is of the medians. The
company is one busy process, or a second inference with two threads over the same model. Peak
memory is that of a whole process of each kind. The two live in processes of their own: how long the
library's threads spin is decided when it is loaded, and gptwrite decides otherwise than the bare
loop. What that and the changing thread count cost on an idle machine is told by a third process:
gptwrite with the library's own spinning and a count that stays.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path

SILENT = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(
    lambda _level, _text, _data: None
)
PROMPT = "写一篇关于气候变化的文章。"
LIBRARY_SPINS = "300000"  # what libgomp does when nobody says otherwise


def bare_loop(path: Path, tokens: int, threads: int) -> Callable[[], float]:
    """Return a function that decodes `tokens` tokens with nothing around C, in tokens a second."""
    import llama_cpp as c

    c.llama_log_set(SILENT, ctypes.c_void_p(0))
    c.llama_backend_init()
    model = c.llama_model_load_from_file(str(path).encode(), c.llama_model_default_params())
    vocab = c.llama_model_get_vocab(model)
    params = c.llama_context_default_params()
    params.n_ctx, params.n_outputs_max, params.no_perf = 1024, 1, True
    params.n_threads = params.n_threads_batch = threads
    params.flash_attn_type = 0
    context = c.llama_init_from_model(model, params)
    data = PROMPT.encode()
    ids = (c.llama_token * 256)()
    count = c.llama_tokenize(vocab, data, len(data), ids, 256, True, False)
    buffer = ctypes.create_string_buffer(256)

    def run() -> float:
        c.llama_memory_clear(c.llama_get_memory(context), True)
        chain = c.llama_sampler_chain_init(c.llama_sampler_chain_default_params())
        for sampler in (
            c.llama_sampler_init_top_k(40),
            c.llama_sampler_init_top_p(0.95, 1),
            c.llama_sampler_init_temp(0.7),
            c.llama_sampler_init_dist(1),
        ):
            c.llama_sampler_chain_add(chain, sampler)
        c.llama_decode(context, c.llama_batch_get_one(ids, count))
        one = (c.llama_token * 1)()
        start = time.perf_counter()
        for _ in range(tokens):
            one[0] = c.llama_sampler_sample(chain, context, -1)
            c.llama_token_to_piece(vocab, one[0], buffer, 256, 0, False)
            c.llama_decode(context, c.llama_batch_get_one(one, 1))
        seconds = time.perf_counter() - start
        c.llama_sampler_free(chain)
        return tokens / seconds

    return run


def engine_loop(path: Path, tokens: int, *, is_fixed: bool = False) -> Callable[[], float]:
    """Return a function that writes through gptwrite's engine, in tokens a second."""
    if is_fixed:
        os.environ["GOMP_SPINCOUNT"] = LIBRARY_SPINS
    from gptwrite.engines.base import Message, Request, Sampling
    from gptwrite.engines.llama import LlamaEngine

    engine = LlamaEngine(path)
    if is_fixed:
        engine._threads.observe = lambda _seconds: engine._threads.current  # type: ignore[method-assign]
    asked = Request(
        (Message("user", PROMPT),),
        completion=PROMPT,
        sampling=Sampling(seed=1, min_p=0.0, max_tokens=tokens),
    )

    def run() -> float:
        count, start = 0, 0.0
        for token in engine.stream(asked):
            if not start:
                start = time.perf_counter()
            count += token.id is not None
        return (count - 1) / (time.perf_counter() - start)

    return run


def loop(kind: str, path: Path, tokens: int) -> Callable[[], float]:
    if kind == "bare":
        from gptwrite import machine

        return bare_loop(path, tokens, machine.inference_threads())
    return engine_loop(path, tokens, is_fixed=kind == "fixed")


def serve(kind: str, path: Path, tokens: int, connection: Connection) -> None:
    """Say that the model is loaded; then decode whenever told to, and tell the speed."""
    run = loop(kind, path, tokens)
    connection.send(0.0)
    while connection.recv():
        connection.send(run())


@contextmanager
def worker(kind: str, path: Path, tokens: int) -> Iterator[Callable[[], float]]:
    """Give a function that decodes in a process of its own and returns tokens a second."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(kind, path, tokens, theirs))
    process.start()
    ours.recv()  # no one measures while another still loads

    def run() -> float:
        ours.send(True)
        speed: float = ours.recv()
        return speed

    try:
        yield run
    finally:
        process.kill()
        process.join()


def spin() -> None:
    end = time.monotonic() + 600
    while time.monotonic() < end:
        pass


def infer(path: Path) -> None:
    run = bare_loop(path, 256, 2)
    end = time.monotonic() + 600
    while time.monotonic() < end:
        run()


@contextmanager
def company(kind: str, path: Path) -> Iterator[None]:
    """Keep a busy process, or another inference, beside the block."""
    if not kind:
        yield
        return
    context = multiprocessing.get_context("spawn")
    process = (
        context.Process(target=spin)
        if kind == "busy"
        else context.Process(target=infer, args=(path,))
    )
    process.start()
    time.sleep(3)  # let it load
    try:
        yield
    finally:
        process.kill()
        process.join()


def peak_megabytes(kind: str, path: Path, tokens: int) -> float:
    """Return the peak resident memory of a fresh process that decodes once, in MB."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_peak, args=(kind, path, tokens, writer))
    process.start()
    value: float = reader.recv()
    process.join()
    return value


def _peak(kind: str, path: Path, tokens: int, writer: object) -> None:
    loop(kind, path, tokens)()
    writer.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # type: ignore[attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--company", nargs="*", default=["busy", "inference"])
    options = parser.parse_args()
    print(f"llama-cpp-python {version('llama-cpp-python')}, Python {sys.version.split()[0]}")
    print(f"model {options.model.name}, {options.tokens} tokens, {options.rounds} rounds")
    print(f"load average {os.getloadavg()[0]:.1f}")
    idle = 0.0
    for kind in ("", *options.company):
        with (
            company(kind, options.model),
            worker("bare", options.model, options.tokens) as bare,
            worker("gptwrite", options.model, options.tokens) as own,
            worker("fixed", options.model, options.tokens) as fixed,
        ):
            rows: dict[str, list[float]] = {"bare": [], "gptwrite": [], "fixed": []}
            for _ in range(options.rounds):
                rows["gptwrite"].append(own())
                rows["bare"].append(bare())
                if not kind:
                    rows["fixed"].append(fixed())
        bare_speed, own_speed = (statistics.median(rows[k]) for k in ("bare", "gptwrite"))
        idle = idle or own_speed
        print(
            f"{kind or 'alone':<10} bare {bare_speed:7.1f} tok/s   gptwrite {own_speed:7.1f} tok/s"
            f"   gptwrite/bare {own_speed / bare_speed:5.2f}   of own idle {own_speed / idle:5.2f}"
        )
        if not kind:
            fixed_speed = statistics.median(rows["fixed"])
            print(
                f"{'':<10} with a fixed thread count {fixed_speed:7.1f} tok/s   "
                f"lost when alone to one that follows {1 - own_speed / fixed_speed:+.1%}"
            )
    memory = {k: peak_megabytes(k, options.model, 32) for k in ("bare", "gptwrite")}
    print(
        f"peak memory: bare {memory['bare']:.0f} MB, gptwrite {memory['gptwrite']:.0f} MB, "
        f"{memory['gptwrite'] - memory['bare']:+.0f} MB"
    )


if __name__ == "__main__":
    main()
