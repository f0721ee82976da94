"""The trace: which part of a text fed which sentence, and which part another."""

from __future__ import annotations

import json
from typing import Any

import pytest
from long_texts import FILLER, MARKER, job, marked, ranges, rewritten, text_of

from gptwrite.engines.echo import EchoEngine
from gptwrite.longtext import Reading
from gptwrite.trace import Trace, sentences
from gptwrite.write import write


def test_the_trace_says_which_part_fed_which_sentence() -> None:
    topics = ["气候变化影响粮食收成", "秋夜的月亮照着湖水", "Trains run late in winter"]
    text = "".join(f"{topic}。\n\n{'的' * 200}\n\n" for topic in topics)

    def heads(message: str) -> str:
        return "\n".join(f"{topic}。" for topic in topics if topic in message)

    trace = Trace()
    answer = text_of(write(job("summary", text), EchoEngine(350, heads), Reading(trace=trace)))
    rows = json.loads(trace.to_json())
    assert rows["policy"] == "map_reduce"
    assert [row["sentence"] for row in rows["sentences"]] == sentences(answer)
    for topic, row in zip(topics, rows["sentences"], strict=True):
        source = row["chunks"][0]["id"]
        (chunk,) = [c for c in rows["chunks"] if c["id"] == source]
        assert topic in text[chunk["start"] : chunk["end"]]


def test_the_trace_of_a_part_of_a_higher_level_names_the_parts_it_was_made_of() -> None:
    text, last = marked(FILLER, 20_000)
    trace = Trace()
    list(write(job("summary", text), EchoEngine(400, ranges), Reading(trace=trace)))
    chunks = {chunk["id"]: chunk for chunk in json.loads(trace.to_json())["chunks"]}
    assert max(chunk["level"] for chunk in chunks.values()) >= 3

    def markers(chunk: dict[str, Any]) -> set[int]:
        """Return the markers in the input that fed the chunk, through all levels."""
        if chunk["level"] == 1:
            return {int(m[1]) for m in MARKER.finditer(text[chunk["start"] : chunk["end"]])}
        return set().union(*(markers(chunks[name]) for name in chunk["from"]))

    for chunk in chunks.values():
        if chunk["level"] > 1:
            assert chunk["from"]
            assert all(name.startswith(f"{chunk['level'] - 1}.") for name in chunk["from"])
    top = [chunk for chunk in chunks.values() if chunk["level"] == trace.parts[-1]["level"]]
    assert set().union(*map(markers, top)) == set(range(last + 1))


def test_a_sentence_that_was_rewritten_in_place_is_traced_to_its_own_part_alone() -> None:
    """Sentences that are all alike: only the place can tell whose they are."""
    text = "春天来了，花开了。" * 300
    trace = Trace()
    answer = text_of(write(job("polish", text), EchoEngine(300, rewritten), Reading(trace=trace)))
    rows = json.loads(trace.to_json())
    assert answer == text and len(rows["chunks"]) > 3
    spans = {chunk["id"]: range(chunk["start"], chunk["end"]) for chunk in rows["chunks"]}
    for number, row in enumerate(rows["sentences"]):
        (source,) = row["chunks"]
        assert number * 9 in spans[source["id"]] and source["overlap"] == 1


@pytest.mark.parametrize("policy", ["map_reduce", "refine", "per_chunk"])
def test_the_parts_of_a_trace_are_the_whole_text(policy: str) -> None:
    text, _ = marked(FILLER, 9000)
    trace = Trace()
    list(write(job("summary", text, policy), EchoEngine(500, ranges), Reading(trace=trace)))
    rows = json.loads(trace.to_json())
    assert rows["policy"] == policy
    first = [chunk for chunk in rows["chunks"] if chunk["level"] == 1]
    assert "".join(text[chunk["start"] : chunk["end"]] for chunk in first) == text
