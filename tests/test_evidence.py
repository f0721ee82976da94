"""What the changes and the log say of a commit's type, before a model is asked."""

from __future__ import annotations

import math

import pytest

from gptwrite import evidence
from gptwrite.diff import parse_text
from gptwrite.engines.base import Alternative
from gptwrite.evidence import CLUES, Sight
from gptwrite.git import Commit
from gptwrite.subject import TYPES


def patch(path: str, lines: str, status: str = "") -> str:
    head = f"diff --git a/{path} b/{path}\n{status}--- a/{path}\n+++ b/{path}\n@@ -1,9 +1,9 @@\n"
    return head + lines + "\n"


NEW = "new file mode 100644\n"
RENAMED = "diff --git a/old.py b/new.py\nsimilarity index 80%\nrename from old.py\nrename to new.py\n--- a/old.py\n+++ b/new.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"
SHOWN = [
    (patch("a.py", "+x = 1\n+y = 2", NEW), {"a new source file"}),
    (patch("a.py", " x = 1\n+def load():\n+    return x\n-y = 2"), {"a new function or class"}),
    (patch("a.ts", "-function load() {\n+export function load() {"), {"one or two lines replaced"}),
    (
        patch("a.py", " x\n" + "\n".join(f"+y{n} = {n}" for n in range(9)) + "\n-z = 1"),
        {"far more added than removed"},
    ),
    (patch("a.py", "-x = 1\n+x = 2"), {"one or two lines replaced"}),
    (patch("a.py", " x = 1\n-y = 2\n-\n-z = 3"), {"only removed"}),
    (patch("a.py", "-f(a,b)\n-\n+f(\n+  a, b\n+)"), {"only white space"}),
    (
        patch("a.py", "-a\n-b\n-c\n-d\n x\n+    d\n+    a\n+    b\n+    c"),
        {"lines moved"},
    ),
    (RENAMED, {"a renamed source file"}),
    (patch("a.css", "-a\n-b\n+c\n+d\n+e"), {"only style sheets", "no source file"}),
    (patch("a.py", "-# once\n+# twice\n+# thrice"), {"only comments in code"}),
    (
        patch("a.py", '-version = "1.2.3"\n+version = "1.3.0rc1"'),
        {"only version numbers", "one or two lines replaced"},
    ),
    (patch(".editorconfig", "+a = 1\n+b = 2\n-c = 3"), {"only configuration", "no source file"}),
    (
        patch(".github/workflows/a.yml", "+a: 1\n-b: 2\n-c: 3") + patch("a.py", "-x = 1\n+y = 1"),
        {"an automation among the files"},
    ),
    (
        patch("a.py", "+a\n+b\n-c") + patch("README.md", "+a"),
        {"code with its documentation"},
    ),
    (patch("a.py", "+a\n+b\n-c") + patch("pyproject.toml", "+a"), {"code with build files"}),
    (patch("a.py", "+a\n+b\n-c"), set()),
    (patch("tests/test_a.py", "+def test_a():\n+    pass\n-x"), {"no source file"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "names"), SHOWN)
def test_a_clue_shows_in_such_a_change_and_in_no_other(text: str, names: set[str]) -> None:
    sight = Sight(parse_text(text))
    assert {clue.name for clue in CLUES if clue.shows(sight)} == names


def test_every_clue_is_tried_here_and_speaks_of_types_that_exist() -> None:
    assert {clue.name for clue in CLUES} == set().union(*(names for _, names in SHOWN))
    assert all(set(clue.weights) <= set(TYPES) for clue in CLUES)


LIKELY = [
    (patch("a.py", "-x = 1\n+x = 2"), "fix"),
    (patch("a.py", "+def load():\n+    return 1\n+\n+class A:\n+    pass", NEW), "feat"),
    (patch("a.py", "-f(a,b)\n-\n+f(\n+  a, b\n+)"), "style"),
    (RENAMED, "refactor"),
    (patch("a.py", '-version = "1.2.3"\n+version = "1.3.0"'), "chore"),
    (patch("README.md", "-a\n+b"), "docs"),
    (patch("tests/test_a.py", "-a\n+b"), "test"),
    (patch("setup.cfg", "-a\n+b"), "build"),
    (patch(".github/workflows/a.yml", "-a\n+b"), "ci"),
]


@pytest.mark.parametrize(("text", "kind"), LIKELY)
def test_without_a_log_the_changes_speak_for_a_type(text: str, kind: str) -> None:
    priors = evidence.log_priors(parse_text(text))
    assert evidence.likeliest(priors) == kind


def log(*rows: tuple[str, str]) -> list[Commit]:
    return [Commit(subject, tuple(paths.split())) for subject, paths in rows]


TEXTS = parse_text(patch("docs/sort.md", "-a\n+b"))
DECIDED = [
    ([], "docs"),
    (log(*[("fix(sort): mend a formula", "docs/heap.md")] * 9), "fix"),
    (log(*[("fix: mend a formula", "docs/heap.md")] * 3), "docs"),
    (log(*[("fix: mend the code", "src/heap.py docs/heap.md")] * 9), "docs"),
    (log(*[("Mend a formula", "docs/heap.md")] * 9), "docs"),
]


@pytest.mark.parametrize(("commits", "kind"), DECIDED)
def test_the_paths_decide_unless_the_log_has_a_custom_of_its_own(
    commits: list[Commit], kind: str
) -> None:
    assert evidence.decided(TEXTS, commits) == kind


def test_where_the_paths_leave_it_open_nothing_is_decided() -> None:
    changes = parse_text(patch("src/a.py", "-a\n+b"))
    assert evidence.decided(changes, log(*[("fix: mend it", "src/a.py")] * 50)) == ""


def test_a_lock_file_beside_it_does_not_hide_what_a_commit_was() -> None:
    commits = log(*[("chore: raise a bound", "pyproject.toml uv.lock")] * 9)
    changes = parse_text(patch("pyproject.toml", "-a\n+b"))
    assert evidence.decided(changes, commits) == "chore"


def test_the_shares_of_the_types_are_shares() -> None:
    shares = evidence.habits(TEXTS, log(("fix: x y", "a.md")))
    assert math.isclose(sum(shares.values()), 1) and set(shares) == set(TYPES)
    assert min(shares.values()) > 0


def test_an_opinion_is_read_from_the_tokens_an_answer_may_begin_with() -> None:
    rows = [("fe", 0.5), ("fix", 0.25), ("f", 0.1), ("\n", 0.05), ("", 0.04), ("x", 0.01)]
    found = evidence.opinion([Alternative(text, math.log(p)) for text, p in rows])
    shares = {name: round(math.exp(nats), 4) for name, nats in found.items()}
    assert shares == {**dict.fromkeys(TYPES, 0.01), "feat": 0.55, "fix": 0.3}


def test_where_no_type_is_among_the_tokens_there_is_no_opinion() -> None:
    assert evidence.opinion([]) == evidence.opinion([Alternative("Sure", -0.1)]) == {}


def test_a_sure_model_goes_over_the_evidence_and_an_unsure_one_does_not() -> None:
    priors = evidence.log_priors(parse_text(patch("a.py", "-x = 1\n+x = 2")))
    low = dict.fromkeys(TYPES, math.log(0.0005))
    assert evidence.likeliest(priors, {**low, "refactor": math.log(0.995)}) == "refactor"
    unsure = {**low, "feat": math.log(0.45), "fix": math.log(0.4)}
    assert evidence.likeliest(priors, unsure) == "fix"
