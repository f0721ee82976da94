"""A server's deltas to tokens: reasoning set aside, the beginning taken off, stops kept.

Does for what comes over the wire what the local engine does for what it draws itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from queue import SimpleQueue

from gptwrite.engines.base import Finish, Form, Token
from gptwrite.engines.chat_api import Delta, Piece
from gptwrite.engines.sse import WholeCharacters
from gptwrite.engines.stream_text import Reasoning, StopSequences

FENCE = "```"
MOST_UNREAD = 1024  # tokens that wait for the caller before the network is held back

Item = tuple[int, Token | BaseException]


class Beginning:
    """Takes the decided beginning off an answer that was asked to repeat it.

    Where that is a code fence, talk before the fence goes too, as does another language's name
    behind it. An answer that begins in its own way is left as it is.
    """

    def __init__(self, beginning: str) -> None:
        self._wanted = beginning.strip()
        self._ends_line = beginning != beginning.rstrip()
        self._held = ""
        self._is_fence = self._wanted.startswith(FENCE)

    def push(self, text: str) -> str:
        """Return what is surely not the beginning after `text`."""
        if not self._wanted:
            return text
        self._held += text
        if self._is_fence:
            _, fence, rest = self._held.partition(FENCE)
            _line, newline, code = rest.partition("\n")
            if not fence or not newline:
                return ""
            self._wanted = self._held = ""
            return code
        begin = self._held.lstrip()
        if self._wanted.startswith(begin):
            return ""
        rest = begin.removeprefix(self._wanted)
        if rest != begin and self._ends_line:
            if not rest.strip():
                return ""
            begin = rest.lstrip() if rest[0].isspace() else begin
        elif rest != begin:
            begin = rest
        self._wanted = self._held = ""
        return begin

    def flush(self) -> str:
        """Return what was withheld and is the answer after all."""
        begin, wanted = self._held.lstrip(), self._wanted
        self._held = self._wanted = ""
        return "" if begin.rstrip() == wanted else begin


class Answer:
    """The answer to one request under way."""

    def __init__(
        self, stops: tuple[str, ...], beginning: str = "", most_alternatives: int = 0
    ) -> None:
        self._most_alternatives = most_alternatives  # some servers add the drawn token to them
        self._characters = WholeCharacters()
        self._thoughts = WholeCharacters()
        self._reasoning = Reasoning()
        self._beginning = Beginning(beginning)
        self._stops = StopSequences(stops)
        self.generated = 0

    @property
    def is_stopped(self) -> bool:
        """Whether a stop sequence has been found: nothing after it counts."""
        return self._stops.found

    def push(self, delta: Delta, is_broken: bool) -> list[Token]:
        """Return the tokens that `delta` decides."""
        tokens = []
        if delta.thinking:
            self.generated += 1
            text = self._thoughts.push(delta.thinking, is_broken)
            tokens.append(Token(text=text, is_thinking=True))
        for piece in delta.pieces:
            self.generated += 1
            tokens += self._push(piece, is_broken)
        return tokens

    def _push(self, piece: Piece, is_broken: bool) -> list[Token]:
        text, thinking = self._reasoning.push(self._characters.push(piece.text, is_broken))
        tokens = [Token(text=thinking, is_thinking=True)] if thinking else []
        shown = self._stops.push(self._beginning.push(text))
        alternatives = piece.alternatives[: self._most_alternatives]
        return [*tokens, Token(shown, None, piece.logprob, alternatives)]

    def finish(self, finish: Finish) -> list[Token]:
        """Return the last tokens: what was held back, and the end."""
        if self._stops.found:
            return [Token(finish="stop")]
        text, thinking = self._reasoning.push(self._characters.flush())
        left, late = self._reasoning.flush()
        tokens = [Token(text=thinking + late, is_thinking=True)] if thinking + late else []
        shown = self._stops.push(self._beginning.push(text + left) + self._beginning.flush())
        if self.is_stopped:
            return [*tokens, Token(text=shown, finish="stop")]
        return [*tokens, Token(text=shown + self._stops.flush(), finish=finish)]


@dataclass
class Outlet:
    """Where the tokens of one request go, and whether any text has gone there."""

    index: int
    queue: SimpleQueue[Item]
    most_unread: int = MOST_UNREAD
    has_started: bool = False

    async def put(self, token: Token) -> None:
        self.has_started = self.has_started or bool(token.text)
        self.queue.put((self.index, token))
        while not token.finish and self.queue.qsize() > self.most_unread:
            await asyncio.sleep(0.01)

    def put_now(self, item: Token | BaseException) -> None:
        self.queue.put((self.index, item))


def fit_form(text: str, form: Form) -> str | None:
    """Return `text` as the form wants it, tidied of blank lines and quotes; None if it is not.

    Verse with a line for each of its lines is put into couplets.
    """
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    tidy = "\n".join(lines)
    couplets = tidy.replace("，\n", "，")
    for candidate in (text.strip(), tidy, couplets, tidy.strip(" *\"'“”‘’。.")):
        if form.is_complete(candidate):
            return candidate
    return None
