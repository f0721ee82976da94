"""Models that other tools on this machine already hold, found in place and never changed.

Each function knows the folder layout of one tool. Only names and sizes are read; whoever wants
more opens the header.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gptwrite.references import SHARD, shards

OLLAMA_MODEL = "application/vnd.ollama.image.model"
OLLAMA_HOST, OLLAMA_NAMESPACE = "registry.ollama.ai", "library"
HEX_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Discovered:
    """A model another tool holds. `tool` is the beginning of `name`, up to its colon."""

    name: str
    tool: str
    path: Path
    size_bytes: int
    sha256: str = ""


def discover() -> list[Discovered]:
    """Return all models that are found, by tool and name; unreadable folders hold none."""
    found: dict[str, Discovered] = {}
    for search in TOOLS:
        try:
            for model in search():
                found.setdefault(model.name, model)
        except OSError:
            continue
    return list(found.values())


def find(name: str) -> Discovered | None:
    """Return the model of that name, with or without its tool; None when none, or several, fit."""
    tool = name.partition(":")[0].lower()
    models = discover()
    exact = [m for m in models if m.name.lower() == name.lower()]
    if tool == "ollama":
        exact = exact or [m for m in models if m.name.lower() == f"{name.lower()}:latest"]
    fitting = exact or [m for m in models if m.name.partition(":")[2].lower() == name.lower()]
    return fitting[0] if len(fitting) == 1 else None


def ollama() -> Iterator[Discovered]:
    """Yield Ollama's models: manifests/HOST/NAMESPACE/MODEL/TAG name the blob of the weights."""
    chosen = os.environ.get("OLLAMA_MODELS")
    roots = [Path(chosen)] if chosen else [Path.home() / ".ollama" / "models"]
    if not chosen and sys.platform.startswith("linux"):
        roots.append(Path("/usr/share/ollama/.ollama/models"))
    for root in roots:
        for manifest in sorted((root / "manifests").glob("*/*/*/*")):
            if manifest.name.startswith(".") or not manifest.is_file():
                continue
            blob = _ollama_blob(root, manifest)
            if blob is None:
                continue
            host, namespace, model, tag = manifest.parts[-4:]
            name = f"{model}:{tag}"
            if namespace != OLLAMA_NAMESPACE or host != OLLAMA_HOST:
                name = f"{namespace}/{name}"
            if host != OLLAMA_HOST:
                name = f"{host}/{name}"
            digest = re.split("[-:]", blob.name)[-1]
            yield Discovered(f"ollama:{name}", "ollama", blob, blob.stat().st_size, digest)


def _ollama_blob(root: Path, manifest: Path) -> Path | None:
    try:
        layers = json.loads(manifest.read_text(encoding="utf-8"))["layers"]
        digests = [str(x["digest"]) for x in layers if x["mediaType"] == OLLAMA_MODEL]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    for digest in digests[:1]:
        if not HEX_DIGEST.fullmatch(digest.removeprefix("sha256:")):
            return None
        # Windows has always, Linux and macOS have since 2024, written a hyphen.
        for name in (digest.replace(":", "-"), digest):
            blob = root / "blobs" / name
            if _is_gguf(blob):
                return blob
    return None


def lm_studio() -> Iterator[Discovered]:
    """Yield LM Studio's models: PUBLISHER/REPOSITORY/FILE.gguf under its models folder."""
    home = Path.home()
    roots = [home / ".lmstudio" / "models", home / ".cache" / "lm-studio" / "models"]
    try:
        settings = json.loads((home / ".lmstudio" / "settings.json").read_text(encoding="utf-8"))
        roots.insert(0, Path(settings["downloadsFolder"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for root in roots:
        for path in _models(root.glob("*/*/*.gguf")):
            publisher, repository = path.parts[-3:-1]
            yield _file(f"lmstudio:{publisher}/{repository}/{_stem(path)}", "lmstudio", path)


def hugging_face() -> Iterator[Discovered]:
    """Yield the GGUF files of the Hugging Face cache: models--OWNER--REPO/snapshots/REVISION/..."""
    root = _hf_cache()
    for repo in sorted(root.glob("models--*--*")):
        revision = ""
        with contextlib.suppress(OSError, ValueError):
            revision = (repo / "refs" / "main").read_text(encoding="ascii").strip()
        snapshots = sorted((repo / "snapshots").glob("*"), key=lambda p: p.stat().st_mtime)
        # The files of what `main` is, else of the newest revision.
        snapshots.sort(key=lambda p: p.name == revision)
        owner, name = repo.name.removeprefix("models--").split("--", 1)
        for snapshot in snapshots[-1:]:
            for path in _models(snapshot.rglob("*.gguf")):
                # A file of the cache is a link to a blob named by its SHA-256.
                digest = path.resolve().name
                found = _file(f"hfcache:{owner}/{name}/{_stem(path)}", "hfcache", path)
                sha256 = digest if HEX_DIGEST.fullmatch(digest) else ""
                yield Discovered(found.name, found.tool, path, found.size_bytes, sha256)


def _hf_cache() -> Path:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if folder := os.environ.get(name):
            return Path(folder)
    if folder := os.environ.get("HF_HOME"):
        return Path(folder) / "hub"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "huggingface" / "hub"


def llama_cpp() -> Iterator[Discovered]:
    """Yield the files of llama.cpp's own cache, which is flat."""
    home = Path.home()
    if folder := os.environ.get("LLAMA_CACHE"):
        root = Path(folder)
    elif sys.platform == "darwin":
        root = home / "Library" / "Caches" / "llama.cpp"
    elif sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA", str(home))) / "llama.cpp"
    else:
        cache = os.environ.get("XDG_CACHE_HOME")
        root = (Path(cache) if cache else home / ".cache") / "llama.cpp"
    for path in _models(root.glob("*.gguf")):
        yield _file(f"llamacpp:{_stem(path)}", "llamacpp", path)


def gpt4all() -> Iterator[Discovered]:
    """Yield GPT4All's models: of its application, and of its Python package."""
    home = Path.home()
    if sys.platform == "darwin":
        data = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA", str(home)))
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    for root in (data / "nomic.ai" / "GPT4All", home / ".cache" / "gpt4all"):
        for path in _models(root.glob("*.gguf")):
            if not path.name.startswith("incomplete-"):
                yield _file(f"gpt4all:{_stem(path)}", "gpt4all", path)


TOOLS: tuple[Callable[[], Iterator[Discovered]], ...] = (
    ollama,
    lm_studio,
    hugging_face,
    llama_cpp,
    gpt4all,
)


def _models(paths: Iterator[Path]) -> Iterator[Path]:
    """Yield what can be opened: of split models the first part, and no vision projectors."""
    for path in sorted(paths):
        split = SHARD.search(path.name)
        if path.name.lower().startswith("mmproj") or (split and int(split[1]) != 1):
            continue
        if _is_gguf(path):
            yield path


def _is_gguf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"GGUF"
    except OSError:
        return False


def _stem(path: Path) -> str:
    return SHARD.sub("", path.name).removesuffix(".gguf")


def _file(name: str, tool: str, path: Path) -> Discovered:
    parts = [path.with_name(part) for part in shards(path.name)]
    size = sum(part.stat().st_size for part in parts if part.exists())
    return Discovered(name, tool, path, size)
