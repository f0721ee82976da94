"""Whether flash attention pays, measured once for a model on a machine and then remembered.

On a processor it can double the time of a small model's token or save a part of it, and on a GPU it
mostly helps: no constant is right. Two contexts, with and without, take turns at a few decodes; the
times are given by whoever decodes, so that nothing here knows C. What was found stands in a small
JSON file; a file that cannot be read or written costs time, never a text.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Decode = Callable[[int], bool]  # decodes so many tokens more; False when that failed

OFF, ON = "off", "on"
BUDGET_SECONDS = 0.3
FILL_SHARE = 0.5  # of the budget, for the tokens that the measured ones look back on
FILL_TOKENS, CHUNK_TOKENS = 128, 32
LEAST_DECODES, MOST_DECODES = 3, 8
CLEARLY_FASTER = 0.95
PAUSE_SECONDS = 3600.0  # before it is tried again where time did not allow it
ENTRIES = 200  # kept in the file, the newest
BYTES_PER_SECOND = 20e9  # more than most processors read; weights are read once a token


def is_hopeless(size_bytes: int) -> bool:
    """Say whether a processor surely cannot measure a model of this size within the budget."""
    return 2 * (LEAST_DECODES + 1) * size_bytes / BYTES_PER_SECOND > BUDGET_SECONDS


def faster(
    decoders: Mapping[str, Decode], clock: Callable[[], float] = time.perf_counter
) -> str | None:
    """Return `on` or `off`, whichever decodes a token sooner; None when time does not allow it.

    Both first read the same number of tokens. The least time of each counts: company makes single
    decodes longer, never shorter. A tie goes to `off`.
    """
    start = clock()

    def spent() -> float:
        return clock() - start

    filled = 0
    while filled < FILL_TOKENS:
        if not all(decode(CHUNK_TOKENS) for decode in decoders.values()):
            return None
        filled += CHUNK_TOKENS
        # The next round may take as long as the ones before took on average.
        if spent() * (1 + CHUNK_TOKENS / filled) > BUDGET_SECONDS * FILL_SHARE:
            break
    best = dict.fromkeys(decoders, float("inf"))
    done = 0
    while done < MOST_DECODES and spent() + (sum(best.values()) if done else 0) <= BUDGET_SECONDS:
        for name, decode in decoders.items():
            before = clock()
            if not decode(1):
                return None
            best[name] = min(best[name], clock() - before)
        done += 1
    if done < LEAST_DECODES:
        return None
    return ON if best[ON] < best[OFF] * CLEARLY_FASTER else OFF


def choose(
    record: Path,
    key: str,
    measure: Callable[[], str | None],
    now: Callable[[], float] = time.time,
) -> str:
    """Return what is recorded for `key`, or else what `measure` finds, which is then recorded.

    Without a measurement it is `off`. Of a measurement that time did not allow only
    the hour is noted, so that not every start of the program pays for trying again.
    """
    found = _read(record).get(key)
    if found in (ON, OFF):
        return str(found)
    if isinstance(found, int | float) and 0 <= now() - found < PAUSE_SECONDS:
        return OFF
    measured = measure()
    known = _read(record)  # another process may have written meanwhile
    known.pop(key, None)  # the newest goes last
    known[key] = now() if measured is None else measured
    _write(record, dict(list(known.items())[-ENTRIES:]))
    return measured or OFF


def key_of(path: Path, library: str, threads: int, device: str) -> str:
    """Return what a measurement holds for: the file as it is now, library, threads, device."""
    status = path.stat()
    parts = (path.name, status.st_size, status.st_mtime_ns, library, f"{threads} threads", device)
    return "; ".join(map(str, parts))


def _read(record: Path) -> dict[str, Any]:
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(record: Path, known: dict[str, Any]) -> None:
    temporary = ""
    with contextlib.suppress(OSError):
        record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(prefix=".new-", dir=record.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(known, file, ensure_ascii=False, indent=1)
        os.replace(temporary, record)
        return
    if temporary:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
