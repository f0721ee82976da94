"""What a commit costs that the hook skips: `python tests/benchmarks/hook_skip.py [COMMITS]`.

Commits with `-m`, in turn without any hook and with it, so that a busy machine weighs on both
alike; prints the median of each and of the differences, in milliseconds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gptwrite import githook


def commit_seconds(folder: Path, hooks: Path | str) -> float:
    start = time.perf_counter()
    subprocess.run(
        ["git", "-c", f"core.hooksPath={hooks}", "commit", "-q", "--allow-empty", "-m", "x"],
        cwd=folder,
        check=True,
    )
    return time.perf_counter() - start


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    os.environ.pop("CI", None)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ.update({"HOME": place, "GPTWRITE_DATA_DIR": f"{place}/data"})
        for name in ("AUTHOR", "COMMITTER"):
            os.environ.update({f"GIT_{name}_NAME": "A", f"GIT_{name}_EMAIL": "a@example.invalid"})
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        kinds = {
            "one repository": githook.install(folder).path.parent,
            "all repositories": githook.install_globally().path.parent,
        }
        commit_seconds(folder, "/dev/null")
        for name, hooks in kinds.items():
            without, with_hook = [], []
            for _ in range(count):
                without.append(commit_seconds(folder, "/dev/null"))
                with_hook.append(commit_seconds(folder, hooks))
            added = [b - a for a, b in zip(without, with_hook, strict=True)]
            print(
                f"{name}: {count} commits; without {1000 * statistics.median(without):.1f} ms, "
                f"with {1000 * statistics.median(with_hook):.1f} ms; "
                f"added: median {1000 * statistics.median(added):.1f} ms, "
                f"least of each {1000 * (min(with_hook) - min(without)):.1f} ms"
            )


if __name__ == "__main__":
    main()
