"""What is left behind when the program itself is at fault: a file to send with a report."""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from gptwrite import __version__
from gptwrite.language import say


def write_report(error: Exception, arguments: Sequence[str]) -> Path | None:
    """Write a report file without any of the user's text, and say on stderr where it is."""
    options = [a.split("=")[0] for a in arguments if a.startswith("-")]
    lines = [
        f"gptwrite {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: {arguments[0] if arguments else ''} {' '.join(options)}",
        "",
        "".join(traceback.format_exception(error)),
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
    print(say(f"Error: gptwrite itself failed: {name}: {error}",
              f"错误：gptwrite 自身出错：{name}：{error}"), file=sys.stderr)  # fmt: skip
    if path:
        print(say(f"Hint: please report it with {path} (no text of yours is in it).",
                  f"提示：请附上 {path} 报告此问题（其中没有你的文字）。"), file=sys.stderr)  # fmt: skip
    return path
