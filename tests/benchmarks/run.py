"""Every benchmark by one command, each row a ratio of figures from this one run.

    python tests/benchmarks/run.py --work FOLDER [--only NAME ...] [--small] [--list]

FOLDER keeps what is made and fetched once: random-weight models and the peers, from the package
indexes, binary packages only. A row that fails says why, and the others go on. `--small` uses tiny
sizes: it shows that the rows run, and measures nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))


@dataclass(frozen=True)
class Setup:
    """Where models and peers are, and whether the sizes are tiny."""

    work: Path
    is_small: bool

    def model(self, name: str) -> str:
        from models import model

        return str(model("tiny" if self.is_small else name, self.work))

    def size(self, usual: int, small: int) -> str:
        return str(small if self.is_small else usual)

    def fetch_peers(self) -> None:
        """Get the peers now, so that no row's time limit pays for it; rows say which are missing."""
        import peers

        for name in peers.PEERS:
            with contextlib.suppress(peers.Missing):
                peers.get(name, self.work / "peers")

    @property
    def builtin(self) -> list[str]:
        return ["--model", self.model("tiny")] if self.is_small else []


@dataclass(frozen=True)
class Row:
    """One script with its arguments, and what it should show at least."""

    about: str
    arguments: Callable[[Setup], list[str]]
    limit_seconds: int = 120


def _process(name: str, rounds: int) -> Callable[[Setup], list[str]]:
    def arguments(s: Setup) -> list[str]:
        s.fetch_peers()
        return [
            "process.py", s.model(name), "--work", str(s.work), "--tokens", s.size(256, 8),
            "--rounds", s.size(rounds, 1), "--seconds", "90",
        ]  # fmt: skip

    return arguments


def _decode(name: str, tokens: int, *company: str) -> Callable[[Setup], list[str]]:
    return lambda s: [
        "decode.py", s.model(name), "--tokens", s.size(tokens, 8), "--rounds", s.size(2, 1),
        "--company", *company,
    ]  # fmt: skip


def _batch(s: Setup) -> list[str]:
    from gptwrite.models import builtin_path

    model = s.model("tiny") if s.is_small else str(builtin_path())
    return ["batch.py", "--model", model, "--texts", s.size(64, 4), "--tokens", s.size(32, 4)]


ROWS = {
    "startup": Row(
        "--help against `import typer`: at most 2.5x; no heavy modules",
        lambda s: ["startup.py", "--rounds", s.size(10, 1)],
    ),
    "process-0.5b": Row(
        "whole process, prompt to last of 256 tokens, against the fastest peer: 1.0x",
        _process("0.5b", 2),
        600,
    ),
    "process-30m": Row("the same with a 30M-shaped model", _process("30m", 3), 600),
    "decode-0.5b": Row("against the bare C loop: 0.95", _decode("0.5b", 64)),
    "decode-30m": Row(
        "against the bare C loop: 0.85; of its own idle speed beside one busy process 0.6, beside a "
        "two-thread inference 0.5, with at most 5% lost to that when alone; peak memory +40 MB",
        _decode("30m", 256, "busy", "inference"),
        180,
    ),
    "second": Row(
        "first token behind a 1,000-token prefix, second call against first: 5x",
        lambda s: ["long_text.py", "--model", s.model("30m"), "--only", "second"],
    ),
    "second-0.5b": Row(
        "the same with a 0.5B-shaped model",
        lambda s: ["long_text.py", "--model", s.model("0.5b"), "--only", "second"],
        300,
    ),
    "parts": Row(
        "parts of a long summary, 4 side by side against one by one: 1.8x",
        lambda s: ["long_text.py", *s.builtin, "--only", "parts"],
    ),
    "parts-30m": Row(
        "the same with a 30M-shaped model",
        lambda s: ["long_text.py", "--model", s.model("30m"), "--only", "parts"],
    ),
    "parts-0.5b": Row(
        "the same with a 0.5B-shaped model",
        lambda s: ["long_text.py", "--model", s.model("0.5b"), "--only", "parts"],
        600,
    ),
    "batch": Row(
        "batch of 64 short texts against a shell loop of single calls: 3x", _batch, 240
    ),
    "copying": Row(
        "drafting on a fix or polish task with the built-in model: 1.3x",
        lambda s: ["copying.py", *s.builtin, "--tokens", s.size(160, 8), "--rounds", s.size(3, 1)],
    ),
    "cost": Row(
        "linear cost from 10 thousand to 3 million characters",
        lambda s: ["long_text.py", "--only", "cost", "--largest", s.size(3_000_000, 10_000)],
    ),
    "memory": Row(
        "peak memory, 3 million characters against 10 thousand: +50 MB",
        lambda s: [
            "long_text.py", *s.builtin, "--only", "memory", "--largest",
            s.size(3_000_000, 20_000),
        ],
    ),
    "hook": Row("a commit that the hook skips", lambda s: ["hook_skip.py", s.size(20, 2)]),
}  # fmt: skip


def versions() -> str:
    """Return what the figures depend on: versions, processor, and what else is running."""
    from importlib.metadata import version

    from gptwrite import __version__, machine
    from gptwrite.engines import library

    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"gptwrite {__version__}, llama-cpp-python {library.version()}, typer {version('typer')}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.release()}\n"
        f"{name}, {machine.usable_processors()} processors, "
        f"{machine.inference_threads()} threads{load}"
    )


def run(row: Row, setup: Setup) -> str:
    """Run the row, its lines to stdout as they come; return what went wrong, if anything did."""
    try:
        script, *arguments = row.arguments(setup)
    except (OSError, subprocess.SubprocessError, ImportError) as error:
        return f"its model cannot be made: {error}"
    if not (HERE / script).exists():
        return f"there is no {script}"
    process = subprocess.Popen(
        [sys.executable, str(HERE / script), *arguments],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "GPTWRITE_CACHE_DIR": str(setup.work / "cache"),
        },
        start_new_session=True,
    )
    try:
        _, said = process.communicate(timeout=row.limit_seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)  # what the row has started goes with it
        process.communicate()
        return f"not done within {row.limit_seconds} s"
    if process.returncode:
        return (said.strip().splitlines() or [f"status {process.returncode}"])[-1]
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("benchmarks-work"))
    parser.add_argument(
        "--only", "--rows", dest="rows", nargs="*", choices=ROWS, default=list(ROWS),
        metavar="NAME",
    )  # fmt: skip
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        for name, row in ROWS.items():
            print(f"{name:<14} {row.about}")
        return 0
    setup = Setup(options.work.resolve(), options.small)
    setup.work.mkdir(parents=True, exist_ok=True)
    print(versions(), flush=True)
    failed = []
    for name in options.rows:
        print(f"\n[{name}] {ROWS[name].about}", flush=True)
        start = time.perf_counter()
        if problem := run(ROWS[name], setup):
            failed.append(name)
            print(f"  FAILED: {problem}", flush=True)
        print(f"  ({time.perf_counter() - start:.0f} s)", flush=True)
    if failed:
        print(f"\nwithout a result: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
