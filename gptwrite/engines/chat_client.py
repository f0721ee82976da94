"""The HTTP side of a remote engine: one client, its time limits, and what went wrong in words.

Sends the key to the endpoint's own address alone: a redirect is never followed, to wherever.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from gptwrite import __version__
from gptwrite.endpoint import OWN_KEY, Endpoint
from gptwrite.engines.chat_api import Problem, Server, read_problem, read_props, read_server
from gptwrite.engines.sse import Event, EventStream
from gptwrite.errors import EngineError
from gptwrite.language import say

if TYPE_CHECKING:
    import httpx

DONE = "[DONE]"
# Who serves the model -> where it counts tokens, and the field the text goes into.
COUNTERS = {
    "llamacpp": ("/tokenize", "content"),
    "vllm": ("/tokenize", "prompt"),
    "me": ("/extras/tokenize/count", "input"),  # llama-cpp-python
}
TRY_AGAIN = (408, 429, 500, 502, 503, 504, 529)
LONGEST_BODY_BYTES = 8 * 2**20
LONGEST_QUOTE = 300
DESCRIBE_SECONDS = 15


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to ask again. Times are in seconds.

    `silence` is the longest wait for the first byte, or between two; a server's keep-alive
    comments count as life. `sleep` is what waits between tries.
    """

    connect: float = 10
    silence: float = 300
    retries: int = 5
    connection_retries: int = 2
    first_wait: float = 0.5
    longest_wait: float = 60
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Unanswered(Exception):  # noqa: N818 - a state of the conversation, turned into `error`
    """The server has not answered. Asking again may help; `error` is what to say if it does not.

    `after` is the wait in seconds it asks for; `was_accepted` says that it had begun with status
    200 when the connection ended.
    """

    def __init__(
        self,
        error: EngineError,
        after: float | None = None,
        is_connection: bool = False,
        was_accepted: bool = False,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.after = after
        self.is_connection = is_connection
        self.was_accepted = was_accepted


class Rejected(Exception):  # noqa: N818
    """The server understood and refuses: `problem` says why, `error` says it to the user.

    `is_about_fields`: the status blames the request's fields.
    """

    def __init__(self, problem: Problem, error: EngineError, is_about_fields: bool) -> None:
        super().__init__(error.message)
        self.is_about_fields = is_about_fields
        self.problem = problem
        self.error = error


class ChatClient:
    """Talks to one endpoint. To be used inside one event loop; `close` there as well."""

    def __init__(self, endpoint: Endpoint, key: str, patience: Patience) -> None:
        self._endpoint = endpoint
        self._key = key
        self._patience = patience
        self._http: httpx.AsyncClient | None = None

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            import httpx

            headers = {"User-Agent": f"gptwrite/{__version__}", "Accept-Encoding": "identity"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            waits = self._patience
            self._http = httpx.AsyncClient(
                headers=headers,
                follow_redirects=False,
                # Proxies of the environment are for other machines.
                trust_env=not self._endpoint.is_loopback,
                # Without TLS there is nothing to verify, and no certificates to load for it.
                verify=self._endpoint.is_encrypted,
                timeout=httpx.Timeout(waits.silence, connect=waits.connect, pool=None),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            )
        return self._http

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def describe(self) -> Server:
        """Return what the server tells of itself; one that tells nothing is no error."""
        listing = await self._get(f"{self._endpoint.base}/models")
        server = read_server(listing)
        if server.owner == "llamacpp" and not server.context_lengths:
            length = read_props(await self._get(f"{self._endpoint.root}/props"))
            lengths = {model: length for model in server.models if length}
            server = Server(server.models, server.owner, lengths)
        return server

    async def count(self, text: str, model: str, owner: str) -> int:
        """Return how many tokens `text` is for the server, or 0 where it does not tell."""
        if owner not in COUNTERS:
            return 0
        path, field = COUNTERS[owner]
        body = {field: text, "model": model}
        answer = await self._get(self._endpoint.root + path, body)
        answer = answer if isinstance(answer, dict) else {}
        tokens, count = answer.get("tokens"), answer.get("count")
        return len(tokens) if isinstance(tokens, list) else count if isinstance(count, int) else 0

    async def _get(self, address: str, body: Any = None) -> Any:
        """Return the JSON at `address`, or what it answers to `body`; None for any failure."""
        import httpx

        async def fetch() -> Any:
            async with self._client().stream(
                "GET" if body is None else "POST", address, json=body
            ) as response:
                answer = await _read(response)
                return json.loads(answer) if response.status_code == 200 else None

        try:
            return await asyncio.wait_for(fetch(), DESCRIBE_SECONDS)
        except (httpx.HTTPError, asyncio.TimeoutError, ValueError, EngineError):
            return None

    async def events(
        self, body: Mapping[str, Any]
    ) -> AsyncGenerator[tuple[dict[str, Any], bool], None]:
        """Yield the JSON of each event of the answer to `body`, and whether its text is broken.

        Raises `Unanswered`, `Rejected`, or an `EngineError` for what no second try can mend.
        """
        import httpx

        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        was_accepted = False
        try:
            async with self._client().stream(
                "POST",
                f"{self._endpoint.base}/chat/completions",
                content=content,
                headers={"Content-Type": "application/json", "Accept": "text/event-stream"},
            ) as response:
                await self._check(response)
                was_accepted = True
                async with contextlib.aclosing(self._read_events(response)) as events:
                    async for event in events:
                        yield event
        except httpx.ReadTimeout as exc:
            raise self._silent() from exc
        except httpx.TransportError as exc:
            error = self._unreachable(exc)
            raise Unanswered(error, is_connection=True, was_accepted=was_accepted) from exc
        except httpx.HTTPError as exc:
            raise self._error(f"{type(exc).__name__}") from exc

    async def _read_events(
        self, response: httpx.Response
    ) -> AsyncGenerator[tuple[dict[str, Any], bool], None]:
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/html":
            raise self._not_a_model()
        if kind == "application/json":  # a server that does not stream
            yield self._parse(Event((await _read(response)).decode("utf-8", "replace"))), False
            return
        stream = EventStream()
        async for piece in response.aiter_bytes():
            for event in stream.push(piece):
                if event.data.strip() == DONE:
                    return
                yield self._parse(event), event.is_broken
        for event in stream.flush():
            # The connection ended inside this event: it may be whole, and it may not.
            if event.data.strip() != DONE:
                with contextlib.suppress(ValueError):
                    json.loads(event.data)
                    yield self._parse(event), event.is_broken

    def _parse(self, event: Event) -> dict[str, Any]:
        try:
            data = json.loads(event.data)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise self._error(
                say("it sent something that is not JSON", "它发来的内容不是 JSON")
            ) from None
        if event.name == "error" or data.get("error") or data.get("object") == "error":
            error = data.get("error")
            code = error.get("code") if isinstance(error, dict) else data.get("code")
            raise self._refusal(code if isinstance(code, int) else 0, read_problem(data), None)
        return data

    async def _check(self, response: httpx.Response) -> None:
        if response.status_code == 200:
            return
        if response.is_redirect:
            raise self._moved(response.headers.get("location", ""))
        text = (await _read(response)).decode("utf-8", "replace")
        try:
            data = json.loads(text)
        except ValueError:
            data = None
        problem = read_problem(data, text)
        raise self._refusal(response.status_code, problem, response.headers.get("retry-after"))

    def _refusal(self, status: int, problem: Problem, after: str | None) -> Exception:
        if status in (401, 403):
            return EngineError(
                say(f"{self._endpoint.host} refuses the key{self._quoted(problem)}",
                    f"{self._endpoint.host} 拒绝了密钥{self._quoted(problem)}")
                if self._key else
                say(f"{self._endpoint.host} wants a key{self._quoted(problem)}",
                    f"{self._endpoint.host} 需要密钥{self._quoted(problem)}"),
                say(f"Set {OWN_KEY} to a key that is valid there.",
                    f"请在 {OWN_KEY} 中设置有效的密钥。"),
            )  # fmt: skip
        said = (f"HTTP {status}" if status else say("an error", "错误")) + self._quoted(problem)
        if status in TRY_AGAIN and not problem.is_context:
            return Unanswered(self._error(said), after=wait_asked_for(after))
        hint = ""
        if status == 404:
            hint = say("Check the address (it usually ends in /v1) and the name in --model.",
                       "请检查地址（通常以 /v1 结尾）和 --model 的名称。")  # fmt: skip
        return Rejected(problem, self._error(said, hint), status in (400, 422))

    def _quoted(self, problem: Problem) -> str:
        """Return what the server says, cut short, and without the key should it repeat it."""
        message = problem.message
        if self._key:
            message = message.replace(self._key, "[key]")
        if len(message) > LONGEST_QUOTE:
            message = message[:LONGEST_QUOTE] + "…"
        return f": {message}" if message else ""

    def _error(self, what: str, hint: str = "") -> EngineError:
        host = self._endpoint.host
        return EngineError(
            say(f"The server {host} failed: {what}", f"服务器 {host} 出错：{what}"),
            hint or say("Try again later, or look at the server's own log.",
                        "请稍后再试，或查看服务器日志。"),
        )  # fmt: skip

    def _unreachable(self, exc: Exception) -> EngineError:
        host = self._endpoint.host
        detail = str(exc) or type(exc).__name__
        return EngineError(
            say(f"The server {host} cannot be reached, or hung up: {detail}",
                f"服务器 {host} 无法连接或中断了连接：{detail}"),
            say("Check the address and that the server runs.", "请检查地址以及服务器是否在运行。"),
        )  # fmt: skip

    def _silent(self) -> EngineError:
        host, seconds = self._endpoint.host, self._patience.silence
        return EngineError(
            say(f"The server {host} has sent nothing for {seconds:g} s.",
                f"服务器 {host} 已有 {seconds:g} 秒没有发来任何内容。"),
            say("Try again, or raise endpoint_timeout (seconds).",
                "请重试，或调高 endpoint_timeout（秒）。"),
        )  # fmt: skip

    def _moved(self, location: str) -> EngineError:
        host = self._endpoint.host
        place = location.partition("?")[0].rpartition("@")[2][:LONGEST_QUOTE]
        return EngineError(
            say(f"The server {host} sends us on to {place}; a key is never sent after.",
                f"服务器 {host} 要求转到 {place}；密钥不会随之发送。"),
            say("If you trust that address, give it as --endpoint.",
                "如果信任该地址，请用 --endpoint 指定它。"),
        )  # fmt: skip

    def _not_a_model(self) -> EngineError:
        return self._error(
            say("it answered with a web page", "它返回的是网页"),
            say("Check the address; it usually ends in /v1.", "请检查地址；通常以 /v1 结尾。"),
        )


def no_end() -> EngineError:
    """Return the error for an answer that stopped without a reason."""
    return EngineError(
        say("The server's answer ended without an end.", "服务器的回答没有正常结束。"),
        say("Look at the server's own log. If the text is long, give the server's limit: --context.",
            "请查看服务器日志。如果文字很长，请用 --context 指定服务器的上限。"),
    )  # fmt: skip


def broken_off() -> EngineError:
    """Return the error for an answer whose beginning is already with the user."""
    return EngineError(
        say("The server hung up in the middle of the answer.", "服务器在回答途中中断了连接。"),
        say("What came so far is not whole; try again.", "已收到的内容不完整；请重试。"),
    )


def several_models(host: str, models: tuple[str, ...]) -> EngineError:
    """Return the error for a server where a model must be chosen."""
    some = ", ".join(models[:8]) + ("…" if len(models) > 8 else "")
    return EngineError(
        say(f"{host} has several models: {some}", f"{host} 有多个模型：{some}"),
        say("Choose one with --model.", "请用 --model 选择。"),
    )


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > LONGEST_BODY_BYTES:
            raise EngineError(say("The server's answer is too large.", "服务器的回答过大。"))
    return bytes(body)


def wait_asked_for(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number or a date), or None."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    from datetime import datetime, timezone

    try:
        moment = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
