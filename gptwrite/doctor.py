"""What there is to know about an installation when something does not work, as plain data.

Nothing private is in it: no texts, no tokens, no addresses, and paths below the home folder begin
with ~.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gptwrite import __version__, machine, store
from gptwrite.endpoint import Endpoint, parse_endpoint
from gptwrite.engines import devices, library
from gptwrite.errors import GptwriteError
from gptwrite.language import say
from gptwrite.references import canonical
from gptwrite.settings import FIELDS, Settings, config_file, load_settings

# The maintainer's index of built wheels; one folder for each kind of build.
WHEELS = "https://abetlen.github.io/llama-cpp-python/whl"
GPU_BACKENDS = ("CUDA", "ROCm", "HIP", "Vulkan", "Metal", "MTL", "SYCL", "OpenCL", "MUSA", "CANN")
PLACE = re.compile(r"[/~\\.]|[a-z]:[/\\]|(?:file|https?):", re.IGNORECASE)
ENDPOINT_SECONDS = 3.0  # to wait for a server, which writes nothing here
PRIVATE = ("endpoint",)  # settings whose value stays out of a report


def examine(
    gather_templates: Callable[[], dict[str, str]] | None = None, is_offline: bool = False
) -> dict[str, Any]:
    """Return the report: a section for each subject. Never raises for what is wrong: it says so.

    Asks the endpoint, where one is set, whether it answers; `is_offline` opens no connection.
    """
    problems: list[str] = []
    report: dict[str, Any] = {
        "gptwrite": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "executable": _tidy(sys.executable),
    }
    report["library"] = _library(problems)
    report["machine"] = _machine()
    report["threads"] = _threads()
    report["models"] = _models(problems)
    report["config"] = _config(problems, is_offline)
    broken = (gather_templates or broken_templates)()
    report["templates"] = {"broken": {name: _tidy(text) for name, text in broken.items()}}
    problems += [say(f"template {name} does not load", f"模板 {name} 无法加载") for name in broken]
    report["problems"] = problems
    return report


def _library(problems: list[str]) -> dict[str, Any]:
    try:
        api = library.load()
    except (ImportError, OSError, RuntimeError) as exc:
        problems.append(say("llama.cpp cannot be loaded", "无法加载 llama.cpp"))
        return {"error": _tidy(str(exc))}
    names = devices.backends()
    can_offload = bool(api.llama_supports_gpu_offload())
    gpu_builds = [name for name in names if name.startswith(GPU_BACKENDS)]
    found: dict[str, Any] = {
        "llama_cpp_python": library.version(),
        "backends": names,
        "processor_features": devices.processor_features(),
        "can_offload": can_offload,
    }
    kind = wheel_kind()
    if not gpu_builds and kind:
        found["to_use_the_gpu"] = install_command(kind)
        problems.append(
            say("there is a GPU, and this build of llama.cpp cannot use it",
                "有 GPU，但此 llama.cpp 版本无法使用它")
        )  # fmt: skip
    elif gpu_builds and not can_offload:
        problems.append(
            say(f"the build has {gpu_builds[0]}, and sees no GPU: check the driver",
                f"此版本支持 {gpu_builds[0]}，但看不到 GPU：请检查驱动")
        )  # fmt: skip
    elif not gpu_builds:
        found["to_use_a_gpu"] = install_command("cu124")
    return found


def wheel_kind(
    find: Callable[[str], str | None] = shutil.which,
    exists: Callable[[str], bool] = os.path.exists,
    system: str = sys.platform,
) -> str:
    """Return the kind of build this machine's GPU needs, or an empty string without a GPU.

    Read from what its driver has installed; no driver is asked.
    """
    if system == "darwin":
        return "metal" if platform.machine() == "arm64" else ""
    if find("nvidia-smi") or exists("/proc/driver/nvidia/version"):
        return "cu124"
    if exists("/dev/kfd"):
        return "rocm72"
    if system.startswith("linux") and exists("/dev/dri/renderD128"):
        return "vulkan"
    return ""


def install_command(kind: str) -> str:
    """Return the command that replaces the library by a build of that kind, same version."""
    version = library.version()
    return (
        f"{_tidy(sys.executable)} -m pip install --force-reinstall --no-deps "
        f"llama-cpp-python=={version} --extra-index-url {WHEELS}/{kind}"
    )


def _machine() -> dict[str, Any]:
    try:
        found = [dataclasses.asdict(device) for device in devices.devices()]
    except (ImportError, OSError, RuntimeError):
        found = []
    return {
        "processors": os.cpu_count(),
        "memory_free_bytes": machine.available_memory_bytes(),
        "devices": found,
    }


def _threads() -> dict[str, Any]:
    allowed = machine.usable_processors()
    quota = machine.cgroup_processors(machine.CGROUP)
    cores = machine.physical_cores()
    chosen = machine.inference_threads()
    if quota is not None and chosen == quota:
        why = say("the container's quota", "容器的配额")
    elif cores is not None and cores < allowed:
        why = say("one for each physical core", "每个物理核一个")
    else:
        why = say("all processors this process may use", "本进程可用的全部处理器")
    return {
        "chosen": chosen,
        "why": why,
        "usable_processors": allowed,
        "physical_cores": cores,
        "cgroup_quota": quota,
    }


def _models(problems: list[str]) -> dict[str, Any]:
    from gptwrite.discovery import discover
    from gptwrite.models import builtin_path

    folder = store.models_dir()
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    own = store.installed()
    others = discover()
    if not builtin_path().exists():
        problems.append(say("the built-in model is missing", "缺少内置模型"))
    return {
        "folder": _tidy(str(folder)),
        "disk_free_bytes": shutil.disk_usage(existing).free,
        "downloaded": len(own),
        "downloaded_bytes": sum(model.size_bytes for model in own),
        "of_other_tools": {
            tool: sum(model.tool == tool for model in others)
            for tool in sorted({model.tool for model in others})
        },
        "builtin": builtin_path().exists(),
    }


def _config(problems: list[str], is_offline: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"file": _tidy(str(config_file())), "exists": config_file().exists()}
    try:
        settings = load_settings()
    except GptwriteError as error:
        problems.append(_tidy(error.message))
        return {**found, "error": _tidy(error.message)}
    found["changed"] = {
        name: "(set)" if name in PRIVATE else _setting(name, getattr(settings, name))
        for name in FIELDS
        if getattr(settings, name) != getattr(Settings(), name)
    }
    if settings.endpoint:
        return found | _endpoint(settings, problems, is_offline or settings.offline)
    if not has_model(settings):
        name = _setting("model", settings.model)
        problems.append(
            say(f"the model {name} of the settings is not here: see `gptwrite models list`",
                f"设置中的模型 {name} 不在本机：见 `gptwrite models list`")
        )  # fmt: skip
    return found


def has_model(settings: Settings) -> bool:
    """Return whether the model of the settings can be found on this machine."""
    from gptwrite.models import resolve

    try:
        spec = resolve(settings.model, settings)
    except GptwriteError:
        return False
    return spec.engine != "llama" or Path(spec.location).is_file()


def _endpoint(settings: Settings, problems: list[str], is_offline: bool) -> dict[str, Any]:
    if is_offline:
        return {}
    does_answer = answers(parse_endpoint(settings.endpoint))
    if not does_answer:
        problems.append(
            say("the endpoint of the settings does not answer", "设置中的服务器没有应答")
        )
    return {"endpoint_answers": does_answer}


def answers(endpoint: Endpoint, seconds: float = ENDPOINT_SECONDS) -> bool:
    """Return whether there is any answer within `seconds`; no key is sent, so it may be a no."""
    import httpx

    try:
        # As in the engine: proxies and certificates are for other machines, and TLS.
        with httpx.stream(
            "GET",
            f"{endpoint.base}/models",
            trust_env=not endpoint.is_loopback,
            verify=endpoint.is_encrypted,
            timeout=seconds,
        ):
            return True
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        return False


def _setting(name: str, value: object) -> str:
    """Return a setting as it may be told: of a model's path or address, the file's name alone."""
    text = canonical(str(value))
    if name != "model" or not PLACE.match(text):
        return _tidy(text)
    return ".../" + re.split(r"[/\\]", text)[-1]


def broken_templates() -> dict[str, str]:
    """Return the writing templates that do not load, and why."""
    from gptwrite.template import Library

    templates = Library()
    broken = {}
    for name in sorted(templates.names()):
        try:
            templates.load(name)
        except GptwriteError as error:
            broken[name] = error.message
    return broken


def _tidy(text: str) -> str:
    """Return `text` without the user's home folder, and so without the user's name."""
    home = str(Path.home())
    if len(home) > 1:
        text = re.sub(re.escape(home) + r"(?=$|[/\\\s:'\"),])", "~", text)
    return text
