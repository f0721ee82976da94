"""What `gptwrite --help` costs: `python tests/benchmarks/startup.py [--rounds 10]`.

Against an interpreter that only imports typer, in turn, so that a busy machine weighs on both
alike. Also says which heavy modules `--help` has loaded; there should be none.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c 'import typer'": ["-c", "import typer"],
    "gptwrite --help": ["-m", "gptwrite", "--help"],
    "gptwrite article --help": ["-m", "gptwrite", "article", "--help"],
    "gptwrite --version": ["-m", "gptwrite", "--version"],
}
HEAVY = ("llama_cpp", "numpy", "httpx")
LOADED = (
    "import sys; from gptwrite.cli import main; sys.argv = ['gptwrite', '--help']; main();"
    f"print([name for name in {HEAVY} if name in sys.modules])"
)


def seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    rows: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for arguments in COMMANDS.values():
        seconds(arguments)  # once unmeasured, for compiled files and the page cache
    for _ in range(options.rounds):
        for name, arguments in COMMANDS.items():
            rows[name].append(seconds(arguments))
    base = statistics.median(next(iter(rows.values())))
    print(f"startup: {options.rounds} rounds")
    for name, row in rows.items():
        middle = statistics.median(row)
        print(f"  {name:<26} {middle * 1000:6.0f} ms   {middle / base:.2f}x")
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    print(f"  heavy modules after --help: {done.stdout.splitlines()[-1]}")


if __name__ == "__main__":
    main()
