"""One YAML file with the line of every key, and the error that names file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gptwrite.errors import TemplateError
from gptwrite.language import say


def wrong_file(path: Path, line: int, problem: str) -> TemplateError:
    """Return the error for what stands in `line` of a template's file."""
    return TemplateError(
        f"{path}:{line}: {problem}",
        say(
            "Mend the template; `gptwrite prompts check` tests it.",
            "请修改模板；`gptwrite prompts check` 可检查它。",
        ),
    )


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the mapping in the file and the line of each key (`variables.length` for nested)."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=loader)
    except UnicodeDecodeError as exc:
        raise wrong_file(
            path, 1, say(f"is not UTF-8: {exc.reason}", f"不是 UTF-8：{exc.reason}")
        ) from exc
    except OSError as exc:
        raise wrong_file(path, 1, str(exc.strerror)) from exc
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        problem = getattr(exc, "problem", None) or str(exc).splitlines()[0]
        raise wrong_file(
            path,
            mark.line + 1 if mark else 1,
            say(f"invalid YAML: {problem}", f"YAML 无效：{problem}"),
        ) from exc
    if not isinstance(node, yaml.MappingNode):
        raise wrong_file(path, 1, say("is not a mapping of keys to values", "不是键与值的映射"))
    lines: dict[str, int] = {}
    _note_lines(node, "", lines)
    try:
        data = yaml.constructor.SafeConstructor().construct_document(node)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        raise wrong_file(
            path, mark.line + 1 if mark else 1, say("invalid YAML value", "YAML 值无效")
        ) from exc
    return data, lines


def _note_lines(node: yaml.MappingNode, prefix: str, lines: dict[str, int]) -> None:
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        lines[name] = key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            _note_lines(value, f"{name}.", lines)


def line_with(path: Path, text: str) -> int:
    """Return the first line of the file that holds `text` and a brace; 1 where there is none."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = (n for n, line in enumerate(lines, 1) if text and text in line and "{" in line)
    return next(found, 1)
