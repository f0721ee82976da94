"""The parts of a text under way: sent side by side, answered in any order, handed on in order.

An answer that will not do has its part cut into pieces, which are sent in its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from gptwrite.engines.base import Engine, Finish, Request, Token
from gptwrite.errors import EngineError, GptwriteError
from gptwrite.language import say
from gptwrite.partials import Partials
from gptwrite.splitting import Chunk

Ask = Callable[[str], Request]
Answer = Callable[[str, Request], Iterator[Token]]  # to a part's text, and what is asked of it


@dataclass(frozen=True)
class Part:
    """A chunk and what was written for it. `depth` counts how often a chunk was cut to get here."""

    chunk: Chunk
    text: str
    finish: Finish
    is_cached: bool = False
    depth: int = 0


# Takes an answer; returns it as it shall stand, or the pieces to do in its place. Joined, they are
# the part's text.
Judge = Callable[[Part], Part | list[str]]


@dataclass
class _Node:
    """A chunk, or a piece of one, on its way. Of a cut one, `pieces` collects the results."""

    chunk: Chunk
    depth: int = 0
    parent: _Node | None = None
    place: int = 0
    request: Request | None = None
    answer: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    missing: int = 0
    finish: Finish = "stop"


class _Work:
    """What is to be sent, what is under way, and what is done but not yet handed on."""

    def __init__(
        self, engine: Engine, chunks: Iterable[Chunk], judge: Judge, partials: Partials | None
    ) -> None:
        self._engine = engine
        self._chunks = iter(chunks)
        self._judge = judge
        self._partials = partials
        self._again: deque[_Node] = deque()
        self._order: deque[int] = deque()
        self._done: dict[int, Part] = {}

    def next_node(self) -> _Node | None:
        """Return what to send next: pieces first, so that what is waited for comes soon."""
        if self._again:
            return self._again.popleft()
        chunk = next(self._chunks, None)
        if chunk is None:
            return None
        self._order.append(chunk.index)
        return _Node(chunk)

    def answered(self, node: _Node, text: str, finish: Finish, *, is_cached: bool) -> None:
        if self._partials and node.request and not is_cached:
            self._partials.put(node.request, text, finish)
        verdict = self._judge(Part(node.chunk, text, finish, is_cached, node.depth))
        if isinstance(verdict, Part):
            self._settle(node, verdict)
            return
        node.pieces = verdict
        pieces = [(place, piece) for place, piece in enumerate(verdict) if piece.strip()]
        node.missing = len(pieces)
        for place, piece in reversed(pieces):
            chunk = replace(node.chunk, text=piece, tokens=self._engine.count_tokens(piece))
            self._again.appendleft(_Node(chunk, node.depth + 1, node, place))
        if not pieces:
            self._settle(node, Part(node.chunk, "".join(verdict), finish, depth=node.depth))

    def _settle(self, node: _Node, part: Part) -> None:
        parent = node.parent
        if parent is None:
            self._done[node.chunk.index] = part
            return
        parent.pieces[node.place] = part.text
        parent.finish = "length" if "length" in (parent.finish, part.finish) else "stop"
        parent.missing -= 1
        if not parent.missing:
            whole = "".join(parent.pieces)
            self._settle(parent, Part(parent.chunk, whole, parent.finish, depth=parent.depth))

    def ready(self) -> Iterator[Part]:
        """Yield the parts that are done and next in order."""
        while self._order and self._order[0] in self._done:
            yield self._done.pop(self._order.popleft())

    @property
    def is_over(self) -> bool:
        return not self._order and not self._again


def write_parts(
    engine: Engine,
    chunks: Iterable[Chunk],
    ask: Ask,
    judge: Judge,
    parallel: int,
    partials: Partials | None,
    answer: Answer | None = None,
) -> Iterator[Part]:
    """Yield what the engine, or else `answer`, writes for each chunk, in order.

    Blank chunks are not sent, and what is found among the `partials` is not asked again. A part
    with `finish` "cancelled" is the last one. Raises the first error of any part; what was answered
    before is among the partials.
    """
    work = _Work(engine, chunks, judge, partials)
    sent: dict[int, _Node] = {}

    all_sent = False

    def requests() -> Iterator[Request]:
        nonlocal all_sent
        number = 0
        while node := work.next_node():
            if not node.chunk.text.strip():
                work.answered(node, node.chunk.text, "stop", is_cached=True)
                continue
            node.request = ask(node.chunk.text)
            if partials and (known := partials.get(node.request)) is not None:
                work.answered(node, *known, is_cached=True)
                continue
            sent[number] = node
            number += 1
            yield node.request
        all_sent = True

    def in_turn(asked: Iterator[Request]) -> Iterator[tuple[int, Token | GptwriteError]]:
        assert answer
        for index, request in enumerate(asked):
            for token in answer(sent[index].chunk.text, request):
                yield index, token

    while True:
        sent.clear()
        all_sent = False
        written = in_turn(requests()) if answer else engine.generate(requests(), parallel=parallel)
        for index, token in written:
            node = sent[index]
            if isinstance(token, GptwriteError):
                raise token
            if not token.is_thinking:
                node.answer.append(token.text)
            if token.finish == "cancelled":
                yield Part(node.chunk, "", "cancelled")
                return
            if token.finish:
                assert node.request is not None
                text = (node.request.answer + "".join(node.answer)).strip()
                del sent[index]
                work.answered(node, text, token.finish, is_cached=False)
            yield from work.ready()
        yield from work.ready()
        if not all_sent:  # the engine was stopped between two answers
            yield Part(Chunk(0, 0, 0, "", 0), "", "cancelled")
            return
        if work.is_over:
            return
        if sent:
            raise EngineError(say("The engine left a part unanswered.", "引擎漏答了一部分。"))
