"""The state of one request under way in a shared context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gptwrite.engines.base import Request
from gptwrite.engines.drafting import Drafter, DraftGain
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
    gain: DraftGain = field(default_factory=DraftGain)
