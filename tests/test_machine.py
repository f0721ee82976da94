"""What a machine has to give: read from files like the system's, and from this very process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gptwrite import machine
from gptwrite.engines import library


def files(root: Path, contents: dict[str, str]) -> Path:
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


QUOTAS = [
    # what /proc/self/cgroup says, files under the root, processors
    ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
    ("0::/\n", {"cpu.max": "250000 100000\n"}, 2),
    ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
    ("0::/\n", {"cpu.max": "max 100000\n"}, None),
    ("0::/\n", {"cpu.max": "nonsense"}, None),
    ("0::/\n", {}, None),
    # a service of systemd, and the slice above it, of which the tighter counts
    ("0::/a.slice/b.service\n", {"a.slice/b.service/cpu.max": "300000 100000"}, 3),
    (
        "0::/a.slice/b.service\n",
        {"a.slice/b.service/cpu.max": "max 100000", "a.slice/cpu.max": "200000 100000"},
        2,
    ),
    # a container that sees the host's path but has its own tree
    ("0::/docker/0123\n", {"cpu.max": "400000 100000"}, 4),
    # version 1: a tree for each controller
    (
        "3:cpuset:/\n2:cpu,cpuacct:/jobs\n",
        {"cpu/jobs/cpu.cfs_quota_us": "150000", "cpu/jobs/cpu.cfs_period_us": "50000"},
        3,
    ),
    ("2:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
    ("2:cpuset:/\n", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, None),
]


@pytest.mark.parametrize(("groups", "contents", "processors"), QUOTAS)
def test_the_tightest_quota_of_the_own_groups_counts(
    groups: str, contents: dict[str, str], processors: int | None, tmp_path: Path
) -> None:
    listing = tmp_path / "self"
    listing.write_text(groups, encoding="utf-8")
    root = files(tmp_path / "cgroup", contents)
    assert machine.cgroup_processors(root, listing) == processors


def test_a_system_that_lists_no_groups_may_have_a_quota_all_the_same(tmp_path: Path) -> None:
    root = files(tmp_path, {"cpu.max": "200000 100000"})
    assert machine.cgroup_processors(root, tmp_path / "missing") == 2


ROOM = [
    ("0::/\n", {"memory.max": "1000", "memory.current": "300"}, 700),
    ("0::/\n", {"memory.max": "1000", "memory.current": "3000"}, 0),
    ("0::/\n", {"memory.max": "max", "memory.current": "300"}, None),
    (
        "0::/a/b\n",
        {"a/memory.max": "500", "a/memory.current": "100", "a/b/memory.max": "1000",
         "a/b/memory.current": "100"},
        400,
    ),
    (
        "4:memory:/x\n",
        {"memory/x/memory.limit_in_bytes": "1000", "memory/x/memory.usage_in_bytes": "1"},
        999,
    ),
    (
        "4:memory:/\n",
        {"memory/memory.limit_in_bytes": str(2**63 - 4096), "memory/memory.usage_in_bytes": "1"},
        None,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("groups", "contents", "left"), ROOM)
def test_the_tightest_memory_limit_counts(
    groups: str, contents: dict[str, str], left: int | None, tmp_path: Path
) -> None:
    listing = tmp_path / "self"
    listing.write_text(groups, encoding="utf-8")
    assert machine.cgroup_memory_left(files(tmp_path / "cgroup", contents), listing) == left


def test_threads_of_one_core_count_once(tmp_path: Path) -> None:
    """Two packages with two cores of two threads each."""
    for processor in range(8):
        place = f"cpu{processor}/topology"
        package, core = processor // 4, processor % 2
        files(tmp_path, {f"{place}/physical_package_id": f"{package}\n",
                         f"{place}/core_id": f"{core}\n"})  # fmt: skip
    assert machine.physical_cores(set(range(8)), tmp_path) == 4
    assert machine.physical_cores({0, 2}, tmp_path) == 1
    assert machine.physical_cores({0, 1, 4}, tmp_path) == 3
    assert machine.physical_cores({0, 99}, tmp_path) is None


@pytest.mark.parametrize(
    ("processors", "cores", "threads"), [(8, 4, 4), (2, 4, 2), (3, None, 3), (1, 1, 1)]
)
def test_threads_are_cores_within_what_may_be_used(
    processors: int, cores: int | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "usable_processors", lambda: processors)
    monkeypatch.setattr(machine, "physical_cores", lambda: cores)
    assert machine.inference_threads() == threads


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity there")
def test_a_process_bound_to_one_processor_decodes_with_one_thread() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from gptwrite import machine; print(machine.inference_threads())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


class Loaded(Exception):
    """Stands for the moment at which the C library is loaded."""


@pytest.mark.parametrize(("given", "expected"), [(None, "1000"), ("7", "7")])
def test_spinning_is_bounded_before_the_library_is_loaded(
    given: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    environment = {"GOMP_SPINCOUNT": given} if given else {}

    def load() -> None:
        seen.append(environment.get("GOMP_SPINCOUNT"))
        raise Loaded

    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(library, "_import_c_layer", load)
    with pytest.raises(Loaded):
        library.load.__wrapped__()
    assert seen == [expected]
