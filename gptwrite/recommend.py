"""Chooses models of the catalogue that suit a machine: by its memory, its GPUs and its cores.

Pure: the machine is an argument. Speeds are estimates, and say so where they are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gptwrite.catalogue import Entry

# What the weights of a token cost one core, measured with 4-bit models of 0.5B parameters on one
# thread of a server processor: 18 to 22 tokens a second from 0.35 to 0.4 GB.
BYTES_PER_SECOND_PER_CORE = 7e9
# What the memory of a usual machine and of a usual GPU gives at the least.
MEMORY_BYTES_PER_SECOND = 30e9
GPU_BYTES_PER_SECOND = 200e9
CONTEXT_TOKENS = 4096  # what an article with its instructions needs
WORK_BYTES = 300_000_000  # compute buffers and the program itself
USABLE = 0.8  # of the free memory: the user has other programs
FAST_ENOUGH = 5.0  # tokens a second, about the speed of reading


@dataclass(frozen=True)
class Machine:
    """What a machine offers. Sizes in bytes; `memory_bytes` is what is free, None if unknown."""

    memory_bytes: int | None
    cores: int
    gpu_bytes: int = 0
    gpu_name: str = ""


@dataclass(frozen=True)
class Advice:
    """A model on a machine: the memory it takes, its speed in tokens a second, and whether it fits.

    `is_best` marks the one to take.
    """

    entry: Entry
    memory_bytes: int
    tokens_per_second: float
    fits: bool
    on_gpu: bool
    is_best: bool = False


def memory_needed(
    size_bytes: int, kv_bytes_per_token: int, context_tokens: int = CONTEXT_TOKENS
) -> int:
    """Return about how many bytes a model takes when it writes with a context of that length."""
    return size_bytes + kv_bytes_per_token * context_tokens + WORK_BYTES


def fits(needed_bytes: int, machine: Machine) -> tuple[bool, bool]:
    """Return whether that much fits the machine, and whether it fits its GPU."""
    on_gpu = needed_bytes <= machine.gpu_bytes * USABLE
    in_memory = machine.memory_bytes is None or needed_bytes <= machine.memory_bytes * USABLE
    return on_gpu or in_memory, on_gpu


def tokens_per_second(size_bytes: int, active_share: float, on_gpu: bool, cores: int) -> float:
    """Return the estimated speed of writing: every token reads all active weights once."""
    read = max(1.0, size_bytes * active_share)
    if on_gpu:
        return GPU_BYTES_PER_SECOND / read
    return min(MEMORY_BYTES_PER_SECOND, BYTES_PER_SECOND_PER_CORE * max(1, cores)) / read


def recommend(entries: Sequence[Entry], machine: Machine, language: str = "") -> list[Advice]:
    """Return advice on all entries that know `language`, those that fit first, the best marked.

    The best is the first in the catalogue's order that fits and writes as fast as one reads; where
    none does, the fastest that fits.
    """
    rows = []
    for entry in entries:
        if not entry.writes(language):
            continue
        needed = memory_needed(entry.size_bytes, entry.kv_bytes_per_token)
        does_fit, on_gpu = fits(needed, machine)
        share = entry.active_b / entry.parameters_b
        speed = tokens_per_second(entry.size_bytes, share, on_gpu, machine.cores)
        rows.append(Advice(entry, needed, speed, does_fit, on_gpu))
    fitting = [row for row in rows if row.fits]
    best = next((row for row in fitting if row.tokens_per_second >= FAST_ENOUGH), None)
    if best is None and fitting:
        best = max(fitting, key=lambda row: row.tokens_per_second)
    marked = [
        Advice(r.entry, r.memory_bytes, r.tokens_per_second, r.fits, r.on_gpu, r is best)
        for r in rows
    ]
    return sorted(marked, key=lambda row: (not row.is_best, not row.fits))


def this_machine() -> Machine:
    """Return what this machine offers now."""
    from gptwrite import machine
    from gptwrite.engines import devices

    gpus = devices.gpus()
    best = max(gpus, key=lambda gpu: gpu.free_bytes, default=None)
    return Machine(
        machine.available_memory_bytes(),
        machine.inference_threads(),
        best.free_bytes if best else 0,
        best.description if best else "",
    )
