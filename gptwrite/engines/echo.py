"""An engine without a model: repeats the last message word for word. For tests and trials."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from gptwrite.engines.base import Request, Stats, Token, alone, as_turns
from gptwrite.engines.stream_text import StopSequences
from gptwrite.errors import ContextError, GptwriteError

if TYPE_CHECKING:
    from gptwrite.models import ModelSpec
    from gptwrite.settings import Settings

CONTEXT_LENGTH = 4096
LEAST_ROOM = 16
WORD = re.compile(r"\s*(?:[\u3400-\u9fff]|[A-Za-z0-9_]+|\S)|\s+")


class EchoEngine:
    """Answers every request with its last message; a token is a word or a Chinese character.

    `answer` makes something else of that message, in the way a model might.
    """

    def __init__(
        self, context_length: int = CONTEXT_LENGTH, answer: Callable[[str], str] = str
    ) -> None:
        self._answer = answer
        self.name = "echo"
        self.context_length = context_length
        self.stats = Stats(device="echo", context_length=context_length)
        self._cancelled = False
        self._closed = False

    def count_tokens(self, text: str) -> int:
        return len(WORD.findall(text))

    def count_prompt(self, request: Request) -> int:
        return sum(self.count_tokens(message.content) for message in request.messages)

    def render(self, request: Request) -> str:
        return as_turns(request.messages, request.answer)

    def stream(self, request: Request) -> Iterator[Token]:
        yield from alone(self.generate([request]))

    def _stream(self, request: Request) -> Iterator[Token]:
        prompt = self.count_prompt(request)
        if prompt + LEAST_ROOM > self.context_length:
            raise ContextError(prompt, self.context_length)
        self.stats.prompt_tokens += prompt
        self.stats.seed = request.sampling.seed or 0
        stops = StopSequences(request.sampling.stop)
        form = request.form
        text = ""
        for count, word in enumerate(WORD.findall(self._answer(request.messages[-1].content))):
            if self._cancelled:
                yield Token(text=stops.flush(), finish="cancelled")
                return
            if count >= request.sampling.max_tokens:
                yield Token(text=stops.flush(), finish="length")
                return
            if form and not form.accepts(text + word):
                continue
            self.stats.generated_tokens += 1
            shown = stops.push(word)
            text += shown
            yield Token(text=shown)
            if stops.found or (form and form.is_complete(text)):
                yield Token(finish="stop")
                return
        yield Token(text=stops.flush(), finish="stop")

    def generate(
        self, requests: Iterable[Request], parallel: int = 1
    ) -> Iterator[tuple[int, Token | GptwriteError]]:
        self._cancelled = False
        for index, request in enumerate(requests):
            try:
                for token in self._stream(request):
                    yield index, token
            except GptwriteError as error:
                yield index, error
            if self._cancelled:
                return

    def cancel(self) -> None:
        self._cancelled = True

    def close(self) -> None:
        self._closed = True


def open_engine(spec: ModelSpec, settings: Settings) -> EchoEngine:
    """Return an echo engine; a set context length bounds it, as it would a model."""
    return EchoEngine(settings.context_length or CONTEXT_LENGTH)
