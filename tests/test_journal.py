"""Results: whole or absent, continued after a kill, never over somebody else's file."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gptwrite.errors import GptwriteError, UsageError
from gptwrite.items import Item
from gptwrite.journal import RECORD, Folder, Journal, RowFile, Stream, open_results


def row(name: str | int, text: str = "t") -> dict[str, str | int]:
    return {"id": name, "text": text}


def ids(path: Path) -> list[str | int]:
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("torn", ['{"id": "c", "te', '{"id": "c", "text": "t"}', "\0\0\0\0", "{"])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "r.jsonl"
    with_key = [json.dumps({**row(name), "key": "k"}) + "\n" for name in "ab"]
    path.write_text("".join(with_key) + torn, encoding="utf-8")
    journal = Journal(path)
    journal.append({**row("d"), "key": "k"})
    journal.close()
    assert ids(path) == ["a", "b", "d"]


def test_a_torn_first_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"id": "c", "te', encoding="utf-8")
    Journal(path).close()
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "content",
    ["my diary", "my diary\n", '{"x": 1}\n', '{"id": 1}\n', "[1]\n", '{"id": [], "key": ""}\n'],
)
def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"r\.jsonl:1"):
        Journal(path)
    assert path.read_text(encoding="utf-8") == content


def test_one_process_at_a_time(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "r.jsonl")
    code = "import sys; from pathlib import Path; from gptwrite.journal import Journal;"
    code += "Journal(Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path / "r.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Another run is writing" in done.stderr
    journal.close()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_rows_are_put_in_the_order_of_the_inputs(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    results = RowFile(path, afresh=False)
    items = [Item(name, name, i) for i, name in enumerate("abc")]
    assert not any(results.is_done(item, "k") for item in items)
    for item in reversed(items):
        results.put(item, "k", row(item.id))
    assert ids(path) == ["c", "b", "a"]  # kept at once
    results.close()
    results.close()
    assert ids(path) == ["a", "b", "c"]


def test_only_the_unfinished_the_failed_and_the_changed_are_done_again(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    a, b, c, d = (Item(name, name, i) for i, name in enumerate("abcd"))
    results = RowFile(path, afresh=False)
    results.put(a, "k", row("a"))
    results.put(b, "", {"id": "b", "error": "no"})
    results.put(c, "old", row("c"))
    results.close()
    results = RowFile(path, afresh=False)
    assert [results.is_done(item, "k") for item in (a, b, c, d)] == [True, False, False, False]
    for item in (d, c, b):
        results.put(item, "k", row(item.id, "new"))
    results.close()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(r["id"], r["text"]) for r in rows] == [
        ("a", "t"), ("b", "new"), ("c", "new"), ("d", "new"),
    ]  # fmt: skip


def test_force_does_everything_again(tmp_path: Path) -> None:
    a = Item("a", "a")
    for path, make in (
        (tmp_path / "r.jsonl", lambda p, afresh: RowFile(p, afresh)),
        (tmp_path / "out", lambda p, afresh: Folder(p, "", afresh)),
    ):
        for afresh, expected in ((False, False), (False, True), (True, False)):
            results = make(path, afresh)
            assert results.is_done(a, "k") is expected
            if not expected:
                results.put(a, "k", row("a"))
            results.close()


def test_rows_of_other_inputs_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    for name in ("old", "new"):
        results = RowFile(path, afresh=False)
        results.put(Item(name, name), "k", row(name))
        results.close()
    assert ids(path) == ["old", "new"]


def test_a_folder_notices_a_changed_input_and_spares_a_foreign_file(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    item, mine = Item("x", "sub/x.txt"), Item("mine", "mine.txt", 1)
    results = Folder(tmp_path, "", afresh=False)
    assert not results.is_done(item, "k")
    assert results.is_done(mine, "k")
    results.put(item, "k", row("x", "text\n\n"))
    results.close()
    assert (tmp_path / "sub/x.txt").read_text(encoding="utf-8") == "text\n"
    for key, expected in (("k", True), ("other", False)):
        results = Folder(tmp_path, "", afresh=False)
        assert results.is_done(item, key) is expected
        results.close()


NAMES = [
    (["x.txt", "y.md"], "", ["x.txt", "y.md"]),
    (["x.txt", "y.md"], ".out", ["x.out", "y.out"]),
    (["x.txt", "x.md"], ".out", ["x.out", "x.md.out"]),
    (["a/x.txt", "b/x.txt"], "-short.md", ["a/x-short.md", "b/x-short.md"]),
    (["x", "x"], "", ["x", "x.txt"]),
    (["plain"], ".md", ["plain.md"]),
]


@pytest.mark.parametrize(("names", "suffix", "written"), NAMES)
def test_every_item_has_a_file_of_its_own(
    tmp_path: Path, names: list[str], suffix: str, written: list[str]
) -> None:
    results = Folder(tmp_path / "out", suffix, afresh=False)
    for i, name in enumerate(names):
        item = Item(i, name, i)
        assert not results.is_done(item, "k")
        results.put(item, "k", row(i, f"text {i}"))
    results.close()
    for i, name in enumerate(written):
        assert (tmp_path / "out" / name).read_text(encoding="utf-8") == f"text {i}\n"


def test_a_third_item_of_the_same_name_is_an_error(tmp_path: Path) -> None:
    results = Folder(tmp_path, "", afresh=False)
    assert not results.is_done(Item(1, "x"), "k")
    assert not results.is_done(Item(2, "x"), "k")
    with pytest.raises(UsageError, match="another item"):
        results.is_done(Item(3, "x"), "k")
    results.close()


def test_an_input_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("input", encoding="utf-8")
    results = Folder(tmp_path, "", afresh=True)
    with pytest.raises(UsageError, match="written over"):
        results.is_done(Item("x", "x.txt", path=path), "k")
    assert not results.is_done(Item(".gptwrite-batch", RECORD), "k")
    results.close()


def test_a_failed_item_leaves_no_file(tmp_path: Path) -> None:
    results = Folder(tmp_path, "", afresh=False)
    results.put(Item("x", "x"), "", {"id": "x", "error": "no"})
    results.close()
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [RECORD]


def test_the_place_is_a_stream_a_file_or_a_folder(tmp_path: Path) -> None:
    assert isinstance(open_results("", "", False, io.StringIO()), Stream)
    assert isinstance(open_results("-", "", False, io.StringIO()), Stream)
    for out, kind in (("r.jsonl", RowFile), ("r.ndjson", RowFile), ("new/folder", Folder)):
        results = open_results(str(tmp_path / out), "", False, io.StringIO())
        assert isinstance(results, kind)
        results.close()
    (tmp_path / "file.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="not a folder"):
        open_results(str(tmp_path / "file.txt"), "", False, io.StringIO())


def test_a_place_that_cannot_be_written_is_named() -> None:
    with pytest.raises(GptwriteError, match="/proc/no"):
        open_results("/proc/no/folder", "", False, io.StringIO())
