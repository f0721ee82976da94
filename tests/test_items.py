"""Items: what the arguments of a batch stand for, and what a row of JSON may be."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from gptwrite.items import (
    Item,
    arriving_rows,
    common_root,
    count_files,
    expand,
    numbered,
    read_items,
    row_item,
    safe_name,
)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with files of the same name in two folders, and things to pass over."""
    for name in ("a/x.txt", "a/deep/y.md", "b/x.txt", "b/.hidden.txt", ".git/x.txt", "a/二.txt"):
        path = tmp_path / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}", encoding="utf-8")
    os.mkfifo(tmp_path / "work" / "a" / "pipe.txt")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


NAMES = [
    (["a"], "*", ["x.txt", "二.txt", "deep/y.md"]),
    (["a", "b"], "*", ["a/x.txt", "a/二.txt", "a/deep/y.md", "b/x.txt"]),
    (["."], "*.txt", ["a/x.txt", "a/二.txt", "b/x.txt"]),
    (["a"], "deep/*", ["deep/y.md"]),
    (["a/x.txt", "b/x.txt"], "*", ["a/x.txt", "b/x.txt"]),
    (["b/x.txt"], "*", ["x.txt"]),
    (["*/x.txt"], "*", ["a/x.txt", "b/x.txt"]),
    (["**/*.md"], "*", ["a/deep/y.md"]),
    (["a/*.txt", "a", "./a/x.txt"], "*", ["x.txt", "二.txt", "deep/y.md"]),
    (["a/deep/../x.txt"], "*", ["x.txt"]),
]


@pytest.mark.parametrize(("arguments", "pattern", "names"), NAMES)
def test_items_keep_their_paths_from_the_common_folder_on(
    tree: Path, arguments: list[str], pattern: str, names: list[str]
) -> None:
    items = list(read_items(arguments, pattern, None))
    assert [item.name for item in items] == names
    assert not any(item.error for item in items)
    assert items[0].text.startswith("text of ")


def test_a_folder_for_the_results_is_not_entered(tree: Path) -> None:
    assert [i.name for i in read_items(["."], "x.txt", tree / "a")] == ["b/x.txt"]
    assert [i.name for i in read_items(["*/x.txt"], "*", tree / "a")] == ["b/x.txt"]


BAD = [
    (b"\x00\x01\x02" * 500, "binary"),
    (b"abc \xff\xfa\x80 def", "byte 4"),
]


@pytest.mark.parametrize(("content", "said"), BAD)
def test_a_bad_file_is_an_item_with_its_error(tree: Path, content: bytes, said: str) -> None:
    Path("bad.txt").write_bytes(content)
    bad, good = read_items(["bad.txt", "b/x.txt"], "*", None)
    assert bad.error and said in bad.error.message and bad.id == "bad.txt"
    assert good.text == "text of b/x.txt"


@pytest.mark.parametrize("argument", ["missing.txt", "*.none", "empty"])
def test_an_argument_that_names_nothing_is_an_item_with_an_error(tree: Path, argument: str) -> None:
    Path("empty").mkdir()
    bad, good = read_items([argument, "b"], "*", None)
    assert bad.error and argument in bad.error.message
    assert good.error is None


def test_an_unreadable_size_is_refused_before_it_is_read(tree: Path) -> None:
    with Path("huge.txt").open("wb") as file:
        file.truncate(1 << 40)
    (item,) = read_items(["huge.txt"], "*", None)
    assert item.error and "larger" in item.error.message


def test_items_are_read_one_at_a_time(tree: Path) -> None:
    items = read_items(["a/x.txt", "b/x.txt"], "*", None)
    next(items)
    Path("b/x.txt").write_text("changed", encoding="utf-8")
    assert next(items).text == "changed"


def test_files_are_counted_where_that_costs_nothing(tree: Path) -> None:
    Path("rows.jsonl").write_text('"x"\n' * 3, encoding="utf-8")
    assert count_files(["a", "b/x.txt", "none*"], "*", None) == 5
    assert count_files(["a", "rows.jsonl"], "*", None) is None


def test_the_root_of_nothing_is_here() -> None:
    assert common_root([]) == Path()


def test_a_name_with_magic_that_exists_is_that_file(tree: Path) -> None:
    Path("[x].txt").write_text("odd", encoding="utf-8")
    assert [str(p) for p in expand("[x].txt", "*", None)] == ["[x].txt"]


ROWS = [
    ('{"text": "t"}', Item("7", "7.txt", text="t")),
    ('"t"', Item("7", "7.txt", text="t")),
    ('{"id": 3, "topic": "p", "text": "t"}', Item(3, "3.txt", topic="p", text="t")),
    ('{"id": "报告.md", "topic": "p"}', Item("报告.md", "报告.md", topic="p")),
    (
        '{"topic": "p", "variables": {"length": 9, "tone": "lively"}, "lang": "zh"}',
        Item("7", "7.txt", topic="p", variables={"length": 9, "tone": "lively"}, lang="zh"),
    ),
    ('{"text": "t", "meta": [1, {"a": 2}]}', Item("7", "7.txt", text="t", meta=[1, {"a": 2}])),
    ('{"text": null, "topic": "p", "variables": null}', Item("7", "7.txt", topic="p")),
]


@pytest.mark.parametrize(("line", "item"), ROWS)
def test_a_row_is_an_item(line: str, item: Item) -> None:
    assert row_item(line.encode(), "7") == item


BAD_ROWS = [
    (b"{oops", "not JSON"),
    (b"[1]", "neither an object"),
    (b"3", "neither an object"),
    (b'{"topik": "x"}', "'topik'"),
    (b'{"text": 3}', "'text'"),
    (b'{"id": true, "text": "x"}', "'id'"),
    (b'{"id": [1], "text": "x"}', "'id'"),
    (b'{"text": "x", "variables": {"a": [1]}}', "'variables'"),
    (b'{"text": "x", "variables": [1]}', "'variables'"),
    (b'{"text": "\xff\xfa\x80"}', "UTF-8"),
    (b"[" * 100_000, "not JSON"),
]


@pytest.mark.parametrize(("line", "said"), BAD_ROWS)
def test_a_bad_row_is_an_item_with_its_error_and_place(line: bytes, said: str) -> None:
    item = row_item(line, "line-7")
    assert item.error and said in item.error.message and "line-7" in item.error.message
    assert item.id == "line-7"


def test_rows_come_from_a_file_too(tree: Path) -> None:
    Path("r.jsonl").write_bytes(b'\xef\xbb\xbf"one"\r\n\n{bad\n{"id": 5, "text": "two"}')
    items = list(read_items(["r.jsonl", "b/x.txt"], "*", None))
    assert [i.id for i in items] == ["r.jsonl:1", "r.jsonl:3", 5, "b/x.txt"]
    assert [bool(i.error) for i in items] == [False, True, False, False]


def test_rows_on_a_stream_come_as_they_arrive() -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream, os.fdopen(write, "wb", buffering=0) as writer:
        items = arriving_rows(stream, ahead=4)
        writer.write(b'"one"\n"tw')
        assert next(item for item in items if item).text == "one"
        assert next(items) is None  # the second is not whole yet
        writer.write(b'o"\n')
        assert next(item for item in items if item).text == "two"
        writer.close()
        assert [item for item in items if item] == []


def test_a_stream_may_end_without_a_newline() -> None:
    items = [i for i in arriving_rows(io.BytesIO(b'\n"one"\n"two"'), ahead=2) if i]
    assert [(i.id, i.text) for i in items] == [("line-2", "one"), ("line-3", "two")]


def test_an_id_that_came_before_is_an_error_where_ids_count() -> None:
    rows = [Item(1, "1"), None, Item(2, "2"), Item(1, "1")]
    found = [item for item in numbered(rows, unique=True) if item]
    assert [(i.id, i.position, bool(i.error)) for i in found] == [
        (1, 0, False), (2, 1, False), ("1#3", 2, True),
    ]  # fmt: skip
    assert not any(i.error for i in numbered(rows, unique=False) if i)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a", "a"),
        ("../../etc/passwd", "etc/passwd"),
        ("/abs/x", "abs/x"),
        ("a//./b", "a/b"),
        ("c:\\x\n", "c__x_"),
        ("..", "item"),
        ("", "item"),
        ("气候 变化", "气候 变化"),
    ],
)
def test_names_stay_inside_the_folder(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_long_name_is_cut_at_a_character_and_stays_unlike_others() -> None:
    first, second = safe_name("气" * 300), safe_name("气" * 301)
    assert first != second
    assert len(first.encode()) <= 120
