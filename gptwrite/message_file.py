"""The file in which git keeps a commit message while it is edited: adding to it, never changing it.

Works on bytes: what stands there may be in any encoding.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from gptwrite import git

SCISSORS = re.compile(rb"^(\S+) -{24} >8 -{24}\r?$")
TRAILER = re.compile(rb"^[A-Za-z][A-Za-z-]*-by: \S")
AUTO_CHARS = b"#;@!$%^&|:"
KEPT = (b"will be kept", "将被保留".encode(), "会保留".encode())


@dataclass(frozen=True)
class Rules:
    """What git makes of the file. `comment` begins a comment; empty: none would be removed."""

    comment: bytes
    encoding: str


def rules(data: bytes) -> Rules:
    """Return how git will read a message file with the contents `data`."""
    encoding = git.config("i18n.commitEncoding") or "utf-8"
    try:
        codecs.lookup(encoding)
    except LookupError:
        encoding = "utf-8"
    comment = comment_prefix(data, encoding)
    cleanup = git.config("commit.cleanup")
    has_scissors = any(SCISSORS.match(line) for line in data.split(b"\n"))
    if cleanup in ("verbatim", "whitespace") or (cleanup == "scissors" and not has_scissors):
        comment = b""
    helped = b"\n".join(line for line in data.split(b"\n") if comment and line.startswith(comment))
    if any(words in helped for words in KEPT) and not has_scissors:
        comment = b""
    return Rules(comment, encoding)


def comment_prefix(data: bytes, encoding: str) -> bytes:
    """Return what begins a comment: a setting, or for `auto` what git has chosen in this file."""
    found = git.ask(["config", "--get-regexp", r"^core\.comment(char|string)$"]).splitlines()
    value = found[-1].partition(" ")[2] if found else "#"
    if value and value != "auto":
        return value.encode(encoding, "replace")
    lines = data.split(b"\n")
    for line in lines:
        if match := SCISSORS.match(line):
            return match[1]
    last = next((line for line in reversed(lines) if line.strip()), b"#")
    return last[:1] if last[:1] in AUTO_CHARS else b"#"


def has_text(data: bytes, comment: bytes) -> bool:
    """Say whether somebody has written a message already; trailers alone are none."""
    return any(
        line.strip() and not _is_comment(line, comment) and not TRAILER.match(line)
        for line in _above(data)
    )


def _is_comment(line: bytes, comment: bytes) -> bool:
    return bool(comment) and line.startswith(comment)


def _above(data: bytes) -> list[bytes]:
    """Return the lines above the scissors."""
    lines = data.split(b"\n")
    at = next((i for i, line in enumerate(lines) if SCISSORS.match(line)), len(lines))
    return lines[:at]


def with_message(data: bytes, message: str, rules: Rules) -> bytes:
    """Return the file with `message` above everything else."""
    written = message.encode(rules.encoding, "replace").split(b"\n")
    kept = [line for line in written if not _is_comment(line, rules.comment or b"#")]
    is_spaced = data.startswith(b"\n") and not _is_comment(data[1:], rules.comment)
    return b"\n".join(kept) + (data if is_spaced else b"\n" + data)


def with_comment(data: bytes, text: str, rules: Rules) -> bytes:
    """Return the file with `text` as comment lines, below what is written and above git's own.

    Where everything above the scissors would be kept they go below. Unchanged without a comment
    character to use.
    """
    if not rules.comment:
        return data
    added = [
        rules.comment + b" " + line if line else rules.comment
        for line in text.encode(rules.encoding, "replace").split(b"\n")
    ]
    lines = data.split(b"\n")
    above = _above(data)
    written = [
        i for i, line in enumerate(above) if line.strip() and not _is_comment(line, rules.comment)
    ]
    start = written[-1] + 1 if written else 0
    at = next((i for i in range(start, len(above)) if _is_comment(above[i], rules.comment)), -1)
    if at < 0 and len(above) < len(lines):
        at = len(above) + 1
        while at < len(lines) and at < len(above) + 3 and _is_comment(lines[at], rules.comment):
            at += 1
    if at < 0:
        body = data if not data or data.endswith(b"\n") else data + b"\n"
        return body + b"\n".join(added) + b"\n"
    return b"\n".join([*lines[:at], *added, *lines[at:]])
