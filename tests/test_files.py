"""Reading any usual encoding, and writing whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptwrite.errors import GptwriteError, InputError
from gptwrite.files import decode, read_text, write_atomically


@given(st.text(alphabet=st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])))
def test_utf8_always_comes_back_as_it_was(text: str) -> None:
    expected = text.removeprefix("\ufeff") if text.encode().startswith(b"\xef\xbb\xbf") else text
    assert decode(text.encode("utf-8"), "x") == expected


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "gb18030", "gbk", "utf-8-sig"]
)
@pytest.mark.parametrize("text", ["气候变化，影响很大。", "第 1 章 abc：春天来了，花开了。\r\n"])
def test_chinese_encodings_are_recognised(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), "x") == text


def test_english_utf16_without_a_mark_is_recognised() -> None:
    assert decode("plain words".encode("utf-16-be"), "x") == "plain words"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x00\x01\x02\x03" * 50, "binary"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"),
        (b"caf\xe9 au lait", "byte 3"),
        ("写作".encode()[:-1], "byte 3"),
    ],
)
def test_other_bytes_are_an_error_that_says_where(data: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        decode(data, "stdin")


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing"):
        read_text(tmp_path / "nothing")
    with pytest.raises(InputError, match="directory"):
        read_text(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GptwriteError, match="No space left"):
        write_atomically(path, "new")
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["a.txt"]
    assert path.read_text() == "old"


def test_permissions_are_kept_and_links_followed(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_atomically(link, "new")
    assert link.is_symlink() and real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    write_atomically(tmp_path / "private", "x", mode=0o600)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600
