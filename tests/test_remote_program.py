"""Everything the program does, over an endpoint: tasks, long texts, drafts, batches, bench."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Ran
from faulty_server import (
    Asked,
    Connection,
    Step,
    error,
    events,
    faulty_server,
    hangs_up,
    says,
    sends,
    together,
)
from real_server import CONTEXT_LENGTH, KEY, llama_server

from gptwrite.endpoint import parse_endpoint
from gptwrite.engines.remote import RemoteEngine
from gptwrite.inputs import Inputs
from gptwrite.settings import FIELDS
from gptwrite.template import Library
from gptwrite.write import Job, write

Run = Callable[..., Ran]
MARKER = re.compile(r"MARK\d+")
WITHOUT_A_FORM = [name for name in Library().names() if name != "poetry"]
VERSE = "床前明月光，\n疑是地上霜。\n举头望明月，\n低头思故乡。"


def last_message(asked: Asked) -> str:
    return str(asked.body["messages"][-1]["content"])


def answers(text: Callable[[str], str]) -> Step:
    """Answers with what `text` makes of the last message."""

    def step(connection: Connection) -> None:
        sends(events(text(last_message(connection.asked))))(connection)

    return step


@pytest.mark.parametrize("task", WITHOUT_A_FORM)
def test_every_task_is_written_by_a_server(task: str) -> None:
    job = Job(Library().load(task), Inputs("秋天", "秋天来了。"), "zh")
    with faulty_server(says("落叶满地。")) as server:
        engine = RemoteEngine(parse_endpoint(server.address), model="m")
        tokens = list(write(job, engine))
        engine.close()
        assert [message["role"] for message in server.chats[0].body["messages"]][-1] == "user"
    assert "".join(token.text for token in tokens).endswith("落叶满地。")
    assert tokens[-1].finish == "stop"


def test_verse_is_asked_for_until_it_keeps_its_form(gptwrite: Run) -> None:
    with faulty_server(says("落叶满地。"), says(VERSE)) as server:
        asked = ["poetry", "月", "--form", "五绝", "--endpoint", server.address, "-m", "m"]
        ran = gptwrite(asked)
    assert (ran.status, ran.out) == (0, VERSE.replace("，\n", "，") + "\n"), ran.err


def marked(length: int) -> tuple[str, list[str]]:
    """Return a text of about `length` characters, and its markers in order."""
    count = length // 60
    return "".join(f"第{i}段说了些话，MARK{i} 就在这里。{'春' * 40}。\n\n" for i in range(count)), [
        f"MARK{i}" for i in range(count)
    ]


def test_a_long_text_is_read_in_parts_by_a_server_that_fails_now_and_then(
    gptwrite: Run, tmp_path: Path
) -> None:
    text, markers = marked(12_000)
    trace = tmp_path / "trace.json"
    answer = answers(lambda message: " ".join(MARKER.findall(message)[:2]) or "无")
    with faulty_server(answer, error(429, "slow", code="x"), answer, hangs_up, answer) as server:
        options = ["--endpoint", server.address, "-m", "m", "--context", "1024"]
        ran = gptwrite(["summary", *options, "--trace", trace], stdin=text)
        assert ran.status == 0, ran.err
        assert "parts, condensed" in ran.err and "part 1 is done" in ran.err
        sent = "".join(last_message(asked) for asked in server.chats)
        assert set(markers) <= set(MARKER.findall(sent))
        before = len(server.chats)
        again = gptwrite(["summary", *options], stdin=text)
        assert (again.status, again.out) == (0, ran.out)
        assert "from the cache" in again.err
        assert len(server.chats) == before + 1, "the parts are not asked for again"
    chunks = json.loads(trace.read_text(encoding="utf-8"))["chunks"]
    assert chunks[0]["start"] == 0
    assert max(c["end"] for c in chunks if c["level"] == 1) == len(text.rstrip())


def test_a_long_text_is_rewritten_in_parts_by_a_server(gptwrite: Run) -> None:
    text, _ = marked(4000)
    step = answers(lambda message: message.split("\n\n", 1)[1].replace("春", "秋"))
    with faulty_server(step) as server:
        options = ["--endpoint", server.address, "-m", "m", "--context", "1024"]
        ran = gptwrite(["polish", *options], stdin=text)
        assert len(server.chats) > 3
    assert (ran.status, ran.out.rstrip()) == (0, text.replace("春", "秋").rstrip())


def test_drafts_are_asked_for_side_by_side(gptwrite: Run) -> None:
    with faulty_server(together(4, lambda asked: f"草稿{asked.body['seed']}")) as server:
        options = ["--endpoint", server.address, "-m", "m", "--seed", "5", "-n", "4", "--json"]
        rows = json.loads(gptwrite(["ask", "x", *options]).out)
    assert [row["text"] for row in rows] == [f"草稿{seed}\n" for seed in (5, 6, 7, 8)]


def test_a_batch_has_64_requests_open_at_once(gptwrite: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(64):
        (folder / f"{i:02}.txt").write_text(f"第{i}篇。", encoding="utf-8")

    def text(asked: Asked) -> str:
        found = re.search(r"第\d+篇", last_message(asked))
        assert found
        return f"关于{found[0]}"

    with faulty_server(together(64, text)) as server:
        options = ["--endpoint", server.address, "-m", "m", "--jobs", "64", "-q"]
        ran = gptwrite(["batch", "summary", folder, "--out", tmp_path / "out", *options])
        assert len(server.chats) == 64
    assert ran.status == 0, ran.err
    for i in range(64):
        written = (tmp_path / "out" / f"{i:02}.txt").read_text(encoding="utf-8")
        assert written.strip() == f"关于第{i}篇"


def test_bench_measures_a_server(gptwrite: Run) -> None:
    with faulty_server(says("一二三四五六七八")) as server:
        ran = gptwrite(["bench", "--json", "--endpoint", server.address, "-m", "m", "--tokens", 8])
    speed = json.loads(ran.out)
    assert speed["generated_tokens"] == 8 and speed["decode_per_second"] > 0
    assert speed["device"] == server.address.removeprefix("http://")


@pytest.fixture(scope="module")
def real(models: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with llama_server(models("qwen2"), tmp_path_factory.mktemp("real") / "log") as address:
        yield address


def test_a_real_server_writes_for_the_program_with_a_key_of_the_environment(
    gptwrite: Run, real: str, tmp_path: Path
) -> None:
    asked = ["ask", "说", "--endpoint", real, "--max-tokens", "8", "--seed", "3", "--json"]
    ran = gptwrite(asked, env={"GPTWRITE_API_KEY": KEY})
    assert ran.status == 0, ran.err
    row = json.loads(ran.out)
    assert row["model"] == "tiny" and row["finish_reason"] in ("stop", "length")
    refused = gptwrite(asked)
    assert refused.status == 1 and "wants a key" in refused.err
    assert "GPTWRITE_API_KEY" in refused.err


def test_a_real_server_reads_a_long_text_in_parts(gptwrite: Run, real: str) -> None:
    options = ["--endpoint", real, "--context", str(CONTEXT_LENGTH), "--max-tokens", "8"]
    text = "气候变化 the end of the world. " * 40
    ran = gptwrite(["summary", *options], stdin=text, env={"GPTWRITE_API_KEY": KEY})
    assert ran.status == 0, ran.err
    assert "parts, condensed" in ran.err


def test_a_key_is_no_setting_and_is_left_nowhere_on_disk(gptwrite: Run, tmp_path: Path) -> None:
    assert not [name for name in FIELDS if "key" in name]
    for name in ("api_key", "key", "endpoint_key"):
        ran = gptwrite(["config", "set", name, KEY])
        assert ran.status != 0 and KEY not in ran.err + ran.out
    (tmp_path / "a.txt").write_text("春天来了。", encoding="utf-8")
    env = {"GPTWRITE_API_KEY": KEY}
    text, _ = marked(4000)
    with faulty_server(answers(lambda _message: "短。")) as server:
        options = ["--endpoint", server.address, "-m", "m", "--context", "1024"]
        asked = [*options, "--trace", tmp_path / "trace.json", "--stats", "--debug"]
        runs = [
            gptwrite(["summary", *asked], stdin=text, env=env),
            gptwrite(["batch", "summary", tmp_path / "a.txt", "--out", tmp_path / "out", *options],
                     env=env),
            gptwrite(["doctor"], env={**env, "GPTWRITE_ENDPOINT": server.address}),
            gptwrite(["config", "list"], env=env),
        ]  # fmt: skip
        assert {asked.headers.get("authorization") for asked in server.chats} == {f"Bearer {KEY}"}
    for ran in runs:
        assert KEY not in ran.out + ran.err
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) > 4
    assert not [path for path in kept if KEY.encode() in path.read_bytes()]
