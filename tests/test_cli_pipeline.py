"""The program in a pipeline: streams, exit codes, files, bad input. Every run is a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ran

Run = Callable[..., Ran]
ECHO = ("--model", "echo")


def test_only_the_text_goes_to_stdout(gptwrite: Run) -> None:
    ran = gptwrite(["ask", "你好", *ECHO, "--stats"])
    assert (ran.status, ran.out) == (0, "你好\n")
    assert "seed" in ran.err


def test_quiet_leaves_stderr_empty(gptwrite: Run, models: Callable[..., Path]) -> None:
    ran = gptwrite(["ask", "x", "-m", models(), "--max-tokens", "3", "--quiet"])
    assert (ran.status, ran.err) == (0, "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
def test_the_usual_encodings_are_recognised_on_stdin(gptwrite: Run, encoding: str) -> None:
    text = "气候变化是指气候平均状态的长期改变，影响很大。"
    ran = gptwrite(["summary", "--show-prompt"], stdin=text.encode(encoding))
    assert text in ran.out and "\ufeff" not in ran.out


def test_an_instruction_and_material_come_together(gptwrite: Run) -> None:
    ran = gptwrite(["summary", "只说数字", "--show-prompt"], stdin="共有三百人。")
    assert "写成一段。只说数字\n\n共有三百人。" in ran.out


def test_files_are_named_in_the_prompt(gptwrite: Run, tmp_path: Path) -> None:
    for name in ("一.txt", "two words.txt"):
        (tmp_path / name).write_text(f"text of {name}", encoding="utf-8")
    files = [f"--file={tmp_path / '一.txt'}", f"--file={tmp_path / 'two words.txt'}"]
    ran = gptwrite(["summary", "--show-prompt", *files])
    assert "一.txt:\ntext of 一.txt\n\ntwo words.txt:\ntext of two words.txt" in ran.out


def test_a_file_with_nothing_in_it_is_no_input(gptwrite: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text(" \n", encoding="utf-8")
    ran = gptwrite(["summary", "--show-prompt", "--file", tmp_path / "empty.txt"])
    assert ran.status == 2 and "needs something" in ran.err


def test_a_lone_dash_reads_stdin(gptwrite: Run) -> None:
    assert "秋天" in gptwrite(["article", "-", "--show-prompt", "-m", "echo"], stdin="秋天").out


@pytest.mark.parametrize("attack", ["$HOME {{ 7*7 }} ${x}", "{% for %}", "$topic {{topic}}"])
def test_user_text_is_never_expanded(gptwrite: Run, attack: str) -> None:
    assert attack in gptwrite(["summary", "--show-prompt"], stdin=attack).out
    assert attack in gptwrite(["article", attack, "--show-prompt"]).out


USAGE = [
    (["article"], None, "needs something"),
    (["article"], "  \n", "needs something"),
    (["article", "-"], "", "empty"),
    (["artcle", "x"], None, "article"),
    (["article", "x", "--tone", "angry"], None, "neutral"),
    (["article", "x", "--lengt", "3"], None, "--length"),
    (["article", "x", "--length", "many"], None, "--length"),
    (["run", "nothing", "x"], None, "nothing"),
    (["article", "x", "--lang", "fr"], None, "--lang"),
    (["article", "x", "-o", "/nowhere/at/all.txt"], None, "/nowhere/at/all.txt"),
    (["prompts", "new", "run"], None, "run"),
]


@pytest.mark.parametrize(("arguments", "stdin", "said"), USAGE)
def test_wrong_usage_exits_with_2_and_says_what(
    gptwrite: Run, arguments: list[str], stdin: str | None, said: str
) -> None:
    ran = gptwrite(arguments, stdin=stdin)
    assert ran.status == 2
    assert ran.out == ""
    assert said in ran.err
    assert "Traceback" not in ran.err


def bad_files(folder: Path, good: Path) -> dict[str, tuple[Path, str]]:
    """Return file name -> (path, what the error says) of things that are no usable model."""
    data = good.read_bytes()
    contents = {
        "empty": (b"", "empty"),
        "truncated": (data[: len(data) // 2], "cut short"),
        "header-only": (data[:100], "damaged"),
        "corrupt": (data[:8] + b"\xff" * 64 + data[72:], "damaged"),
        "page": (b"<!DOCTYPE html><html>404</html>", "web page"),
        "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs"),
        "text": (b"hello", "not a GGUF"),
    }
    rows = {}
    for name, (content, said) in contents.items():
        path = folder / f"{name}.gguf"
        path.write_bytes(content)
        rows[name] = (path, said)
    rows["missing"] = (folder / "missing.gguf", "No model file")
    rows["directory"] = (folder, "directory")
    return rows


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "truncated",
        "header-only",
        "corrupt",
        "page",
        "pointer",
        "text",
        "missing",
        "directory",
    ],
)
def test_a_bad_model_file_is_named_with_its_fault(
    gptwrite: Run, tmp_path: Path, models: Callable[..., Path], kind: str
) -> None:
    path, said = bad_files(tmp_path, models())[kind]
    ran = gptwrite(["article", "x", "-m", path])
    assert ran.status == 1
    assert said in ran.err and str(path) in ran.err and "Hint: " in ran.err
    assert "Traceback" not in ran.err and ran.out == ""


def test_an_embedding_model_is_refused(gptwrite: Run, tmp_path: Path) -> None:
    import gguf

    path = tmp_path / "embed.gguf"
    writer = gguf.GGUFWriter(str(path), "bert")
    writer.add_block_count(1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    ran = gptwrite(["article", "x", "-m", path])
    assert ran.status == 1 and "embedding model" in ran.err


def test_a_context_larger_than_memory_is_refused(gptwrite: Run, tmp_path: Path) -> None:
    from make_models import write_model

    path = write_model(tmp_path / "long.gguf", "qwen2", context_length=2**31 - 256)
    ran = gptwrite(["ask", "x", "-m", path, "--max-tokens", str(2**31 - 2000)])
    assert ran.status == 1 and "GiB" in ran.err


def test_a_prompt_too_long_names_both_counts(gptwrite: Run, models: Callable[..., Path]) -> None:
    ran = gptwrite(["continue", "-m", models()], stdin="气候变化 " * 2000)
    assert ran.status == 1
    assert "512" in ran.err and ran.out == ""


def test_unknown_bytes_on_stdin_are_an_error_with_their_place(gptwrite: Run) -> None:
    ran = gptwrite(["summary", *ECHO], stdin=b"abc \xff\xfa\x80 def")
    assert ran.status == 1 and "byte 4" in ran.err


def test_binary_on_stdin_is_an_error(gptwrite: Run) -> None:
    ran = gptwrite(["summary", *ECHO], stdin=bytes(range(256)) * 20)
    assert ran.status == 1 and "binary" in ran.err


def test_a_file_of_ten_megabytes_is_read(gptwrite: Run, tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_text("气候变化。" * 700_000, encoding="utf-8")
    ran = gptwrite(["continue", "--file", path, *ECHO])
    assert ran.status == 1 and "4096" in ran.err


@pytest.mark.parametrize("locale", ["C", "POSIX", "zh_CN.GB2312"])
def test_any_locale_gives_utf8(gptwrite: Run, locale: str) -> None:
    env = {"LC_ALL": locale, "LANG": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = gptwrite(["ask", "气候变化", *ECHO], env=env)
    assert (ran.status, ran.out) == (0, "气候变化\n")


def test_the_interface_follows_the_locale(gptwrite: Run) -> None:
    assert "写一首诗" in gptwrite(["--help"], env={"LC_ALL": "zh_CN.UTF-8"}).out
    assert "Write a poem" in gptwrite(["--help"], env={"LC_ALL": "en_US.UTF-8"}).out
    env = {"LC_ALL": "zh_CN.UTF-8", "GPTWRITE_UI_LANGUAGE": "en"}
    assert "Write a poem" in gptwrite(["--help"], env=env).out


def test_output_is_written_whole_and_not_shown(gptwrite: Run, tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    ran = gptwrite(["ask", "你好", *ECHO, "-o", path])
    assert (ran.status, ran.out) == (0, "")
    assert path.read_text(encoding="utf-8") == "你好\n"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_full_disk_leaves_the_text_on_stdout(gptwrite: Run) -> None:
    ran = gptwrite(["ask", "你好", *ECHO, "-o", "/dev/full"])
    assert ran.status == 1
    assert ran.out == "你好\n" and "/dev/full" in ran.err


def test_json_is_one_object_with_everything(gptwrite: Run, models: Callable[..., Path]) -> None:
    arguments = ["ask", "x", "-m", models(), "--max-tokens", "4", "--seed", "5", "--json"]
    row = json.loads(gptwrite(arguments).out)
    assert row["seed"] == 5 and row["finish_reason"] in ("length", "stop")
    assert set(row) == {
        "text", "model", "seed", "finish_reason", "prompt_tokens", "cached_tokens",
        "generated_tokens", "timings", "device",
    }  # fmt: skip
    assert set(row["timings"]) == {"load", "prefill", "decode", "first_token", "total"}


def test_strict_exits_with_4_when_cut(gptwrite: Run) -> None:
    assert gptwrite(["ask", "a b c d", *ECHO, "--max-tokens", "2", "--strict"]).status == 4
    assert gptwrite(["ask", "a b c d", *ECHO, "--max-tokens", "2"]).status == 0
    assert gptwrite(["ask", "a b c d", *ECHO, "--strict"]).status == 0


def test_the_same_seed_gives_the_same_text(gptwrite: Run, models: Callable[..., Path]) -> None:
    arguments = ["ask", "x", "-m", models(), "--max-tokens", "30", "-q"]
    first = gptwrite([*arguments, "--seed", "9"]).out
    assert first == gptwrite([*arguments, "--seed", "9"]).out
    assert first != gptwrite([*arguments, "--seed", "10"]).out


def test_a_reader_that_leaves_ends_the_program_quietly(models: Callable[..., Path]) -> None:
    command = f"{sys.executable} -m gptwrite ask x -m {models()} --max-tokens 400 -q | head -c 3"
    done = subprocess.run(["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
                          capture_output=True, timeout=60, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("where", "status"), [(">/dev/full", 1), (">&-", 0), ("2>&-", 0)])
def test_a_full_or_closed_stream_is_no_fault_of_the_program(where: str, status: int) -> None:
    done = subprocess.run(["bash", "-c", f"{sys.executable} -m gptwrite config list {where}"],
                          capture_output=True, timeout=60, check=False)  # fmt: skip
    assert done.returncode == status
    assert (b"No space left" in done.stderr) == (status == 1)
    assert b"itself failed" not in done.stderr


def test_a_fault_of_the_program_exits_with_3_and_leaves_a_report(
    gptwrite: Run, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import gptwrite.inputs\n"
        "def broken(template, words, *rest): raise RuntimeError('planted ' + words[0] + '\\x1b[2J')\n"
        "gptwrite.inputs.gather = broken\n",
        encoding="utf-8",
    )
    here = str(Path(__file__).parent.parent)
    env = {"PYTHONPATH": f"{tmp_path}:{here}", "TMPDIR": str(tmp_path)}
    ran = gptwrite(["ask", "secret words", *ECHO], env=env)
    assert ran.status == 3
    assert "Traceback" not in ran.err and "planted" in ran.err and "\x1b" not in ran.err
    (report,) = tmp_path.glob("gptwrite-bug-*.txt")
    assert "planted" in report.read_text() and "secret" not in report.read_text()


def test_show_prompt_loads_no_model(gptwrite: Run) -> None:
    ran = gptwrite(["article", "气候变化", "-m", "/no/such.gguf", "--show-prompt"])
    assert ran.status == 0
    assert "写一篇关于“气候变化”的文章，约500字" in ran.out
    assert ran.out.endswith("[assistant]\n# 气候变化\n\n")


def test_drafts_are_all_printed(gptwrite: Run, models: Callable[..., Path]) -> None:
    arguments = ["ask", "x", "-m", models(), "-n", "3", "--max-tokens", "6", "--seed", "1", "-q"]
    rows = json.loads(gptwrite([*arguments, "--json"]).out)
    assert [row["draft"] for row in rows] == [1, 2, 3]
    assert len({row["text"] for row in rows}) == 3
    assert gptwrite(arguments).out.count("\n---\n") == 2


def test_help_loads_nothing_heavy(gptwrite: Run) -> None:
    code = (
        "import sys; from gptwrite.cli import main; main(sys.argv[1:]);"
        "print([m for m in ('llama_cpp', 'numpy', 'httpx', 'jinja2', 'huggingface_hub')"
        " if m in sys.modules], file=sys.stderr)"
    )
    for arguments in (["--help"], ["article", "--help"], ["--version"], ["config", "list"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments],
                              capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        assert done.stderr.strip() == "[]", arguments


def test_writing_imports_no_network_module(models: Callable[..., Path]) -> None:
    code = (
        "import sys; from gptwrite.cli import main; main(sys.argv[1:]);"
        "print([m for m in ('httpx', 'huggingface_hub', 'requests', 'numpy')"
        " if m in sys.modules], file=sys.stderr)"
    )
    arguments = ["ask", "x", "-m", str(models()), "--max-tokens", "2", "-q"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert done.stderr.strip() == "[]"


def test_an_interrupt_keeps_what_was_written_and_exits_with_130(
    models: Callable[..., Path],
) -> None:
    model = models("qwen2", context_length=100_000, layers=4, is_endless=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "gptwrite", "ask", "x", "-m", str(model),
         "--max-tokens", "90000", "-q", "-t", "0", "--repeat-penalty", "1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    begin = os.read(process.stdout.fileno(), 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert begin and (begin + out).endswith(b"\n")
    assert b"Traceback" not in err


def test_an_interrupt_while_reading_a_long_prompt_stops_it(models: Callable[..., Path]) -> None:
    model = models(
        "qwen2", context_length=200_000, is_endless=True, layers=4, width=256, feed_forward=1024
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "gptwrite", "ask", "-", "-m", str(model), "--stats"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin
    process.stdin.write(b"the end of the world " * 6000)
    process.stdin.close()
    process.stdin = None
    # The parent cannot see the prefill begin: ask the kernel until the process has burnt enough.
    stat = Path(f"/proc/{process.pid}/stat")
    while int(stat.read_text().rsplit(")", 1)[1].split()[11]) < 120 and process.poll() is None:
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"Traceback" not in err


def test_an_answer_without_a_text_is_an_error_and_saved_over_nothing(
    gptwrite: Run, models: Callable[..., Path], tmp_path: Path
) -> None:
    """A stop sequence at the first character leaves nothing of any answer."""
    prompts = tmp_path / "config" / "prompts"
    prompts.mkdir(parents=True)
    (prompts / "mute.yaml").write_text(
        'name: mute\nhelp: x\ninput: topic\nprompt: "{{ topic }}"\nsampling: {stop: ["a"]}\n'
        'answer: "# {{ topic }}\\n\\n"\n',
        encoding="utf-8",
    )
    file = tmp_path / "mine.py"
    file.write_text("print(1)\n", encoding="utf-8")
    ran = gptwrite(
        ["run", "mute", "aaa", "-m", "echo", "-o", file],
        env={"GPTWRITE_CONFIG_DIR": str(tmp_path / "config")},
    )
    assert (ran.status, ran.out) == (1, "") and "has written nothing" in ran.err
    assert file.read_text(encoding="utf-8") == "print(1)\n"
