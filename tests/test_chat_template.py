from __future__ import annotations

from pathlib import Path

import pytest
from make_models import CHATML

from gptwrite.chat_template import problems
from gptwrite.gguf_file import Header


def header(template: str) -> Header:
    return Header(Path("x.gguf"), {"tokenizer.chat_template": template}, {})


def test_a_usual_template_is_in_order() -> None:
    assert problems(header(CHATML)) == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("", "no chat template"),
        ("{% for", "does not work"),
        ("{{ messages[0].content }}" * 2, "does not work"),
        ("{{ raise_exception('no') }}", "no"),
        ("{{ ''.__class__.__mro__ }}" + CHATML, "unsafe"),
        ("{{ 1 / 0 }}", "does not work"),
    ],
)
def test_what_is_wrong_with_a_template_is_told(template: str, words: str) -> None:
    assert any(words in problem for problem in problems(header(template)))
