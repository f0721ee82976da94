"""What the user gives a task: words on the command line, standard input, files."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gptwrite.errors import UsageError
from gptwrite.files import decode, read_text
from gptwrite.language import say
from gptwrite.template import Template


@dataclass(frozen=True)
class Inputs:
    """A task's input: what it is about, or the instruction (`topic`), and the material (`text`)."""

    topic: str = ""
    text: str = ""


def read_stdin() -> str:
    """Return the text on standard input; empty for a terminal, or where it is closed."""
    if stdin_is_tty():
        return ""
    return decode(sys.stdin.buffer.read(), say("standard input", "标准输入"))


def read_terminal() -> str:
    """Return what the user types until Ctrl-D; empty where standard input is no terminal."""
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        return ""
    print(say("Type the text; Ctrl-D ends it.", "请输入文字，以 Ctrl-D 结束。"), file=sys.stderr)
    return decode(sys.stdin.buffer.read(), say("standard input", "标准输入"))


def gather(template: Template, words: Sequence[str], files: Sequence[Path], stdin: str) -> Inputs:
    """Return what the command line gives `template`; raise `UsageError` when that is nothing.

    A word `-` stands for standard input, also where that is a terminal. A lone word that is a file
    here is taken for a slip: the one who means the name can pipe it in.
    """
    asked_stdin = "-" in words
    if asked_stdin and not stdin:
        stdin = read_terminal()
    argument = " ".join(word for word in words if word != "-")
    texts = [(path.name, read_text(path).strip()) for path in files]
    texts = [(name, text) for name, text in texts if text]
    # Of a single file the name tells nothing, and a small model would repeat it.
    read = [f"{name}:\n{text}" if len(texts) > 1 else text for name, text in texts]
    material = "\n\n".join(part for part in (stdin.strip("\n"), *read) if part.strip())
    if asked_stdin and not stdin.strip():
        raise UsageError(
            say("Standard input is empty.", "标准输入是空的。"),
            say("Pipe a text in, or leave out the `-`.", "请用管道输入文字，或去掉 `-`。"),
        )
    if template.input != "topic" and not material and len(words) == 1 and _is_file(argument):
        raise UsageError(
            say(
                f"{argument} is a file here: did you mean `--file {argument}`?",
                f"{argument} 是这里的文件：是否要写 `--file {argument}`？",
            ),
            say(
                "To write about the name itself, pipe it in.",
                "若要写的就是这个名字，请用管道输入。",
            ),
        )
    return arrange(template, argument, material)


def arrange(template: Template, argument: str, material: str) -> Inputs:
    """Return the input of `template`; raise `UsageError` when there is none.

    One source alone is what the task works on: its topic, or its text. Words beside material are
    the instruction.
    """
    argument = argument.strip()
    material = material.strip("\n") if material.strip() else ""
    if template.input == "text":
        topic, text = (argument, material) if material else ("", argument)
    else:
        topic, text = (argument, material) if argument else (material.strip(), "")
    if not topic.strip() and not text.strip():
        raise UsageError(
            say(f"{template.name} needs something to write about.", f"{template.name} 需要输入。"),
            say(
                f'For example: gptwrite {template.name} "…", or pipe a text in.',
                f"例如：gptwrite {template.name} “……”，或用管道输入文字。",
            ),
        )
    if text and template.input == "topic":
        raise UsageError(
            say(f"{template.name} takes a topic only, no text.", f"{template.name} 只接受主题。"),
            say("Give one of the two.", "请只给一种。"),
        )
    return Inputs(topic, text)


def _is_file(word: str) -> bool:
    """Whether `word` can be nothing but a file: it is one, and has an ending or a folder."""
    with contextlib.suppress(OSError, ValueError):  # a text is too long for a file's name
        return bool(Path(word).suffix or os.sep in word) and Path(word).is_file()
    return False


def stdin_is_tty() -> bool:
    """Say whether standard input is a terminal, or closed."""
    return sys.stdin is None or sys.stdin.closed or sys.stdin.isatty()
