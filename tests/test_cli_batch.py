"""`gptwrite batch` as a shell runs it: killed and continued, thousands of inputs, bad ones among."""

from __future__ import annotations

import json
import os
import pty
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran

Run = Callable[..., Ran]
ECHO = ("--model", "echo")
MODULE = (sys.executable, "-m", "gptwrite", "batch")
KILLS = 4


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder a test works in."""
    here = tmp_path / "work"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    return here


@pytest.fixture
def short_task(tmp_path: Path) -> str:
    """The name of a task that takes no text longer than the context."""
    task = "extends: review\nname: short\nhelp: short\nlong_input: error\n"
    path = tmp_path / "config" / "prompts" / "short.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(task, encoding="utf-8")
    return "short"


def write_inputs(folder: Path, count: int, text: str = "text number {}") -> None:
    for number in range(count):
        path = folder / f"{number // 100}" / f"{number:04}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(number), encoding="utf-8")


def parsed(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_folder_becomes_a_folder(gptwrite: Run, folder: Path) -> None:
    for name in ("in/a/x.txt", "in/b/x.txt", "in/b/数据.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"I am {name}", encoding="utf-8")
    ran = gptwrite(["batch", "ask", "in", "--out", "out", "--suffix", ".md", *ECHO], cwd=folder)
    assert (ran.status, ran.out) == (0, "")
    assert "3 written." in ran.err
    found = {p.relative_to(folder / "out").as_posix(): p.read_text(encoding="utf-8")
             for p in (folder / "out").rglob("*.md")}  # fmt: skip
    assert found == {
        "a/x.md": "I am in/a/x.txt\n", "b/x.md": "I am in/b/x.txt\n", "b/数据.md": "I am in/b/数据.txt\n",
    }  # fmt: skip


def test_rows_in_rows_out_in_order(gptwrite: Run) -> None:
    rows = [
        {"id": 7, "text": "seven"},
        {"topic": "秋天", "id": "autumn", "variables": {"length": 50}, "meta": {"page": 3}},
        {"text": "auf Deutsch", "topic": "translate", "lang": "en"},
    ]
    stdin = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) + '"plain"'
    ran = gptwrite(["batch", "article", *ECHO, "-q"], stdin=stdin)
    assert (ran.status, ran.err) == (0, "")
    found = parsed(ran.out)
    assert [row["id"] for row in found] == [7, "autumn", "line-3", "line-4"]
    assert "约50字" in found[1]["text"] and found[1]["meta"] == {"page": 3}
    assert "auf Deutsch" in found[2]["text"]
    assert {row["finish_reason"] for row in found} == {"stop"}


def test_bad_rows_are_rows_with_an_error(gptwrite: Run, short_task: str) -> None:
    long = json.dumps({"id": "long", "text": "word " * 9000})
    stdin = f'{{"id": 1, "text": "a"}}\n{{oops\n{long}\n{{"id": 3}}\n\n{{"id": 4, "text": "b"}}\n'
    ran = gptwrite(["batch", short_task, *ECHO], stdin=stdin)
    assert ran.status == 1
    found = parsed(ran.out)
    assert [row["id"] for row in found] == [1, "line-2", "long", 3, 4]
    assert ["error" in row for row in found] == [False, True, True, True, False]
    assert ran.err.count("Failed: ") == 3 and "2 written, 3 failed." in ran.err
    assert "Failed: line-2: is not JSON" in ran.err


def test_a_failure_keeps_its_id_whatever_the_message_holds(gptwrite: Run, short_task: str) -> None:
    long = "word " * 9000
    ids = ["4096", 4096, "The", "tokens", "1"]
    stdin = "".join(json.dumps({"id": name, "text": long}) + "\n" for name in ids) + "{oops\n"
    lines = gptwrite(["batch", short_task, *ECHO], stdin=stdin).err.splitlines()
    failed = [line.removeprefix("Failed: ") for line in lines if line.startswith("Failed: ")]
    assert [line.partition(": The prompt has ")[0] for line in failed[:-1]] == [*map(str, ids)]
    assert failed[-1].startswith("line-6: is not JSON")


def test_bad_files_are_reported_and_the_rest_is_written(
    gptwrite: Run, folder: Path, short_task: str
) -> None:
    write_inputs(folder / "in", 4)
    (folder / "in" / "binary.txt").write_bytes(bytes(range(256)) * 20)
    (folder / "in" / "bytes.txt").write_bytes(b"abc \xff\xfa\x80 def")
    (folder / "in" / "empty.txt").write_bytes(b"")
    (folder / "in" / "long.txt").write_text("word " * 9000, encoding="utf-8")
    arguments = ["batch", short_task, "in", "gone.txt", "--out", "out", "-j", "3", *ECHO]
    ran = gptwrite(arguments, cwd=folder)
    assert ran.status == 1
    for said in ("binary.txt is binary", "byte 4", "empty.txt", "4096", "gone.txt"):
        assert said in ran.err
    assert len(list((folder / "out").rglob("*.txt"))) == 4
    assert "4 written, 5 failed." in ran.err
    again = gptwrite(arguments, cwd=folder)
    assert again.status == 1 and "0 written, 4 there already, 5 failed." in again.err


def test_a_rows_file_is_continued_and_its_failures_tried_again(gptwrite: Run, folder: Path) -> None:
    rows = folder / "in.jsonl"
    rows.write_text('{"id": 1, "text": "a"}\n{"id": 2}\n{"id": 3, "text": "c"}\n', encoding="utf-8")
    arguments = ["batch", "ask", "in.jsonl", "--out", "out.jsonl", *ECHO]
    assert gptwrite(arguments, cwd=folder).status == 1
    assert [r["id"] for r in parsed((folder / "out.jsonl").read_text())] == [1, 2, 3]
    rows.write_text('{"id": 1, "text": "a"}\n{"id": 2, "text": "b"}\n{"id": 3, "text": "C"}\n'
                    '{"id": 3, "text": "c"}\n', encoding="utf-8")  # fmt: skip
    ran = gptwrite(arguments, cwd=folder)
    assert "2 written, 1 there already, 1 failed." in ran.err
    found = parsed((folder / "out.jsonl").read_text())
    assert [(r["id"], r.get("text")) for r in found] == [
        (1, "a"), (2, "b"), (3, "C"), ("3#4", None),
    ]  # fmt: skip


USAGE = [
    (["nothing", "x.txt"], "nothing"),
    (["ask"], "nothing to do"),
    (["ask", "-", "x.txt"], "`-`"),
    (["article", "x.txt", "--set", "length=many"], "length"),
    (["article", "x.txt", "--set", "lenght=3"], "lenght"),
    (["article", "x.txt", "--set", "length"], "--set length"),
    (["ask", "x.txt", "--lang", "fr"], "fr"),
    (["ask", "x.txt", "--jobs", "0"], "--jobs"),
    (["ask", "x.txt", "--suffix", "/x"], "--suffix"),
    (["ask", "x.txt", "--out", "x.txt"], "not a folder"),
    (["ask", "rows.jsonl", "--out", "rows.jsonl"], "no result of"),
]


@pytest.mark.parametrize(("arguments", "said"), USAGE)
def test_wrong_usage_exits_with_2_before_anything_is_done(
    folder: Path, arguments: list[str], said: str
) -> None:
    (folder / "x.txt").write_text("x", encoding="utf-8")
    (folder / "rows.jsonl").write_text('{"id": 1, "text": "x"}\n', encoding="utf-8")
    parent, child = pty.openpty()  # a terminal on stdin: no rows are piped in
    done = subprocess.run([*MODULE, *arguments, *ECHO], stdin=child, capture_output=True,
                          text=True, timeout=60, check=False)  # fmt: skip
    os.close(parent)
    os.close(child)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and "Traceback" not in done.stderr
    assert (folder / "rows.jsonl").read_text(encoding="utf-8") == '{"id": 1, "text": "x"}\n'


def test_a_missing_model_is_said_once(gptwrite: Run, folder: Path) -> None:
    write_inputs(folder, 3)
    ran = gptwrite(["batch", "ask", ".", "--out", "out", "-m", "no.gguf"], cwd=folder)
    assert ran.status == 1 and ran.err.count("no.gguf") == 1


def test_a_full_disk_ends_the_run(folder: Path) -> None:
    code = "import sys; from gptwrite.cli import main; import resource;"
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000));"
    code += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); sys.exit(main())"
    rows = "".join(json.dumps("word " * 100) + "\n" for _ in range(30))
    command = [sys.executable, "-c", code, "batch", "ask", "--out", "o.jsonl", *ECHO]
    done = subprocess.run(command, input=rows, capture_output=True, text=True, timeout=60,
                          check=False)  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "Cannot write o.jsonl" in done.stderr
    done = subprocess.run([*MODULE, "ask", "--out", "o.jsonl", *ECHO], input=rows,
                          capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert done.returncode == 0 and "there already" in done.stderr
    assert len(parsed((folder / "o.jsonl").read_text())) == 30


def finished(out: Path) -> int:
    if out.suffix:
        return out.read_bytes().count(b"\n") if out.exists() else 0
    return sum(1 for _ in out.rglob("*.txt"))


def kill_after(command: list[str], out: Path, more: int) -> int:
    """Kill a run once it has finished `more` items; return its exit status."""
    goal = finished(out) + more
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while finished(out) < goal and process.poll() is None:
            os.sched_yield()
        process.kill()
    return process.returncode


@pytest.mark.parametrize("out", ["out", "out.jsonl"])
def test_a_killed_run_goes_on_where_it_was(
    models: Callable[..., Path], folder: Path, out: str
) -> None:
    count = 40
    write_inputs(folder / "in", count)
    command = [*MODULE, "ask", "in", "--out", out, "-m", str(models()), "-j", "4",
               "--max-tokens", "12", "--temperature", "2"]  # fmt: skip
    target = folder / out
    chance = random.Random(out)
    kept: dict[str, Any] = {}

    def look() -> dict[str, Any]:
        if target.suffix:
            whole = target.read_bytes().rpartition(b"\n")[0].decode()
            return {row["id"]: row["text"] for row in parsed(whole)}
        return {str(p): (p.stat().st_ino, p.read_bytes()) for p in target.rglob("*.txt")}

    kills = 0
    for _ in range(KILLS):
        kills += kill_after(command, target, chance.randint(1, 9)) == -signal.SIGKILL
        found = look()
        assert kept.items() <= found.items()  # nothing finished was touched or done again
        kept = found
        if not target.suffix:
            assert all(data.endswith(b"\n") for _inode, data in found.values())
    assert kills >= 3
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(kept)} there already" in done.stderr
    found = look()
    assert kept.items() <= found.items() and len(found) == count
    if target.suffix:
        assert list(found) == sorted(found)
    else:
        assert [p for p in target.rglob(".*") if p.name != ".gptwrite-batch.jsonl"] == []


MEASURED = (
    "import sys; from gptwrite.cli import main; status = main();"
    "rows = dict(line.split(':', 1) for line in open('/proc/self/status', encoding='utf-8'));"
    "print('PEAK', rows['VmHWM'].split()[0], file=sys.stderr); sys.exit(status)"
)


def peak_kilobytes(arguments: list[str], stdin: bytes | None = None) -> int:
    done = subprocess.run([sys.executable, "-c", MEASURED, "batch", *arguments, *ECHO],
                          input=stdin or b"", capture_output=True, timeout=300, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    ("kind", "counts", "size"),
    [("stream", (100, 2000), 10_000), ("rows", (100, 2000), 10_000), ("folder", (50, 400), 60_000)],
)
def test_two_thousand_inputs_take_the_memory_of_a_hundred(
    folder: Path, kind: str, counts: tuple[int, int], size: int
) -> None:
    text = "{} " + "x" * size
    peaks = []
    for count in counts:
        if kind == "stream":
            rows = "".join(f'{{"id": {n}, "text": "{text.format(n)}"}}\n' for n in range(count))
            peaks.append(peak_kilobytes(["ask", "--lang", "en"], rows.encode()))
            continue
        write_inputs(folder / f"in{count}", count, text)
        out = f"out{count}" + ("" if kind == "folder" else ".jsonl")
        peaks.append(peak_kilobytes(["ask", f"in{count}", "--out", out, "--lang", "en"]))
        assert finished(folder / out) == count
    # Held in memory, the inputs would take 20 MB more, and the texts as much again.
    assert peaks[1] - peaks[0] < 6_000, peaks


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("out", ["out", "out.jsonl", ""])
def test_an_interrupt_keeps_what_is_finished(
    models: Callable[..., Path], folder: Path, out: str, number: int
) -> None:
    write_inputs(folder / "in", 500)
    command = [*MODULE, "ask", "in", "--out", out, "-m", str(models()), "-j", "4",
               "--max-tokens", "20"]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout
        first = process.stdout.readline() if not out else b""
        while out and finished(folder / out) < 3 and process.poll() is None:
            os.sched_yield()
        process.send_signal(number)
        rest, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"Stopped. " in err and b"Traceback" not in err and b"Failed" not in err
    if not out:
        found = [row["id"] for row in parsed((first + rest).decode())]
        assert 1 <= len(found) < 500 and found == sorted(found)
        return
    count = finished(folder / out)
    assert 3 <= count < 500
    if out != "out":
        parsed((folder / out).read_text(encoding="utf-8"))


INTERRUPTING = """
import os, signal, sys
from gptwrite.cli import main
from gptwrite.engines import library

api, (name, times) = library.load(), sys.argv.pop(1).split()
function, keep = getattr(api, name), library._keep

def noisy(level, text, data):
    for _ in range(counts.pop() if counts else 0):
        os.kill(os.getpid(), signal.SIGINT)
    keep(level, text, data)

def interrupting(*arguments):
    counts.append(int(times))
    callback(2, b"as C logs", None)
    return function(*arguments)

counts = []
callback = api.llama_log_callback(noisy)
api.llama_log_set(callback, None)
setattr(api, name, interrupting)
sys.exit(main())
"""


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    ("name", "written"),
    [("llama_model_load_from_file", 0), ("llama_init_from_model", 0), ("llama_model_free", 3)],
)
def test_an_interrupt_while_the_model_loads_or_closes_ends_the_run(
    models: Callable[..., Path], folder: Path, name: str, written: int, times: int
) -> None:
    write_inputs(folder / "in", 3)
    command = [sys.executable, "-c", INTERRUPTING, f"{name} {times}", "batch", "ask", "in",
               "--out", "out", "-m", str(models()), "--max-tokens", "4"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    (line,) = (line for line in done.stderr.splitlines() if not line.endswith("/3"))
    assert line.startswith(f"Stopped. {written} written")
    assert line.endswith(" The same command goes on from here.")


def test_an_interrupt_while_waiting_for_rows_ends_the_run(folder: Path) -> None:
    with subprocess.Popen([*MODULE, "ask", *ECHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdin and process.stdout
        process.stdin.write(b'"one"\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == "one"  # answered at once
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stderr
        err = process.stderr.read()
    assert b"Traceback" not in err and b"Fatal" not in err


def test_a_reader_that_leaves_ends_the_run_quietly(folder: Path) -> None:
    write_inputs(folder / "in", 300)
    command = f"{' '.join(MODULE)} ask in --model echo -q | head -n 2"
    done = subprocess.run(["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
                          capture_output=True, timeout=60, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == 2


def test_one_job_writes_what_a_single_command_writes(
    gptwrite: Run, models: Callable[..., Path], folder: Path
) -> None:
    options = ["-m", models(), "--max-tokens", "20", "--seed", "3", "-q"]
    stdin = '{"text": "the end of the world"}\n{"text": "气候变化"}\n'
    rows = parsed(gptwrite(["batch", "summary", "-j", "1", *options], stdin=stdin).out)
    for row, text in zip(rows, ("the end of the world", "气候变化"), strict=True):
        assert row["text"] == gptwrite(["summary", *options], stdin=text).out.removesuffix("\n")


def test_many_side_by_side_are_all_written(models: Callable[..., Path], gptwrite: Run) -> None:
    stdin = "".join(f'{{"id": {n}, "text": "{"a story " * (n % 7 + 1)}"}}\n' for n in range(100))
    arguments = ["batch", "summary", "-m", models(), "--max-tokens", "8", "-j", "16", "-q"]
    rows = parsed(gptwrite(arguments, stdin=stdin).out)
    assert [row["id"] for row in rows] == list(range(100))
    assert {row["finish_reason"] for row in rows} <= {"stop", "length"}


def on_a_terminal(command: list[str], **options: Any) -> tuple[str, str]:
    """Run with stderr on a pseudo-terminal; return (stdout, what the terminal got)."""
    parent, child = pty.openpty()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=child,
                          env={**os.environ, "TERM": "xterm", "COLUMNS": "100"}) as process:  # fmt: skip
        os.close(child)
        shown = b""
        while True:
            try:
                piece = os.read(parent, 4096)
            except OSError:  # Linux says so when the other end is closed
                break
            if not piece:
                break
            shown += piece
        assert process.stdout
        out = process.stdout.read()
    os.close(parent)
    return out.decode(), shown.decode()


def test_a_terminal_gets_a_bar_and_stdout_stays_clean(folder: Path) -> None:
    write_inputs(folder / "in", 5)
    (folder / "in" / "empty.txt").write_bytes(b"")
    out, shown = on_a_terminal([*MODULE, "ask", "in", *ECHO])
    assert len(parsed(out)) == 6 and "\x1b" not in out
    assert "━" in shown and "6/6" in shown and "Failed: in/empty.txt" in shown
    out, shown = on_a_terminal([*MODULE, "ask", "in", "-q", *ECHO])
    assert "━" not in shown and "Failed: in/empty.txt" in shown


def test_without_a_terminal_there_are_a_few_plain_lines(gptwrite: Run, folder: Path) -> None:
    write_inputs(folder / "in", 200)
    ran = gptwrite(["batch", "ask", "in", "--out", "out", *ECHO], cwd=folder)
    lines = ran.err.splitlines()
    assert lines[0] == "10/200" and lines[-2:] == ["200/200", "200 written."]
    assert len(lines) == 21 and "\x1b" not in ran.err


def test_options_reach_every_item(gptwrite: Run, folder: Path) -> None:
    (folder / "x.txt").write_text("x", encoding="utf-8")
    arguments = ["batch", "summary", "x.txt", "--set", "style=one-line", "--instruction",
                 "numbers only", "--lang", "zh", "--max-tokens", "6", *ECHO]  # fmt: skip
    ran = gptwrite(arguments, cwd=folder)
    (row,) = parsed(ran.out)
    assert row["text"] == "概括下面的文" and row["finish_reason"] == "length"
    assert "1 cut at the token limit" in ran.err
    (row,) = parsed(gptwrite([*arguments[:-4], *ECHO], cwd=folder).out)
    assert row["text"] == "概括下面的文字，只写一句。numbers only\n\nx"


def test_force_does_finished_items_again(gptwrite: Run, folder: Path) -> None:
    (folder / "x.txt").write_text("x", encoding="utf-8")
    arguments = ["batch", "ask", "x.txt", "--out", "out", *ECHO]
    assert "1 written." in gptwrite(arguments, cwd=folder).err
    assert "0 written, 1 there already." in gptwrite(arguments, cwd=folder).err
    assert "1 written." in gptwrite([*arguments, "--force"], cwd=folder).err
    (folder / "x.txt").write_text("y", encoding="utf-8")
    assert "1 written." in gptwrite(arguments, cwd=folder).err
    assert (folder / "out" / "x.txt").read_text(encoding="utf-8") == "y\n"


def test_texts_longer_than_the_context_are_read_in_parts_among_the_others(
    gptwrite: Run, models: Callable[..., Path], folder: Path
) -> None:
    write_inputs(folder / "in", 5)
    long = "\n\n".join(f"The end of part {n} of the story." for n in range(150))
    (folder / "in" / "0" / "0002.txt").write_text(long, encoding="utf-8")
    arguments = ["batch", "summary", "in", "-m", models(), "--max-tokens", "12", "-j", "4"]
    ran = gptwrite(arguments, cwd=folder)
    rows = parsed(ran.out)
    if "does not get the text any shorter" in ran.err:  # the model writes at random
        assert ran.status == 1 and "error" in rows[2]
        rows.pop(2)
    assert all(row["finish_reason"] in ("stop", "length") for row in rows)
    ids = [f"in/0/000{n}.txt" for n in range(5)]
    assert [row["id"] for row in parsed(ran.out)] == ids
    ran = gptwrite(["batch", "polish", "in", *ECHO], cwd=folder)
    assert ran.status == 0
    assert parsed(ran.out)[2]["text"].count("of the story.") == 150
