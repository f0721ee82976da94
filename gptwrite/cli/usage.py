"""What typer says about a command line, in our own form and in the interface's language.

Typer's texts are matched as they are in the version that is installed; one that is not known here
is shown as it comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gptwrite.errors import UsageError
from gptwrite.language import current, say

# Typer's message -> what we say, in English and in Chinese. Groups of the pattern are put in.
MESSAGES = (
    (r"No such option: (.+?)(?: \(Possible options: .*\))?", "There is no option {0}.",
     "没有选项 {0}。"),
    (r"No such command '(.+?)'\..*", "There is no command '{0}'.", "没有命令“{0}”。"),
    (r"Invalid value for (.+?): .* is not a valid int(?:eger)?(?: range)?\.",
     "{0} must be a whole number.", "{0} 应为整数。"),
    (r"Invalid value for (.+?): .* is not a valid float(?: range)?\.",
     "{0} must be a number.", "{0} 应为数字。"),
    (r"Invalid value for (.+?): .* is not in the range (.+)\.",
     "{0} must be in the range {1}.", "{0} 应在范围 {1} 内。"),
    (r"Missing argument (.+?)\..*", "The argument {0} is missing.", "缺少参数 {0}。"),
    (r"Missing option (.+?)\..*", "The option {0} is missing.", "缺少选项 {0}。"),
    (r"Option (.+?) requires an argument\.", "The option {0} needs a value.", "选项 {0} 需要一个值。"),
    (r"Got unexpected extra argument(?:s|\(s\))? \((.+)\)", "There is a word too many: {0}.", "多余的参数：{0}。"),
)  # fmt: skip
NEAR = re.compile(r"\(Possible options: (.*)\)$|Did you mean (.*)\?$")

# Words of a help page, at the places where they stand.
HELP = (
    (r"(?m)^Usage: ", "用法："),
    (r"(?m)^Arguments:$", "参数："),
    (r"(?m)^Options:$", "选项："),
    (r"(?m)^Commands:$", "命令："),
    (r"\[OPTIONS\]", "[选项]"),
    (r"COMMAND \[ARGS\]\.\.\.", "命令 [参数]..."),
    (r"\[default:\s+", "[默认："),
    (r"\[required\]", "[必填]"),
    (r"Show\s+this\s+message\s+and\s+exit\.", "显示此帮助并退出。"),
    (r"Install\s+completion\s+for\s+the\s+current\s+shell\.", "为当前 shell 安装补全。"),
    (r"Show\s+completion\s+for\s+the\s+current\s+shell,\s+to\s+copy\s+it\s+or\s+customize\s+the\s+installation\.",
     "显示当前 shell 的补全脚本。"),
)  # fmt: skip


def usage_error(message: str, command: str) -> UsageError:
    """Return the error for what typer says about the line of `command`, such as `gptwrite run`."""
    said = message
    for pattern, en, zh in MESSAGES:
        if match := re.fullmatch(pattern, message, re.DOTALL):
            words = [word.replace("'", "") for word in match.groups()]
            said = say(en, zh).format(*words)
            break
    hint = say(f"See `{command} --help`.", f"见 `{command} --help`。")
    if near := NEAR.search(message):
        names = (near[1] or near[2]).replace("'", "")
        hint = say(f"Did you mean {names}? {hint}", f"是否要写 {names}？{hint}")
    return UsageError(said, hint)


def translate_help(command: Any) -> None:
    """Have the help of `command`, and of the commands in it, speak the interface's language."""
    if current() != "zh":
        return
    command.get_help = _translated(command.get_help)
    for inner in getattr(command, "commands", {}).values():
        translate_help(inner)


def _translated(get_help: Callable[[Any], str]) -> Callable[[Any], str]:
    def translated(context: Any) -> str:
        text = get_help(context)
        for pattern, words in HELP:
            text = re.sub(pattern, words, text)
        return text

    return translated
