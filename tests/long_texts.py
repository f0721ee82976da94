"""Long texts with numbered markers in them, and answers by which they can be followed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from gptwrite.engines.base import Token
from gptwrite.inputs import Inputs
from gptwrite.template import Library
from gptwrite.write import Job

LIBRARY = Library()
MARKER = re.compile(r"MARK(\d+)(?:TO(\d+))?")
FILLER = ["春天来了。", "花开了，草绿了；", "Spring has come. ", "“Really?” ", "\n\n", "\n", "  ", "## 二\n",
          "👩‍👧 ", "word " * 30, "字" * 70, "。", "第三章 夏\n"]  # fmt: skip


def job(task: str, text: str, policy: str = "", **sampling: Any) -> Job:
    template = LIBRARY.load(task)
    if policy:
        template = replace(template, long_input=policy)
    return Job(template, Inputs("", text), "zh", {}, sampling)


def text_of(tokens: Iterable[Token]) -> str:
    return "".join(token.text for token in tokens)


def ranges(message: str) -> str:
    """Answer with which markers the message holds, as ranges, and as many words as there is room.

    Ranges that meet become one; so whatever is dropped on the way, on any level, leaves a gap.
    """
    found: list[list[int]] = []
    for match in MARKER.finditer(message):
        first, last = int(match[1]), int(match[2] or match[1])
        if found and first == found[-1][1] + 1:
            found[-1][1] = last
        else:
            found.append([first, last])
    return " ".join(f"MARK{a}TO{b}" for a, b in found) + " and" * 500


def seen(text: str) -> list[str]:
    return [match.group() for match in MARKER.finditer(text)]


def marked(parts: list[str], length: int) -> tuple[str, int]:
    """Return a text of about `length` characters with a numbered marker every few, and the last."""
    text: list[str] = []
    size = number = 0
    while size < length:
        text.append(f"{parts[number % len(parts)]} MARK{number} ")
        size += len(text[-1])
        number += 1
    return "".join(text), number - 1


def rewritten(message: str) -> str:
    return message.split("\n\n", 1)[1]
