"""How fast a model is here: load, reading, writing, first token, memory.

Asks an engine the way every task does and holds the clock beside it. The prompts are words in an
order that no cache knows and that no drafting can guess.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gptwrite import machine
from gptwrite.engines.base import Engine, Message, Request, Sampling

if TYPE_CHECKING:
    from gptwrite.models import ModelSpec
    from gptwrite.settings import Settings

MOST_REQUESTS = 8  # where answers end early, so many make up the tokens wanted
LEAST_ROOM = 64  # tokens left for the template around a prompt
WORDS = (
    "气候 变化 城市 河流 清晨 老人 记忆 窗外 图书 数据 方法 研究 结果 因此 逐渐 温暖 山路 秋天 音乐 "
    "朋友 the river morning because quietly number answer between small garden winter letter "
    "machine question several road never public light"
)


@dataclass(frozen=True)
class Speed:
    """What was measured. Times are in seconds, speeds in tokens a second; None is unknown."""

    model: str
    device: str
    threads: int
    flash_attention: str
    prompt_tokens: int
    generated_tokens: int
    load_seconds: float
    first_token_seconds: float
    prefill_per_second: float | None
    decode_per_second: float | None
    peak_memory_bytes: int | None


def bench(
    spec: ModelSpec,
    settings: Settings,
    open_engine: Callable[[ModelSpec, Settings], Engine],
    *,
    tokens: int,
    prompt_tokens: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Load the model, write `tokens` tokens behind prompts of `prompt_tokens`, return the speed.

    The first token's time is that of a user who has just called: with loading, and a prompt that
    was never read before.
    """
    start = clock()
    # A prompt kept on disk would not be read at all.
    engine = open_engine(spec, replace(settings, cache=False))
    load_seconds = clock() - start
    try:
        return _measure(engine, load_seconds, tokens, prompt_tokens, clock)
    finally:
        engine.close()


def _measure(
    engine: Engine, load_seconds: float, tokens: int, prompt_tokens: int, clock: Callable[[], float]
) -> Speed:
    half = max(1, (engine.context_length - LEAST_ROOM) // 2)
    tokens, prompt_tokens = min(tokens, half), min(prompt_tokens, half)
    first_token_seconds = prefill_seconds = decode_seconds = 0.0
    read = generated = decoded = 0
    for number in range(MOST_REQUESTS):
        request = _request(engine, number, prompt_tokens, tokens - generated)
        start = clock()
        first = last = 0.0
        for token in engine.stream(request):
            if not first and (token.id is not None or token.text):
                first = clock()
            last = clock()
        stats = engine.stats
        if not number:
            first_token_seconds = load_seconds + (first or last) - start
        read += stats.prompt_tokens - stats.cached_tokens
        # A server's reading is not seen; the wait for the first token stands for it.
        prefill_seconds += stats.prefill_seconds or (first or last) - start
        generated += stats.generated_tokens
        if first and stats.generated_tokens > 1:
            decode_seconds += last - first
            decoded += stats.generated_tokens - 1
        if generated >= tokens:
            break
    return Speed(
        model=engine.name,
        device=engine.stats.device,
        threads=engine.stats.threads,
        flash_attention=engine.stats.flash_attention,
        prompt_tokens=read,
        generated_tokens=generated,
        load_seconds=load_seconds,
        first_token_seconds=first_token_seconds,
        prefill_per_second=_per_second(read, prefill_seconds),
        decode_per_second=_per_second(decoded, decode_seconds),
        peak_memory_bytes=machine.peak_memory_bytes(),
    )


def _per_second(count: int, seconds: float) -> float | None:
    return count / seconds if count and seconds > 0 else None


def _request(engine: Engine, number: int, prompt_tokens: int, max_tokens: int) -> Request:
    text = _words(engine.count_tokens, prompt_tokens, random.Random(number))
    return Request(
        (Message("user", text),),
        completion=text,
        sampling=Sampling(seed=number, max_tokens=max_tokens),
        reusable=False,
    )


def _words(count_tokens: Callable[[str], int], wanted: int, draw: random.Random) -> str:
    """Return lines of words in a random order, of about `wanted` tokens and hardly more."""
    words, line = WORDS.split(), 12
    text = ""
    for place in range(1, wanted + 1):
        word = draw.choice(words) + (" " if place % line else "\n")
        wanted -= count_tokens(word)
        if wanted < 0 and text:
            break
        text += word
    return text
