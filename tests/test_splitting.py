"""Where a long text is cut: nothing is lost, nothing is too long, no character is halved."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptwrite.engines.echo import EchoEngine
from gptwrite.splitting import (
    BLANK_LINES,
    LINES,
    count_up_to,
    is_boundary,
    paragraph_separator,
    paragraphs,
    split,
)

count = EchoEngine().count_tokens
CHARACTERS = [
    "气", "候", "。", "，", "！", "”", "a", "The ", "end. ", "Mr. ", "\n", "\n\n", "\r\n", "　　",
    "## ", "第三章 ", "é", "e\u0301", "n\u0303\u0323", "👩‍👩‍👧‍👦", "👍🏽", "🇨🇳", "🇩🇪", "한", "\u1112\u1161\u11ab",
    "क्षि", "☎️", "\t", "1.5", "\f",
]  # fmt: skip
texts = st.lists(st.sampled_from(CHARACTERS), max_size=200)


def utf8_bytes(text: str) -> int:
    return len(text.encode("utf-8"))


@settings(max_examples=150, deadline=None)
@given(texts, st.integers(1, 80), st.sampled_from([count, utf8_bytes, len]))
def test_chunks_joined_are_the_text_and_keep_to_the_limit(parts, limit, measure) -> None:  # type: ignore[no-untyped-def]
    text = "".join(parts)
    chunks = list(split(text, limit, measure))
    assert "".join(chunk.text for chunk in chunks) == text
    assert [(c.start, c.end) for c in chunks] == [
        (a, b) for a, b in pairwise([0, *(c.end for c in chunks)])
    ]
    for chunk in chunks:
        assert chunk.tokens == measure(chunk.text)
        assert chunk.tokens <= limit or len(chunk.text) == 1


@settings(max_examples=150, deadline=None)
@given(texts, st.integers(60, 200))
def test_no_cut_is_inside_what_people_see_as_one_character(parts, limit) -> None:  # type: ignore[no-untyped-def]
    parts = [part for part in parts if part not in ("🇨🇳", "🇩🇪", "\r\n", "\n", "\n\n")]
    ends = set()
    at = 0
    for part in parts:
        at += len(part)
        ends.add(at)
    spaces = {i + 1 for i, c in enumerate("".join(parts)) if c.isascii() or c in "　三章第"}
    for chunk in split("".join(parts), limit, utf8_bytes):
        assert chunk.end in ends | spaces


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("e", "\u0301"),
        ("👩", "\u200d👧"),
        ("👩\u200d", "👧"),
        ("👍", "🏽"),
        ("☎", "\ufe0f"),
        ("🇨", "🇳"),
        ("\r", "\n"),
        ("\u1112", "\u1161"),
        ("한", "\u11ab"),
        ("\ud83d", "\ude00"),
    ],
)
def test_these_belong_together(before: str, after: str) -> None:
    assert not is_boundary(before + after, len(before))


@pytest.mark.parametrize("text", ["ab", "气候", "🇨🇳🇩🇪", "é气", "👍👍", "a\n", "\na"])
def test_these_are_two(text: str) -> None:
    assert is_boundary(text, len(text) // 2)


def ends(text: str, limit: int) -> list[str]:
    """Return the last characters of every chunk but the last."""
    return [chunk.text[-6:] for chunk in split(text, limit, count)][:-1]


CUTS = [
    # the text, the limit, what each chunk ends with
    ("气候变化。" * 8, 24, ["气候变化。"]),
    ("他说：“好！”然后走了，再也没有回来过。" * 3, 28, ["来过。", "！”"]),
    ("“真的吗？！”她问……没有人答。" * 4, 20, ["”", "答。", "……"]),
    ("One two. Three four! Five six? " * 6, 20, [". ", "! ", "? "]),
    ("He met Mr. Smith and Dr. J. Doe there at noon then left. " * 4, 22, ["left. "]),
    ("It costs 3.50 or 4.75 at most, e.g. in the shop. " * 4, 26, ["shop. "]),
    ("气候变化，影响很大，人人有责，" * 6, 20, ["，"]),
    ("word " * 60, 20, ["word "]),
    ("气候" * 60, 20, ["候", "气"]),
    ("第一段在这里。很好。\n\n第二段在那里。也好。\n\n" * 4, 30, ["\n\n"]),
    ("A line of verse,\nand one more.\n" * 8, 25, ["more.\n"]),
]


@pytest.mark.parametrize(("text", "limit", "endings"), CUTS)
def test_cuts_are_where_a_reader_would_pause(text: str, limit: int, endings: list[str]) -> None:
    found = ends(text, limit)
    assert found
    for ending in found:
        assert any(ending.endswith(wanted) for wanted in endings), ending


@pytest.mark.parametrize(
    "heading",
    [
        "# One\n",
        "## 二\n",
        "第二章 夏天\n",
        "第十二回 风雪\n",
        "Chapter 7\n",
        "PART IV\n",
        "### c\n",
    ],
)
def test_a_heading_begins_a_chunk(heading: str) -> None:
    body = "这里有很多话要说。\n" * 6
    chunks = list(split(body + heading + body, 90, count))
    assert any(chunk.text.startswith(heading) for chunk in chunks[1:])


def test_time_grows_with_the_length_of_the_text() -> None:
    """Counted in characters tokenized, so that the machine's mood does not matter."""

    def work(length: int) -> float:
        read = 0

        def measured(text: str) -> int:
            nonlocal read
            read += len(text)
            return count(text)

        text = ("春天来了，花开了。Spring has come. \n" * (length // 27 + 1))[:length]
        for _ in split(text, 200, measured):
            pass
        return read / length

    assert work(200_000) < work(10_000) * 1.1 < 6


def test_counting_stops_soon_after_the_limit() -> None:
    read: list[str] = []

    def measured(text: str) -> int:
        read.append(text)
        return len(text)

    assert count_up_to("气" * 1_000_000, 10_000, measured) > 10_000
    assert sum(map(len, read)) < 20_000
    assert count_up_to("气候", 10, len) == 2


SEPARATORS = [
    ("一。\n\n二。\n三。\n\n四。", BLANK_LINES, ["一。", "二。\n三。", "四。"]),
    ("　　一。\n　　二。\n　　三。\n", LINES, ["一。", "二。", "三。"]),
    ("A narrow page that\nbreaks its lines\nwherever it likes", BLANK_LINES,
     ["A narrow page that\nbreaks its lines\nwherever it likes"]),
    ("one.\r\n\r\ntwo.\r\n", BLANK_LINES, ["one.", "two."]),
    ("", LINES, []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "separator", "found"), SEPARATORS)
def test_paragraphs_are_told_from_lines(text: str, separator: object, found: list[str]) -> None:
    if text:
        assert paragraph_separator(text) is separator
    pieces = paragraphs(text, separator)  # type: ignore[arg-type]
    assert "".join(pieces) == text
    assert [piece for piece in pieces if piece.strip()] == found
