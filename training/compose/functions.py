"""Makes examples of writing, explaining and reviewing code from our own functions."""

import ast
import re
from collections.abc import Iterator
from random import Random

from training.compose.example import Desk, Example, mostly
from training.compose.sources import Sources, pick_field


def code_block(code: str) -> str:
    """Returns the code as it stands in an answer below the line that the template writes."""
    return code.strip("\n") + "\n```"


def draw_request(record: dict, language: str, frames: dict, rng: Random) -> str:
    """Returns one wording of the request for a function, in a frame at times."""
    request = rng.choice(record[language])
    asks = request.startswith(("写", "怎", "how", "write", "实现", "用")) or request.endswith("?")
    if asks and not request.startswith(("写", "write")):
        return request
    frame = rng.choice(frames[language])
    return frame.format(request=request.rstrip("。.") if frame != "{request}" else request)


def code(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields requests and their functions for ever, every function in turn."""
    frames = sources.patterns("requests")["code"]
    records = list(sources.functions)
    barred = {record["request"] for record in sources.tasks("code_eval")}
    while records:
        rng.shuffle(records)
        for record in records:
            words = mostly(rng, "zh", "en", 0.45)
            request = draw_request(record, words, frames, rng)
            if request in barred:
                continue
            answer = code_block(record["code"])
            if rng.random() < 0.25:
                answer += "\n\n" + record["explain"][words]
            language = mostly(rng, words, "en" if words == "zh" else "zh", 0.06)
            yield desk.example(
                "code",
                language,
                answer,
                topic=request,
                notes={"name": record["name"], "test": record["test"]},
                **({"language": "python"} if rng.random() < 0.1 else {}),
            )


def explain_code(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields functions and what they do for ever."""
    hints = sources.patterns("requests")["explain"]
    records = list(sources.functions)
    while records:
        rng.shuffle(records)
        for record in records:
            language = mostly(rng, "zh", "en", 0.4)
            shown = record["code"].strip("\n")
            if rng.random() < 0.35:
                shown = without_docstring(shown)
            title, explanation = record["title"][language], record["explain"][language]
            if language == "zh":
                answer = f"这段代码的功能是“{title}”。{explanation}"
            else:
                answer = f"What it does: {title}. {explanation}"
            yield desk.example(
                "explain-code", language, answer, text=shown, topic=rng.choice(hints[language])
            )


def can_break(source: str, fault: dict) -> bool:
    """Returns whether a fault can be put into the source at one place and reads as code."""
    broken = source.replace(fault["find"], fault["pattern"])
    clumsy = "not not" in broken or re.search(r"if not \d|if not \w+ (==|<|>|!=|in|is)", broken)
    return source.count(fault["find"]) == 1 and not clumsy


def without_docstring(source: str) -> str:
    """Returns the source without the docstrings of its functions, which would give the answer away."""
    lines = source.split("\n")
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return source
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) and len(node.body) > 1:
            first = node.body[0]
            for number in range(first.lineno - 1, first.end_lineno):
                lines[number] = None
    return "\n".join(line for line in lines if line is not None)


def review(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields written reviews and functions with one fault put in, for ever."""
    faults = sources.patterns("review")["faults"]
    written = [
        (
            pick_field(record, "code", "diff", "text"),
            pick_field(record, "review", "points", "answer"),
        )
        for record in sources.tasks("review")
    ]
    written = [(shown, remarks) for shown, remarks in written if shown and remarks]
    cases = [
        (record, fault)
        for record in sources.functions
        for fault in faults
        if can_break(record["code"], fault)
    ]
    while cases or written:
        if written and (not cases or rng.random() < 0.5):
            shown, remarks = rng.choice(written)
            lines = [line if line.startswith("- ") else f"- {line}" for line in remarks.split("\n")]
            language = "en" if remarks.isascii() else "zh"
            yield desk.example("review", language, "\n".join(lines), text=shown)
            continue
        record, fault = rng.choice(cases)
        language = mostly(rng, "zh", "en", 0.35)
        broken = record["code"].strip("\n").replace(fault["find"], fault["pattern"])
        yield desk.example("review", language, f"- {fault[language]}", text=broken)
