"""The typed options that a task's file adds to its command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from gptwrite.errors import TemplateError, UsageError
from gptwrite.flags import taken_names
from gptwrite.language import say

Text = str | Mapping[str, str]
Fail = Callable[[str, str], TemplateError]
TYPES = {"str": str, "int": int, "float": float, "bool": bool}
RESERVED = ("topic", "text", "lang")  # what else a template's texts may name
VARIABLE_KEYS = ("type", "default", "help", "choices")


@dataclass(frozen=True)
class Variable:
    """A typed option of a task. `choices` maps each choice to its words by language."""

    name: str
    type: str
    default: Any
    help: Text
    choices: Mapping[str, Text]

    def check(self, value: Any) -> Any:
        """Return `value` in the variable's type; raise `UsageError` where it does not fit."""
        if self.choices and str(value) not in self.choices:
            names = ", ".join(self.choices)
            raise UsageError(
                say(f"--{self.name} cannot be {value!r}.", f"--{self.name} 不能是“{value}”。"),
                say(f"Choose one of: {names}.", f"可选：{names}。"),
            )
        try:
            return value if self.type == "bool" else TYPES[self.type](value)
        except ValueError:
            raise UsageError(
                say(
                    f"--{self.name} must be of type {self.type}, not {value!r}.",
                    f"--{self.name} 应为 {self.type} 类型，而不是“{value}”。",
                )
            ) from None


def read_variable(name: str, row: Any, fail: Fail) -> Variable:
    """Return the variable that `row` of a template's file describes; raise `fail(key, problem)`."""
    key = f"variables.{name}"
    row = row if isinstance(row, dict) else {"default": row}
    if name in RESERVED or not name.isidentifier() or iskeyword(name):
        raise fail(key, say(f"{name!r} cannot be the name of a variable", f"“{name}”不能作变量名"))
    if name in taken_names():
        raise fail(
            key,
            say(
                f"{name!r} cannot be the name of a variable: it is an option of every task",
                f"“{name}”不能作变量名：它是每个任务都有的选项",
            ),
        )
    for part in row:
        if part not in VARIABLE_KEYS:
            raise fail(
                f"{key}.{part}",
                say(
                    f"unknown key {part!r} of variable {name!r}", f"变量“{name}”有未知的键“{part}”"
                ),
            )
    if "default" not in row:
        raise fail(key, say(f"variable {name!r} has no default", f"变量“{name}”没有默认值"))
    kind = row.get("type", "str")
    if str(kind) not in TYPES:
        raise fail(
            f"{key}.type",
            say(
                f"type must be one of {', '.join(TYPES)}", f"type 应为其中之一：{', '.join(TYPES)}"
            ),
        )
    choices = row.get("choices") or {}
    if isinstance(choices, list):
        choices = {str(choice): str(choice) for choice in choices}
    if not isinstance(choices, dict):
        raise fail(f"{key}.choices", say("choices must be a list", "choices 应为列表"))
    default = row["default"]
    if kind == "str":
        default = str(default)
    elif not isinstance(default, TYPES[kind]):
        raise fail(
            f"{key}.default",
            say(
                f"the default of {name!r} is not of type {kind}",
                f"“{name}”的默认值不是 {kind} 类型",
            ),
        )
    if choices and str(default) not in choices:
        raise fail(
            f"{key}.default",
            say(
                f"the default of {name!r} is not among its choices", f"“{name}”的默认值不在可选项中"
            ),
        )
    return Variable(name, kind, default, row.get("help", ""), choices)
