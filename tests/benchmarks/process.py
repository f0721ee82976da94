"""A whole process, from its start to its end: one prompt, one answer of so many tokens.

    python tests/benchmarks/process.py MODEL.gguf --work FOLDER [--tokens 256] [--rounds 2]

The way a script would use each program. Rounds go through all programs in turn, so that a machine
that slows down slows all; the medians are compared. Every answer is drawn from a temperature of 0.7
and no answer ends early with random weights.
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
from pathlib import Path

from peers import PEERS, Missing, Peer, get

ROOT = Path(__file__).parents[2]
PROMPT = "写一篇文章，说说气候变化怎样改变了北方的冬天，以及城市和农村各自的应对。"
TEMPLATE = """\
name: measure
help: {en: Measure., zh: 测量。}
input: topic
prompt: "{{ topic }}"
completion: "{{ topic }}"
"""
RUN_SECONDS = 150


def own(folder: Path) -> Peer:
    """gptwrite, with a task that is the prompt and nothing else, and folders of its own."""
    prompts = folder / "config" / "prompts"
    prompts.mkdir(parents=True)
    (prompts / "measure.yaml").write_text(TEMPLATE, encoding="utf-8")
    names = {
        f"GPTWRITE_{kind.upper()}_DIR": str(folder / kind) for kind in ("config", "data", "cache")
    }
    return Peer([sys.executable, "-m", "gptwrite"], names)


def run(command: list[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """Return seconds, peak memory in MB, and what the process said on stderr."""
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.perf_counter() - start > RUN_SECONDS:
                process.terminate()
                time.sleep(2)
                process.kill()
                os.wait4(process.pid, 0)
                raise Missing(f"no answer within {RUN_SECONDS} s")
            time.sleep(0.002)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode("utf-8", "replace")
    if process.returncode:
        raise Missing((text.strip().splitlines() or [f"status {process.returncode}"])[-1])
    return seconds, usage.ru_maxrss / 1024, text


def warm_up(commands: dict[str, tuple[list[str], dict[str, str]]], tokens: int) -> None:
    """Run each once unmeasured, for the page cache and for what gptwrite measures of a new model."""
    for name, (command, environment) in list(commands.items()):
        few = ["2" if argument == str(tokens) else argument for argument in command]
        try:
            run(few, environment)
        except Missing as reason:
            print(f"  {name}: left out, {reason}")
            del commands[name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=300, help="start no run after that")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from gptwrite import __version__, machine

    model, threads = str(options.model.resolve()), machine.inference_threads()
    with tempfile.TemporaryDirectory() as folder:
        commands: dict[str, tuple[list[str], dict[str, str]]] = {}
        gptwrite = own(Path(folder))
        arguments = ["run", "measure", PROMPT, "-m", model, "--max-tokens", str(options.tokens)]
        commands["gptwrite"] = ([*gptwrite.command, *arguments, "-q"], gptwrite.environment)
        versions = {"gptwrite": __version__}
        for name in options.peers:
            try:
                peer = get(name, options.work / "peers")
            except Missing as reason:
                print(f"  {name}: skipped, {reason}")
                continue
            given = [model, str(options.tokens), str(threads), PROMPT]
            commands[name] = ([*peer.command, *given], peer.environment)
        warm_up(commands, options.tokens)
        rows: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        end = time.monotonic() + options.seconds
        for number in range(options.rounds):
            for name in list(rows):
                if time.monotonic() > end and number:
                    continue
                try:
                    seconds, megabytes, said = run(*commands[name])
                except Missing as reason:
                    print(f"  {name}: left out, {reason}")
                    del rows[name]
                    continue
                rows[name].append((seconds, megabytes))
                if found := re.search(r"^version (.+)$", said, re.MULTILINE):
                    versions[name] = found[1]
    report(rows, versions, options)


def report(
    rows: dict[str, list[tuple[float, float]]],
    versions: dict[str, str],
    options: argparse.Namespace,
) -> None:
    counts = sorted({len(row) for row in rows.values()})
    print(f"process: {options.model.name}, {options.tokens} tokens, rounds: {counts}")
    middle = {name: statistics.median(s for s, _ in row) for name, row in rows.items()}
    for name, seconds in sorted(middle.items(), key=lambda item: item[1]):
        memory = max(m for _, m in rows[name])
        print(
            f"  {name:<24} {versions.get(name, ''):<28} {seconds:7.2f} s  {memory:6.0f} MB   "
            f"gptwrite is {seconds / middle['gptwrite']:.2f}x as fast"
        )
    peers = {name: seconds for name, seconds in middle.items() if name != "gptwrite"}
    if peers:
        best = min(peers, key=lambda name: peers[name])
        print(f"  against the fastest peer, {best}: {peers[best] / middle['gptwrite']:.2f}x")


if __name__ == "__main__":
    main()
