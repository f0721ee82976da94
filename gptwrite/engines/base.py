"""The nouns of generation and the one interface every engine has.

An engine turns a `Request` into a stream of `Token`s. It does not know templates, files, terminals
or settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from gptwrite.errors import GptwriteError

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class Message:
    """One turn of a conversation. `content` is never read as control tokens by any engine."""

    role: Role
    content: str


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn. `seed` None draws a random one; `temperature` 0 is greedy."""

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    repeat_last_n: int = 256
    dry_multiplier: float = 0.0
    seed: int | None = None
    max_tokens: int = 2048
    stop: tuple[str, ...] = ()


@runtime_checkable
class Form(Protocol):
    """What a text must look like, as a test of its beginnings.

    `accepts(prefix)` says whether `prefix` can still grow into a text of this form;
    `is_complete(text)` says that it is one and generation may end.
    """

    def accepts(self, prefix: str) -> bool: ...

    def is_complete(self, text: str) -> bool: ...


@dataclass(frozen=True)
class Request:
    """What an engine is asked for.

    `answer` is the beginning of the answer, already decided; it is not streamed back.
    `completion` is the whole prompt for a base model, which has no chat template.
    `thinking` lets the model reason before it answers, where its chat template offers that.
    `alternatives` asks for that many most likely tokens with log-probabilities at each step.
    `reusable` False says that this prompt will not come again, and is not worth a file on disk.
    """

    messages: tuple[Message, ...]
    answer: str = ""
    completion: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    alternatives: int = 0
    form: Form | None = None
    thinking: bool = False
    reusable: bool = True


@dataclass(frozen=True)
class Alternative:
    """A token that could have come: its text and log-probability in nats."""

    text: str
    logprob: float


@dataclass(frozen=True)
class Token:
    """A piece of the answer.

    `text` may be empty while half a character, or a possible stop sequence, is held back.
    `finish` is set on the last token of a stream only. `logprob` is in nats. `is_thinking` marks
    reasoning that is not part of the answer.
    """

    text: str = ""
    id: int | None = None
    logprob: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    finish: Finish | None = None
    is_thinking: bool = False


@dataclass
class Stats:
    """What the last request cost. Times are in seconds, counts in tokens."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    load_seconds: float = 0.0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    first_token_seconds: float = 0.0
    seed: int | None = None
    threads: int = 0
    device: str = "cpu"
    flash_attention: str = ""
    context_length: int = 0
    notes: tuple[str, ...] = ()


def as_turns(messages: Iterable[Message], answer: str) -> str:
    """Return the messages and the beginning of the answer, for people to read."""
    turns = [*messages, Message("assistant", answer)]
    return "\n\n".join(f"[{turn.role}]\n{turn.content}" for turn in turns)


def alone(answers: Iterable[tuple[int, Token | GptwriteError]]) -> Iterator[Token]:
    """Yield the tokens of the only request that `generate` was given; raise its error."""
    for _, token in answers:
        if isinstance(token, GptwriteError):
            raise token
        yield token


class Engine(Protocol):
    """Anything that can write. One request at a time; `generate` runs many side by side."""

    @property
    def name(self) -> str:
        """The model's name, for people."""
        ...

    @property
    def context_length(self) -> int:
        """The most tokens that prompt and answer may have together."""
        ...

    @property
    def stats(self) -> Stats:
        """What the last request cost."""
        ...

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of `text` as plain text."""
        ...

    def count_prompt(self, request: Request) -> int:
        """Return the number of tokens of the whole prompt of `request`."""
        ...

    def render(self, request: Request) -> str:
        """Return the prompt as it would be sent, for people to read."""
        ...

    def stream(self, request: Request) -> Iterator[Token]:
        """Yield the answer; raise `ContextError` when the prompt does not fit."""
        ...

    def generate(
        self, requests: Iterable[Request], parallel: int = 1
    ) -> Iterator[tuple[int, Token | GptwriteError]]:
        """Answer many requests, up to `parallel` side by side.

        Yields (index of the request, its next token), or its error in place of its last token:
        one request that fails does not stop the others. Requests are taken as places get free.
        """
        ...

    def cancel(self) -> None:
        """Stop the running request soon; safe from a signal handler or another thread."""
        ...

    def close(self) -> None:
        """Free everything; further calls do nothing."""
        ...
