"""The state of one request under way in a shared context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gptwrite.engines.base import Request
from gptwrite.engines.drafting import Drafter
from gptwrite.engines.stream_text import Reasoning, StopSequences, Utf8Pieces


@dataclass
class Slot:
    """One request under way, in sequence `seq`."""

    index: int
    request: Request
    seq: int
    prompt: list[int]
    max_tokens: int
    chain: Any
    seed: int
    reasoning: Reasoning
    stops: StopSequences
    pieces: Utf8Pieces = field(default_factory=Utf8Pieces)
    text: str = ""
    last: int = -1
    generated: int = 0
    drafter: Drafter | None = None


def common_prefix(a: list[int], b: list[int]) -> int:
    """Return how many tokens `a` and `b` share at their beginning."""
    limit = min(len(a), len(b))
    if a[:limit] == b[:limit]:
        return limit
    return next(i for i in range(limit) if a[i] != b[i])
