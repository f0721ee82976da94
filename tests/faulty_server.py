"""A server over raw sockets that does what a scripted test wants, also what no server should.

Each chat request takes the next step of the script, the last step stays for all that follow. A
step is a function of the connection; those below are the faults that real servers show.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@dataclass
class Asked:
    """A request as it came in. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Connection:
    """One open connection, its request read."""

    socket: socket.socket
    asked: Asked
    server: FaultyServer

    def send(self, data: str | bytes) -> None:
        self.socket.sendall(data.encode("utf-8") if isinstance(data, str) else data)

    def wait_for_hangup(self) -> None:
        """Block until the client closes its end, or the test is over."""
        self.socket.settimeout(0.05)
        while not self.server.over.is_set():
            try:
                if not self.socket.recv(1024):
                    return
            except TimeoutError:
                continue
            except OSError:
                return


Step = Callable[[Connection], None]


@dataclass
class FaultyServer:
    """What the test sees: the address, every request so far, and what a stalled client did.

    `over` is set when the test is done.
    """

    script: list[Step]
    models: Any = None
    asked: list[Asked] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    address: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def chats(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]

    def next_step(self, asked: Asked) -> Step:
        with self._lock:
            self.asked.append(asked)
            if asked.method == "GET":
                answer = self.models if asked.path.endswith("/models") else None
                return reply(200, answer) if answer is not None else reply(404, {"error": "none"})
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@contextmanager
def faulty_server(*script: Step, models: Any = None) -> Iterator[FaultyServer]:
    """A server on loopback that follows `script`; `models` is its answer to `GET /v1/models`."""
    server = FaultyServer(list(script), models)
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    server.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    threads: list[threading.Thread] = []

    def serve(client: socket.socket) -> None:
        with client:
            try:
                asked = _read_request(client)
                server.next_step(asked)(Connection(client, asked, server))
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=serve, args=(client,), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        server.over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [acceptor, *threads]:
            thread.join(5)


def _read_request(client: socket.socket) -> Asked:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = client.recv(65536)
        if not piece:
            raise ConnectionError("the client left")
        head += piece
    head, _, body = head.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += client.recv(65536)
    method, path, _ = first.split()
    return Asked(method, path, headers, json.loads(body) if body else {})


def chunk(delta: dict[str, Any] | str, finish: str | None = None, **more: Any) -> str:
    """Return one event with `delta`, or with that text as its content."""
    content = {"content": delta} if isinstance(delta, str) else delta
    choice = {"index": 0, "delta": content, "finish_reason": finish, **more}
    return f"data: {json.dumps({'choices': [choice]}, ensure_ascii=False)}\n\n"


def events(text: str, finish: str | None = "stop") -> str:
    """Return a whole answer as events, a character each."""
    shown = "".join(chunk(character) for character in text)
    return chunk({"role": "assistant"}) + shown + chunk({}, finish) + "data: [DONE]\n\n"


def says(text: str, finish: str | None = "stop") -> Step:
    """Answers well."""
    return sends(events(text, finish))


def sends(*pieces: str | bytes) -> Step:
    """Streams these bytes, each piece in a packet of its own, and closes."""

    def step(connection: Connection) -> None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.send(STREAM)
        for piece in pieces:
            connection.send(piece)

    return step


def reply(status: int, body: Any, **headers: str) -> Step:
    """Answers with a status and JSON, or text as it is."""

    def step(connection: Connection) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "text/html" if text.startswith("<") else "application/json"
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(text.encode('utf-8'))}"]
        head = "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "Connection: close"])
        connection.send(f"{head}\r\n\r\n{text}")

    return step


def error(status: int, message: str, **fields: Any) -> Step:
    """Answers with an error in OpenAI's shape."""
    return reply(status, {"error": {"message": message, **fields}})


def hangs_up(connection: Connection) -> None:
    """Closes without a word."""


def stalls(said: str = "", head: str = STREAM) -> Step:
    """Sends `head` and the beginning `said`, then nothing more; notes when the client leaves."""

    def step(connection: Connection) -> None:
        connection.send(head + "".join(chunk(character) for character in said))
        connection.server.started.set()
        connection.wait_for_hangup()
        connection.server.hung_up.set()

    return step


def never_ends(connection: Connection) -> None:
    """Sends words for as long as somebody reads them, whatever was asked for."""
    connection.send(STREAM)
    while not connection.server.over.is_set():
        connection.send(chunk("又") * 50)


def together(count: int, text: Callable[[Asked], str]) -> Step:
    """Answers nobody until `count` requests are open at once, then each with its own text."""
    barrier = threading.Barrier(count)

    def step(connection: Connection) -> None:
        barrier.wait(30)
        connection.send(STREAM + events(text(connection.asked)))

    return step


def unreliable() -> Step:
    """Fails every other time, each time in another way; in between answers well, if in halves.

    The answer is the last message backwards, over and over, after the seed: what a request asks
    for decides it. Every character beyond ASCII comes as two halves, in two events.
    """
    faults = itertools.cycle([hangs_up, error(429, "slow down"), sends(), error(503, "busy")])
    turns = itertools.count()
    lock = threading.Lock()

    def step(connection: Connection) -> None:
        with lock:
            fault = next(faults) if next(turns) % 2 == 0 else None
        if fault:
            fault(connection)
            return
        body = connection.asked.body
        source = f"{body['seed']}{body['messages'][-1]['content'][::-1]}"
        limit = body["max_tokens"]
        pieces: list[str | bytes] = [chunk({"role": "assistant"})]
        for character in itertools.islice(itertools.cycle(source), limit):
            data = json.dumps(character, ensure_ascii=False)[1:-1].encode("utf-8")
            halves = [data] if character.isascii() else [data[:2], data[2:]]
            pieces += [_raw_event(half) for half in halves]
        usage = {"prompt_tokens": len(source), "completion_tokens": limit}
        told = f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n"
        sends(*pieces, chunk({}, "length"), told, "data: [DONE]\n\n")(connection)

    return step


def _raw_event(content: bytes) -> bytes:
    return b'data: {"choices":[{"delta":{"content":"' + content + b'"}}]}\n\n'
