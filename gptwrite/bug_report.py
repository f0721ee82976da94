"""What is left behind when the program itself is at fault: a file to send with a report."""

from __future__ import annotations

import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from gptwrite import __version__
from gptwrite.language import say
from gptwrite.terminal import safe

OPTION = re.compile(r"--[A-Za-z][A-Za-z0-9-]*|-[A-Za-z]")  # without its value


def write_report(error: Exception, arguments: Sequence[str]) -> Path | None:
    """Write a report file without any of the user's text, and say on stderr where it is."""
    options = [found[0] for a in arguments if (found := OPTION.match(a))]
    lines = [
        f"gptwrite {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: {arguments[0] if arguments else ''} {' '.join(options)}",
        "",
        *_traces(error),
    ]
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", prefix="gptwrite-bug-", suffix=".txt", delete=False
        ) as file:
            file.write("\n".join(lines))
        path = Path(file.name)
    except OSError:
        path = None
    name = type(error).__name__
    said = safe(str(error))
    print(say(f"Error: gptwrite itself failed: {name}: {said}",
              f"错误：gptwrite 自身出错：{name}：{said}"), file=sys.stderr)  # fmt: skip
    if path:
        print(say(f"Hint: please report it with {path} (no text of yours is in it).",
                  f"提示：请附上 {path} 报告此问题（其中没有你的文字）。"), file=sys.stderr)  # fmt: skip
    return path


def _traces(error: BaseException | None) -> list[str]:
    """Return where the error, and those behind it, came up: their words may quote the user."""
    lines = []
    while error:
        lines += [type(error).__name__, "".join(traceback.format_tb(error.__traceback__))]
        error = error.__cause__ or error.__context__
    return lines
