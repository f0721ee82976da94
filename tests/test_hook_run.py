"""What the hook leaves in the message file, and that no commit ever fails by it."""

from __future__ import annotations

import faulthandler
import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import Repository, make

from gptwrite import githook, hook_run
from gptwrite.errors import GptwriteError, ModelError
from gptwrite.hook_run import Outcome
from gptwrite.settings import Settings

CUT = "------------------------ >8 ------------------------"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with the hook and one file staged."""
    monkeypatch.setenv("GPTWRITE_MODEL", "echo")
    monkeypatch.setenv("GPTWRITE_HOOK_TIMEOUT_SECONDS", "100")  # a busy machine is no failure
    monkeypatch.delenv("CI", raising=False)
    made = make(tmp_path)
    githook.install(made.path)
    made.stage("README.md", "hello\n")
    return made


def writes(repository: Repository, text: str) -> None:
    """Let the editor put `text` in front of what it is shown."""
    repository.editor.write_text(
        f'#!/bin/sh\ncp "$1" "{repository.outside}/seen"\n'
        f'{{ echo "{text}"; cat "{repository.outside}/seen"; }} >"$1"\n',
        encoding="utf-8",
    )


# What it writes, and where


def test_prefill_puts_the_message_in(repository: Repository) -> None:
    repository.git("commit")
    assert repository.message() == "docs: add README.md"


def test_comment_mode_only_offers_it_and_an_untouched_file_aborts(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTWRITE_HOOK_MODE", "comment")
    said = repository.git("commit", check=False)
    assert "empty commit message" in said
    assert repository.seen.startswith(
        "\n# gptwrite suggests:\n# docs: add README.md\n# Please enter"
    )


def test_verbose_keeps_the_message_above_the_scissors(repository: Repository) -> None:
    repository.git("-c", "commit.verbose=true", "commit")
    above, below = repository.seen.split(f"# {CUT}")
    assert above.startswith("docs: add README.md\n\n# Please enter") and "+hello" in below
    assert repository.message() == "docs: add README.md"


@pytest.mark.parametrize("mode", ["prefill", "comment"])
def test_with_cleanup_by_scissors_a_comment_goes_below_them(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("GPTWRITE_HOOK_MODE", mode)
    writes(repository, "by hand")
    repository.git("commit", "--cleanup=scissors")
    above, below = repository.seen.split(f"# {CUT}")
    if mode == "prefill":
        assert above == "docs: add README.md\n\n"
    else:
        assert above == "\n" and "# docs: add README.md\n" in below
        assert repository.message() == "by hand"


@pytest.mark.parametrize("cleanup", ["verbatim", "whitespace"])
@pytest.mark.parametrize("how", ["setting", "option"])
def test_where_comments_would_be_kept_none_is_written(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, cleanup: str, how: str
) -> None:
    monkeypatch.setenv("GPTWRITE_HOOK_MODE", "comment")
    options = ["-c", f"commit.cleanup={cleanup}", "commit"]
    if how == "option":
        options = ["commit", f"--cleanup={cleanup}"]
    said = repository.git(*options)
    assert "gptwrite" not in repository.seen
    assert "docs: add README.md" in said


@pytest.mark.parametrize("char", [";", "%", "//", "auto"])
def test_the_comment_character_is_honoured(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, char: str
) -> None:
    if char == "//" and git_version() < (2, 45):
        pytest.skip("core.commentString came with git 2.45")
    monkeypatch.setenv("GPTWRITE_MODEL", "/nowhere/model.gguf")
    repository.git("config", "core.commentString" if char == "//" else "core.commentChar", char)
    writes(repository, "by hand")
    repository.git("commit")
    shown = "#" if char == "auto" else char
    assert f"\n{shown} gptwrite: no message: " in repository.seen
    assert repository.message() == "by hand"


def git_version() -> tuple[int, int]:
    said = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout
    numbers = re.findall(r"\d+", said)
    return int(numbers[0]), int(numbers[1])


def test_a_template_of_comments_is_kept_below_the_message(repository: Repository) -> None:
    repository.write("template", "# Why?\n# What?\n")
    repository.git("-c", "commit.template=template", "commit")
    assert repository.seen.startswith("docs: add README.md\n# Why?\n# What?\n")
    assert repository.message() == "docs: add README.md"


def test_a_template_with_text_is_never_touched(repository: Repository) -> None:
    repository.write("template", "Summary: \n\nTicket: \n")
    writes(repository, "by hand")
    repository.git("-c", "commit.template=template", "commit")
    assert repository.seen.startswith("Summary: \n\nTicket: \n")
    assert "\n# gptwrite suggests:\n# docs: add README.md\n" in repository.seen


def test_existing_text_of_an_opted_in_commit_is_never_touched(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.git("commit", "-m", "by hand")
    monkeypatch.setenv("GPTWRITE_HOOK_MESSAGES", "commit")
    repository.git("commit", "--amend")
    assert repository.seen.startswith("by hand\n")
    assert "# gptwrite suggests:\n# docs: add README.md\n" in repository.seen
    assert repository.message() == "by hand"


def test_an_empty_commit_gets_a_line_that_says_why(repository: Repository) -> None:
    repository.git("commit")
    writes(repository, "chore: start again")
    repository.git("commit", "--allow-empty")
    assert "# gptwrite: no message: There are no staged changes" in repository.seen


def test_commit_of_named_paths_only_describes_these(repository: Repository) -> None:
    repository.git("commit")
    repository.stage("other.py", "x = 1\n")
    repository.write("README.md", "changed\n")
    repository.git("commit", "README.md")
    assert repository.message() == "docs: update README.md"


def link(repository: Repository, commit: str) -> None:
    """Stage a submodule at `commit`, as `git add` does after a pull in it."""
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},lib")


def commit_unseen(repository: Repository) -> None:
    repository.git("-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "chore: link")


CHANGES: dict[str, tuple[Callable[[Repository], object], str]] = {
    "non-UTF-8": (lambda r: r.stage("a.txt", b"caf\xe9 \xff\n"), "docs: add a.txt"),
    "spaces and Chinese": (
        lambda r: r.stage("a b/气候 变化.md", "文字\n"),
        "docs: add 气候 变化.md",
    ),
    "renames": (lambda r: r.git("mv", "base.py", "new.py"), "refactor: rename base.py to new.py"),
    "mode changes": (
        lambda r: r.git("update-index", "--chmod=+x", "base.py"),
        "chore: make base.py executable",
    ),
    "only lock files": (
        lambda r: (r.stage("package-lock.json", "{}\n"), r.write("base.py", "not staged\n")),
        "build(deps): add package-lock.json",
    ),
    "a submodule bump": (
        lambda r: (link(r, "1" * 40), commit_unseen(r), link(r, "2" * 40)),
        "build(deps): update submodule lib to 2222222",
    ),
    "only binaries": (lambda r: r.stage("logo.png", b"\x89PNG\0"), "chore: add logo.png"),
    "deleted": (lambda r: r.git("rm", "-q", "base.py"), "refactor: remove base.py"),
    "a file named like an option": (lambda r: r.stage("--all.md", "x\n"), "docs: add --all.md"),
    "20 MB": (
        lambda r: r.stage("large.txt", ("x" * 79 + "\n") * (20 * 2**20 // 80)),
        "docs: add large.txt",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_kind_of_change_gets_a_message(repository: Repository, name: str) -> None:
    repository.commit("base.py", "x = 1\n" * 30)
    change, expected = CHANGES[name]
    change(repository)
    repository.git("commit")
    assert repository.message() == expected


def test_the_language_of_the_recent_log_is_followed(repository: Repository) -> None:
    repository.commit("base.md", "x\n", "docs: 新增说明文件")
    repository.stage("b.md", "y\n")
    repository.git("commit")
    assert repository.message() == "docs: 新增 b.md"


def test_the_commit_encoding_is_kept(repository: Repository) -> None:
    repository.git("config", "i18n.commitEncoding", "gb18030")
    repository.commit("base.md", "x\n", "docs")
    repository.stage("b.md", "y\n")
    repository.git("commit", env={"GPTWRITE_COMMIT_LANGUAGE": "zh"})
    assert repository.git("log", "-1", "--format=%s", "--encoding=utf-8") == "docs: 新增 b.md\n"


# Nothing stops a commit


def commits_with_comment(repository: Repository, words: str, **env: str) -> None:
    writes(repository, "by hand")
    repository.git("commit", env=env)
    assert repository.message() == "by hand"
    lines = [line for line in repository.seen.split("\n") if "gptwrite" in line]
    assert len(lines) == 1 and re.match(f"# gptwrite: .*{words}", lines[0]), repository.seen


def test_a_missing_model(repository: Repository) -> None:
    commits_with_comment(repository, "no message: .*nowhere", GPTWRITE_MODEL="/nowhere/m.gguf")


def test_a_corrupt_model(
    repository: Repository, tmp_path: Path, models: Callable[..., Path]
) -> None:
    corrupt = tmp_path / "corrupt.gguf"
    corrupt.write_bytes(models().read_bytes()[:5000])
    commits_with_comment(repository, "no message: ", GPTWRITE_MODEL=str(corrupt))


def test_a_wrong_configuration(repository: Repository) -> None:
    config = Path(os.environ["GPTWRITE_CONFIG_DIR"]) / "config.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text("hook_mode = [", encoding="utf-8")
    commits_with_comment(repository, ".*TOML")


def test_a_real_random_model_gives_a_well_formed_message(
    repository: Repository, models: Callable[..., Path]
) -> None:
    from gptwrite.subject import is_well_formed

    repository.stage("src/app.py", "x = 1\n")
    repository.git("commit", env={"GPTWRITE_MODEL": str(models()), "GPTWRITE_SEED": "1"})
    assert is_well_formed(repository.message())


class Silent(http.server.BaseHTTPRequestHandler):
    """An endpoint that takes a request and never answers."""

    wait = threading.Event()
    asked = threading.Event()

    def do_GET(self) -> None:
        self.asked.set()
        self.wait.wait(60)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def silent() -> Iterator[str]:
    Silent.wait.clear()
    Silent.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    Silent.wait.set()
    server.shutdown()
    server.server_close()


def test_an_engine_that_never_answers_is_given_up_in_time(
    repository: Repository, silent: str
) -> None:
    repository.stage("app.py", "x = 1\n")
    commits_with_comment(
        repository, "no message within 2 s", GPTWRITE_ENDPOINT=silent,
        GPTWRITE_HOOK_TIMEOUT_SECONDS="2",
    )  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(repository: Repository) -> None:
    """The hook's own writes fail; git's went before."""
    full = repository.outside / "full"
    full.mkdir()
    sitecustomize = full / "sitecustomize.py"
    sitecustomize.write_text(
        "import errno, tempfile\n"
        "def full(*a, **k): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "tempfile.mkstemp = full\n"
    )
    writes(repository, "by hand")
    said = repository.git("commit", env={"PYTHONPATH": str(full)})
    assert repository.message() == "by hand"
    assert "No space left" in said and "gptwrite" not in repository.seen


def test_a_folder_that_cannot_be_written_to_still_gives_status_0(
    repository: Repository, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gptwrite", "hook", "run", str(tmp_path / "no/such/file")],
        cwd=repository.path, env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "gptwrite" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_python_that_is_killed_leaves_a_comment(
    repository: Repository, number: signal.Signals
) -> None:
    folder = repository.outside / "killed"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"import os; os.kill(os.getpid(), {int(number)})\n")
    commits_with_comment(repository, f"it ended with status {128 + number}", PYTHONPATH=str(folder))


def test_ctrl_c_goes_on_without_a_message(repository: Repository, silent: str) -> None:
    """On a real terminal, where Ctrl-C would reach git as well."""
    import pexpect

    repository.stage("app.py", "x = 1\n")
    writes(repository, "by hand")
    process = pexpect.spawn(
        "git", ["commit"], cwd=str(repository.path), timeout=100,
        env={**os.environ, "GIT_EDITOR": str(repository.editor), "GPTWRITE_ENDPOINT": silent},
    )  # fmt: skip
    process.expect("Writing a commit message")
    assert Silent.asked.wait(90)
    process.sendintr()
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0
    assert "# gptwrite: no message: stopped with Ctrl-C" in repository.seen
    assert repository.message() == "by hand"


def test_the_terminal_is_given_back_to_the_editor(repository: Repository) -> None:
    import pexpect

    repository.editor.write_text(
        '#!/bin/sh\nprintf "your words: "; read words; echo "$words" >"$1"\n', encoding="utf-8"
    )
    process = pexpect.spawn(
        "git", ["commit"], cwd=str(repository.path), timeout=100,
        env={**os.environ, "GIT_EDITOR": str(repository.editor)},
    )  # fmt: skip
    process.expect("your words: ")
    process.sendline("typed by hand")
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 0
    assert repository.message() == "typed by hand"


def test_nothing_is_read_from_a_standard_input(repository: Repository) -> None:
    done = subprocess.run(
        ["git", "commit"], cwd=repository.path, input=b"for somebody else\n",
        env={**os.environ, "GIT_EDITOR": f"cat >'{repository.outside}/left'; true"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (repository.outside / "left").read_text() == "for somebody else\n"


# The process that waits


def test_the_child_brings_back_the_message() -> None:
    assert hook_run.in_child(lambda: "fix: 修复", 30) == Outcome("fix: 修复")


def test_a_long_message_comes_whole() -> None:
    assert hook_run.in_child(lambda: "x" * 10**6, 30).message == "x" * 10**6


def fail(error: BaseException) -> str:
    raise error


PROBLEMS: list[tuple[Callable[[], str], str]] = [
    (lambda: fail(ModelError("Broken\nin two lines.")), "no message: Broken in two lines."),
    (lambda: fail(ValueError("odd")), "no message: ValueError: odd"),
    (lambda: fail(MemoryError()), "no message: MemoryError: "),
    (lambda: fail(ModelError("x" * 500)), "no message: " + "x" * 147 + "…"),
    (lambda: fail(ModelError("a\x1b[31m\x07")), "no message: a[31m"),
    (lambda: os._exit(7), "no message: the process ended (no answer)"),
    (lambda: str(os.kill(os.getpid(), signal.SIGKILL)), "no message: the process ended (signal 9)"),
    (lambda: str([faulthandler.disable(), os.abort()]), "no message: the process ended (signal 6)"),
]


@pytest.mark.parametrize(("work", "problem"), PROBLEMS)
def test_whatever_the_child_dies_of_becomes_one_line(work: Callable[[], str], problem: str) -> None:
    assert hook_run.in_child(work, 30) == Outcome(problem=problem.rstrip())


def forever() -> str:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


def test_a_child_that_never_ends_is_ended() -> None:
    assert hook_run.in_child(forever, 0.2) == Outcome(is_late=True)
    assert hook_run.in_child(forever, 0.0) == Outcome(is_late=True)


def test_the_time_counts_from_the_start_of_the_process() -> None:
    assert 0.0 <= hook_run.seconds_since_start() < time.clock_gettime(time.CLOCK_MONOTONIC)


def test_the_child_cannot_write_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    hook_run.in_child(lambda: str(os.write(1, b"noise")) + str(os.write(2, b"noise")), 30)
    assert capfd.readouterr() == ("", "")


def test_an_interrupt_while_waiting_ends_the_child() -> None:
    parent = os.getpid()

    def interrupt() -> str:
        os.kill(parent, signal.SIGINT)
        return forever()

    problem = "no message: stopped with Ctrl-C"
    assert hook_run.in_child(interrupt, 30) == Outcome(problem=problem)


def test_a_message_file_that_is_missing_is_made(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository.path)
    file = repository.path / "message"
    hook_run.run(file, "", "", Settings(model="echo", hook_timeout_seconds=1e6))
    assert file.read_text() == "docs: add README.md\n"


def test_a_message_file_that_cannot_be_read_is_an_error(repository: Repository) -> None:
    with pytest.raises(GptwriteError, match="Cannot read"):
        hook_run.add(repository.path, Outcome(problem="x"), "comment")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_comments_speak_the_interfaces_language(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("GPTWRITE_UI_LANGUAGE", language)
    word = {"en": "no message", "zh": "没有生成说明"}[language]
    commits_with_comment(repository, word, GPTWRITE_MODEL="/nowhere/m.gguf")
