"""What a command line gives a task: words, standard input, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ran

from gptwrite.errors import UsageError
from gptwrite.inputs import Inputs, arrange, gather
from gptwrite.template import Library, template_folders

OWN = Library([template_folders()[0]])
Run = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder a test works in, with a text of two names."""
    here = tmp_path / "work"
    (here / "in").mkdir(parents=True)
    for name in ("cn.txt", "two words.txt", "plain", "in/plain"):
        (here / name).write_text("文字", encoding="utf-8")
    monkeypatch.chdir(here)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    return here


@pytest.mark.parametrize("task", ["summary", "article"])
@pytest.mark.parametrize("word", ["cn.txt", "two words.txt", "in/plain"])
def test_a_file_given_as_a_word_is_a_slip(folder: Path, task: str, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        gather(OWN.load(task), [word], [], "")
    said = f"{word} is a file here: did you mean `--file {word}`?"
    assert caught.value.message == said and "pipe it in" in caught.value.hint


@pytest.mark.parametrize(
    ("words", "stdin", "inputs"),
    [
        (["plain"], "", Inputs(text="plain")),  # a topic that happens to be a file's name
        (["no.txt"], "", Inputs(text="no.txt")),
        (["in/"], "", Inputs(text="in/")),
        (["cn.txt", "x"], "", Inputs(text="cn.txt x")),
        (["cn.txt"], "material", Inputs("cn.txt", "material")),
        (["-"], "cn.txt\n", Inputs(text="cn.txt")),
        (["长" * 5000 + ".txt"], "", Inputs(text="长" * 5000 + ".txt")),
        (["a\0.txt"], "", Inputs(text="a\0.txt")),
    ],
)
def test_other_words_are_what_they_say(
    folder: Path, words: list[str], stdin: str, inputs: Inputs
) -> None:
    assert gather(OWN.load("summary"), words, [], stdin) == inputs


def test_the_topic_of_a_row_is_never_looked_for_on_the_disk(folder: Path) -> None:
    assert arrange(OWN.load("summary"), " cn.txt ", "") == Inputs(text="cn.txt")
    assert arrange(OWN.load("summary"), "-", "\n \n") == Inputs(text="-")


def test_a_slip_is_wrong_usage(folder: Path, gptwrite: Run) -> None:
    ran = gptwrite(["summary", "cn.txt", "-m", "echo"], cwd=folder)
    assert (ran.status, ran.out) == (2, "") and "`--file cn.txt`" in ran.err
    assert "文字" in gptwrite(["summary", "--file", "cn.txt", "-m", "echo"], cwd=folder).out


def test_files_are_named_only_where_there_are_several(folder: Path) -> None:
    (folder / "empty.txt").write_text(" \n", encoding="utf-8")
    files = [Path("cn.txt"), Path("empty.txt")]
    assert gather(OWN.load("summary"), [], files, "") == Inputs(text="文字")
    assert gather(OWN.load("summary"), ["x"], files, "piped") == Inputs("x", "piped\n\n文字")
    both = gather(OWN.load("summary"), [], [*files, Path("plain")], "piped")
    assert both.text == "piped\n\ncn.txt:\n文字\n\nplain:\n文字"
