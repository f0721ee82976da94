"""The remote engine: any OpenAI-compatible server, streamed, many requests side by side.

Requests run in an event loop in a thread of its own; tokens reach the caller through a queue, so
`cancel` ends them at once wherever they are: connecting, waiting for a word, or between two tries.

What a server cannot do is said, not imitated. It has no tokenizer for us: counts are estimates on
the high side, and the server has the last word on what fits. A form cannot be held token by token:
a text is asked for anew, a few times, and checked when it is whole. How the decided beginning of an
answer is sent is told in `chat_api.build_messages`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from gptwrite.endpoint import Endpoint, find_key, parse_endpoint, warnings
from gptwrite.engines import chat_api
from gptwrite.engines.answer import Answer, Item, Outlet, fit_form
from gptwrite.engines.background import BackgroundLoop
from gptwrite.engines.base import Form, Request, Stats, Token, alone, as_turns
from gptwrite.engines.chat_client import (
    ChatClient,
    Patience,
    Rejected,
    Unanswered,
    broken_off,
    no_end,
    several_models,
)
from gptwrite.engines.estimate import PER_TURN, CalibratedCount, fewest_tokens
from gptwrite.errors import ContextError, EngineError, GptwriteError, engine_closed
from gptwrite.language import say

if TYPE_CHECKING:
    from gptwrite.models import ModelSpec
    from gptwrite.settings import Settings

DEFAULT_CONTEXT = 4096  # where neither settings nor server tell one
LEAST_ROOM = 16  # tokens of answer that must fit behind a prompt
FORM_TRIES = 3
MOST_CHANGES = 12  # of one request, after refusals of fields


class RemoteEngine:
    """Writes through a server. One caller at a time; `cancel` from anywhere."""

    def __init__(
        self,
        endpoint: Endpoint,
        key: str = "",
        model: str = "",
        context_length: int = 0,
        patience: Patience | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._context_length = context_length
        self._patience = patience or Patience()
        self._client = ChatClient(endpoint, key, self._patience)
        self._loop = BackgroundLoop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: chat_api.Server | None = None
        self._asking = asyncio.Lock()
        self._tokens = CalibratedCount(self._ask_for_count)
        self._refused: frozenset[str] = frozenset()
        self._is_cancelled = False
        self._is_closed = False
        self._stats = Stats(device=endpoint.host)

    @property
    def name(self) -> str:
        return self._model or self._endpoint.host

    @property
    def context_length(self) -> int:
        if not self._context_length and not self._is_closed:
            with contextlib.suppress(CancelledError):
                self._loop.submit(self._describe()).result()
        return self._known_context() or DEFAULT_CONTEXT

    @property
    def stats(self) -> Stats:
        return self._stats

    def count_tokens(self, text: str) -> int:
        """Return an estimate on the high side: see `estimate`."""
        return self._tokens.count(text)

    def count_prompt(self, request: Request) -> int:
        return self._size(request, may_ask=True)

    def _size(self, request: Request, may_ask: bool = False) -> int:
        messages = chat_api.build_messages(request, is_continued=True)
        return sum(self._tokens.count(m.content, may_ask) + PER_TURN for m in messages)

    def _ask_for_count(self, text: str) -> int:
        if not self._is_closed:
            with contextlib.suppress(CancelledError):
                return self._loop.submit(self._count_there(text)).result()
        return 0

    def render(self, request: Request) -> str:
        server = self._server or chat_api.Server()
        if chat_api.continues(request, server, self._refused):
            return as_turns(request.messages, request.answer)
        return as_turns(chat_api.build_messages(request, is_continued=False), "")

    def stream(self, request: Request) -> Iterator[Token]:
        yield from alone(self.generate([request]))

    def generate(
        self, requests: Iterable[Request], parallel: int = 1
    ) -> Iterator[tuple[int, Token | GptwriteError]]:
        if self._is_closed:
            raise engine_closed()
        self._is_cancelled = False
        self._stats = Stats(device=self._endpoint.host, notes=tuple(warnings(self._endpoint)))
        queue: SimpleQueue[Item] = SimpleQueue()
        waiting = enumerate(requests)
        running: dict[int, Future[None]] = {}
        try:
            while True:
                while len(running) < parallel and not self._is_cancelled:
                    item = next(waiting, None)
                    if item is None:
                        break
                    work = self._answer(item[1], Outlet(item[0], queue))
                    running[item[0]] = self._loop.submit(work)
                if not running:
                    return
                index, token = queue.get()
                if self._is_cancelled:
                    for cancelled in list(running):
                        yield cancelled, Token(finish="cancelled")
                    return
                if not isinstance(token, Token) or token.finish:
                    del running[index]
                if isinstance(token, Token | GptwriteError):
                    yield index, token
                else:
                    raise token
        finally:
            # A second cancel would interrupt the closing of a connection that the first began.
            for future in () if self._is_cancelled else running.values():
                future.cancel()
            self._stats.context_length = self._known_context() or DEFAULT_CONTEXT

    def cancel(self) -> None:
        self._is_cancelled = True
        self._loop.call(self._cancel_all)

    def _cancel_all(self) -> None:
        for task in self._tasks:
            task.cancel()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._loop.close(self._end())

    async def _end(self) -> None:
        current = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

    # Everything below runs in the event loop.

    @contextlib.contextmanager
    def _cancellable(self) -> Iterator[None]:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            yield
        finally:
            self._tasks.discard(task)

    async def _describe(self) -> None:
        with self._cancellable():
            await self._ask_server()

    async def _count_there(self, text: str) -> int:
        with self._cancellable():
            owner = (await self._ask_server()).owner
            return await self._client.count(text, self._model, owner)

    async def _ask_server(self) -> chat_api.Server:
        async with self._asking:
            if self._server is None:
                self._server = await self._client.describe()
        return self._server

    def _known_context(self) -> int:
        if self._context_length or not self._server:
            return self._context_length
        lengths = self._server.context_lengths or {}
        return lengths.get(self._model) or (min(lengths.values()) if len(lengths) == 1 else 0)

    async def _answer(self, request: Request, outlet: Outlet) -> None:
        """Answer one request: the last thing put out is a finished token or an error."""
        try:
            with self._cancellable():
                if self._is_cancelled:
                    raise asyncio.CancelledError
                if request.form:
                    await self._write_in_form(request, request.form, outlet)
                else:
                    await self._write(request, outlet)
        except asyncio.CancelledError:
            outlet.put_now(Token(finish="cancelled"))
        except BaseException as error:  # noqa: BLE001 - handed over to the caller's thread
            outlet.put_now(error)

    async def _write_in_form(self, request: Request, form: Form, outlet: Outlet) -> None:
        seed = chat_api.draw_seed(request.sampling)
        for attempt in range(FORM_TRIES):
            inner = Outlet(outlet.index, SimpleQueue(), most_unread=sys.maxsize)
            sampling = replace(request.sampling, seed=seed + attempt)
            await self._write(replace(request, sampling=sampling), inner)
            items = [inner.queue.get()[1] for _ in range(inner.queue.qsize())]
            tokens = [item for item in items if isinstance(item, Token)]
            text = "".join(token.text for token in tokens if not token.is_thinking)
            if (fitting := fit_form(text, form)) is not None:
                for token in tokens:
                    if token.is_thinking:
                        await outlet.put(token)
                await outlet.put(Token(text=fitting, finish="stop"))
                return
        raise EngineError(
            say(f"The server kept the form in none of {FORM_TRIES} tries.",
                f"服务器试了 {FORM_TRIES} 次都没有遵守格式。"),
            say("Only a local model can be held to a form; leave out --endpoint.",
                "只有本地模型才能保证格式；请去掉 --endpoint。"),
        )  # fmt: skip

    async def _write(self, request: Request, outlet: Outlet) -> None:
        """Ask until there is an answer, a refusal that stays one, or no patience left."""
        if not self._model or request.answer:
            self._choose_model(await self._ask_server())
        seed = self._stats.seed = chat_api.draw_seed(request.sampling)
        limit = self._limit(request)
        tries = changes = 0
        while True:
            server = self._server or chat_api.Server()
            body = chat_api.build_body(request, self._model, seed, limit, server, self._refused)
            try:
                await self._once(body, request, outlet)
                return
            except Unanswered as failure:
                if outlet.has_started:
                    raise broken_off() from failure
                tries += 1
                if not await self._wait(failure, tries):
                    raise self._given_up(failure, request) from failure
            except Rejected as refusal:
                changes += 1
                if outlet.has_started or changes > MOST_CHANGES:
                    raise refusal.error from refusal
                limit = self._react(refusal, request, body, limit)

    def _choose_model(self, server: chat_api.Server) -> None:
        if self._model:
            return
        if len(server.models) > 1:
            raise several_models(self._endpoint.host, server.models)
        self._model = server.models[0] if server.models else "default"

    def _limit(self, request: Request) -> int:
        """Return how many tokens to ask for; `ContextError` for what surely does not fit."""
        context = self._known_context()
        if not context:
            return request.sampling.max_tokens
        fewest = _fewest(request)
        if fewest + LEAST_ROOM > context:
            raise ContextError(self._size(request), context)
        return min(request.sampling.max_tokens, context - fewest)

    async def _wait(self, failure: Unanswered, tries: int) -> bool:
        """Wait as long as the server asks, or as is polite; False when it is time to give up."""
        patience = self._patience
        most = patience.connection_retries if failure.is_connection else patience.retries
        if tries > most or (failure.after or 0) > patience.longest_wait:
            return False
        back_off = patience.first_wait * 2 ** (tries - 1) * random.uniform(0.75, 1.25)
        await patience.sleep(min(patience.longest_wait, max(failure.after or 0, back_off)))
        return True

    def _given_up(self, failure: Unanswered, request: Request) -> EngineError:
        """Return what to say in the end. Some servers just hang up on what is too long."""
        prompt, context = self._size(request), self._known_context()
        if failure.is_connection and failure.was_accepted and 0 < context < prompt:
            return ContextError(prompt, context)
        return failure.error

    def _react(self, refusal: Rejected, request: Request, body: dict[str, Any], limit: int) -> int:
        """Return the limit for another try, less demanding; raise where there is none."""
        problem = refusal.problem
        if problem.is_context:
            room = problem.context_length - problem.prompt_tokens
            if problem.prompt_tokens and LEAST_ROOM <= room < limit:
                return room
            context = problem.context_length or self._known_context() or DEFAULT_CONTEXT
            raise ContextError(
                problem.prompt_tokens or max(self._size(request), context), context
            ) from refusal
        if 0 < problem.completion_limit < limit:
            return problem.completion_limit
        fields = chat_api.refused_fields(problem, body)
        if not fields or not refusal.is_about_fields:
            raise refusal.error from refusal
        if fields & {"logprobs", "top_logprobs"}:
            self._note(say("the server offers no log-probabilities", "服务器不提供对数概率"))
        self._refused |= fields
        return limit

    async def _once(self, body: dict[str, Any], request: Request, outlet: Outlet) -> None:
        beginning = request.answer if body["messages"][-1]["role"] != "assistant" else ""
        answer = Answer(request.sampling.stop, beginning, request.alternatives)
        most = 4 * request.sampling.max_tokens + 256  # some servers send less than a token a time
        start = time.perf_counter()
        first = 0.0
        reason, told = "", chat_api.Delta()
        async with contextlib.aclosing(self._client.events(body)) as events:
            async for data, is_broken in events:
                delta = chat_api.read_delta(data)
                told = delta if delta.prompt_tokens else told
                for token in answer.push(delta, is_broken):
                    first = first or time.perf_counter()
                    await outlet.put(token)
                reason = delta.finish or reason
                if answer.is_stopped or answer.generated > most:
                    reason = "stop" if answer.is_stopped else "length"
                    break
        self._count(request, answer, told, start, first)
        if not reason:
            raise Unanswered(no_end(), is_connection=True, was_accepted=True)
        finish = chat_api.read_finish(reason)
        if finish is None:
            raise EngineError(
                say(f"The server broke the answer off: {reason}.", f"服务器中断了回答：{reason}。"),
                say("Ask in other words, or use another model.", "请换一种说法，或换用其他模型。"),
            )
        for token in answer.finish(finish):
            await outlet.put(token)

    def _count(
        self, request: Request, answer: Answer, told: chat_api.Delta, start: float, first: float
    ) -> None:
        stats, now = self._stats, time.perf_counter()
        first = first or now
        stats.prompt_tokens += told.prompt_tokens or self._size(request)
        stats.cached_tokens += told.cached_tokens
        stats.generated_tokens += told.generated_tokens or answer.generated
        stats.prefill_seconds += first - start
        stats.decode_seconds += now - first
        stats.first_token_seconds = stats.first_token_seconds or first - start
        if 0 < told.prompt_tokens < _fewest(request):
            self._note(
                say(f"the server read only {told.prompt_tokens} tokens: it seems to cut prompts "
                    "that are too long. Set --context to its limit.",
                    f"服务器只读了 {told.prompt_tokens} 词元，过长的提示似乎被截断了。"
                    "请把 --context 设为它的上限。")
            )  # fmt: skip

    def _note(self, text: str) -> None:
        if text not in self._stats.notes:
            self._stats.notes += (text,)


def _fewest(request: Request) -> int:
    return sum(fewest_tokens(message.content) for message in request.messages)


def open_engine(spec: ModelSpec, settings: Settings) -> RemoteEngine:
    """Return an engine for the endpoint of `spec`; nothing is sent before it is asked."""
    endpoint = parse_endpoint(spec.location, settings.offline)
    return RemoteEngine(
        endpoint,
        find_key(endpoint),
        spec.name,
        settings.context_length,
        Patience(silence=settings.endpoint_timeout),
    )
