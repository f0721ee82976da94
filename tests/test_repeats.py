"""What a text has said before is left out, however it is cut into tokens."""

from __future__ import annotations

import pytest

from gptwrite.engines.base import Token
from gptwrite.repeats import without_repeats

TEXTS = [
    ("# 题\n\n## 甲\n\n一。\n\n## 甲\n\n二。\n", "# 题\n\n## 甲\n\n一。\n\n二。"),
    ("一。二。一。三。", "一。二。三。"),
    ("一。\n\n一。二", "一。\n\n二"),
    ("一二。\n\n一二三。", "一二。\n\n一二三。"),
    ("- 甲\n- 乙\n- 甲\n\n完。", "- 甲\n- 乙\n\n完。"),
    ("没有\n\n\n\n重复", "没有\n\n重复"),
    ("## 甲\n\n## 乙\n\n一。", "## 乙\n\n一。"),
    ("一。\n\n## 空", "一。"),
    ("一。二。一。二。一。二。三。", "一。二。"),
    ("def f(x):\n    return x\n", "def f(x):\n    return x"),
]


@pytest.mark.parametrize(("text", "shown"), TEXTS)
@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_what_stood_there_before_is_left_out(text: str, shown: str, size: int) -> None:
    tokens = [Token(text=text[i : i + size]) for i in range(0, len(text), size)]
    tokens.append(Token(finish="stop"))
    given = list(without_repeats(iter(tokens)))
    assert "".join(token.text for token in given).rstrip() == shown
    assert given[-1].finish == "stop"
    assert not any(token.finish for token in given[:-1])


def test_reasoning_passes_by() -> None:
    tokens = [Token(text="hm", is_thinking=True), Token(text="一"), Token(finish="length")]
    given = list(without_repeats(iter(tokens)))
    assert [token.text for token in given] == ["hm", "一", ""]
    assert given[-1].finish == "length"
