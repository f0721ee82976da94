from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Ran
from hub_server import Fault, HubServer, Repository
from test_discovery import ollama

import gptwrite as gptwrite_package
from gptwrite import store
from gptwrite.cli.models import LABELS, width, wrap

Run = Callable[..., Ran]
Model = Callable[..., Path]
REPO = "owner/Tiny-GGUF"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, models: Model) -> Iterator[HubServer]:
    with HubServer() as server:
        server.repositories[REPO] = Repository({"Tiny-Q8_0.gguf": models("qwen2").read_bytes()})
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def test_a_model_is_pulled_used_listed_shown_verified_and_removed(
    hub: HubServer, gptwrite: Run
) -> None:
    pulled = gptwrite(["models", "pull", f"hf:{REPO}"])
    assert (pulled.status, pulled.out) == (0, "tiny-q8_0\n")
    assert "Tiny-Q8_0.gguf: 100%" in pulled.err
    assert "gptwrite models use tiny-q8_0" in pulled.err
    used = gptwrite(["models", "use", "tiny-q8_0"])
    assert (used.status, used.out) == (0, "tiny-q8_0\n")
    assert gptwrite(["config", "get", "model"]).out == "tiny-q8_0\n"
    listed = json.loads(gptwrite(["models", "list", "--json"]).out)
    row = next(row for row in listed if row["name"] == "tiny-q8_0")
    assert (row["source"], row["architecture"], row["fits"]) == ("gptwrite", "qwen2", True)
    shown = gptwrite(["models", "info", "tiny-q8_0"])
    assert "architecture: qwen2" in shown.out
    assert "special tokens: eos '<|im_end|>'" in shown.out
    assert "<|im_start|>" in shown.out
    assert "license: apache-2.0" in shown.out
    assert gptwrite(["models", "verify"]).out == "ok    tiny-q8_0\n"
    removed = gptwrite(["models", "rm", "tiny-q8_0"])
    assert removed.out == "tiny-q8_0: 0.00 GB freed\n"
    assert "It was the model in use" in removed.err
    assert store.installed() == []


def test_a_pulled_model_writes(hub: HubServer, gptwrite: Run) -> None:
    gptwrite(["models", "pull", f"hf:{REPO}"])
    ran = gptwrite(["article", "autumn", "-m", "tiny-q8_0", "--max-tokens", "4", "--offline"])
    assert ran.status == 0, ran.err
    assert ran.out.strip()


def test_verify_finds_a_damaged_file_and_says_what_to_do(hub: HubServer, gptwrite: Run) -> None:
    gptwrite(["models", "pull", f"hf:{REPO}"])
    path = store.installed()[0].path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    ran = gptwrite(["models", "verify", "tiny-q8_0"])
    assert ran.status == 1
    assert "wrong tiny-q8_0 the SHA-256 of Tiny-Q8_0.gguf is wrong" in ran.out
    assert "\r" not in ran.err and "%" not in ran.err
    told = ran.err.rpartition("Fetch it again: ")[2].strip()
    assert told == (
        f"gptwrite models rm tiny-q8_0 && gptwrite models pull hf:{REPO} --name tiny-q8_0"
    )
    for command in told.split(" && "):
        assert gptwrite(command.split()[1:]).status == 0
    assert gptwrite(["models", "verify"]).out == "ok    tiny-q8_0\n"


def test_verify_checks_what_other_tools_hold_by_the_digest_that_is_known(
    gptwrite: Run, models: Model, tmp_path: Path
) -> None:
    data = models("qwen2").read_bytes()
    blob = ollama(Path.home() / ".ollama/models", "registry.ollama.ai/library/q/1b", data)
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(data[:-1000])
    ran = gptwrite(["models", "verify", "builtin", "ollama:q:1b"])
    assert (ran.status, ran.out) == (0, "ok    builtin\nok    ollama:q:1b\n")
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    ran = gptwrite(["models", "verify", "q:1b", cut, "builtin"])
    assert ran.status == 1
    lines = ran.out.splitlines()
    assert lines[0] == "wrong q:1b its SHA-256 is wrong"
    assert lines[1].startswith(f"wrong {cut} {cut} is cut short: 1000 bytes are missing")
    assert lines[2] == "ok    builtin"
    assert "leaves it alone" in ran.err
    assert blob.exists()


def test_progress_without_a_terminal_is_plain_lines(hub: HubServer, gptwrite: Run) -> None:
    hub.faults = [Fault(cut_after=200_000)]
    ran = gptwrite(["models", "pull", f"hf:{REPO}"], env={"GPTWRITE_UI_LANGUAGE": "en"})
    assert ran.status == 0
    assert "Tiny-Q8_0.gguf, 0.5 MB\n" in ran.err
    assert "the connection was cut; trying again in 1 s" in ran.err
    assert ", going on at 0.2 MB" in ran.err
    assert "\x1b" not in ran.err
    assert "\r" not in ran.err
    assert gptwrite(["models", "rm", "tiny-q8_0"]).status == 0
    assert gptwrite(["models", "pull", f"hf:{REPO}", "--quiet"]).err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_progress_on_a_terminal_is_a_bar_with_speed_and_time_left(hub: HubServer) -> None:
    import pexpect

    child = pexpect.spawn(
        sys.executable, ["-m", "gptwrite", "models", "pull", f"hf:{REPO}"],
        encoding="utf-8", dimensions=(24, 120), timeout=60,
    )  # fmt: skip
    child.expect(pexpect.EOF)
    assert "━" in child.before
    assert "520.5/520.5 kB" in child.before
    assert re.search(r"\d [kM]B/s", re.sub(r"\x1b\[[\d;]*m", "", child.before))
    assert "0:00:00" in child.before
    child.close()
    assert child.exitstatus == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_ctrl_c_leaves_a_part_and_the_next_pull_goes_on(hub: HubServer) -> None:
    import signal

    hub.faults = [Fault(cut_after=300_000), Fault(503, {"Retry-After": "60"})]
    child = subprocess.Popen(
        [sys.executable, "-m", "gptwrite", "models", "pull", f"hf:{REPO}"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stderr
    for line in child.stderr:
        if "trying again in 60 s" in line:
            child.send_signal(signal.SIGINT)
            break
    rest = child.communicate(timeout=60)[1]
    assert child.returncode == 130
    assert "the same command goes on from here" in rest
    hub.seen.clear()
    subprocess.run(child.args, check=True, capture_output=True)
    assert hub.downloads()[0].headers["Range"] == "bytes=300000-"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["pull", "nothing-like-it"], 1, "no model"),
        (["pull", "hf:none/none"], 1, "no public model none/none"),
        (["pull", "hf:bad"], 2, "names no model"),
        (["pull", "qwen3-4b", "--source", "elsewhere"], 2, "--source"),
        (["pull", "qwen3-4b", "--sha256", "12"], 2, "64 hexadecimal"),
        (["pull", "qwen3-4b", "--offline"], 1, "offline"),
        (["use", "nothing-like-it"], 1, "no model"),
        (["use", "/nowhere/x.gguf"], 1, "No model file"),
        (["rm", "builtin"], 1, "not downloaded"),
        (["verify", "nothing"], 1, "no model"),
        (["info", "qwen3-4b"], 1, "not on this machine yet"),
        (["info", "echo"], 1, "not a model file"),
        (["quantize", "/nowhere/x.gguf", "y.gguf"], 1, "No model file"),
    ],
)
def test_errors_name_the_cause_in_one_line(
    hub: HubServer, gptwrite: Run, arguments: list[str], status: int, words: str
) -> None:
    ran = gptwrite(["models", *arguments])
    assert ran.status == status, ran.err
    assert words in ran.err
    assert len(ran.err.splitlines()) == 2
    assert "Hint: " in ran.err


def test_use_takes_a_path_and_warns_of_a_base_model(
    gptwrite: Run, models: Model, tmp_path: Path
) -> None:
    path = models("gpt2")
    ran = gptwrite(
        ["models", "use", os.path.relpath(path, tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(gptwrite_package.__file__).parent.parent)},
    )
    assert ran.out == f"{path}\n"
    assert "no chat template" in ran.err


def test_use_takes_a_model_of_another_tool(gptwrite: Run, models: Model) -> None:
    ollama(Path.home() / ".ollama/models", "registry.ollama.ai/library/q/1b", models("qwen2").read_bytes())  # fmt: skip
    assert gptwrite(["models", "use", "q:1b"]).out == "ollama:q:1b\n"
    rows = [line.split() for line in gptwrite(["models", "list"]).out.splitlines()]
    assert ["ollama:q:1b", "ollama", "qwen2"] in [row[:3] for row in rows]


def test_an_architecture_the_library_does_not_know_is_told(
    gptwrite: Run, models: Model, tmp_path: Path
) -> None:
    path = tmp_path / "new.gguf"
    path.write_bytes(models("qwen2").read_bytes().replace(b"qwen2", b"qwenX"))
    ran = gptwrite(["models", "info", path])
    assert ran.status == 0
    assert "does not know the architecture 'qwenX'" in ran.err


def test_what_a_header_says_cannot_command_a_terminal(gptwrite: Run, models: Model) -> None:
    path = models("qwen2", chat_template="\x1b]0;x\x07{{ messages }}")
    shown = gptwrite(["models", "info", path])
    assert shown.status == 0 and "]0;x{{ messages }}" in shown.out
    assert "\x1b" not in shown.out and "\x07" not in shown.out


def test_recommend_marks_one_model_and_tells_what_to_type(gptwrite: Run) -> None:
    ran = gptwrite(["models", "recommend", "--lang", "zh"])
    stars = [line for line in ran.out.splitlines() if line.startswith("* ")]
    assert len(stars) == 1
    name = stars[0].split()[1]
    assert f"gptwrite models pull {name} && gptwrite models use {name}" in ran.err
    rows = json.loads(gptwrite(["models", "recommend", "--json", "--all"]).out)
    assert sum(row["is_best"] for row in rows) == 1
    assert {"memory_bytes", "tokens_per_second", "license"} <= set(rows[0])


def test_quantize_shows_its_progress_and_what_came_of_it(
    gptwrite: Run, models: Model, tmp_path: Path
) -> None:
    target = tmp_path / "small.gguf"
    ran = gptwrite(["models", "quantize", models("qwen2"), target, "--type", "Q8_0"])
    assert ran.status == 0
    assert ran.out.startswith(f"{target}: 0.5 MB -> 0.")
    assert "Quantizing: 27/27" in ran.err


@pytest.mark.parametrize(
    ("command", "title", "value"),
    [("list", "上下文", r"512|1024"), ("recommend", "许可", "Apache")],
)
def test_tables_line_up_in_chinese_too(
    gptwrite: Run, command: str, title: str, value: str, models: Model
) -> None:
    ollama(Path.home() / ".ollama/models", "registry.ollama.ai/library/q/1b", models("qwen2").read_bytes())  # fmt: skip
    lines = gptwrite(["models", command], env={"GPTWRITE_UI_LANGUAGE": "zh"}).out.splitlines()
    assert lines[0].startswith("名称")
    rows = [line for line in lines[1:] if re.search(value, line)]
    starts = {width(re.split(value, line)[0]) for line in rows}
    assert len(rows) >= 2
    assert starts == {width(lines[0].split(title)[0])}


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_table_on_a_terminal_stays_within_its_edge(language: str) -> None:
    import pexpect

    environment = {**os.environ, "GPTWRITE_UI_LANGUAGE": language}
    environment.pop("COLUMNS", None)
    ran = pexpect.run(
        f"{sys.executable} -m gptwrite models recommend --all",
        env=environment, encoding="utf-8", timeout=60, dimensions=(24, 80),
    )  # fmt: skip
    rows = [line for line in ran.splitlines() if " GB " in line]
    assert len(rows) >= 15
    assert all(width(line) <= 80 for line in ran.splitlines() if line.startswith(" "))
    whole = " ".join(ran.split()) if language == "en" else "".join(ran.split())
    assert {"en": "long inputs are cheap", "zh": "长输入省内存"}[language] in whole


@pytest.mark.parametrize(
    ("text", "room", "lines"),
    [
        ("", 5, [""]),
        ("abc", 3, ["abc"]),
        ("one two three", 8, ["one two", "three"]),
        ("longword a", 4, ["longword", "a"]),
        ("中文字", 6, ["中文字"]),
        ("中文字", 5, ["中文", "字"]),
        ("用 GPU 写", 6, ["用 GPU", "写"]),
    ],
)
def test_a_cell_is_wrapped_by_the_columns_it_takes(text: str, room: int, lines: list[str]) -> None:
    assert wrap(text, room) == lines


def test_info_is_in_words_and_in_chinese_where_the_interface_is(gptwrite: Run) -> None:
    english = gptwrite(["models", "info", "builtin"]).out
    assert "\nsize: 0.01 GB\n" in english and "\nfits: yes\n" in english
    chinese = gptwrite(["models", "info", "builtin"], env={"GPTWRITE_UI_LANGUAGE": "zh"}).out
    assert chinese.startswith("名称：builtin\n")
    assert "\n可运行：是\n" in chinese and "\n对话模板：\n" in chinese
    facts = json.loads(gptwrite(["models", "info", "builtin", "--json"]).out)
    assert set(facts) == {*LABELS, "chat_template", "warnings"}


def test_info_needs_the_header_and_nothing_after_it(
    gptwrite: Run, models: Model, tmp_path: Path
) -> None:
    path = tmp_path / "head.gguf"
    path.write_bytes(models("qwen2").read_bytes()[:-400_000])
    ran = gptwrite(["models", "info", path])
    assert ran.status == 0
    assert "architecture: qwen2" in ran.out and "<|im_start|>" in ran.out
    assert "400000 bytes are missing" in ran.err


def test_doctor_says_what_it_finds_and_keeps_the_home_folder_out(
    gptwrite: Run, models: Model
) -> None:
    ollama(Path.home() / ".ollama/models", "registry.ollama.ai/library/q/1b", models("qwen2").read_bytes())  # fmt: skip
    gptwrite(["config", "set", "endpoint", "http://127.0.0.1:9/secret"])
    prompts = Path(os.environ["GPTWRITE_CONFIG_DIR"]) / "prompts"
    prompts.mkdir(parents=True)
    (prompts / "broken.yaml").write_text("name: [", encoding="utf-8")
    data = str(Path.home() / "data")
    ran = gptwrite(["doctor", "--json"], env={"HF_TOKEN": "hf_secret", "GPTWRITE_DATA_DIR": data})
    report = json.loads(ran.out)
    assert ran.status == 1
    assert report["library"]["llama_cpp_python"]
    assert "CPU" in report["library"]["backends"]
    assert report["machine"]["devices"][0]["total_bytes"] > 0
    assert report["threads"]["chosen"] >= 1
    assert report["models"]["of_other_tools"] == {"ollama": 1}
    assert report["models"]["folder"] == str(Path("~/data/models"))
    assert report["config"]["changed"] == {"endpoint": "(set)", "starter_note": "False"}
    assert list(report["templates"]["broken"]) == ["broken"]
    assert "template broken does not load" in report["problems"]
    assert "the endpoint of the settings does not answer" in report["problems"]
    for private in ("secret", "127.0.0.1", str(Path.home())):
        assert private not in ran.out
    people = gptwrite(["doctor"])
    assert people.status == 1
    assert "Problem: template broken does not load" in people.out
