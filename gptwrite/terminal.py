"""How text reaches the user: raw to a pipe, by finished blocks to a terminal, notes to stderr."""

from __future__ import annotations

import re
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TextIO

# Everything a terminal could take for a command: C0 without tab and newline, DEL, C1.
UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
FENCE = re.compile(r"^\s*(```+|~~~+)")


def safe(text: str) -> str:
    """Return `text` without anything a terminal would obey."""
    return UNSAFE.sub("", text)


class Printer(Protocol):
    """Takes the text piece by piece, then the end."""

    def push(self, text: str) -> None: ...

    def finish(self) -> None: ...


class RawPrinter:
    """Writes every piece at once; makes sure that the last line ends."""

    def __init__(self, out: TextIO, is_tty: bool) -> None:
        self._out = out
        self._is_tty = is_tty
        self._last = "\n"

    def push(self, text: str) -> None:
        if not text:
            return
        self._last = text[-1]
        self._out.write(safe(text) if self._is_tty else text)
        self._out.flush()

    def finish(self) -> None:
        if self._last != "\n":
            self._out.write("\n")
        self._out.flush()


class MarkdownPrinter:
    """Renders Markdown block by block as blocks finish; never repaints what was printed."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=out, highlight=False)
        self._held = ""
        self._printed = False

    def push(self, text: str) -> None:
        self._held += safe(text)
        while (at := block_end(self._held)) is not None:
            block, self._held = self._held[:at], self._held[at:]
            self._print(block)

    def finish(self) -> None:
        self._print(self._held)
        self._held = ""

    def _print(self, block: str) -> None:
        if not block.strip():
            return
        from rich.markdown import Markdown

        with self._console.capture() as rendered:
            markdown = Markdown(block.strip("\n"))
            # A verse ends where its line ends, whatever Markdown makes of a single line break.
            for child in (c for token in markdown.parsed for c in token.children or []):
                if child.type == "softbreak":
                    child.type = "hardbreak"
            self._console.print(markdown)
        # Some blocks bring blank lines of their own; one between two blocks is enough.
        lines = rendered.get().rstrip().split("\n")
        while lines and not ANSI.sub("", lines[0]).strip():
            del lines[0]
        self._console.file.write(("\n" if self._printed else "") + "\n".join(lines) + "\n")
        self._console.file.flush()
        self._printed = True


def block_end(text: str) -> int | None:
    """Return where the first finished Markdown block of `text` ends; None while it is open.

    A block ends at a blank line outside a code fence, or after a heading's line.
    """
    fence = ""
    position = 0
    seen = False
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            return None
        position += len(line)
        mark = FENCE.match(line)
        if fence:
            if mark and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                return position
            continue
        if mark:
            if seen:
                return position - len(line)
            fence, seen = mark.group(1), True
        elif line.strip() == "":
            if seen:
                return position
        elif line.lstrip().startswith("#"):
            return position if not seen else position - len(line)
        else:
            seen = True
    return None


class Terminal:
    """The standard streams and what they can do; the only place that knows ttys."""

    def __init__(self, quiet: bool = False, plain: bool = False) -> None:
        self.quiet = quiet
        self.plain = plain
        self.out: TextIO = sys.stdout
        self.err: TextIO = sys.stderr

    @property
    def out_is_tty(self) -> bool:
        return self.out.isatty()

    @property
    def err_is_tty(self) -> bool:
        return self.err.isatty()

    @property
    def can_redraw(self) -> bool:
        """Whether stderr takes a bar or a spinner, which are drawn again and again."""
        import os

        return self.err_is_tty and not self.quiet and os.environ.get("TERM") != "dumb"

    def note(self, text: str) -> None:
        """Write a line to stderr, unless quiet."""
        if not self.quiet:
            self.error(text)

    def error(self, text: str) -> None:
        """Write a line to stderr, always."""
        print(safe(text), file=self.err, flush=True)

    def thought(self, text: str) -> None:
        """Write a piece of reasoning to stderr as it comes."""
        self.err.write(safe(text) if self.err_is_tty else text)
        self.err.flush()

    def printer(self, is_markdown: bool = True) -> Printer:
        """Return what prints the text on stdout."""
        if self.out_is_tty and not self.plain and is_markdown:
            return MarkdownPrinter(self.out)
        return RawPrinter(self.out, self.out_is_tty)

    def spinner(self, text: str) -> AbstractContextManager[Any]:
        """Return a spinner on stderr, or nothing where nobody would see it."""
        if not self.can_redraw:
            return nullcontext()
        from rich.console import Console

        return Console(file=self.err).status(text)
