"""All models on this machine as rows of facts, read from their headers alone."""

from __future__ import annotations

import dataclasses
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptwrite import discovery, gguf_file, store
from gptwrite.chat_template import problems
from gptwrite.engines import library
from gptwrite.errors import ModelError
from gptwrite.gguf_file import Header
from gptwrite.language import say
from gptwrite.models import BUILTIN, builtin_path, model_file
from gptwrite.recommend import Machine, fits, memory_needed, this_machine

GGUF_VERSION = 3
ARCHITECTURE_KEY = b"general.architecture"


@dataclass(frozen=True)
class Row:
    """One model. Sizes in bytes, the context in tokens; `problem` says why it cannot be read."""

    name: str
    source: str
    path: str
    size_bytes: int
    architecture: str = ""
    parameters: int = 0
    quantization: str = ""
    context_length: int = 0
    fits: bool = False
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def cells(self) -> list[str]:
        """Return the row of a table for people."""
        last = self.problem or (say("yes", "是") if self.fits else say("no", "否"))
        return [
            self.name,
            self.source,
            self.architecture or "-",
            count(self.parameters),
            self.quantization or "-",
            f"{self.size_bytes / 1e9:.2f} GB",
            str(self.context_length or "-"),
            last,
        ]


def count(parameters: int) -> str:
    """Return a number of parameters as people write it: 360M, 1.7B."""
    if parameters >= 1_000_000_000:
        return f"{parameters / 1e9:.1f}B"
    return f"{parameters / 1e6:.0f}M" if parameters >= 1_000_000 else "<1M" if parameters else "-"


def rows(machine: Machine | None = None) -> list[Row]:
    """Return the built-in model, the downloaded ones, and those of other tools."""
    machine = machine or this_machine()
    found = []
    if builtin_path().exists():
        path = builtin_path()
        found.append(_row(BUILTIN, "gptwrite", path, path.stat().st_size, machine))
    found += [
        _row(model.name, "gptwrite", model.path, model.size_bytes, machine)
        for model in store.installed()
    ]
    found += [
        _row(model.name, model.tool, model.path, model.size_bytes, machine)
        for model in discovery.discover()
    ]
    return found


def _row(name: str, source: str, path: Path, size_bytes: int, machine: Machine) -> Row:
    try:
        header = gguf_file.read_split(path)
    except ModelError as error:
        return Row(name, source, str(path), size_bytes, problem=error.message)
    needed = memory_needed(size_bytes, header.kv_bytes_per_token())
    return Row(
        name,
        source,
        str(path),
        size_bytes,
        header.architecture,
        header.n_parameters,
        header.quantization,
        header.context_length,
        fits(needed, machine)[0],
    )


def describe(reference: str) -> dict[str, Any]:
    """Return what the header of the model says, with `warnings` and the `chat_template`."""
    spec = model_file(reference)
    path = Path(spec.location)
    header = gguf_file.read_header(path)
    size = spec.size_bytes or path.stat().st_size
    needed = memory_needed(size, header.kv_bytes_per_token())
    warnings = problems(header)
    try:
        header = gguf_file.read_split(path)
        gguf_file.check_split(path)
    except ModelError as error:
        warnings.insert(0, error.message)
    if unknown := unsupported(header):
        warnings.insert(0, unknown)
    return {
        "name": spec.name,
        "path": str(path),
        "title": str(header.metadata.get("general.name", "")),
        "architecture": header.architecture,
        "parameters": header.n_parameters,
        "quantization": header.quantization,
        "size_bytes": size,
        "context_length": header.context_length,
        "memory_bytes": needed,
        "fits": fits(needed, this_machine())[0],
        "license": spec.license or str(header.metadata.get("general.license", "")),
        "sha256": spec.sha256,
        "special_tokens": header.special_tokens,
        "chat_template": header.chat_template,
        "warnings": warnings,
    }


def unsupported_file(reference: str) -> str:
    """Return why the installed llama.cpp cannot open the model that `reference` names."""
    return unsupported(gguf_file.read_header(Path(model_file(reference).location)))


def unsupported(header: Header) -> str:
    """Return why the installed llama.cpp cannot open the model, or an empty string.

    Asks the library to open a file that says nothing but the architecture: milliseconds, where the
    model itself would take its vocabulary's time. An architecture it knows fails on what is missing.
    """
    api = library.load()
    name = header.architecture.encode("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.gguf"
        probe.write_bytes(
            struct.pack("<4sIqq", b"GGUF", GGUF_VERSION, 0, 1)
            + struct.pack("<Q", len(ARCHITECTURE_KEY))
            + ARCHITECTURE_KEY
            + struct.pack("<IQ", gguf_file.STRING, len(name))
            + name
        )
        library.clear_log()
        params = api.llama_model_default_params()
        params.vocab_only = True
        model = api.llama_model_load_from_file(str(probe).encode("utf-8"), params)
    if model:
        api.llama_model_free(model)
        return ""
    if "unknown model architecture" not in " ".join(library.logged()):
        return ""
    return say(
        f"llama.cpp {library.version()} does not know the architecture "
        f"{header.architecture!r}: choose another model, or upgrade gptwrite",
        f"llama.cpp {library.version()} 不支持架构“{header.architecture}”："
        "请换一个模型或升级 gptwrite",
    )
