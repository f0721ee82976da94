"""`-n 4`: candidates side by side in one context, which computes their prompt once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ran

from gptwrite.cli.drafts import draft_jobs
from gptwrite.cli.result import save
from gptwrite.engines.base import Token
from gptwrite.engines.llama import LlamaEngine
from gptwrite.inputs import Inputs
from gptwrite.template import Library
from gptwrite.terminal import Terminal
from gptwrite.write import Job, build_request

Models = Callable[..., Path]
Run = Callable[..., Ran]


def texts_of(engine: LlamaEngine, count: int, **sampling: object) -> list[str]:
    values = {"max_tokens": 16, "temperature": 1.0, **sampling}
    job = Job(Library().load("summary"), Inputs("", "气候变化 the end."), "zh", {}, values)
    texts = [""] * count
    requests = [build_request(each) for each in draft_jobs(job, count)]
    for index, token in engine.generate(requests, parallel=count):
        assert isinstance(token, Token)
        texts[index] += token.text
    return texts


def test_drafts_share_one_context_and_one_reading_of_the_prompt(models: Models) -> None:
    engine = LlamaEngine(models())
    texts = texts_of(engine, 4, seed=1)
    one_prompt = engine.stats.prompt_tokens // 4
    assert len(set(texts)) == 4
    assert engine.stats.cached_tokens == 3 * (one_prompt - 2)
    assert engine.model.api.llama_n_seq_max(engine.model.context) == 4
    engine.close()


@pytest.mark.parametrize("count", [1, 2, 8])
def test_each_draft_is_what_its_seed_gives_alone(models: Models, count: int) -> None:
    engine = LlamaEngine(models())
    together = texts_of(engine, count, seed=1)
    alone = [texts_of(engine, 1, seed=1 + i)[0] for i in range(count)]
    engine.close()
    assert together == alone


def test_drafts_without_a_seed_differ(models: Models) -> None:
    engine = LlamaEngine(models())
    assert len(set(texts_of(engine, 4))) == 4
    engine.close()


def test_interrupted_drafts_leave_the_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "text.md"
    path.write_text("whole\n", encoding="utf-8")
    save("half\n", path, True, Terminal(quiet=True))
    assert path.read_text(encoding="utf-8") == "whole\n"
    assert (tmp_path / "text.md.partial").read_text(encoding="utf-8") == "half\n"


LONG = "".join(f"第{i}章\n\n春天来了，花开了。第{i}次。\n\n" for i in range(400))


@pytest.mark.parametrize("text", ["春天来了。花开了。", LONG], ids=["one pass", "long"])
def test_drafts_are_traced_each_to_its_parts(gptwrite: Run, tmp_path: Path, text: str) -> None:
    trace = tmp_path / "trace.json"
    ran = gptwrite(["summary", "-m", "echo", "-n", "2", "--trace", trace, "--json"], stdin=text)
    assert ran.status == 0, ran.err
    written = json.loads(trace.read_text(encoding="utf-8"))
    assert written["policy"] == ("map_reduce" if text == LONG else "one_pass")
    assert [row["draft"] for row in written["sentences"]] == sorted(
        row["draft"] for row in written["sentences"]
    )
    for number, draft in enumerate(json.loads(ran.out), 1):
        rows = [row for row in written["sentences"] if row["draft"] == number]
        assert rows and all(row["sentence"] in draft["text"] for row in rows)
        assert any(row["chunks"] for row in rows)


def test_stats_of_drafts_tell_the_seed_that_gives_them_again(gptwrite: Run, models: Models) -> None:
    asked = ["ask", "x", "-m", models(), "-n", "3", "--max-tokens", "6", "--json"]
    ran = gptwrite([*asked, "--stats"])
    rows = json.loads(ran.out)
    first = rows[0]["seed"]
    assert [row["seed"] for row in rows] == [first, first + 1, first + 2]
    assert f"seed {first};" in ran.err and "generated" in ran.err
    again = json.loads(gptwrite([*asked, "--seed", str(first), "-q"]).out)
    assert [row["text"] for row in again] == [row["text"] for row in rows]


def test_a_draft_that_was_cut_is_said_and_is_strictly_an_error(gptwrite: Run) -> None:
    asked = ["summary", "-m", "echo", "-n", "2", "--max-tokens", "3", "春天来了，花开了。"]
    ran = gptwrite([*asked, "--strict"])
    assert ran.status == 4
    assert ran.err.count("cut at the token limit") == 1


def test_drafts_of_a_long_text_that_is_rewritten_in_parts_are_refused_in_words(
    gptwrite: Run,
) -> None:
    ran = gptwrite(["polish", "-m", "echo", "-n", "2"], stdin=LONG)
    assert ran.status == 1
    assert "leave out --drafts" in ran.err and "context" in ran.err


def test_drafts_of_the_built_in_model_have_facts_of_their_own(gptwrite: Run) -> None:
    ran = gptwrite(["article", "春节", "-n", "3", "--length", "100", "--seed", "1", "--json"])
    rows = json.loads(ran.out)
    rows = rows if isinstance(rows, list) else rows["drafts"]
    assert len({row["text"] for row in rows}) == 3
