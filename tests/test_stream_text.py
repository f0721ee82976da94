"""Whole characters, stop sequences, reasoning: any cutting of the input gives the same output."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptwrite.engines.stream_text import Reasoning, StopSequences, Utf8Pieces


def cut(data: bytes | str, places: list[int]) -> list[bytes | str]:
    marks = sorted({0, len(data), *(p % (len(data) + 1) for p in places)})
    return [data[a:b] for a, b in itertools.pairwise(marks)]


PLACES = st.lists(st.integers(0, 10_000), max_size=12)


@given(st.text(), PLACES)
def test_concatenated_pieces_equal_the_whole_text(text: str, places: list[int]) -> None:
    pieces = Utf8Pieces()
    parts = [pieces.push(part) for part in cut(text.encode("utf-8", "replace"), places)]
    assert "".join(parts) + pieces.flush() == text.encode("utf-8", "replace").decode()
    assert all("\ufffd" not in part or "\ufffd" in text for part in parts)


@given(st.binary(), PLACES)
def test_any_bytes_decode_like_the_whole(data: bytes, places: list[int]) -> None:
    pieces = Utf8Pieces()
    shown = "".join(pieces.push(part) for part in cut(data, places)) + pieces.flush()
    assert shown == data.decode("utf-8", "replace")


def test_half_a_character_is_held_back() -> None:
    pieces = Utf8Pieces()
    first, second = "写".encode()[:2], "写".encode()[2:]
    assert pieces.push(first) == ""
    assert pieces.push(second) == "写"


@given(
    st.text(alphabet="abEND。\n"),
    st.lists(st.text(alphabet="abEND。\n", min_size=1, max_size=4), max_size=3),
    PLACES,
)
def test_text_stops_before_the_first_stop_sequence(
    text: str, stops: list[str], places: list[int]
) -> None:
    machine = StopSequences(tuple(stops))
    shown = ""
    for part in cut(text, places):
        shown += machine.push(part)
        if machine.found:
            break
    shown += "" if machine.found else machine.flush()
    found = [at for stop in stops if (at := text.find(stop)) >= 0]
    if not found:
        assert shown == text
    else:
        assert machine.found
        assert text.startswith(shown)
        assert not any(stop in shown for stop in stops)


REASONING = [
    ("<think>a\nb</think>\n\n答案", "答案", "a\nb"),
    ("  \n<think>a</think>答", "答", "a"),
    ("答案 <think>kept</think>", "答案 <think>kept</think>", ""),
    ("<thinking about it", "<thinking about it", ""),
    ("<think>never closed", "", "never closed"),
    ("<thi", "<thi", ""),
    ("<think></think>答 </think> x", "答 </think> x", ""),
    ("", "", ""),
]


@pytest.mark.parametrize(("text", "answer", "thinking"), REASONING)
@given(places=PLACES)
def test_reasoning_is_set_aside_however_the_text_is_cut(
    text: str, answer: str, thinking: str, places: list[int]
) -> None:
    machine = Reasoning()
    pairs = [machine.push(part) for part in cut(text, places)] + [machine.flush()]
    assert "".join(a for a, _ in pairs) == answer
    assert "".join(t for _, t in pairs) == thinking


def test_a_tag_that_the_template_opened_is_closed_by_the_model() -> None:
    machine = Reasoning(is_open=True)
    pairs = [machine.push("hm</think>"), machine.push("\n\n答"), machine.flush()]
    assert "".join(a for a, _ in pairs) == "答"
    assert "".join(t for _, t in pairs) == "hm"
