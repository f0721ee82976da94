"""Which model a name means: the built-in one, a file, a name, or an endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gptwrite.errors import ModelError
from gptwrite.language import say
from gptwrite.settings import Settings

BUILTIN = "builtin"


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


def resolve(reference: str, settings: Settings) -> ModelSpec:
    """Return what `reference` names: `builtin`, `echo`, or a path; an endpoint goes before all."""
    if settings.endpoint:
        return ModelSpec(reference, "remote", settings.endpoint)
    if reference == "echo":
        return ModelSpec("echo", "echo", "")
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
    path = Path(reference).expanduser()
    if path.exists() or path.suffix == ".gguf" or "/" in reference:
        return ModelSpec(path.stem, "llama", str(path))
    raise ModelError(
        say(f"There is no model {reference!r}.", f"没有模型“{reference}”。"),
        say("See `gptwrite models list`.", "见 `gptwrite models list`。"),
    )
