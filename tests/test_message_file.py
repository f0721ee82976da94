"""Adding to git's message file: above, below, around scissors, in any encoding; never changing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gptwrite import message_file
from gptwrite.message_file import Rules

HELP = b"# Please enter the commit message.\n#\n# On branch main\n"
CUT = b"# ------------------------ >8 ------------------------\n"
CUT_HELP = b"# Do not modify or remove the line above.\n# Everything below it will be ignored.\n"
DIFF = b"diff --git a/a b/a\n"
UTF8 = Rules(b"#", "utf-8")

COMMENTS = [
    (b"\n" + HELP, b"\n# C\n" + HELP),
    (b"\n" + HELP + CUT + CUT_HELP + DIFF, b"\n# C\n" + HELP + CUT + CUT_HELP + DIFF),
    (b"text\n\n" + HELP, b"text\n\n# C\n" + HELP),
    (b"\n" + CUT + CUT_HELP + HELP, b"\n" + CUT + CUT_HELP + b"# C\n" + HELP),
    (b"", b"# C\n"),
    (b"text", b"text\n# C\n"),
    (b"# ours\ntext\n", b"# ours\ntext\n# C\n"),
]


@pytest.mark.parametrize(("data", "expected"), COMMENTS)
def test_a_comment_goes_below_the_text_and_above_what_git_says(
    data: bytes, expected: bytes
) -> None:
    assert message_file.with_comment(data, "C", UTF8) == expected


MESSAGES = [
    (b"\n" + HELP, b"add x\n\n" + HELP),
    (b"", b"add x\n"),
    (b"\n\nSigned-off-by: A <a@b>\n\n" + HELP, b"add x\n\nSigned-off-by: A <a@b>\n\n" + HELP),
    (b"\n" + CUT + CUT_HELP, b"add x\n\n" + CUT + CUT_HELP),
    (HELP, b"add x\n" + HELP),
]


@pytest.mark.parametrize(("data", "expected"), MESSAGES)
def test_a_message_goes_above_everything(data: bytes, expected: bytes) -> None:
    assert message_file.with_message(data, "add x", UTF8) == expected


def test_a_line_of_the_message_that_git_would_drop_is_left_out() -> None:
    data = message_file.with_message(b"", "add x\n\n# heading\nbody", UTF8)
    assert data == b"add x\n\nbody\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\n" + HELP, False),
        (b"\nSigned-off-by: A <a@b>\n" + HELP, False),
        (b"text\n" + HELP, True),
        (b"\xff\xfe not utf-8\n", True),
        (b"\n" + CUT + DIFF, False),
        (b"", False),
    ],
)
def test_text_of_somebody_is_recognised(data: bytes, expected: bool) -> None:
    assert message_file.has_text(data, b"#") is expected


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    subprocess.run(["git", "init", "-q", str(tmp_path / "r")], check=True)
    monkeypatch.chdir(tmp_path / "r")
    return lambda name, value: subprocess.run(["git", "config", name, value], check=True)


RULES = [
    ("core.commentChar", ";", b"\n; help\n", b";"),
    ("core.commentChar", "auto", b"\n; help\n", b";"),
    ("core.commentChar", "auto", b"\n" + CUT + DIFF, b"#"),
    ("core.commentString", "//", b"\n// help\n", b"//"),
    ("commit.cleanup", "verbatim", b"\n" + HELP, b""),
    ("commit.cleanup", "whitespace", b"\n" + HELP, b""),
    ("commit.cleanup", "scissors", b"\n", b""),
    ("commit.cleanup", "scissors", b"\n" + CUT, b"#"),
    ("commit.cleanup", "strip", b"\n" + HELP, b"#"),
    ("core.editor", "vi", b"\n# with '#' will be kept; you may remove them\n", b""),
]


@pytest.mark.parametrize(("name", "value", "data", "comment"), RULES)
def test_the_comment_character_is_the_one_git_removes(  # type: ignore[no-untyped-def]
    configure, name: str, value: str, data: bytes, comment: bytes
) -> None:
    configure(name, value)
    assert message_file.rules(data).comment == comment


def test_nothing_is_written_where_no_comment_would_be_removed() -> None:
    assert message_file.with_comment(b"\n", "C", Rules(b"", "utf-8")) == b"\n"


def test_the_commit_encoding_is_used(configure) -> None:  # type: ignore[no-untyped-def]
    configure("i18n.commitEncoding", "gb18030")
    data = message_file.with_message(b"", "修复", message_file.rules(b""))
    assert data == "修复\n".encode("gb18030")
