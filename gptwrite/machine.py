"""What this machine has to give: processors, memory, disk. Reads the system; decides nothing."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_processors() -> int:
    """Return how many processors this process may run on, after affinity and cgroup quota."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota = cgroup_processors(CGROUP)
    return max(1, min(allowed, quota)) if quota else max(1, allowed)


def cgroup_processors(root: Path) -> int | None:
    """Return the whole processors that the cgroup quota under `root` grants; None without one."""
    try:
        quota, period = (root / "cpu.max").read_text(encoding="ascii").split()
        if quota == "max":
            return None
        return max(1, int(int(quota) / int(period)))
    except (OSError, ValueError):
        pass
    try:
        quota_us = int((root / "cpu/cpu.cfs_quota_us").read_text(encoding="ascii"))
        period_us = int((root / "cpu/cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return max(1, quota_us // period_us) if quota_us > 0 and period_us > 0 else None


def physical_cores(allowed: set[int] | None = None) -> int | None:
    """Return the number of distinct physical cores among the `allowed` processors, if known."""
    if allowed is None:
        if not hasattr(os, "sched_getaffinity"):
            return None
        allowed = os.sched_getaffinity(0)
    cores: set[tuple[str, str]] = set()
    for processor in allowed:
        topology = Path(f"/sys/devices/system/cpu/cpu{processor}/topology")
        try:
            package = (topology / "physical_package_id").read_text(encoding="ascii").strip()
            core = (topology / "core_id").read_text(encoding="ascii").strip()
        except OSError:
            return None
        cores.add((package, core))
    return len(cores) or None


def inference_threads() -> int:
    """Return the thread count for inference: physical cores within affinity and quota."""
    processors = usable_processors()
    return min(processors, physical_cores() or processors)


def available_memory_bytes() -> int | None:
    """Return the memory that can be taken without swapping, or None where it is unknown."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                available = int(line.split()[1]) * 1024
                limit = cgroup_memory_left(CGROUP)
                return min(available, limit) if limit is not None else available
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def cgroup_memory_left(root: Path) -> int | None:
    """Return the bytes left under the cgroup's memory limit; None without one."""
    try:
        limit = (root / "memory.max").read_text(encoding="ascii").strip()
        used = int((root / "memory.current").read_text(encoding="ascii"))
        return None if limit == "max" else max(0, int(limit) - used)
    except (OSError, ValueError):
        return None


def peak_memory_bytes() -> int | None:
    """Return the most memory this process has held at a time, or None where it is unknown."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    # Elsewhere than on a Mac the unit is KiB.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
