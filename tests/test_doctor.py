from __future__ import annotations

from pathlib import Path

import pytest

from gptwrite import doctor
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


def test_a_name_that_only_begins_like_the_home_folder_is_left_alone() -> None:
    home = str(Path.home())
    assert doctor._tidy(f"{home}/x {home}2/x '{home}'") == f"~/x {home}2/x '~'"
