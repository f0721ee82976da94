from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gptwrite import discovery
from gptwrite.model_list import describe, rows
from gptwrite.models import resolve
from gptwrite.recommend import Machine
from gptwrite.settings import Settings
from gptwrite.verify import damage

Model = Callable[..., Path]


@pytest.fixture
def data(models: Model) -> bytes:
    return models("qwen2").read_bytes()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def ollama(root: Path, name: str, data: bytes, separator: str = "-") -> Path:
    """Lay a model out as `ollama pull` does: a manifest, and blobs named by their digests."""
    digest = hashlib.sha256(data).hexdigest()
    blob = put(root / "blobs" / f"sha256{separator}{digest}", data)
    config = put(root / "blobs" / ("sha256-" + "1" * 64), b"{}")
    template = put(root / "blobs" / ("sha256-" + "2" * 64), b"{{ .Prompt }}")
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                   "digest": config.name.replace("-", ":"), "size": 2},
        "layers": [
            {"mediaType": "application/vnd.ollama.image.model",
             "digest": f"sha256:{digest}", "size": len(data)},
            {"mediaType": "application/vnd.ollama.image.template",
             "digest": template.name.replace("-", ":"), "size": 13},
        ],
    }  # fmt: skip
    put(root / "manifests" / name, json.dumps(manifest).encode())
    return blob


def names() -> list[str]:
    return [model.name for model in discovery.discover()]


@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        ("registry.ollama.ai/library/qwen3/4b", "ollama:qwen3:4b"),
        ("registry.ollama.ai/library/qwen3/latest", "ollama:qwen3:latest"),
        ("registry.ollama.ai/someone/model/tag", "ollama:someone/model:tag"),
        ("hf.co/bartowski/Some-GGUF/Q4_K_M", "ollama:hf.co/bartowski/Some-GGUF:Q4_K_M"),
    ],
)
def test_ollamas_models_are_found_by_their_manifests(data: bytes, manifest: str, name: str) -> None:
    blob = ollama(Path.home() / ".ollama/models", manifest, data)
    (found,) = discovery.discover()
    assert (found.name, found.path, found.size_bytes) == (name, blob, len(data))
    assert found.sha256 == hashlib.sha256(data).hexdigest()


def test_ollamas_folder_may_be_elsewhere_and_its_blobs_old(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "o"))
    ollama(tmp_path / "o", "registry.ollama.ai/library/old/1b", data, separator=":")
    assert names() == ["ollama:old:1b"]


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"layers": [{"mediaType": "application/vnd.ollama.image.model", '
               b'"digest": "sha256:../../../etc/passwd"}]}']
)  # fmt: skip
def test_a_broken_manifest_is_passed_over(data: bytes, damage: bytes) -> None:
    root = Path.home() / ".ollama/models"
    ollama(root, "registry.ollama.ai/library/good/1b", data)
    put(root / "manifests/registry.ollama.ai/library/bad/1b", damage)
    assert names() == ["ollama:good:1b"]


def test_lm_studios_models_are_found_without_projectors(data: bytes) -> None:
    root = Path.home() / ".lmstudio/models/unsloth/Qwen3-4B-GGUF"
    put(root / "Qwen3-4B-Q4_K_M.gguf", data)
    put(root / "mmproj-F16.gguf", data)
    put(root / "half.gguf", b"")
    assert names() == ["lmstudio:unsloth/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M"]


def test_lm_studios_chosen_folder_is_followed(data: bytes, tmp_path: Path) -> None:
    put(tmp_path / "lm/a/b/c.gguf", data)
    settings = json.dumps({"downloadsFolder": str(tmp_path / "lm")}).encode()
    put(Path.home() / ".lmstudio/settings.json", settings)
    assert names() == ["lmstudio:a/b/c"]


def hf_cache(root: Path, repo: str, revision: str, file: str, data: bytes) -> Path:
    """Lay a file out as huggingface_hub does: a link in a snapshot to a blob, and a ref."""
    folder = root / f"models--{repo.replace('/', '--')}"
    blob = put(folder / "blobs" / hashlib.sha256(data).hexdigest(), data)
    link = folder / "snapshots" / revision / file
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(blob, link.parent))
    put(folder / "refs" / "main", revision.encode())
    return link


@pytest.mark.parametrize("place", ["default", "HF_HOME", "HF_HUB_CACHE"])
def test_the_hugging_face_cache_is_read_where_it_is(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    root = Path(os.environ["XDG_CACHE_HOME"]) / "huggingface/hub"
    if place != "default":
        root = tmp_path / "hf" / ("hub" if place == "HF_HOME" else "")
        monkeypatch.setenv(place, str(tmp_path / "hf"))
    hf_cache(root, "Qwen/Old-GGUF", "a" * 40, "old.gguf", data)
    link = hf_cache(root, "Qwen/Old-GGUF", "b" * 40, "new.gguf", data)
    (found,) = discovery.discover()
    assert (found.name, found.path) == ("hfcache:Qwen/Old-GGUF/new", link)
    assert found.sha256 == hashlib.sha256(data).hexdigest()


def test_llama_cpps_cache_and_gpt4all_are_read(data: bytes) -> None:
    cache, share = Path(os.environ["XDG_CACHE_HOME"]), Path(os.environ["XDG_DATA_HOME"])
    put(cache / "llama.cpp/ggml-org_gemma-3-4b-it-Q4_K_M.gguf", data)
    put(share / "nomic.ai/GPT4All/Llama-3.2-1B-Instruct-Q4_0.gguf", data)
    put(share / "nomic.ai/GPT4All/incomplete-x.gguf", data)
    put(Path.home() / ".cache/gpt4all/orca.gguf", data)
    assert names() == [
        "llamacpp:ggml-org_gemma-3-4b-it-Q4_K_M",
        "gpt4all:Llama-3.2-1B-Instruct-Q4_0",
        "gpt4all:orca",
    ]


def test_a_split_model_is_one_model_as_large_as_its_parts(data: bytes) -> None:
    root = Path.home() / ".lmstudio/models/a/b"
    put(root / "x-00001-of-00002.gguf", data)
    put(root / "x-00002-of-00002.gguf", data)
    (found,) = discovery.discover()
    assert (found.name, found.size_bytes) == ("lmstudio:a/b/x", 2 * len(data))
    assert rows(Machine(10**9, 2))[-1].parameters == 2 * 127_296
    facts = describe("lmstudio:a/b/x")
    assert (facts["parameters"], facts["warnings"]) == (2 * 127_296, [])
    assert damage("lmstudio:a/b/x") == ""


def test_a_split_model_with_a_part_missing_or_cut_is_told(data: bytes) -> None:
    root = Path.home() / ".lmstudio/models/a/b"
    put(root / "x-00001-of-00002.gguf", data)
    second = root / "x-00002-of-00002.gguf"
    for content, words in ((None, "No model file at"), (data[:-1000], "1000 bytes are missing")):
        if content:
            put(second, content)
        for problem in (damage("lmstudio:a/b/x"), describe("lmstudio:a/b/x")["warnings"][0]):
            assert words in problem and str(second) in problem
    second.unlink()
    assert str(second) in rows(Machine(10**9, 2))[-1].problem


def test_a_found_model_is_used_in_place_by_its_long_or_short_name(data: bytes) -> None:
    blob = ollama(Path.home() / ".ollama/models", "registry.ollama.ai/library/qwen3/4b", data)
    other = ollama(Path.home() / ".ollama/models", "registry.ollama.ai/library/q/latest", data)
    before = blob.stat()
    for name in ("ollama:qwen3:4b", "qwen3:4b", "Ollama:Qwen3:4B"):
        assert resolve(name, Settings()).location == str(blob)
    assert resolve("ollama:q", Settings()).location == str(other)
    assert blob.stat() == before


def test_a_short_name_that_two_tools_have_means_none(data: bytes) -> None:
    put(Path.home() / ".cache/gpt4all/same.gguf", data)
    put(Path(os.environ["XDG_CACHE_HOME"]) / "llama.cpp/same.gguf", data)
    assert discovery.find("same") is None
    assert discovery.find("gpt4all:same") is not None


def test_the_list_shows_the_facts_of_found_models(data: bytes) -> None:
    ollama(Path.home() / ".ollama/models", "registry.ollama.ai/library/qwen3/4b", data)
    put(Path.home() / ".lmstudio/models/a/b/broken.gguf", b"GGUF" + bytes(100))
    found = {row.name: row for row in rows(Machine(10**9, 2))}
    good, bad = found["ollama:qwen3:4b"], found["lmstudio:a/b/broken"]
    assert (good.source, good.architecture, good.context_length, good.fits) == (
        "ollama", "qwen2", 512, True,
    )  # fmt: skip
    assert good.parameters == 127_296
    assert not rows(Machine(10**6, 2))[-2].fits or not rows(Machine(10**6, 2))[-1].fits
    assert "damaged" in bad.problem
