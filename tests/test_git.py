"""Reading the log of a real repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import Repository, make

from gptwrite import git, propose
from gptwrite.git import Commit
from gptwrite.settings import Settings


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = make(tmp_path)
    monkeypatch.chdir(made.path)
    return made


def test_the_log_has_subjects_and_paths_newest_first(repository: Repository) -> None:
    repository.commit("气候 变化.md", "x\n", "docs: 新增\n\nA body.\n\nOf two paragraphs.")
    repository.git("config", "log.showSignature", "true")
    repository.git("config", "color.ui", "always")
    repository.stage("a.py", "x = 1\n")
    repository.commit("b b.py", "y = 1\n", "feat: begin")
    repository.commit("b b.py", "y = 2\n", "fix: mend it")
    found = git.recent_commits()
    assert found == [
        Commit("fix: mend it", ("b b.py",)),
        Commit("feat: begin", ("a.py", "b b.py")),
        Commit("docs: 新增", ("气候 变化.md",)),
    ]
    assert git.recent_commits(1) == found[:1]


def test_an_unborn_branch_has_no_log(repository: Repository) -> None:
    assert git.recent_commits() == []


def test_an_empty_commit_and_a_merge_do_not_disturb_it(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(minute: int) -> None:  # commits of one second have no order around a merge
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-01-01T00:{minute:02}:00Z")

    at(0)
    repository.commit("a.py", "x = 1\n", "feat: begin")
    repository.git("checkout", "-q", "-b", "side")
    at(1)
    repository.commit("b.py", "x = 1\n", "feat: more")
    repository.git("checkout", "-q", "main")
    at(2)
    repository.git("merge", "-q", "--no-ff", "-m", "merge it", "side")
    at(3)
    repository.git("commit", "-q", "--allow-empty", "-m", "chore: nothing")
    assert [commit.subject for commit in git.recent_commits()] == [
        "chore: nothing", "feat: more", "feat: begin",
    ]  # fmt: skip
    assert git.recent_commits()[0].paths == ()


def test_of_an_endless_commit_only_some_paths_are_kept(repository: Repository) -> None:
    for number in range(git.MOST_PATHS + 5):
        repository.write(f"{number:03}.txt", "x\n")
    repository.git("add", ".")
    repository.git("commit", "-q", "-m", "chore: import")
    assert len(git.recent_commits()[0].paths) == git.MOST_PATHS


def test_a_log_without_its_trees_still_gives_the_subjects(
    repository: Repository, tmp_path: Path
) -> None:
    """As in a clone that left the trees of the past with a server that cannot be asked."""
    repository.commit("a.py", "x = 1\n", "feat: begin")
    repository.commit("a.py", "x = 2\n", "fix: mend it")
    tree = repository.git("rev-parse", "HEAD^^{tree}").strip()
    (repository.path / ".git/objects" / tree[:2] / tree[2:]).unlink()
    assert git.recent_commits() == [Commit("fix: mend it"), Commit("feat: begin")]


def test_what_was_committed_before_goes_into_the_wishes(repository: Repository) -> None:
    repository.commit("a.md", "x\n", "fix: 修正公式")
    for language, expected in (("auto", "zh"), ("en", "en")):
        wishes = propose.wishes(Settings(commit_language=language))
        assert (wishes.language, wishes.log) == (expected, (Commit("fix: 修正公式", ("a.md",)),))
