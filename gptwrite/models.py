"""Which model a name means: the built-in one, a file, a downloaded or discovered one, an endpoint.

Reads the disk only. Nothing here, or below, opens a connection.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gptwrite import catalogue, discovery, store
from gptwrite.endpoint import parse_endpoint
from gptwrite.errors import ModelError
from gptwrite.language import say
from gptwrite.references import canonical, parse
from gptwrite.settings import Settings

BUILTIN, ECHO = "builtin", "echo"
RESERVED = (BUILTIN, ECHO)  # names that no downloaded model may have


@dataclass(frozen=True)
class ModelSpec:
    """A model that can be opened. `location` is a path, or an address for a remote engine."""

    name: str
    engine: str
    location: str
    sha256: str = ""
    size_bytes: int = 0
    context_length: int = 0
    license: str = ""


def builtin_path() -> Path:
    """Return the file of the model inside the package."""
    return Path(__file__).parent / "builtin" / "gptwrite-starter.gguf"


def is_builtin(reference: str) -> bool:
    """Say whether a reference, a name or a path, means the model inside the package."""
    if reference == BUILTIN:
        return True
    path = os.path.expanduser(reference)  # noqa: PTH111 - Path's raises for an unknown user
    # The package, too, may lie behind a link.
    return os.path.realpath(path) == os.path.realpath(builtin_path())


def resolve(reference: str, settings: Settings) -> ModelSpec:
    """Return what `reference` names; an endpoint goes before all.

    It may be `builtin`, `echo`, a path, `file:PATH`, the name or reference of a downloaded model,
    or one that another tool holds, such as `ollama:qwen3:4b`. Raises `ModelError` for others.
    """
    if settings.endpoint:
        address = parse_endpoint(settings.endpoint, settings.offline).base
        # Without a name the server's only model is meant.
        return ModelSpec("" if reference == BUILTIN else reference, "remote", address)
    if reference == ECHO:
        return ModelSpec(ECHO, "echo", "")
    if reference == BUILTIN:
        path = builtin_path()
        if not path.exists():
            raise ModelError(
                say(
                    "The built-in model is missing from this installation.", "安装中缺少内置模型。"
                ),
                say("Install gptwrite again.", "请重新安装 gptwrite。"),
            )
        return ModelSpec(BUILTIN, "llama", str(path))
    if stored := store.find(reference):
        first = stored.files[0]
        return ModelSpec(
            stored.name,
            "llama",
            str(stored.path),
            sha256=first.sha256,
            size_bytes=stored.size_bytes,
            license=stored.license,
        )
    elsewhere = parse(reference)
    if elsewhere and elsewhere.source != "file":
        raise _not_here(reference)
    path = Path(elsewhere.location if elsewhere else reference).expanduser()
    if elsewhere or path.suffix == ".gguf" or path.is_file():
        return ModelSpec(path.stem, "llama", str(path))
    if found := discovery.find(reference):
        return ModelSpec(
            found.name,
            "llama",
            str(found.path),
            sha256=found.sha256,
            size_bytes=found.size_bytes,
        )
    if catalogue.find(reference):
        raise _not_here(reference)
    if "/" in reference or "\\" in reference:
        return ModelSpec(path.stem, "llama", str(path))
    raise unknown_model(reference)


def model_file(reference: str) -> ModelSpec:
    """Return what `reference` names if that is a file; raise `ModelError` for all else."""
    spec = resolve(reference, Settings())
    if spec.engine != "llama":
        raise ModelError(
            say(f"{reference} is not a model file.", f"{reference} 不是模型文件。"),
            say("Name a GGUF model.", "请指定 GGUF 模型。"),
        )
    return spec


def _not_here(reference: str) -> ModelError:
    reference = canonical(reference)
    return ModelError(
        say(f"{reference} is not on this machine yet.", f"{reference} 尚未下载到本机。"),
        say(f"Fetch it: gptwrite models pull {reference}",
            f"请先下载：gptwrite models pull {reference}"),
    )  # fmt: skip


def unknown_model(name: str) -> ModelError:
    """Return the error for a name that means nothing, with the nearest ones that do."""
    here = tuple(model.name for model in store.installed())
    others = tuple(model.name for model in discovery.discover())
    near = catalogue.nearest(name, (*here, *others))
    hint = say(f"Did you mean {', '.join(near)}? ", f"是否要写 {'、'.join(near)}？") if near else ""
    return ModelError(
        say(f"There is no model {name!r}.", f"没有模型“{name}”。"),
        hint + say("See `gptwrite models list` and `gptwrite models recommend`.",
                   "见 `gptwrite models list` 与 `gptwrite models recommend`。"),
    )  # fmt: skip
