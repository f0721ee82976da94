"""One contract for every engine: what is streamed, how it ends, how it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from faulty_server import faulty_server, unreliable
from real_server import CONTEXT_LENGTH, KEY, llama_server

from gptwrite.endpoint import parse_endpoint
from gptwrite.engines.base import Engine, Message, Request, Sampling
from gptwrite.engines.chat_client import Patience
from gptwrite.engines.echo import EchoEngine
from gptwrite.engines.llama import LlamaEngine
from gptwrite.engines.remote import RemoteEngine
from gptwrite.errors import ContextError, EngineError, GptwriteError

ARCHITECTURES = ("gpt2", "gptneox", "llama", "qwen2", "qwen3")
TEXT = "写一篇关于气候变化的文章。The end of the world, and after 🙂."


def request(text: str = TEXT, **sampling: object) -> Request:
    values = {"seed": 7, "max_tokens": 24, **sampling}
    return Request((Message("user", text),), completion=text, sampling=Sampling(**values))


@pytest.fixture(scope="module")
def server(models: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real llama.cpp server with a tiny model."""
    with llama_server(models("qwen2"), tmp_path_factory.mktemp("server") / "log") as address:
        yield address


@pytest.fixture(scope="module")
def unreliable_server() -> Iterator[str]:
    """The address of a server that hangs up, is busy, and sends characters in halves."""
    with faulty_server(unreliable()) as server:
        yield server.address


async def no_wait(_seconds: float) -> None:
    """Stand for the waits between two tries."""


@pytest.fixture(params=["echo", "remote", "unreliable", *ARCHITECTURES])
def engine(request: pytest.FixtureRequest, models: Callable[..., Path]) -> Iterator[Engine]:
    opened: Engine
    if request.param == "echo":
        opened = EchoEngine()
    elif request.param == "remote":
        endpoint = parse_endpoint(request.getfixturevalue("server"))
        opened = RemoteEngine(endpoint, KEY, "tiny", CONTEXT_LENGTH)
    elif request.param == "unreliable":
        endpoint = parse_endpoint(request.getfixturevalue("unreliable_server"))
        patient = Patience(retries=99, connection_retries=99, sleep=no_wait)
        opened = RemoteEngine(endpoint, KEY, "tiny", CONTEXT_LENGTH, patient)
    else:
        opened = LlamaEngine(models(request.param))
    yield opened
    opened.close()


def text_of(engine: Engine, asked: Request) -> str:
    return "".join(token.text for token in engine.stream(asked))


def test_a_stream_ends_once_with_a_reason(engine: Engine) -> None:
    tokens = list(engine.stream(request()))
    assert [bool(token.finish) for token in tokens] == [False] * (len(tokens) - 1) + [True]
    assert tokens[-1].finish in ("stop", "length")


def test_the_same_seed_gives_the_same_text(engine: Engine) -> None:
    assert text_of(engine, request()) == text_of(engine, request())


def test_streams_side_by_side_give_what_each_gives_alone(engine: Engine) -> None:
    asked = [request(f"{TEXT} {i}") for i in range(5)]
    alone = [text_of(engine, one) for one in asked]
    together = [""] * 5
    for index, token in engine.generate(asked, parallel=3):
        assert not isinstance(token, GptwriteError)
        together[index] += token.text
    assert together == alone


def test_the_length_limit_is_kept_and_named(engine: Engine) -> None:
    tokens = list(engine.stream(request(max_tokens=3)))
    assert engine.stats.generated_tokens <= 3
    assert tokens[-1].finish in ("length", "stop")


def test_a_stop_sequence_is_never_shown(engine: Engine) -> None:
    whole = text_of(engine, request())
    stop = whole[len(whole) // 2 : len(whole) // 2 + 2]
    cut = text_of(engine, request(stop=(stop,)))
    assert cut == whole[: whole.index(stop)]


def test_a_prompt_that_does_not_fit_names_both_counts(engine: Engine) -> None:
    with pytest.raises(ContextError) as caught:
        text_of(engine, request("气候 " * 5000))
    assert str(caught.value.prompt_tokens) in caught.value.message
    assert str(engine.context_length) in caught.value.message


def test_one_request_too_long_does_not_stop_the_others(engine: Engine) -> None:
    asked = [request("一"), request("气候 " * 5000), request("二")]
    seen: dict[int, list[object]] = {0: [], 1: [], 2: []}
    for index, token in engine.generate(asked, parallel=2):
        seen[index].append(token)
    assert isinstance(seen[1][-1], ContextError)
    assert seen[0][-1].finish and seen[2][-1].finish  # type: ignore[attr-defined]


def test_cancel_ends_the_stream_and_the_engine_goes_on(engine: Engine) -> None:
    finish = None
    for count, token in enumerate(engine.stream(request(max_tokens=200))):
        if count == 2:
            engine.cancel()
        finish = token.finish
    assert finish == "cancelled"
    assert text_of(engine, request()) == text_of(engine, request())


def test_an_abandoned_stream_leaves_the_engine_usable(engine: Engine) -> None:
    next(iter(engine.stream(request())))
    assert text_of(engine, request()) == text_of(engine, request())


def test_closing_twice_does_nothing(engine: Engine) -> None:
    engine.close()
    engine.close()


def test_the_real_server_tells_model_and_log_probabilities(server: str) -> None:
    engine = RemoteEngine(parse_endpoint(server), KEY)
    try:
        tokens = list(engine.stream(replace(request(), alternatives=3)))
        assert engine.name == "tiny"
    finally:
        engine.close()
    drawn = [token for token in tokens if token.logprob is not None]
    assert drawn and all(token.logprob < 0 for token in drawn if token.logprob is not None)
    assert all(1 <= len(token.alternatives) <= 3 for token in drawn)


def test_the_real_server_refuses_a_wrong_key(server: str) -> None:
    engine = RemoteEngine(parse_endpoint(server), "sk-wrong", "tiny")
    with pytest.raises(EngineError, match="refuses the key"):
        text_of(engine, request())
    engine.close()


def test_many_requests_to_a_real_server_side_by_side(server: str) -> None:
    engine = RemoteEngine(parse_endpoint(server), KEY, "tiny", CONTEXT_LENGTH)
    asked = [request(f"{TEXT} {i}", max_tokens=4) for i in range(24)]
    finished = set()
    for index, token in engine.generate(asked, parallel=24):
        assert not isinstance(token, GptwriteError)
        finished |= {index} if token.finish else set()
    engine.close()
    assert finished == set(range(24))
