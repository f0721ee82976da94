"""Long inputs and the prompt cache: cost, memory, parallel parts, the second call.

    python tests/benchmarks/long_text.py [--model MODEL.gguf] [--largest 3000000] [--only NAME ...]

NAME is one of cost, memory, parts, second. Every ratio is of figures from this one run. Without a
model the built-in one is used. `cost` and `memory` read with the echo engine, whose answers cost
next to nothing, so that what is measured is gptwrite; `memory` also with the model's tokenizer.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gptwrite.engines.base import Message, Request, Sampling
from gptwrite.engines.echo import EchoEngine
from gptwrite.engines.llama import LlamaEngine
from gptwrite.engines.model import LoadOptions
from gptwrite.inputs import Inputs
from gptwrite.longtext import Reading
from gptwrite.models import builtin_path
from gptwrite.parts import Part, write_parts
from gptwrite.promptcache import PromptCache
from gptwrite.splitting import split
from gptwrite.template import Library
from gptwrite.write import Job, build_request, write

ROUNDS = 3
ROOT = Path(__file__).parents[2]
PARAGRAPH = (
    "　　春天来了，冰雪消融，河水涨了起来。他说：“我们该动身了。”于是大家收拾行李，向南走去。\n\n"
    "The road was long, and nobody spoke for an hour. Then someone laughed, and all was well.\n\n"
)


def text_of(length: int) -> str:
    chapters = (f"第{i}章\n\n{PARAGRAPH * 12}" for i in range(length // len(PARAGRAPH) // 12 + 1))
    return "".join(chapters)[:length]


def shorter(message: str) -> str:
    """Answer with the first words of every fifth sentence, as a summary might."""
    return " ".join(re.findall(r"[^。.]{8}", message[::5]))[:200]


def sizes(largest: int) -> list[int]:
    return [n for n in (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000) if n <= largest]


def cost(_model: Path, largest: int) -> None:
    print("cost: processor time of a map_reduce summary, echo engine, context of 4096 tokens")
    print(f"{'characters':>12} {'seconds':>9} {'per million':>12} {'parts':>6} {'levels':>7}")
    template = Library().load("summary")
    per_character: list[float] = []
    for size in sizes(largest):
        text, steps = text_of(size), []  # type: ignore[var-annotated]
        start = time.process_time()
        job = Job(template, Inputs("", text), "zh")
        for _ in write(job, EchoEngine(answer=shorter), Reading(progress=steps.append)):
            pass
        seconds = time.process_time() - start
        levels = max((step.level for step in steps), default=0)
        print(
            f"{size:>12} {seconds:>9.2f} {seconds / size * 1e6:>12.2f} {len(steps):>6} {levels:>7}"
        )
        per_character.append(seconds / size)
    print(
        "  a character of the longest costs "
        f"{per_character[-1] / per_character[0]:.2f}x one of the shortest"
    )


def peak_megabytes(command: list[str], file: Path) -> float:
    """Return the peak resident memory of a process that reads `file` on standard input."""
    with file.open("rb") as stdin:
        process = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} failed with {process.returncode}")
    return usage.ru_maxrss / 1024


def read_with_tokenizer(model: Path) -> None:
    """Summarize standard input with the echo engine and a real tokenizer, context of 4096."""
    llama = LlamaEngine(model)

    class Hybrid(EchoEngine):
        def count_tokens(self, text: str) -> int:
            return llama.count_tokens(text)

    text = sys.stdin.buffer.read().decode("utf-8")
    job = Job(Library().load("summary"), Inputs("", text), "zh")
    for _ in write(job, Hybrid(answer=shorter)):
        pass


def memory(model: Path, largest: int) -> None:
    print("memory: peak of the whole process, MB")
    python = sys.executable
    commands = {
        "gptwrite summary, echo engine": ["-m", "gptwrite", "summary", "-m", "echo", "--no-cache"],
        "gptwrite polish, echo engine": ["-m", "gptwrite", "polish", "-m", "echo", "--no-cache"],
        "the same with a partials cache": ["-m", "gptwrite", "summary", "-m", "echo"],
        "summary, the model's tokenizer": [__file__, "--reader", "--model", str(model)],
    }
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GPTWRITE_CACHE_DIR"] = folder
        os.environ["PYTHONPATH"] = str(ROOT)
        for name, command in commands.items():
            peaks = []
            for size in (10_000, largest):
                file = Path(folder) / "input.txt"
                file.write_text(text_of(size), encoding="utf-8")
                peaks.append(peak_megabytes([python, *command], file))
            print(
                f"  {name:<32} 10k: {peaks[0]:6.1f}  {largest}: {peaks[1]:6.1f}  "
                f"difference {peaks[1] - peaks[0]:+.1f}"
            )


def parts(model: Path, _largest: int) -> None:
    """Time the parts of a text one by one and four side by side, with answers of fixed length.

    No two parts begin alike, so that none is spared reading; flash attention as the program chooses.
    """
    record = Path(tempfile.gettempdir()) / f"gptwrite-flash-{os.getpid()}.json"
    engine = LlamaEngine(model, LoadOptions(flash_record=record))
    answer = min(128, engine.context_length // 8)
    chunk = min(512, engine.context_length // 2)
    paragraphs = text_of(30_000).split("\n\n")
    text = "\n\n".join(f"{i} {paragraph}" for i, paragraph in enumerate(paragraphs))
    chunks = list(split(text, chunk, engine.count_tokens))[:8]
    template = Library().load("summary")

    def ask(piece: str) -> Request:
        request = build_request(Job(template, Inputs("", piece), "zh"))
        sampling = replace(request.sampling, max_tokens=answer, temperature=0.0)
        return replace(request, sampling=sampling, reusable=False)

    def keep(part: Part) -> Part | list[str]:
        return part

    print(
        f"parts: {len(chunks)} of at most {chunk} tokens, answers of at most {answer}; {model.name}"
    )
    seconds: dict[int, list[float]] = {1: [], 2: [], 4: []}
    processor: dict[int, list[float]] = {1: [], 2: [], 4: []}
    reading: dict[int, list[float]] = {1: [], 2: [], 4: []}
    written = 0
    for _ in range(ROUNDS):
        for parallel, row in seconds.items():
            start, begin = time.perf_counter(), time.process_time()
            done = list(write_parts(engine, chunks, ask, keep, parallel, None))
            row.append(time.perf_counter() - start)
            processor[parallel].append(time.process_time() - begin)
            reading[parallel].append(engine.stats.prefill_seconds)
            written = sum(engine.count_tokens(part.text) for part in done)
    attention = engine.stats.flash_attention
    engine.close()
    record.unlink(missing_ok=True)
    print(f"  flash attention {attention}")
    one, busy = statistics.median(seconds[1]), statistics.median(processor[1])
    for parallel, row in seconds.items():
        middle, used = statistics.median(row), statistics.median(processor[parallel])
        print(
            f"  {parallel} side by side: {middle:6.2f} s {one / middle:5.2f}x   "
            f"processor {used:6.2f} s {busy / used:5.2f}x   "
            f"reading {statistics.median(reading[parallel]):6.2f} s   ({written} tokens)"
        )


@contextmanager
def cached(model: Path, cache: PromptCache | None) -> Iterator[LlamaEngine]:
    engine = LlamaEngine(model, cache=cache)
    try:
        yield engine
    finally:
        engine.close()


def second(model: Path, _largest: int) -> None:
    print(f"second: first token behind a long template prefix, fresh engine each; {model.name}")
    with cached(model, None) as engine:
        room = engine.context_length - 64
        wanted = min(1000, room)
        prefix = next(split(text_of(20_000), wanted - 40, engine.count_tokens)).text

    def ask(topic: str) -> Request:
        text = f"{prefix}\n\n{topic}"
        return Request(
            (Message("user", text),), completion=text, sampling=Sampling(seed=1, max_tokens=8)
        )

    rows: dict[str, Callable[[PromptCache], tuple[str, PromptCache | None]]] = {
        "first call": lambda cache: ("秋天", cache),
        "second call, another topic": lambda cache: ("冬天的雪", cache),
        "third call, the same topic": lambda cache: ("冬天的雪", cache),
        "without a cache": lambda _cache: ("冬天的雪", None),
    }
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    size = saved = 0.0
    tokens = known = 0
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            cache = PromptCache(Path(folder), 10**9)
            for name, choose in rows.items():
                topic, used = choose(cache)
                with cached(model, used) as engine:
                    stream = engine.stream(ask(topic))
                    next(stream)
                    begin = time.perf_counter()
                    next(stream, None)
                    if name == "first call":
                        saved = time.perf_counter() - begin
                    list(stream)
                    stats = engine.stats
                    figures[name].append((stats.first_token_seconds, stats.prefill_seconds))
                    if name == "second call, another topic":
                        tokens, known = stats.prompt_tokens, stats.cached_tokens
            size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
    base = [statistics.median(row[i] for row in figures["first call"]) for i in (0, 1)]
    print(
        f"  {tokens} tokens, {known} of them cached; {size:.1f} MB; saving took {saved * 1000:.1f} ms"
    )
    for name, row in figures.items():
        whole, prefill = (statistics.median(r[i] for r in row) for i in (0, 1))
        print(
            f"  {name:<28} load to token {whole * 1000:7.1f} ms {base[0] / whole:5.1f}x   "
            f"prompt alone {prefill * 1000:7.1f} ms {base[1] / prefill:5.1f}x"
        )


SECTIONS = {"cost": cost, "memory": memory, "parts": parts, "second": second}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=builtin_path())
    parser.add_argument("--largest", type=int, default=3_000_000)
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--reader", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.reader:
        read_with_tokenizer(arguments.model)
        return
    for name in arguments.only:
        SECTIONS[name](arguments.model, arguments.largest)


if __name__ == "__main__":
    main()
