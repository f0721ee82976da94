from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Ran
from faulty_server import faulty_server, reply

from gptwrite import doctor
from gptwrite.cli.doctor import LABELS, show
from gptwrite.endpoint import parse_endpoint
from gptwrite.settings import config_file


@pytest.mark.parametrize(
    ("system", "has", "kind"),
    [
        ("linux", "nvidia-smi", "cu124"),
        ("linux", "/proc/driver/nvidia/version", "cu124"),
        ("linux", "/dev/kfd", "rocm72"),
        ("linux", "/dev/dri/renderD128", "vulkan"),
        ("linux", "", ""),
        ("win32", "nvidia-smi", "cu124"),
        ("win32", "/dev/dri/renderD128", ""),
    ],
)
def test_the_kind_of_build_follows_the_driver(system: str, has: str, kind: str) -> None:
    found = doctor.wheel_kind(
        lambda name: name if name == has else None, lambda p: p == has, system
    )
    assert found == kind


def test_the_command_installs_the_same_version_of_another_build() -> None:
    command = doctor.install_command("cu124")
    assert "llama-cpp-python==0." in command
    assert command.endswith("/whl/cu124")


def test_a_gpu_that_the_build_cannot_use_is_a_problem_with_a_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "wheel_kind", lambda: "cu124")
    report = doctor.examine(dict)
    assert "cu124" in report["library"]["to_use_the_gpu"]
    assert any("cannot use it" in problem for problem in report["problems"])


def test_a_broken_configuration_is_reported_not_raised() -> None:
    config_file().parent.mkdir(parents=True)
    config_file().write_text("model = ", encoding="utf-8")
    report = doctor.examine(dict)
    assert "not valid TOML" in report["config"]["error"]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("/srv/clients/acme/merger.gguf", ".../merger.gguf"),
        ("~/acme/merger.gguf", ".../merger.gguf"),
        ("file:/srv/acme/merger.gguf", ".../merger.gguf"),
        ("C:\\acme\\merger.gguf", ".../merger.gguf"),
        ("https://user:pass@acme.example/x.gguf?token=hf_1", ".../x.gguf"),
        ("qwen3-4b", "qwen3-4b"),
        ("ollama:qwen3:4b", "ollama:qwen3:4b"),
        ("hf:owner/repo:Q4_K_M", "hf:owner/repo:Q4_K_M"),
    ],
)
def test_of_a_models_place_only_the_files_name_is_told(
    model: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPTWRITE_MODEL", model)
    report = doctor.examine(dict)
    assert report["config"]["changed"]["model"] == told
    said = f"the model {told} of the settings is not here: see `gptwrite models list`"
    assert said in report["problems"] and "acme" not in "".join(report["problems"])


def test_a_model_that_is_here_is_no_problem(
    models: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in ("echo", str(models("qwen2"))):
        monkeypatch.setenv("GPTWRITE_MODEL", model)
        assert not [said for said in doctor.examine(dict)["problems"] if "model" in said]


def test_an_endpoint_is_asked_whether_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "the endpoint of the settings does not answer"
    with faulty_server(reply(200, {})) as server:  # which knows no models: an answer all the same
        monkeypatch.setenv("GPTWRITE_ENDPOINT", server.address)
        report = doctor.examine(dict)
        assert report["config"]["endpoint_answers"] is True and said not in report["problems"]
        assert [asked.method for asked in server.asked] == ["GET"]
        assert "authorization" not in server.asked[0].headers
    report = doctor.examine(dict)
    assert report["config"]["endpoint_answers"] is False and said in report["problems"]
    report = doctor.examine(dict, is_offline=True)
    assert "endpoint_answers" not in report["config"] and said not in report["problems"]
    monkeypatch.setenv("GPTWRITE_OFFLINE", "1")
    assert said not in doctor.examine(dict)["problems"]


def test_a_server_that_is_silent_is_not_waited_for() -> None:
    with faulty_server(reply(200, {})) as server:
        monkey = lambda connection: server.over.wait(30)  # noqa: E731
        server.next_step = lambda _asked: monkey  # type: ignore[method-assign]
        assert not doctor.answers(parse_endpoint(server.address), seconds=0.2)


def test_an_endpoint_that_is_no_address_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTWRITE_ENDPOINT", "http://user:secret@host/v1")
    report = doctor.examine(dict)
    assert [said for said in report["problems"] if "holds a password" in said]
    assert "secret" not in str(report)


def test_the_status_says_whether_there_are_problems(
    gptwrite: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = gptwrite(["doctor"])
    assert ran.status == ("Problem: " in ran.out)
    for flags in ([], ["--json"]):
        ran = gptwrite(["doctor", *flags], env={"GPTWRITE_MODEL": "qwen9-nothing"})
        assert ran.status == 1 and "the model qwen9-nothing of the settings" in ran.out
    where = {"GPTWRITE_ENDPOINT": "http://127.0.0.1:9"}
    assert "does not answer" in gptwrite(["doctor"], env=where).out
    assert "does not answer" not in gptwrite(["doctor", "--offline"], env=where).out


def test_help_the_version_and_doctor_run_beside_a_broken_configuration(
    gptwrite: Callable[..., Ran],
) -> None:
    config_file().parent.mkdir(parents=True)
    config_file().write_text("model = ", encoding="utf-8")
    for arguments in (["--help"], ["--version"], ["article", "--help"], ["prompts", "list"]):
        ran = gptwrite(arguments)
        assert (ran.status, ran.err) == (0, "")
    ran = gptwrite(["doctor"])
    assert ran.status == 1 and ran.err == ""
    assert "Problem: " in ran.out and "not valid TOML" in ran.out
    ran = gptwrite(["article", "x"])
    assert ran.status == 1 and "not valid TOML" in ran.err


def fixed_keys(report: dict[str, Any]) -> set[str]:
    """Return the keys of the report that are its own, not names of devices, tools or settings."""
    found = set()
    for key, value in report.items():
        found.add(key)
        if isinstance(value, dict) and key not in ("of_other_tools", "changed", "broken"):
            found |= fixed_keys(value)
        for inner in value if isinstance(value, list) else []:
            found |= fixed_keys(inner) if isinstance(inner, dict) else set()
    return found


def test_every_entry_has_a_name_for_people_in_both_languages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GPTWRITE_STARTER_NOTE")
    monkeypatch.setattr(doctor, "wheel_kind", lambda: "cu124")
    monkeypatch.setenv("GPTWRITE_ENDPOINT", "http://127.0.0.1:9")
    report = doctor.examine(dict)
    monkeypatch.setattr(doctor, "wheel_kind", lambda: "")
    keys = fixed_keys(report) | fixed_keys(doctor.examine(dict))
    assert keys - {"problems", "name"} <= set(LABELS)
    monkeypatch.setenv("GPTWRITE_UI_LANGUAGE", "zh")
    for title, value in report.items():
        show(title, value, "")
    shown = capsys.readouterr().out
    assert "  可用内存: " in shown and "要使用 GPU，请运行: " in shown
    assert "_" not in "".join(line.split(":")[0] for line in shown.splitlines())


def test_a_name_that_only_begins_like_the_home_folder_is_left_alone() -> None:
    home = str(Path.home())
    assert doctor._tidy(f"{home}/x {home}2/x '{home}'") == f"~/x {home}2/x '~'"
