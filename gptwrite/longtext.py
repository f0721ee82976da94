"""Texts longer than the context: every part is read, none is cut off.

Three ways, of which a task's template names one: `map_reduce` condenses the parts side by side and
what they became again, until it fits; `refine` carries a summary from part to part; `per_chunk`
does the task on every part and puts the results in the place of the parts.

Knows requests and engines; what a part is asked comes from the caller as a function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace

from gptwrite.engines.base import Engine, Finish, Request, Token
from gptwrite.errors import ContextError, EngineError
from gptwrite.language import of_text, say
from gptwrite.partials import Partials
from gptwrite.parts import Answer, Ask, Judge, Part, write_parts
from gptwrite.splitting import Chunk, Count, paragraph_separator, paragraphs, split
from gptwrite.trace import BETWEEN_PARTIALS, Trace

MARGIN_TOKENS = 8  # between what is counted and the end of the context
LONGEST_CHUNK = 4096  # tokens: a longer part costs more time a token, and parts run side by side
LONGEST_PARTIAL = 512
LONGEST_CHUNK_TO_REWRITE = 1024
SHORTEST_CHUNK = 32
PART_SEED = 0  # of parts whose request names none
MOST_CUTS = 3  # how often a part that will not do is cut into pieces, and these again


@dataclass(frozen=True)
class Step:
    """One part is done: number `part` of `level`, which has been read up to `share` of its text."""

    policy: str
    level: int
    part: int
    share: float
    is_cached: bool


@dataclass(frozen=True)
class Reading:
    """How a long text is read. `progress` is told of every part that is done.

    `answer`, where there is one, answers a part in the engine's place, one after another.
    """

    parallel: int = 4
    partials: Partials | None = None
    progress: Callable[[Step], None] | None = None
    trace: Trace | None = None
    answer: Answer | None = None


@dataclass(frozen=True)
class Room:
    """How many tokens a part and the answer to it may have."""

    chunk: int
    answer: int


def room_to_condense(engine: Engine, ask: Ask) -> Room:
    """Return the room of a part that is condensed: its answer is at most a third of it."""
    free = _free(engine, ask)
    answer = min(LONGEST_PARTIAL, free // 4)
    return Room(min(LONGEST_CHUNK, free - answer), answer)


def room_to_rewrite(engine: Engine, ask: Ask) -> Room:
    """Return the room of a part that is written anew: its answer may be half as long again."""
    free = _free(engine, ask)
    chunk = min(LONGEST_CHUNK_TO_REWRITE, free * 2 // 5)
    return Room(chunk, free - chunk)


def _free(engine: Engine, ask: Ask) -> int:
    """Return the tokens of the context beside the instruction; raise `ContextError` for too few."""
    instruction = engine.count_prompt(ask(""))
    free = engine.context_length - instruction - MARGIN_TOKENS
    missing = -(-SHORTEST_CHUNK * 5 // 2) - free
    if missing > 0:
        held, least = engine.context_length, engine.context_length + missing
        raise ContextError(
            instruction,
            held,
            say(f"Give it at least {least} tokens (--context {least}), or shorten the instruction.",
                f"请至少给 {least} 个词元（--context {least}），或缩短指令。"),
            say(f"The context of {held} tokens is too small to read a text in parts beside "
                f"the instruction's {instruction}.",
                f"上下文只有 {held} 个词元，除指令的 {instruction} 个外，不足以分部分阅读文字。"),
        )  # fmt: skip
    return free


def condense(
    engine: Engine, text: str, ask: Ask, fits: Callable[[str], bool], how: Reading
) -> Generator[Token, None, str | None]:
    """Condense `text`, level by level, until it `fits`; return what it became, None when stopped.

    Yields an empty token for each part that is done, so that whoever listens can stop in between.
    """
    room = room_to_condense(engine, ask)
    level = 1
    while not fits(text):
        condensed: list[str] = []
        for part in _write(engine, _chunks(engine, text, ask, room), ask, room, _kept, how):
            if part.finish == "cancelled":
                return None
            _tell(how, "map_reduce", level, part, len(text))
            condensed.append(part.text)
            yield Token()
        joined = BETWEEN_PARTIALS.join(part for part in condensed if part)
        if level > 1 and len(joined) >= len(text):
            raise EngineError(
                say("The model does not get the text any shorter.", "模型无法再缩短这段文字。"),
                say("Choose a larger model, or one with a longer context.",
                    "请换用更大或上下文更长的模型。"),
            )  # fmt: skip
        text, level = joined, level + 1
    return text


def _kept(part: Part) -> Part | list[str]:
    """Return the part fit for the next level.

    Of one about which nothing was written the text itself goes on, so that it is not lost. What
    were no characters is left out: it would come back as three tokens each.
    """
    text = part.text.replace("\ufffd", "")
    return replace(part, text=text.strip() or part.chunk.text.strip())


def refine(
    engine: Engine, text: str, ask: Ask, fits: Callable[[str], bool], how: Reading
) -> Generator[Token, None, str | None]:
    """Read `text` part by part, each after the summary of those before; return what is left to do.

    That is the last summary and the last part together, for the task's own request; None when
    stopped.
    """
    room = room_to_condense(engine, ask)
    room = Room(room.chunk - room.answer, room.answer)
    summary = ""
    for chunk in _chunks(engine, text, ask, room):
        joined = f"{summary}\n\n{chunk.text}" if summary else chunk.text
        if chunk.end == len(text) and fits(joined):
            # This part has no summary of its own: it goes into the task's request as it is.
            _tell(how, "refine", 1, Part(chunk, chunk.text, "stop"), len(text))
            return joined
        asked = replace(chunk, text=joined)
        for part in _write(engine, [asked], ask, room, _kept, how):
            if part.finish == "cancelled":
                return None
            _tell(how, "refine", 1, part, len(text))
            summary = part.text
            yield Token()
    return summary


def per_chunk(engine: Engine, text: str, ask: Ask, how: Reading) -> Iterator[Token]:
    """Do the task on every part and yield the results in order, in the layout of the text.

    The white space around paragraphs is the text's own. A part whose answer has other paragraphs
    than the part is done again paragraph by paragraph; one whose answer was cut, in halves.
    """
    room = room_to_rewrite(engine, ask)
    separator = paragraph_separator(text)

    def in_layout(part: Part) -> Part | list[str]:
        return lay_out(part, separator, engine.count_tokens)

    finish: Finish = "stop"
    for part in _write(engine, _chunks(engine, text, ask, room), ask, room, in_layout, how):
        if part.finish == "cancelled":
            yield Token(finish="cancelled")
            return
        _tell(how, "per_chunk", 1, part, len(text))
        finish = "length" if part.finish == "length" else finish
        yield Token(text=part.text)
    yield Token(finish=finish)


def lay_out(part: Part, separator: re.Pattern[str], count: Count) -> Part | list[str]:
    """Return `part` with its answer in the layout of its chunk, or the pieces to do instead."""
    source = paragraphs(part.chunk.text, separator)
    wanted = sum(bool(piece.strip()) for piece in source)
    answer = [piece for piece in paragraphs(part.text, separator) if piece.strip()]
    if not wanted:
        return replace(part, text=part.chunk.text)
    if part.finish != "length" and len(answer) == wanted:
        rest = iter(answer)
        return replace(part, text="".join(next(rest) if p.strip() else p for p in source))
    if wanted > 1:
        return source
    if (part.finish == "length" or not answer) and part.depth < MOST_CUTS:
        half = max(SHORTEST_CHUNK // 2, part.chunk.tokens // 2 + 1)
        if len(halves := [c.text for c in split(part.chunk.text, half, count)]) > 1:
            return halves
    # One paragraph it was, and one it stays; what the model leaves out stands as it was.
    joint = "" if of_text(part.text) == "zh" else " "
    return replace(part, text=source[0] + (joint.join(answer) or source[1]) + source[-1])


def _chunks(engine: Engine, text: str, ask: Ask, room: Room) -> Iterator[Chunk]:
    """Yield the chunks of `text`; each is checked to fit, and cut again where it does not."""
    index = 0
    for chunk in split(text, room.chunk, engine.count_tokens):
        for piece in _fitting(engine, chunk, ask, room):
            yield replace(piece, index=index)
            index += 1


def _fitting(engine: Engine, chunk: Chunk, ask: Ask, room: Room) -> Iterator[Chunk]:
    prompt = engine.count_prompt(ask(chunk.text))
    if prompt + room.answer <= engine.context_length:
        yield chunk
        return
    half = chunk.tokens // 2
    if half < SHORTEST_CHUNK // 4:
        raise ContextError(prompt + room.answer, engine.context_length)
    for piece in split(chunk.text, half, engine.count_tokens):
        start, end = chunk.start + piece.start, chunk.start + piece.end
        yield from _fitting(engine, replace(piece, start=start, end=end), ask, room)


def _write(
    engine: Engine, chunks: Iterable[Chunk], ask: Ask, room: Room, judge: Judge, how: Reading
) -> Iterator[Part]:
    def bounded(text: str) -> Request:
        request = ask(text)
        # Never a random seed: the whole text comes again with the one seed that is reported.
        seed = request.sampling.seed or PART_SEED
        sampling = replace(request.sampling, max_tokens=room.answer, seed=seed)
        return replace(request, sampling=sampling, thinking=False, alternatives=0, reusable=False)

    return write_parts(engine, chunks, bounded, judge, how.parallel, how.partials, how.answer)


def _tell(how: Reading, policy: str, level: int, part: Part, length: int) -> None:
    chunk = part.chunk
    if how.progress:
        share = chunk.end / length
        how.progress(Step(policy, level, chunk.index + 1, share, part.is_cached))
    if how.trace:
        how.trace.policy = policy
        span = (chunk.start, chunk.end)
        how.trace.part(level, chunk.index, span, part.text, chunk.tokens, part.is_cached)
