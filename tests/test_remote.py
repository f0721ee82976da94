"""The remote engine against a server that stalls, cuts, refuses, lies, and sends half characters."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from conftest import Ran
from faulty_server import (
    STREAM,
    Asked,
    FaultyServer,
    Step,
    chunk,
    error,
    events,
    faulty_server,
    hangs_up,
    never_ends,
    reply,
    says,
    sends,
    stalls,
    together,
)

from gptwrite import forms
from gptwrite.endpoint import parse_endpoint
from gptwrite.engines.base import Message, Request, Sampling, Token
from gptwrite.engines.chat_client import Patience
from gptwrite.engines.remote import RemoteEngine
from gptwrite.errors import ContextError, EngineError, GptwriteError

KEY = "sk-secret-0123456789"
TEXT = "气候变化🙂 naïve"
VLLM = {"data": [{"id": "qwen", "owned_by": "vllm", "max_model_len": 2048}]}


def request(text: str = "说", **fields: Any) -> Request:
    sampling = Sampling(seed=7, max_tokens=32, **fields.pop("sampling", {}))
    return Request((Message("user", text),), sampling=sampling, **fields)


Open = Callable[..., RemoteEngine]


@pytest.fixture
def waits() -> list[float]:
    """The seconds the engine wanted to wait; it does not really wait."""
    return []


@pytest.fixture
def opened(waits: list[float]) -> Iterator[Open]:
    engines = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    def open_at(server: FaultyServer, key: str = KEY, **options: Any) -> RemoteEngine:
        options.setdefault("model", "m")
        options.setdefault("patience", Patience(sleep=sleep))
        engines.append(RemoteEngine(parse_endpoint(server.address), key, **options))
        return engines[-1]

    yield open_at
    for engine in engines:
        engine.close()


def text_of(engine: RemoteEngine, asked: Request | None = None) -> str:
    return "".join(t.text for t in engine.stream(asked or request()) if not t.is_thinking)


WHOLE = events(TEXT).encode("utf-8")
HALF = "🙂".encode()


def raw_delta(content: bytes) -> bytes:
    return b'data: {"choices":[{"delta":{"content":"' + content + b'"}}]}\n\n'


END = chunk({}, "stop").encode() + b"data: [DONE]\n\n"
PIECES = {
    "one byte at a time": [WHOLE[i : i + 1] for i in range(len(WHOLE))],
    "seven bytes at a time": [WHOLE[i : i + 7] for i in range(0, len(WHOLE), 7)],
    "carriage returns": [WHOLE.replace(b"\n", b"\r\n")],
    "comments between": [b": ping\n\n" + part + b"\n\n" for part in WHOLE.split(b"\n\n")],
    "halves of a character in two deltas": [
        chunk("气候变化").encode(), raw_delta(HALF[:2]), raw_delta(HALF[2:]),
        chunk(" naïve").encode(), END,
    ],
    "halves of a surrogate pair": [
        chunk("气候变化").encode(), raw_delta(b"\\ud83d"), raw_delta(b"\\ude42"),
        chunk(" naïve").encode(), END,
    ],
    "no [DONE]": [WHOLE.replace(b"data: [DONE]\n\n", b"")],
    "an end without a blank line": [WHOLE.replace(b"data: [DONE]\n\n", b"").rstrip(b"\n")],
    "empty choices": [b'data: {"choices":[]}\n\n', WHOLE],
}  # fmt: skip


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_a_text_arrives_whole_however_its_bytes_are_cut(pieces: list[bytes], opened: Open) -> None:
    with faulty_server(sends(*pieces)) as server:
        assert text_of(opened(server)) == TEXT


def test_half_a_character_at_the_end_becomes_a_replacement(opened: Open) -> None:
    with faulty_server(sends(raw_delta("气".encode() + HALF[:2]), END)) as server:
        assert text_of(opened(server)) == "气\ufffd"


def test_a_server_that_does_not_stream_is_understood(opened: Open) -> None:
    body = {"choices": [{"message": {"content": TEXT}, "finish_reason": "length"}]}
    with faulty_server(reply(200, body)) as server:
        tokens = list(opened(server).stream(request()))
    assert "".join(t.text for t in tokens) == TEXT and tokens[-1].finish == "length"


AGAIN: list[tuple[list[Step], list[float]]] = [
    ([error(429, "slow down")], [0.5]),
    ([error(500, "oops"), error(503, "busy")], [0.5, 1.0]),
    ([hangs_up, hangs_up], [0.5, 1.0]),
    ([sends()], [0.5]),
    ([sends(chunk({"role": "assistant"}))], [0.5]),
    ([sends('data: {"error": {"message": "overloaded", "code": 503}}\n\n')], [0.5]),
]


@pytest.mark.parametrize(("faults", "expected"), AGAIN)
def test_before_the_first_token_it_asks_again_after_longer_and_longer_waits(
    faults: list[Step], expected: list[float], opened: Open, waits: list[float]
) -> None:
    with faulty_server(*faults, says(TEXT)) as server:
        assert text_of(opened(server)) == TEXT
        assert len(server.chats) == len(faults) + 1
    assert waits == [pytest.approx(wait, rel=0.25) for wait in expected]


def test_the_wait_a_server_asks_for_is_kept(opened: Open, waits: list[float]) -> None:
    slow = reply(429, {"error": {"message": "slow down"}}, Retry_After="7")
    with faulty_server(slow, says(TEXT)) as server:
        assert text_of(opened(server)) == TEXT
    assert waits == [7]


FINAL: list[tuple[Step, int, str]] = [
    (error(429, "quota used up"), 6, "quota used up"),
    (reply(503, "busy", Retry_After="3600"), 1, "busy"),
    (hangs_up, 3, "cannot be reached, or hung up"),
    (error(401, f"wrong key {KEY}"), 1, "refuses the key: wrong key [key]"),
    (error(404, "no model m"), 1, "no model m"),
    (error(422, "no"), 2, "HTTP 422: no"),
    (reply(200, "<html>hello"), 1, "web page"),
    (sends("data: {not json\n\n"), 1, "not JSON"),
    (sends('data: ["list"]\n\n'), 1, "not JSON"),
    (sends("data: [DONE]\n\n"), 3, "without an end"),
    (sends('data: {"choices":[]}\n\ndata: [DONE]\n\n'), 3, "without an end"),
    (sends(chunk("一"), chunk("二")), 1, "in the middle"),
    (sends(chunk("一"), "data: [DONE]\n\n"), 1, "in the middle"),
    (sends(chunk("一"), chunk({}, "content_filter")), 1, "broke the answer off: content_filter"),
    (sends(chunk("一"), 'data: {"error": {"message": "out of memory"}}\n\n'), 1, "out of memory"),
    (reply(307, "", Location="http://192.0.2.1/v1?token=x"), 1, "sends us on to http://192.0.2.1/"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "times", "message"), FINAL, ids=[row[2] for row in FINAL])
def test_what_cannot_be_mended_is_said(step: Step, times: int, message: str, opened: Open) -> None:
    with faulty_server(step) as server:
        with pytest.raises(EngineError) as caught:
            text_of(opened(server))
        assert len(server.chats) == times
    assert message in caught.value.message and caught.value.hint
    assert KEY not in caught.value.message + caught.value.hint + repr(caught.value.__cause__)
    assert "token=" not in caught.value.message


def test_a_cut_chunked_body_is_not_taken_for_the_end(opened: Open) -> None:
    def cut(connection: Any) -> None:
        connection.send(STREAM.replace("Connection: close", "Transfer-Encoding: chunked"))
        data = chunk("一").encode()
        connection.send(f"{len(data):x}\r\n".encode() + data + b"\r\n40\r\ndata: {")

    with faulty_server(cut) as server, pytest.raises(EngineError, match="middle of the answer"):
        text_of(opened(server))


def test_a_server_that_falls_silent_is_given_up(opened: Open) -> None:
    with (
        faulty_server(stalls("一")) as server,
        pytest.raises(EngineError, match=r"nothing for 0.2"),
    ):
        text_of(opened(server, patience=Patience(silence=0.2)))


@pytest.mark.parametrize("head", ["", STREAM], ids=["before the headers", "in the stream"])
def test_cancel_from_another_thread_ends_a_stalled_stream(head: str, opened: Open) -> None:
    with faulty_server(stalls("一二" if head else "", head), says(TEXT)) as server:
        engine = opened(server)

        def cancel_once_stalled() -> None:
            server.started.wait(30)
            engine.cancel()

        thread = threading.Thread(target=cancel_once_stalled)
        thread.start()
        tokens = list(engine.stream(request()))
        thread.join()
        assert tokens[-1].finish == "cancelled"
        assert server.hung_up.wait(30)
        assert text_of(engine) == TEXT


def test_cancel_ends_a_wait_between_two_tries(opened: Open) -> None:
    waiting = threading.Event()

    async def sleep(seconds: float) -> None:
        import asyncio

        waiting.set()
        await asyncio.sleep(3600)

    with faulty_server(error(500, "oops")) as server:
        engine = opened(server, patience=Patience(sleep=sleep))
        thread = threading.Thread(target=lambda: (waiting.wait(30), engine.cancel()))
        thread.start()
        assert [t.finish for t in engine.stream(request())] == ["cancelled"]
        thread.join()


def test_an_abandoned_stream_is_hung_up(opened: Open) -> None:
    with faulty_server(stalls("一二三"), says(TEXT)) as server:
        engine = opened(server)
        stream = engine.stream(request())
        next(stream)
        stream.close()
        assert server.hung_up.wait(30)
        assert text_of(engine) == TEXT


def test_an_endless_stream_is_ended_here(opened: Open) -> None:
    with faulty_server(never_ends) as server:
        tokens = list(opened(server).stream(request()))
    assert tokens[-1].finish == "length"


def test_an_endless_event_is_ended_here(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gptwrite.engines.sse.LONGEST_EVENT_BYTES", 2**16)
    with (
        faulty_server(sends("data: ", *["x" * 2**12] * 32, "\n\n")) as server,
        pytest.raises(EngineError, match="event without end"),
    ):
        text_of(opened(server))


def test_a_stop_sequence_the_server_does_not_know_is_kept_here(opened: Open) -> None:
    with faulty_server(says("一二三四")) as server:
        tokens = list(opened(server).stream(request(sampling={"stop": ("三四",)})))
        assert server.chats[0].body["stop"] == ["三四"]
    assert "".join(t.text for t in tokens) == "一二" and tokens[-1].finish == "stop"


def test_more_stop_sequences_than_servers_take_are_all_kept(opened: Open) -> None:
    stops = ("a", "b", "c", "d", "三")
    with faulty_server(says("一二三四")) as server:
        assert text_of(opened(server), request(sampling={"stop": stops})) == "一二"
        assert server.chats[0].body["stop"] == ["a", "b", "c", "d"]


THOUGHTS = {
    "reasoning_content": sends(chunk({"reasoning_content": "想"}), events("答")),
    "reasoning": sends(chunk({"reasoning": "想"}), events("答")),
    "tags": says("<think>想</think>\n\n答"),
}


@pytest.mark.parametrize("step", THOUGHTS.values(), ids=THOUGHTS)
def test_reasoning_is_set_aside(step: Step, opened: Open) -> None:
    with faulty_server(step) as server:
        tokens = list(opened(server).stream(request()))
    assert "".join(t.text for t in tokens if t.is_thinking) == "想"
    assert "".join(t.text for t in tokens if not t.is_thinking) == "答"


def test_log_probabilities_come_with_their_tokens(opened: Open) -> None:
    def row(text: str, logprob: float) -> dict[str, Any]:
        other = {"token": "别", "logprob": -2.5}
        top = [other, {"token": text, "logprob": logprob}]
        return {"token": text, "logprob": logprob, "top_logprobs": top}

    two = chunk("气候", logprobs={"content": [row("气", -0.5), row("候", -0.1)]})
    halves = chunk("🙂", logprobs={"content": [row("\\xf0", -0.3), row("\\x9f", -0.2)]})
    with faulty_server(sends(two, halves, END)) as server:
        tokens = list(opened(server).stream(request(alternatives=2)))
        assert server.chats[0].body["logprobs"] is True
        assert server.chats[0].body["top_logprobs"] == 2
    assert [(t.text, t.logprob) for t in tokens[:-1]] == [
        ("气", -0.5), ("候", -0.1), ("", -0.3), ("🙂", -0.2),
    ]  # fmt: skip
    assert [(a.text, a.logprob) for a in tokens[0].alternatives] == [("气", -0.5), ("别", -2.5)]


def test_fields_a_server_refuses_are_left_out_from_then_on(opened: Open) -> None:
    strict = [
        error(400, "Unrecognized request argument supplied: top_k"),
        error(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        error(422, "Extra inputs are not permitted"),
        error(400, "logprobs are not supported"),
    ]
    with faulty_server(*strict, says(TEXT)) as server:
        engine = opened(server)
        assert text_of(engine, request(alternatives=3)) == TEXT
        assert len(server.chats) == 5
        assert "log-probabilities" in engine.stats.notes[0]
        assert text_of(engine) == TEXT
        assert len(server.chats) == 6
    assert server.chats[-1].body.keys() == {
        "model", "messages", "stream", "stream_options", "max_completion_tokens", "temperature",
        "top_p", "seed",
    }  # fmt: skip


CONTEXT = [
    ("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4900 "
     "in the messages, 100 in the completion).", {}, 4900, 4096),
    ("This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 "
     "tokens.", {"code": "context_length_exceeded"}, 5000, 4096),
    ("'max_tokens' or 'max_completion_tokens' is too large: 32. This model's maximum context length"
     " is 4096 tokens and your request has 4090 input tokens", {}, 4090, 4096),
    ("request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
     {"type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096}, 5000, 4096),
    ("The input (5000 tokens) is longer than the model's context length (4096 tokens).", {},
     5000, 4096),
    ("the prompt exceeds the context window", {}, 4096, 4096),
]  # fmt: skip


@pytest.mark.parametrize(("message", "fields", "prompt", "context"), CONTEXT)
def test_a_refusal_for_length_is_a_context_error(
    message: str, fields: dict[str, Any], prompt: int, context: int, opened: Open
) -> None:
    with faulty_server(error(400, message, **fields)) as server:
        with pytest.raises(ContextError) as caught:
            text_of(opened(server))
        assert len(server.chats) == 1
    assert (caught.value.prompt_tokens, caught.value.context_length) == (prompt, context)


def test_a_limit_that_does_not_fit_behind_the_prompt_is_lowered_to_what_does(opened: Open) -> None:
    full = (
        "This model's maximum context length is 100 tokens. However, you requested 112 tokens (80 "
        "in the messages, 32 in the completion)."
    )
    most = "max_tokens is too large: 20. This model supports at most 18 completion tokens."
    with faulty_server(error(400, full), error(400, most), says(TEXT)) as server:
        assert text_of(opened(server)) == TEXT
    assert [asked.body["max_tokens"] for asked in server.chats] == [32, 20, 18]


def test_a_prompt_that_surely_does_not_fit_is_not_sent(opened: Open) -> None:
    with faulty_server(says(TEXT)) as server:
        with pytest.raises(ContextError):
            text_of(opened(server, context_length=256), request("气候" * 2000))
        assert not server.chats


def test_a_server_that_cut_the_prompt_in_silence_is_found_out(opened: Open) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 3}
    told = f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n"
    answer = chunk("短") + chunk({}, "stop") + told + "data: [DONE]\n\n"
    with faulty_server(sends(answer)) as server:
        engine = opened(server)
        text_of(engine, request("气候" * 2000))
    assert "read only 100 tokens" in engine.stats.notes[0]
    assert (engine.stats.prompt_tokens, engine.stats.generated_tokens) == (100, 3)


MODELS = [
    (VLLM, "qwen", 2048),
    ({"data": [{"id": "x", "context_length": 8192}]}, "x", 8192),
    ({"data": [{"id": "x", "meta": {"n_ctx": 512}}]}, "x", 512),
    ({"data": []}, "default", 4096),
    (["what"], "default", 4096),
    (None, "default", 4096),
]


@pytest.mark.parametrize(("models", "name", "context"), MODELS)
def test_model_and_context_are_asked_for_where_not_given(
    models: Any, name: str, context: int, opened: Open
) -> None:
    with faulty_server(says(TEXT), models=models) as server:
        engine = opened(server, model="")
        assert text_of(engine) == TEXT
        assert (engine.name, engine.context_length) == (name, context)
        assert server.chats[0].body["model"] == name


def test_one_of_several_models_must_be_chosen(opened: Open) -> None:
    with (
        faulty_server(says(TEXT), models={"data": [{"id": "a"}, {"id": "b"}]}) as server,
        pytest.raises(EngineError, match="several models: a, b"),
    ):
        text_of(opened(server, model=""))


def test_a_begun_answer_is_continued_where_the_server_can(opened: Open) -> None:
    with faulty_server(says("正文"), models=VLLM) as server:
        assert text_of(opened(server, model=""), request(answer="# 题\n\n")) == "正文"
    body = server.chats[0].body
    assert body["messages"][-1] == {"role": "assistant", "content": "# 题\n\n"}
    assert body["continue_final_message"] is True and body["add_generation_prompt"] is False


REPEATED = [
    ("# 题\n\n", "# 题\n\n正文", "正文"),
    ("# 题\n\n", "\n# 题\n正文", "正文"),
    ("# 题\n\n", "正文", "正文"),
    ("# 题\n\n", "# 题目\n正文", "# 题目\n正文"),
    ("# 题\n\n", "# 题", ""),
    ("# 题\n\n", "# ", "# "),
    ("Dear", "Dear Ann,", " Ann,"),
    ("```python\n", "```python\nx = 1", "x = 1"),
    ("```python\n", "Here you are:\n\n```py\nx = 1\n```\nDone.", "x = 1"),
    ("```python\n", "x = 1", "x = 1"),
]


@pytest.mark.parametrize(("answer", "said", "shown"), REPEATED)
def test_elsewhere_the_beginning_is_asked_for_and_taken_off(
    answer: str, said: str, shown: str, opened: Open
) -> None:
    with faulty_server(says(said)) as server:
        asked = request(answer=answer, sampling={"stop": ("\n```",)})
        assert text_of(opened(server), asked) == shown
    body = server.chats[0].body
    assert [message["role"] for message in body["messages"]] == ["user"]
    assert body["messages"][0]["content"].endswith(answer.rstrip()) and "stop" not in body


def test_a_form_is_asked_for_again_until_it_is_kept(opened: Open) -> None:
    with faulty_server(says("也许吧"), says("\n“好评”。\n")) as server:
        asked = request(form=forms.labels(["好评", "差评"]))
        assert text_of(opened(server), asked) == "好评"
    assert [asked.body["seed"] for asked in server.chats] == [7, 8]


def test_a_long_answer_that_must_keep_a_form_is_read_to_its_end(opened: Open) -> None:
    with faulty_server(says("想" * 1500 + "好评"), says("好评")) as server:
        asked = request(form=forms.labels(["好评", "差评"]))
        long = replace(asked, sampling=replace(asked.sampling, max_tokens=4096))
        assert text_of(opened(server), long) == "好评"


def test_a_form_that_is_never_kept_is_an_error(opened: Open) -> None:
    with (
        faulty_server(says("也许吧")) as server,
        pytest.raises(EngineError, match="none of 3 tries"),
    ):
        text_of(opened(server), request(form=forms.labels(["好评", "差评"])))


def collect(engine: RemoteEngine, asked: Any, parallel: int) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for index, token in engine.generate(asked, parallel):
        assert not isinstance(found.get(index), GptwriteError)
        found[index] = found.get(index, "") + token.text if isinstance(token, Token) else token
    return found


def last_message(asked: Asked) -> str:
    return str(asked.body["messages"][-1]["content"])


def test_64_requests_are_open_at_once(opened: Open) -> None:
    with faulty_server(together(64, last_message)) as server:
        found = collect(opened(server), [request(f"第{i}个") for i in range(64)], 64)
    assert found == {i: f"第{i}个" for i in range(64)}


def test_requests_are_taken_as_places_get_free_and_fail_alone(opened: Open) -> None:
    def step(connection: Any) -> None:
        text = last_message(connection.asked)
        (error(404, "not this one") if text == "3" else says(text))(connection)

    taken = []

    def requests() -> Iterator[Request]:
        for i in range(8):
            taken.append(i)
            yield request(str(i))

    with faulty_server(step) as server:
        stream = opened(server).generate(requests(), 2)
        next(stream)
        assert len(taken) == 2
        stream.close()
        found = collect(opened(server), requests(), 2)
    assert isinstance(found.pop(3), EngineError)
    assert found == {i: str(i) for i in range(8) if i != 3}


def test_the_key_goes_in_its_header_and_nowhere_else(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with faulty_server(error(500, "oops"), says(TEXT)) as server:
        engine = opened(server)
        text_of(engine)
        assert engine.context_length
        assert {asked.headers.get("authorization") for asked in server.asked} == {f"Bearer {KEY}"}
        assert all(KEY not in json.dumps(asked.body) for asked in server.asked)
    assert KEY not in caplog.text + repr(engine) + repr(engine.stats) + engine.name


def test_no_redirect_is_followed(opened: Open) -> None:
    with faulty_server(says(TEXT)) as thief:
        step = reply(308, "", Location=f"{thief.address}/v1/chat/completions")
        with faulty_server(step) as server, pytest.raises(EngineError, match="sends us on"):
            text_of(opened(server))
        assert not thief.asked


def test_half_a_surrogate_in_the_prompt_is_sent_as_a_question_mark(opened: Open) -> None:
    with faulty_server(says(TEXT)) as server:
        assert text_of(opened(server), request("a\ud800b")) == TEXT
        assert last_message(server.chats[0]) == "a?b"


def test_a_closed_engine_says_so_and_closing_twice_does_nothing(opened: Open) -> None:
    with faulty_server(says(TEXT)) as server:
        engine = opened(server)
        engine.close()
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            text_of(engine)
        assert engine.context_length


def test_prompts_are_counted_high_and_shown_as_they_are_sent(opened: Open) -> None:
    with faulty_server(says(TEXT)) as server:
        engine = opened(server)
        asked = replace(request("气候"), answer="# 题\n")
        assert engine.count_prompt(asked) > engine.count_tokens("气候") >= 2
        assert "# 题" in engine.render(asked) and engine.render(asked).endswith("[assistant]\n")


def test_the_program_writes_through_an_endpoint(gptwrite: Callable[..., Ran]) -> None:
    with faulty_server(says(TEXT)) as server:
        options = ["--endpoint", server.address, "-m", "m"]
        ran = gptwrite(["ask", "说", *options], env={"GPTWRITE_API_KEY": KEY})
        assert (ran.status, ran.out) == (0, TEXT + "\n")
        assert KEY not in ran.err
        assert server.chats[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_refused_key_is_said_and_not_shown(gptwrite: Callable[..., Ran]) -> None:
    with faulty_server(error(401, f"Incorrect API key provided: {KEY}")) as server:
        options = ["--endpoint", server.address, "-m", "m", "--debug"]
        ran = gptwrite(["ask", "说", *options], env={"OPENAI_API_KEY": KEY})
    assert ran.status != 0 and "refuses the key" in ran.err and KEY not in ran.err + ran.out


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to another process there")
def test_ctrl_c_ends_a_stalled_stream_and_keeps_what_there_is() -> None:
    with faulty_server(stalls("一二")) as server:
        arguments = ["ask", "说", "--endpoint", server.address, "-m", "m"]
        with subprocess.Popen(
            [sys.executable, "-m", "gptwrite", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout
            shown = process.stdout.read(len("一二".encode()))
            process.send_signal(signal.SIGINT)
            shown += process.stdout.read()
            assert process.wait(30) == 130
        assert shown.decode() == "一二\n"
        assert server.hung_up.wait(30)
