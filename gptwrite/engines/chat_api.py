"""The chat-completions format: a request as JSON, a server's JSON as deltas and as problems.

Pure functions over the wire's data. Servers differ in what they take and tell; each difference
that we know of stands here, with the server's name.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gptwrite.engines.base import Alternative, Finish, Message, Request, Sampling
from gptwrite.language import of_text

# Fields beyond the standard: llama.cpp, vLLM and others take them, some servers refuse them.
EXTRAS = (
    "top_k",
    "min_p",
    "repeat_penalty",
    "repetition_penalty",
    "dry_multiplier",
    "chat_template_kwargs",
    "continue_final_message",
    "add_generation_prompt",
)
# Standard fields that some models refuse; leaving them out changes how, not what, is written.
OPTIONAL = ("stream_options", "temperature", "top_p", "seed", "stop", "logprobs", "top_logprobs")
LARGEST_SEED = 2**31 - 1
MOST_STOPS = 4  # OpenAI's limit; all of them are checked here as well
MOST_ALTERNATIVES = 20
CONTINUES_BY_FIELD = ("vllm", "sglang")
CONTINUES_BY_ITSELF = ("llamacpp",)


@dataclass(frozen=True)
class Server:
    """What a server tells of itself: its models, who serves them, context lengths by model."""

    models: tuple[str, ...] = ()
    owner: str = ""
    context_lengths: Mapping[str, int] | None = None

    @property
    def continues_answers(self) -> bool:
        """Whether a final assistant message is gone on from, and not answered."""
        return self.owner in CONTINUES_BY_FIELD + CONTINUES_BY_ITSELF


@dataclass(frozen=True)
class Piece:
    """One token as the server counts them, with its log-probability in nats if it was told."""

    text: str
    logprob: float | None = None
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class Delta:
    """What one event adds to an answer."""

    pieces: tuple[Piece, ...] = ()
    thinking: str = ""
    finish: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0


def draw_seed(sampling: Sampling) -> int:
    """Return the seed to send, or a random one: servers keep to signed numbers of 32 bits."""
    return (
        secrets.randbelow(LARGEST_SEED) if sampling.seed is None else sampling.seed % LARGEST_SEED
    )


def read_server(listing: Any) -> Server:
    """Return what the answer to `GET /v1/models` tells; unknown shapes tell nothing."""
    rows = listing.get("data") if isinstance(listing, dict) else None
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    models = tuple(str(row["id"]) for row in rows if row.get("id"))
    lengths = {str(row.get("id")): length for row in rows if (length := _context_of(row))}
    owner = str(rows[0].get("owned_by") or "").lower() if rows else ""
    return Server(models, owner, lengths)


def _context_of(row: dict[str, Any]) -> int:
    """Return a model's context length: vLLM, OpenRouter, Groq, Mistral, llama.cpp, in that order."""
    meta = row.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    for value in (
        row.get("max_model_len"),
        row.get("context_length"),
        row.get("context_window"),
        row.get("max_context_length"),
        meta.get("n_ctx"),
    ):
        if isinstance(value, int) and value > 0:
            return value
    return 0


def read_props(props: Any) -> int:
    """Return the context length that llama.cpp's `GET /props` tells; 0 for none."""
    settings = props.get("default_generation_settings") if isinstance(props, dict) else None
    length = settings.get("n_ctx") if isinstance(settings, dict) else None
    return length if isinstance(length, int) else 0


def continues(request: Request, server: Server, refused: frozenset[str]) -> bool:
    """Whether the decided beginning of the answer goes out as a message to be continued."""
    return bool(request.answer) and server.continues_answers and (
        "continue_final_message" not in refused
    )  # fmt: skip


def build_messages(request: Request, is_continued: bool) -> tuple[Message, ...]:
    """Return the messages to send, the beginning of the answer in the form the server can use.

    A final assistant message where it is continued. Elsewhere the server would take it for a turn
    that is over: there the last user message asks for an answer that begins so, and the beginning
    is taken off the answer when it comes (`engines.answer`).
    """
    if not request.answer:
        return request.messages
    if is_continued:
        return (*request.messages, Message("assistant", request.answer))
    *before, last = request.messages
    if of_text(last.content) == "zh":
        wish = f"回答必须以下面的内容开头，此前不要写任何别的内容：\n{request.answer.rstrip()}"
    else:
        wish = f"Begin the answer with exactly this, and nothing before:\n{request.answer.rstrip()}"
    return (*before, Message(last.role, f"{last.content}\n\n{wish}"))


def build_body(
    request: Request,
    model: str,
    seed: int,
    max_tokens: int,
    server: Server,
    refused: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Return the JSON of `POST /chat/completions`, without the fields in `refused`."""
    sampling = request.sampling
    is_continued = continues(request, server, refused)
    limit = "max_tokens" if "max_tokens" not in refused else "max_completion_tokens"
    wanted: dict[str, Any] = {
        "stream_options": {"include_usage": True},
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "seed": seed,
        "chat_template_kwargs": {"enable_thinking": request.thinking},
    }
    if sampling.stop and (is_continued or not request.answer):
        # A beginning that is not continued may hold a stop sequence (a code fence): then they are
        # checked here alone, after it.
        wanted["stop"] = list(sampling.stop[:MOST_STOPS])
    if sampling.repeat_penalty != 1.0:
        wanted["repeat_penalty"] = wanted["repetition_penalty"] = sampling.repeat_penalty
    if sampling.dry_multiplier:
        wanted["dry_multiplier"] = sampling.dry_multiplier
    if request.alternatives:
        wanted["logprobs"] = True
        wanted["top_logprobs"] = min(request.alternatives, MOST_ALTERNATIVES)
    if is_continued and server.owner in CONTINUES_BY_FIELD:
        wanted["continue_final_message"] = True
        wanted["add_generation_prompt"] = False
    messages = build_messages(request, is_continued)
    return {
        "model": model,
        "messages": [{"role": m.role, "content": m.content} for m in messages],
        "stream": True,
        limit: max_tokens,
        **{name: value for name, value in wanted.items() if name not in refused},
    }


def read_delta(data: Mapping[str, Any]) -> Delta:
    """Return what an event adds; also reads a whole answer that came without streaming."""
    usage = _mapping(data.get("usage"))
    details = _mapping(usage.get("prompt_tokens_details"))
    choices = data.get("choices")
    choice = _mapping(choices[0]) if isinstance(choices, list) and choices else {}
    delta = _mapping(choice.get("delta")) or _mapping(choice.get("message"))
    content = delta.get("content")
    text = content if isinstance(content, str) else ""
    # vLLM, SGLang and DeepSeek say reasoning_content, OpenRouter and Ollama say reasoning.
    thinking = delta.get("reasoning_content") or delta.get("reasoning")
    return Delta(
        pieces=_pieces(text, choice.get("logprobs")),
        thinking=thinking if isinstance(thinking, str) else "",
        finish=str(choice.get("finish_reason") or ""),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        cached_tokens=_count(details.get("cached_tokens")),
        generated_tokens=_count(usage.get("completion_tokens")),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _pieces(text: str, logprobs: Any) -> tuple[Piece, ...]:
    rows = _mapping(logprobs).get("content")
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    if not rows:
        return (Piece(text),) if text else ()
    tokens = [str(row.get("token", "")) for row in rows]
    # Tokens that hold half a character do not add up to the text: then it stands with the last.
    texts = tokens if "".join(tokens) == text else [""] * (len(rows) - 1) + [text]
    return tuple(
        Piece(shown, _logprob(row), _alternatives(row.get("top_logprobs")))
        for shown, row in zip(texts, rows, strict=True)
    )


def _logprob(row: Mapping[str, Any]) -> float | None:
    value = row.get("logprob")
    return float(value) if isinstance(value, int | float) else None


def _alternatives(rows: Any) -> tuple[Alternative, ...]:
    found = [
        Alternative(str(row.get("token", "")).encode("utf-8", "replace").decode("utf-8"), value)
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and (value := _logprob(row)) is not None
    ]
    return tuple(sorted(found, key=lambda alternative: -alternative.logprob))


def read_finish(reason: str) -> Finish | None:
    """Return the finish that a server's reason means; None for an answer it broke off."""
    if reason in ("length", "max_tokens", "model_length"):
        return "length"
    return None if reason in ("content_filter", "abort", "error") else "stop"


@dataclass(frozen=True)
class Problem:
    """An error as a server tells it."""

    message: str
    code: str = ""
    prompt_tokens: int = 0
    context_length: int = 0

    @property
    def completion_limit(self) -> int:
        """The most tokens of answer that the model can be asked for, where it says so; else 0."""
        return _first((COMPLETION_LIMIT,), self.message)

    @property
    def is_context(self) -> bool:
        """Whether the prompt, with the answer's limit, is too long for the server's context."""
        if self.code in ("context_length_exceeded", "exceed_context_size_error"):
            return True
        return bool(ABOUT_CONTEXT.search(self.message)) and bool(TOO_LONG.search(self.message))


ABOUT_CONTEXT = re.compile(r"context[ _-]?(length|window|size)|maximum .{0,20}tokens", re.I)
TOO_LONG = re.compile(r"exceed|maximum|too (long|large|many)|longer than|larger than|reduce", re.I)
CONTEXT_COUNTS = (  # OpenAI, vLLM, llama-cpp-python; SGLang; llama.cpp
    re.compile(r"maximum context length (?:is|of) (\d+)", re.I),
    re.compile(r"context length \((\d+)", re.I),
    re.compile(r"context size \((\d+)", re.I),
)
PROMPT_COUNTS = (
    re.compile(r"\((\d+) in (?:the messages|your prompt)", re.I),
    re.compile(r"resulted in (\d+) tokens", re.I),
    re.compile(r"(\d+) (?:input tokens|tokens from the input)", re.I),
    re.compile(r"(?:input|request) \((\d+) tokens", re.I),
)
COMPLETION_LIMIT = re.compile(r"at most (\d+) completion tokens", re.I)


def read_problem(data: Any, text: str = "") -> Problem:
    """Return the error in a server's JSON, or the beginning of `text` where there is none."""
    data = data[0] if isinstance(data, list) and data else data  # Google wraps it in a list
    body = _mapping(data)
    error = body.get("error", body)
    fields = _mapping(error)
    message = fields.get("message") or fields.get("detail") or fields.get("error")
    if message is None:
        message = error if isinstance(error, str) else text
    message = " ".join(str(message).split())
    code = str(fields.get("code") or "")
    if not code or code.isdigit():
        code = str(fields.get("type") or "")
    return Problem(
        message,
        code,
        _count(fields.get("n_prompt_tokens")) or _first(PROMPT_COUNTS, message),
        _count(fields.get("n_ctx")) or _first(CONTEXT_COUNTS, message),
    )


def _first(patterns: tuple[re.Pattern[str], ...], message: str) -> int:
    for pattern in patterns:
        if found := pattern.search(message):
            return int(found.group(1))
    return 0


def refused_fields(problem: Problem, body: Mapping[str, Any]) -> frozenset[str]:
    """Return the fields of `body` to leave out after a refusal, as far as its words tell them.

    Where no field is named, every one beyond the standard is under suspicion.
    """
    names = {*EXTRAS, *OPTIONAL, "max_tokens"} & body.keys()
    named = {name for name in names if re.search(rf"\b{name}\b", problem.message)}
    if "prefill" in problem.message:
        named.add("continue_final_message")
    if "logprobs" in named:
        named |= {"top_logprobs"} & names
    return frozenset(named or {name for name in EXTRAS if name in body})
