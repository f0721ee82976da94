"""Types and scopes from paths, fixed subjects, and lines that are well formed whatever came."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptwrite import subject as subjects
from gptwrite.diff import Change
from gptwrite.subject import Subject


def change(path: str, status: Any = "M", kind: Any = "text", **values: Any) -> Change:
    return Change(path, status, kind, **{"old_path": path, **values})


TYPES = [
    (["README.md"], "docs"),
    (["docs/a.html", "b.rst"], "docs"),
    (["LICENSE"], "docs"),
    (["tests/test_a.py", "src/b_test.go", "x.spec.ts"], "test"),
    ([".github/workflows/ci.yml"], "ci"),
    ([".gitlab-ci.yml", ".travis.yml"], "ci"),
    (["pyproject.toml", "Makefile"], "build"),
    (["requirements-dev.txt"], "build"),
    (["package.json", "package-lock.json"], "build"),
    (["src/a.py"], ""),
    (["src/a.py", "README.md"], ""),
]


@pytest.mark.parametrize(("paths", "kind"), TYPES)
def test_the_paths_decide_the_type_where_they_can(paths: list[str], kind: str) -> None:
    rows = [change(p, kind="lock" if p.endswith("-lock.json") else "text") for p in paths]
    assert subjects.type_of_paths(rows) == kind


SCOPES = [
    (["src/parser.py"], "parser"),
    (["src/engine/__init__.py"], "engine"),
    (["src/button/index.ts"], "button"),
    (["tests/test_parser.py"], "parser"),
    (["src/engine/a.py", "src/engine/b.py"], "engine"),
    (["src/a/x.py", "src/b/y.py"], ""),
    (["README.md"], "readme"),
    (["中文.md"], ""),
    (["a b.txt"], ""),
    ([".gitignore"], "gitignore"),
]


@pytest.mark.parametrize(("paths", "scope"), SCOPES)
def test_the_scope_follows_the_paths(paths: list[str], scope: str) -> None:
    assert subjects.scope_of([change(p) for p in paths]) == scope


FIXED = [
    ([change("uv.lock", kind="lock")], "build(deps): update uv.lock", "build(deps): 更新 uv.lock"),
    (
        [change("a/yarn.lock", kind="lock"), change("b/Cargo.lock", kind="lock")],
        "build(deps): update lock files",
        "build(deps): 更新锁文件",
    ),
    ([change("img/logo.png", "A", "binary")], "chore: add logo.png", "chore: 新增 logo.png"),
    (
        [change(f"img/{i}.png", "A", "binary") for i in range(5)],
        "chore(img): add 5 files in img",
        "chore(img): 新增 img 中的 5 个文件",
    ),
    (
        [change("run.sh", kind="mode", old_mode="100644", new_mode="100755")],
        "chore: make run.sh executable",
        "chore: 将 run.sh 设为可执行",
    ),
    (
        [change("b.py", "R", "rename", old_path="a.py")],
        "refactor: rename a.py to b.py",
        "refactor: 重命名 a.py 为 b.py",
    ),
    (
        [change("new/a.py", "R", "rename", old_path="old/a.py")],
        "refactor: move a.py to new",
        "refactor: 移动 a.py 到 new",
    ),
    (
        [change("vendor/lib", "M", "submodule", new_id="abc1234")],
        "build(deps): update submodule lib to abc1234",
        "build(deps): 更新子模块 lib 到 abc1234",
    ),
    (
        [change("lib", "A", "submodule", new_id="abc1234")],
        "build(deps): add submodule lib",
        "build(deps): 新增子模块 lib",
    ),
    ([change("dist/a.js", kind="generated")], "build: update a.js", "build: 更新 a.js"),
    ([change("id_rsa", "D", "secret")], "chore: remove id_rsa", "chore: 删除 id_rsa"),
]


@pytest.mark.parametrize(("changes", "en", "zh"), FIXED)
def test_where_there_is_nothing_to_read_the_message_is_fixed(
    changes: list[Change], en: str, zh: str
) -> None:
    for language, expected in (("en", en), ("zh", zh)):
        found = subjects.fixed(changes, language)  # type: ignore[arg-type]
        assert found and subjects.line(found, "conventional") == expected
        assert subjects.is_well_formed(expected)


def test_nothing_is_fixed_where_a_text_changed() -> None:
    assert subjects.fixed([change("uv.lock", kind="lock"), change("a.py")], "en") is None
    assert subjects.fixed([], "en") is None


FALLBACKS = [
    ([change("README.md")], "docs: update README.md"),
    ([change("a.py", "A")], "feat: add a.py"),
    ([change("a.py"), change("b.py")], "chore: update a.py, b.py"),
    ([change("src/a.py", "D"), change("src/b.py", "D")], "refactor(src): remove a.py, b.py"),
    ([change(f"src/xy/{i}.py") for i in range(9)], "chore(xy): update 9 files in src/xy"),
    ([change(f"{i}/{i}.py") for i in range(9)], "chore: update 9 files"),
    ([change("x" * 300)], f"chore: update {'x' * 53}"),
]


@pytest.mark.parametrize(("changes", "expected"), FALLBACKS)
def test_the_paths_alone_give_a_message(changes: list[Change], expected: str) -> None:
    assert subjects.line(subjects.fallback(changes, "en"), "conventional") == expected


TIDY = [
    ('"Add a parser."', "add a parser"),
    ("**Fix** the build", "fix the build"),
    ("- add x;", "add x"),
    ("1. add x", "add x"),
    ("✨ add x", "add x"),
    (":bug: fix y", "fix y"),
    ("`修复错误。`", "修复错误"),
    ("add\tmany   spaces", "add many spaces"),
    ("add \x1b[31mred\x07 \u202etext", "add [31mred text"),
    ("README 更新", "README 更新"),
    ("API: add x", "API: add x"),
]


@pytest.mark.parametrize(("given_text", "expected"), TIDY)
def test_a_subject_is_tidied(given_text: str, expected: str) -> None:
    assert subjects.tidy(given_text) == expected


UNUSABLE = [
    "", "...", "undefined", "subject", "<subject>", "[subject]", "提交说明", "a", "?!?!?!",
    "diff --git a/x b/x", "@@ -1 +1 @@", "```python", "<|im_start|>user", "half \ufffd",
    "write a commit message for the changes below", "aaaaaaaaaaaa", "3.md", "word", "修复",
    "add treap[0}$", "add f(x", "add x)", "add tron- //", "set a =", "add `x", "the the the the the the",
]  # fmt: skip


@pytest.mark.parametrize("text", UNUSABLE)
def test_what_says_nothing_is_not_used(text: str) -> None:
    instruction = "Write a commit message for the changes below."
    assert not subjects.is_usable(text, instruction)


@pytest.mark.parametrize("text", ["add a parser", "修复错误", "bump to 1.2.3", "fix typo"])
def test_what_says_something_is_used(text: str) -> None:
    assert subjects.is_usable(text, "Write a commit message for the changes below.")


IN_LANGUAGE = [
    ("add a parser", "en", True), ("add a parser", "zh", False), ("修复了错误", "zh", True),
    ("修复了错误", "en", False), ("修复 parse_arguments", "zh", True),
    ("rename 文件 in the parser", "en", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "language", "expected"), IN_LANGUAGE)
def test_what_is_in_another_language_is_not_used(text: str, language: Any, expected: bool) -> None:
    assert subjects.is_usable(text, "", language) is expected


READ = [
    ("fix(core): a b", Subject("fix", "core", "a b")),
    ("Feat: a b", Subject("feat", "", "a b")),
    ("feat!: a b", Subject("feat", "", "a b")),
    ("fix（核心）：修复", Subject("fix", "", "修复")),
    ("note: a b", Subject("", "", "note: a b")),
    ("add x", Subject("", "", "add x")),
]


@pytest.mark.parametrize(("text", "expected"), READ)
def test_a_conventional_line_is_taken_apart(text: str, expected: Subject) -> None:
    assert subjects.read(text) == expected


STYLES = [
    ("conventional", "fix(core): add x"),
    ("plain", "Add x"),
    ("gitmoji", "🐛 add x"),
]


@pytest.mark.parametrize(("style", "expected"), STYLES)
def test_there_are_three_styles(style: str, expected: str) -> None:
    assert subjects.line(Subject("fix", "core", "add x"), style) == expected
    assert subjects.is_well_formed(expected, style)


def test_a_long_line_is_cut_at_a_word_within_72_characters() -> None:
    line = subjects.line(Subject("fix", "core", "word " * 40), "conventional")
    assert line == "fix(core): " + "word " * 11 + "word"
    assert len(subjects.line(Subject("fix", "", "字" * 200), "conventional")) == 72


@given(st.text(max_size=300), st.sampled_from(["conventional", "plain", "gitmoji"]))
def test_whatever_is_usable_gives_a_well_formed_line(text: str, style: str) -> None:
    tidied = subjects.tidy(text)
    if subjects.is_usable(tidied, ""):
        line = subjects.line(Subject("fix", "core", tidied), style)
        assert subjects.is_well_formed(line, style), (text, line)


@pytest.mark.parametrize(
    "line",
    ["", "add x", "fix add x", "fix:", "fix: ", "fix(Core x): y", "fix: a b.", "fix: " + "x" * 70,
     "fix: a\nb", "bug: x y"],
)  # fmt: skip
def test_what_is_not_well_formed_is_known(line: str) -> None:
    assert not subjects.is_well_formed(line)
