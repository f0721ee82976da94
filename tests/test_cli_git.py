"""`gptwrite commit`, and the definition for the pre-commit framework."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from repositories import Repository, gptwrite, make

from gptwrite import githook

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GPTWRITE_MODEL", "echo")
    monkeypatch.setenv("GPTWRITE_HOOK_TIMEOUT_SECONDS", "100")
    monkeypatch.delenv("CI", raising=False)
    made = make(tmp_path)
    made.stage("README.md", "hello\n")
    return made


def test_commit_prints_the_message_and_commits_nothing(repository: Repository) -> None:
    ran = gptwrite(repository, "commit")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "docs: add README.md\n", "")
    assert repository.git("log", check=False).startswith("fatal")


OPTIONS = [
    (["--lang", "zh"], "docs: 新增 README.md\n"),
    (["--style", "plain"], "Add README.md\n"),
    (["--style", "gitmoji"], "📝 add README.md\n"),
    (["--model", "echo", "--no-body"], "docs: add README.md\n"),
]


@pytest.mark.parametrize(("options", "expected"), OPTIONS)
def test_style_and_language_are_options(
    repository: Repository, options: list[str], expected: str
) -> None:
    assert gptwrite(repository, "commit", *options).stdout == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("STYLE", "plain", "Add README.md\n"), ("LANGUAGE", "zh", "docs: 新增 README.md\n")],
)
def test_style_and_language_are_settings(
    repository: Repository, name: str, value: str, expected: str
) -> None:
    ran = gptwrite(repository, "commit", env={f"GPTWRITE_COMMIT_{name}": value})
    assert ran.stdout == expected


@pytest.mark.parametrize("option", ["--style", "--lang"])
def test_a_wrong_choice_is_named(repository: Repository, option: str) -> None:
    ran = gptwrite(repository, "commit", option, "odd")
    assert ran.returncode == 2 and f"{option} cannot be 'odd'" in ran.stderr


def test_commit_works_in_a_subfolder(repository: Repository) -> None:
    repository.stage(".gitattributes", "*.gen linguist-generated\n")
    repository.git("commit", "-q", "-m", "begin")
    repository.stage("sub/a.gen", "x\n")
    ran = gptwrite(repository.at(repository.path / "sub"), "commit")
    assert ran.stdout == "build: add a.gen\n"


def test_a_model_in_the_subfolder_is_found_from_there(repository: Repository) -> None:
    repository.write("sub/mine.gguf", "no model\n")
    here = repository.at(repository.path / "sub")
    ran = gptwrite(here, "commit", "--model", "mine.gguf")
    assert "sub/mine.gguf is not a GGUF file" in ran.stderr


def test_nothing_staged_is_an_error_that_says_what_to_do(repository: Repository) -> None:
    repository.git("commit", "-q", "-m", "x")
    ran = gptwrite(repository, "commit")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "git add" in ran.stderr


def test_outside_a_repository_is_an_error(repository: Repository, tmp_path: Path) -> None:
    ran = gptwrite(repository.at(tmp_path), "commit")
    assert ran.returncode == 1 and "git" in ran.stderr


def test_apply_commits_after_the_editor(repository: Repository) -> None:
    githook.install(repository.path)
    ran = gptwrite(repository, "commit", "--apply", "--", "-s")
    assert ran.returncode == 0, ran.stderr
    assert repository.seen.startswith("docs: add README.md\n")
    assert repository.seen.count("docs: add README.md") == 1
    assert repository.message().startswith("docs: add README.md\n\nSigned-off-by: A Tester")


def test_apply_gives_up_when_the_editor_empties_the_message(repository: Repository) -> None:
    repository.editor.write_text('#!/bin/sh\n: >"$1"\n', encoding="utf-8")
    ran = gptwrite(repository, "commit", "--apply")
    assert ran.returncode == 1
    assert repository.git("log", check=False).startswith("fatal")


def test_options_for_git_need_apply(repository: Repository) -> None:
    ran = gptwrite(repository, "commit", "--", "-s")
    assert ran.returncode == 2 and "--apply" in ran.stderr


def test_ctrl_c_stops_it_with_130(repository: Repository, models: Callable[..., Path]) -> None:
    import pexpect

    repository.stage("app.py", "x = 1\n")
    process = pexpect.spawn(
        sys.executable, ["-m", "gptwrite", "commit"], cwd=str(repository.path), timeout=100,
        env={**os.environ, "PYTHONPATH": str(ROOT), "GPTWRITE_MODEL": str(models()),
             "TERM": "xterm", "GPTWRITE_COMMIT_BODY": "true"},
    )  # fmt: skip
    process.expect("Writing a commit message")
    process.sendintr()
    process.expect(pexpect.EOF)
    process.close()
    assert process.exitstatus == 130


def test_help_loads_no_engine(repository: Repository) -> None:
    heavy = ("llama_cpp", "numpy", "httpx", "jinja2", "gptwrite.engines.llama")
    for arguments in (["hook", "--help"], ["commit", "--help"]):
        ran = gptwrite(repository, *arguments, env={"PYTHONPROFILEIMPORTTIME": "1"})
        loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
        assert ran.returncode == 0 and "gptwrite.cli.app" in loaded
        assert not loaded & set(heavy)
        if arguments[0] == "hook":
            assert all(name in ran.stdout for name in ("install", "uninstall", "status", "run"))


def test_the_definition_for_the_framework_names_a_command_that_exists() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["stages"] == ["prepare-commit-msg"]
    assert hook["entry"].split() == ["gptwrite", "hook", "run"]
    assert hook["language"] == "python" and hook["always_run"]
    (snippet,) = yaml.safe_load(githook.PRE_COMMIT_SNIPPET)["repos"][0]["hooks"]
    assert (snippet["entry"], snippet["stages"]) == (hook["entry"], hook["stages"])


FRAMEWORK = [("", "docs: add README.md\n\n# Please\n"), ("merge", "\n# Please\n")]


@pytest.mark.parametrize(("source", "expected"), FRAMEWORK)
def test_run_from_the_framework_follows_its_variables(
    repository: Repository, source: str, expected: str
) -> None:
    file = repository.path / ".git/COMMIT_EDITMSG"
    file.write_text("\n# Please\n", encoding="utf-8")
    env = {"PRE_COMMIT_COMMIT_MSG_SOURCE": source, "PRE_COMMIT": "1"}
    ran = gptwrite(repository, "hook", "run", ".git/COMMIT_EDITMSG", env=env)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert file.read_text(encoding="utf-8") == expected


def test_template_needs_global(repository: Repository) -> None:
    assert gptwrite(repository, "hook", "install", "--template").returncode == 2


def test_secrets_do_not_reach_an_endpoint(repository: Repository) -> None:
    import http.server
    import threading

    bodies: list[bytes] = []

    class Keep(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_error(400)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keep)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    repository.stage("app.py", "PASSWORD = 'correct horse battery'\n")
    endpoint = f"http://127.0.0.1:{server.server_port}/v1"
    githook.install(repository.path)
    repository.git("commit", check=False, env={"GPTWRITE_ENDPOINT": endpoint})
    server.shutdown()
    server.server_close()
    assert bodies and b"PASSWORD" in b"".join(bodies)
    assert b"correct horse" not in b"".join(bodies)
