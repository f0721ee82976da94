"""What this machine has to give: processors, memory, disk. Reads the system; decides nothing."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUP = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
TOPOLOGY = Path("/sys/devices/system/cpu")


def usable_processors() -> int:
    """Return how many processors this process may run on, after affinity and cgroup quota."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota = cgroup_processors(CGROUP)
    return max(1, min(allowed, quota)) if quota else max(1, allowed)


def cgroup_processors(root: Path, groups: Path = OWN_GROUPS) -> int | None:
    """Return the whole processors that the cgroup quotas under `root` grant; None without one.

    The tightest counts of those of this process's own group and the groups above it.
    """
    shares = [
        share for folder in _folders(root, groups, "cpu") if (share := _quota(folder)) is not None
    ]
    return max(1, int(min(shares))) if shares else None


def _folders(root: Path, groups: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group and of those above it, up to `root`.

    A line of `groups` is `0::/path` for version 2, `3:cpu,cpuacct:/path` for version 1, whose
    controllers have a tree each. In a container the path may be the host's: what is not there is
    passed over, and the top is the container's own.
    """
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = ["0::/", f"1:{controller}:/"]
    for line in lines:
        _number, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controller if controllers else root
        path = PurePosixPath(name.lstrip("/"))
        for folder in (path, *path.parents):
            yield top / folder


def _quota(folder: Path) -> float | None:
    """Return the processors that the group of this folder may use; None without a quota."""
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        pass
    try:
        quota_us = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period_us = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return quota_us / period_us if quota_us > 0 and period_us > 0 else None


def physical_cores(allowed: set[int] | None = None, root: Path = TOPOLOGY) -> int | None:
    """Return the number of distinct physical cores among the `allowed` processors, if known."""
    if allowed is None:
        if not hasattr(os, "sched_getaffinity"):
            return None
        allowed = os.sched_getaffinity(0)
    cores: set[tuple[str, str]] = set()
    for processor in allowed:
        topology = root / f"cpu{processor}" / "topology"
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


def cgroup_memory_left(root: Path, groups: Path = OWN_GROUPS) -> int | None:
    """Return the bytes left under the tightest cgroup memory limit; None without one."""
    left = [
        room for folder in _folders(root, groups, "memory") if (room := _room(folder)) is not None
    ]
    return min(left) if left else None


def _room(folder: Path) -> int | None:
    """Return the bytes left under the limit of this folder's group; None without one."""
    names = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
    for limit_name, used_name in names:
        with contextlib.suppress(OSError, ValueError):
            limit = (folder / limit_name).read_text(encoding="ascii").strip()
            used = int((folder / used_name).read_text(encoding="ascii"))
            # Version 1 has a number near 2**63 where there is no limit.
            if limit != "max" and int(limit) < 2**60:
                return max(0, int(limit) - used)
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
