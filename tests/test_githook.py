"""The hook in real repositories: where it goes, when it runs, what it leaves alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from repositories import Repository, gptwrite, make

from gptwrite import githook, hook_run
from gptwrite.errors import GptwriteError
from gptwrite.hook_shim import BEFORE, NAME, OTHER_HOOKS, pass_on, shim


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GPTWRITE_MODEL", "echo")
    monkeypatch.setenv("GPTWRITE_HOOK_TIMEOUT_SECONDS", "100")
    monkeypatch.delenv("CI", raising=False)
    return make(tmp_path)


@pytest.fixture
def started(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that gets a line whenever the shell script starts Python; no Python runs."""
    log = repository.outside / "started"
    stub = repository.outside / "stub.sh"
    stub.write_text(f'#!/bin/sh\nshift 5\necho "$@" >>"{log}"\n', encoding="utf-8")
    stub.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(stub))
    return log


def hook_path(repository: Repository) -> Path:
    return githook.hooks_folder(repository.path) / NAME


def write_hook(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


# Where it goes


def test_a_plain_repository_gets_it_in_its_hooks_folder(repository: Repository) -> None:
    done = githook.install(repository.path)
    assert done.path == repository.path / ".git/hooks" / NAME
    assert stat.S_IMODE(done.path.stat().st_mode) == 0o755
    repository.stage("README.md", "hello\n")
    repository.git("commit")
    assert repository.message() == "docs: add README.md"
    assert repository.seen.startswith("docs: add README.md\n\n# Please enter")


def test_it_works_on_an_unborn_branch_and_after(repository: Repository) -> None:
    githook.install(repository.path)
    for name in ("a.md", "b.md"):
        repository.stage(name, "text\n")
        repository.git("commit")
        assert repository.message() == f"docs: add {name}"


def test_a_subfolder_installs_for_the_whole_repository(repository: Repository) -> None:
    folder = repository.path / "deep/er"
    folder.mkdir(parents=True)
    assert githook.install(folder).path == repository.path / ".git/hooks" / NAME


def test_a_worktree_shares_the_hook(repository: Repository) -> None:
    repository.commit("a.md", "a\n")
    tree = repository.at(repository.path.parent / "tree 树")
    repository.git("worktree", "add", "-q", "-b", "tree", tree.path)
    assert githook.install(tree.path).path == hook_path(repository)
    tree.stage("b.md", "b\n")
    tree.git("commit")
    assert tree.message() == "docs: add b.md"
    repository.stage("c.md", "c\n")
    repository.git("commit")
    assert repository.message() == "docs: add c.md"


def test_a_submodule_has_a_hook_of_its_own(repository: Repository, tmp_path: Path) -> None:
    other = make(tmp_path, "other")
    other.commit("x.md", "1\n")
    repository.git("submodule", "add", "-q", other.path, "lib")
    repository.git("commit", "-q", "-m", "add")
    inside = repository.at(repository.path / "lib")
    githook.install(inside.path)
    assert not hook_path(repository).exists()
    inside.stage("y.md", "2\n")
    inside.git("commit")
    assert inside.message() == "docs: add y.md"
    githook.install(repository.path)
    repository.git("add", "lib")
    repository.git("commit")
    head = inside.git("rev-parse", "--short=7", "HEAD").strip()
    assert repository.message() == f"build(deps): update submodule lib to {head}"


@pytest.mark.parametrize("value", [".githooks", "absolute"])
def test_core_hooks_path_is_followed(repository: Repository, value: str) -> None:
    if value == "absolute":
        value = str(repository.outside / "my hooks")
    repository.git("config", "core.hooksPath", value)
    done = githook.install(repository.path)
    assert done.path == repository.path / value / NAME
    repository.stage("a.md", "a\n")
    repository.git("commit")
    assert repository.message() == "docs: add a.md"


@pytest.mark.parametrize("folder", [".husky", ".husky/_"])
def test_where_husky_keeps_the_hooks_a_snippet_is_printed(
    repository: Repository, folder: str
) -> None:
    repository.git("config", "core.hooksPath", folder)
    ran = gptwrite(repository, "hook", "install")
    assert ran.returncode == 1
    assert ran.stdout == githook.HUSKY_SNIPPET
    assert "husky" in ran.stderr
    assert not (repository.path / folder).exists()


def test_the_husky_snippet_works(repository: Repository) -> None:
    repository.git("config", "core.hooksPath", ".husky")
    repository.commit("z", "z\n")
    command = repository.outside / "gptwrite"
    write_hook(command, 'echo "docs: by husky" >"$3"')
    write_hook(repository.path / ".husky" / NAME, githook.HUSKY_SNIPPET)
    repository.stage("a.md", "a\n")
    repository.git("commit", env={"PATH": f"{repository.outside}:{os.environ['PATH']}"})
    assert repository.message() == "docs: by husky"


def test_where_pre_commit_is_used_its_snippet_is_printed_too(repository: Repository) -> None:
    repository.write(".pre-commit-config.yaml", "repos: []\n")
    ran = gptwrite(repository, "hook", "install")
    assert ran.returncode == 0
    assert githook.PRE_COMMIT_SNIPPET in ran.stderr
    assert hook_path(repository).exists()


def test_outside_a_repository_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(GptwriteError, match="git rev-parse failed"):
        githook.install(tmp_path)


# A foreign hook


def test_a_foreign_hook_runs_first_and_is_put_back_exactly(repository: Repository) -> None:
    path = hook_path(repository)
    write_hook(path, f'echo "$@" >>"{repository.outside}/foreign"; echo ours >>"$1"')
    path.chmod(0o751)
    os.utime(path, (1, 1))
    before = (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime)
    done = githook.install(repository.path)
    assert BEFORE in done.notes[0]
    repository.stage("a.md", "a\n")
    repository.git("commit", "-m", "docs: by hand")
    assert (repository.outside / "foreign").read_text().split() == [
        ".git/COMMIT_EDITMSG", "message",
    ]  # fmt: skip
    assert repository.message() == "docs: by hand\nours"
    githook.install(repository.path)
    githook.uninstall(repository.path)
    assert (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime) == before
    assert not path.with_name(NAME + BEFORE).exists()


def test_a_foreign_hook_may_still_stop_a_commit(repository: Repository) -> None:
    write_hook(hook_path(repository), "exit 7")
    githook.install(repository.path)
    repository.stage("a.md", "a\n")
    repository.git("commit", "-m", "x", check=False)
    assert repository.git("log", check=False).startswith("fatal")


def test_a_foreign_hook_that_is_not_executable_is_kept_but_not_run(repository: Repository) -> None:
    path = hook_path(repository)
    write_hook(path, "exit 7")
    path.chmod(0o644)
    githook.install(repository.path)
    repository.stage("a.md", "a\n")
    repository.git("commit", "-m", "x")
    githook.uninstall(repository.path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_foreign_hook_that_is_a_link_stays_one(repository: Repository) -> None:
    target = repository.outside / "shared-hook"
    write_hook(target, "exit 0")
    path = hook_path(repository)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)
    githook.install(repository.path)
    assert not path.is_symlink() and target.read_text().endswith("exit 0\n")
    githook.uninstall(repository.path)
    assert path.is_symlink()


def test_uninstalling_leaves_the_folder_as_it_was(repository: Repository) -> None:
    hooks = repository.path / ".git/hooks"
    before = sorted(p.name for p in hooks.iterdir())
    githook.install(repository.path)
    githook.install(repository.path)
    githook.uninstall(repository.path)
    assert sorted(p.name for p in hooks.iterdir()) == before
    repository.git("config", "core.hooksPath", "new-folder")
    githook.install(repository.path)
    githook.uninstall(repository.path)
    assert not (repository.path / "new-folder").exists()


def test_uninstalling_never_touches_a_hook_of_others(repository: Repository) -> None:
    with pytest.raises(GptwriteError, match="no hook of gptwrite"):
        githook.uninstall(repository.path)
    write_hook(hook_path(repository), "exit 0")
    with pytest.raises(GptwriteError, match="not gptwrite's hook"):
        githook.uninstall(repository.path)
    assert hook_path(repository).exists()


def test_a_hook_written_over_ours_is_not_lost(repository: Repository) -> None:
    write_hook(hook_path(repository), "# first")
    githook.install(repository.path)
    write_hook(hook_path(repository), "# second")
    with pytest.raises(GptwriteError, match="not ours"):
        githook.install(repository.path)
    assert "second" in hook_path(repository).read_text()


def test_status_says_what_is_there(repository: Repository) -> None:
    ran = gptwrite(repository, "hook", "status")
    assert (ran.returncode, "not installed" in ran.stdout) == (1, True)
    write_hook(hook_path(repository), "exit 0")
    assert "another hook" in gptwrite(repository, "hook", "status").stdout
    githook.install(repository.path)
    repository.git("config", "gptwrite.hook", "false")
    ran = gptwrite(repository, "hook", "status")
    assert ran.returncode == 0
    for words in ("installed", "runs first", "switched off", "hook_mode = prefill"):
        assert words in ran.stdout


# For all repositories


def test_global_through_core_hooks_path_keeps_the_repositorys_own_hooks(
    repository: Repository,
) -> None:
    own = repository.path / ".git/hooks"
    write_hook(own / "pre-commit", f'echo pre-commit >>"{repository.outside}/own"')
    write_hook(own / "commit-msg", f'echo commit-msg "$1" >>"{repository.outside}/own"')
    write_hook(own / NAME, f'echo prepare "$@" >>"{repository.outside}/own"')
    assert gptwrite(repository, "hook", "install", "--global").returncode == 0
    assert repository.git("config", "--global", "core.hooksPath").strip() == str(
        githook.shared_folder()
    )
    repository.stage("a.md", "a\n")
    repository.git("commit")
    assert repository.message() == "docs: add a.md"
    tree = repository.at(repository.path.parent / "tree")
    repository.git("worktree", "add", "-q", "-b", "tree", tree.path)
    tree.stage("b.md", "b\n")
    tree.git("commit")
    assert tree.message() == "docs: add b.md"
    lines = (repository.outside / "own").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["pre-commit", "prepare", "commit-msg"] * 2
    assert gptwrite(repository, "hook", "uninstall", "--global").returncode == 0
    assert repository.git("config", "--global", "core.hooksPath", check=False) == ""
    assert not githook.shared_folder().exists()
    repository.stage("c.md", "c\n")
    repository.git("commit", "-m", "docs: c")
    assert (repository.outside / "own").read_text().count("pre-commit") == 3


def test_a_hook_of_the_repository_that_fails_still_stops_the_commit(
    repository: Repository,
) -> None:
    githook.install_globally()
    write_hook(repository.path / ".git/hooks/commit-msg", "exit 3")
    repository.stage("a.md", "a\n")
    repository.git("commit", "-m", "x", check=False)
    assert repository.git("log", check=False).startswith("fatal")


def test_global_uses_the_folder_that_core_hooks_path_names_already(
    repository: Repository,
) -> None:
    shared = Path(os.environ["HOME"]) / "hooks"
    write_hook(shared / NAME, "exit 0")
    repository.git("config", "--global", "core.hooksPath", "~/hooks")
    githook.install_globally()
    repository.stage("a.md", "a\n")
    repository.git("commit")
    assert repository.message() == "docs: add a.md"
    githook.uninstall_globally()
    assert sorted(p.name for p in shared.iterdir()) == [NAME]
    assert repository.git("config", "--global", "core.hooksPath").strip() == "~/hooks"


@pytest.mark.parametrize("is_set", [False, True])
def test_global_through_the_template_reaches_new_repositories(
    repository: Repository, tmp_path: Path, is_set: bool
) -> None:
    if is_set:
        (tmp_path / "template").mkdir()
        repository.git("config", "--global", "init.templateDir", tmp_path / "template")
    assert gptwrite(repository, "hook", "install", "--global", "--template").returncode == 0
    repository.git("init", "-q", tmp_path / "new")
    new = repository.at(tmp_path / "new")
    new.stage("a.md", "a\n")
    new.git("commit")
    assert new.message() == "docs: add a.md"
    githook.uninstall_from_template()
    left = repository.git("config", "--global", "init.templateDir", check=False).strip()
    assert left == (str(tmp_path / "template") if is_set else "")
    assert not githook.template_folder().exists()


def test_a_hook_from_the_template_can_be_removed_from_a_repository(
    repository: Repository, tmp_path: Path
) -> None:
    githook.install_in_template()
    repository.git("init", "-q", tmp_path / "new")
    githook.uninstall(tmp_path / "new")
    assert not (tmp_path / "new/.git/hooks" / NAME).exists()


# Which commits


def prepared(repository: Repository) -> None:
    """A history with a side branch, then the hook."""
    repository.commit("a.txt", "1\n")
    repository.git("checkout", "-q", "-b", "side")
    repository.commit("side.txt", "1\n", "fix: on the side")
    repository.git("checkout", "-q", "main")
    repository.commit("b.txt", "1\n", "feat: on main")
    githook.install(repository.path)


SKIPPED = {
    "message": [["commit", "--allow-empty", "-m", "x"]],
    "file": [["commit", "--allow-empty", "-F", "a.txt"]],
    "merge": [["merge", "-q", "--no-ff", "--edit", "side"]],
    "squash": [["merge", "-q", "--squash", "side"], ["commit"]],
    "amend": [["commit", "--amend"]],
    "amend --no-edit": [["commit", "--amend", "--no-edit"]],
    "reuse": [["commit", "--allow-empty", "-C", "HEAD"]],
    "reedit": [["commit", "--allow-empty", "-c", "HEAD"]],
    "fixup": [["commit", "--allow-empty", "--fixup=HEAD"]],
    "autosquash": [["commit", "--allow-empty", "--squash=HEAD"]],
    "cherry-pick": [["cherry-pick", "side"]],
    "cherry-pick --edit": [["cherry-pick", "--edit", "side"]],
    "revert": [["revert", "HEAD"]],
    "revert --no-edit": [["revert", "--no-edit", "HEAD"]],
    "rebase": [["rebase", "-q", "side"]],
    "rebase --merge": [["rebase", "-q", "--merge", "--no-ff", "side"]],
}


@pytest.mark.parametrize("name", SKIPPED)
def test_a_commit_with_a_message_of_its_own_is_skipped_before_python_starts(
    repository: Repository, started: Path, name: str
) -> None:
    prepared(repository)
    for command in SKIPPED[name]:
        repository.git(*command)
    assert not started.exists()
    assert "gptwrite" not in repository.seen


def test_no_edit_of_a_plain_commit_is_skipped(repository: Repository, started: Path) -> None:
    prepared(repository)
    repository.git("commit", "--allow-empty", "--allow-empty-message", "--no-edit")
    assert not started.exists()


def test_an_interactive_rebase_is_skipped_at_every_step(
    repository: Repository, started: Path
) -> None:
    repository.commit("a.txt", "1\n")
    for number in range(4):
        repository.commit(f"{number}.txt", "1\n", f"fix: number {number}")
    githook.install(repository.path)
    plan = repository.outside / "plan.sh"
    plan.write_text(
        "#!/bin/sh\nsed -i -e '1s/pick/reword/' -e '2s/pick/squash/' -e '4s/pick/edit/' \"$1\"\n"
    )
    plan.chmod(0o755)
    repository.git("rebase", "-i", "HEAD~4", env={"GIT_SEQUENCE_EDITOR": str(plan)})
    repository.stage("new.txt", "a commit put in between\n")
    repository.git("commit", "--allow-empty-message", check=False)
    repository.git("rebase", "--continue")
    assert not started.exists()


def test_a_conflict_resolved_by_hand_is_skipped(repository: Repository, started: Path) -> None:
    prepared(repository)
    repository.git("checkout", "-q", "side")
    repository.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", "x")
    repository.stage("a.txt", "side\n")
    repository.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "fix: a")
    repository.git("checkout", "-q", "main")
    repository.stage("a.txt", "main\n")
    repository.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "fix: a too")
    repository.git("cherry-pick", "side", check=False)
    repository.stage("a.txt", "both\n")
    repository.git("commit")
    assert not started.exists()


OFF = [
    {"CI": "true"}, {"CI": "1"}, {"GPTWRITE_HOOK": "off"}, {"GPTWRITE_HOOK": "0"},
    {"GIT_EDITOR": ":"},
]  # fmt: skip


@pytest.mark.parametrize("env", OFF)
def test_it_is_off_in_ci_and_by_a_variable(
    repository: Repository, started: Path, env: dict[str, str]
) -> None:
    githook.install(repository.path)
    repository.stage("a.md", "a\n")
    repository.git("commit", "--allow-empty-message", env=env, check=False)
    assert not started.exists()


def test_it_is_off_by_a_setting_of_the_repository(repository: Repository, started: Path) -> None:
    githook.install(repository.path)
    repository.git("config", "gptwrite.hook", "false")
    repository.stage("a.md", "a\n")
    repository.git("commit", "--allow-empty-message", check=False)
    assert not started.exists()


STARTED = {
    "plain": (["commit"], ".git/COMMIT_EDITMSG\n"),
    "no-verify": (["commit", "--no-verify"], ".git/COMMIT_EDITMSG\n"),
    "verbose": (["commit", "-v"], ".git/COMMIT_EDITMSG\n"),
    "CI=false": (["commit"], ".git/COMMIT_EDITMSG\n"),
    "all": (["commit", "-a"], ".git/COMMIT_EDITMSG\n"),
    "template": (["-c", "commit.template=a.txt", "commit"], ".git/COMMIT_EDITMSG template\n"),
}


@pytest.mark.parametrize("name", STARTED)
def test_a_commit_without_a_message_starts_it(
    repository: Repository, started: Path, name: str
) -> None:
    prepared(repository)
    repository.stage("new.txt", "x\n")
    command, expected = STARTED[name]
    repository.git(*command, check=False, env={"CI": "false"} if "CI" in name else {})
    assert started.read_text() == expected


OPTED_IN = [
    ("merge", ["merge", "-q", "--no-ff", "--edit", "side"], "merge"),
    ("squash commit", ["commit", "--amend"], "commit HEAD"),
    ("template, message", ["commit", "--allow-empty", "-e", "-m", "x"], "message"),
    ("none", ["-c", "commit.template=a.txt", "commit", "--allow-empty"], None),
    ("merg", ["merge", "-q", "--no-ff", "--edit", "side"], None),
    ("* merge*", ["commit", "--amend"], None),
]


@pytest.mark.parametrize("how", ["variable", "file", "file without a line end"])
@pytest.mark.parametrize(("kinds", "command", "expected"), OPTED_IN)
def test_other_kinds_of_commit_can_be_opted_in(
    repository: Repository, started: Path, how: str, kinds: str, command: list[str],
    expected: str | None,
) -> None:  # fmt: skip
    prepared(repository)
    env = {}
    if how == "variable":
        env = {"GPTWRITE_HOOK_MESSAGES": kinds}
    else:
        config = Path(os.environ["GPTWRITE_CONFIG_DIR"]) / "config.toml"
        config.parent.mkdir(exist_ok=True)
        end = "" if how.endswith("end") else "  # a comment\nseed = 1\n"
        config.write_text(f'model = "echo"\nhook_messages = "{kinds}"{end}', encoding="utf-8")
    repository.git(*command, env=env, check=False)
    found = started.read_text().split(" ", 1)[1].strip() if started.exists() else None
    assert found == expected


def test_python_decides_as_the_shell_does(
    repository: Repository, started: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The framework starts Python without the script; both must follow the same rules."""
    monkeypatch.chdir(repository.path)
    script = repository.outside / "script.sh"
    script.write_text(shim(), encoding="utf-8")
    script.chmod(0o755)
    import subprocess

    for source in ("", "template", "merge", "squash", "commit", "message"):
        for env in ({}, *OFF[:2], OFF[2], {"CI": "0"}, {"GPTWRITE_HOOK_MESSAGES": "merge,commit"}):
            for state in ("", *hook_run.UNDER_WAY):
                folder = tmp_path / "git-folder"
                folder.mkdir(exist_ok=True)
                if state:
                    (folder / state).touch()
                started.unlink(missing_ok=True)
                arguments = [
                    str(script),
                    str(folder / "COMMIT_EDITMSG"),
                    *([source] * bool(source)),
                ]
                subprocess.run(arguments, env={**os.environ, **env}, check=True)
                kinds = env.get("GPTWRITE_HOOK_MESSAGES", "template")
                skipped = hook_run.is_skipped(source, folder, {**os.environ, **env}, kinds)
                assert skipped == (not started.exists()), (source, env, state)
                if state:
                    (folder / state).unlink()


@pytest.mark.parametrize("name", OTHER_HOOKS)
def test_every_other_script_is_a_valid_one(name: str, tmp_path: Path) -> None:
    import subprocess

    for text in (pass_on(name), shim(True), shim(False, True)):
        done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=True)
        assert done.stderr == "" and "@" not in text.replace('"$@"', "")


def test_a_signed_off_commit_keeps_its_trailer(repository: Repository) -> None:
    githook.install(repository.path)
    repository.stage("a.md", "a\n")
    repository.git("commit", "-s")
    assert repository.message() == (
        "docs: add a.md\n\nSigned-off-by: A Tester <tester@example.invalid>"
    )


def test_a_python_that_is_gone_leaves_a_comment_and_the_commit_goes_on(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    githook.install(repository.path)
    repository.git("config", "core.commentChar", ";")
    repository.stage("a.md", "a\n")
    repository.git("commit", "--allow-empty-message", env={"PATH": "/usr/bin:/bin"})
    assert "\n; gptwrite: no message: it ended with status 127\n" in repository.seen


def test_a_foreign_hook_stays_in_place_when_ours_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    foreign = hooks / "prepare-commit-msg"
    foreign.write_text("#!/bin/sh\nexit 0\n")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GptwriteError, match="No space left"):
        githook._put(hooks, False)
    assert foreign.read_text() == "#!/bin/sh\nexit 0\n"
    assert [path.name for path in hooks.iterdir()] == ["prepare-commit-msg"]
