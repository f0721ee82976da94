from __future__ import annotations

from pathlib import Path

import pytest

from gptwrite import catalogue, store
from gptwrite.errors import ModelError
from gptwrite.models import builtin_path, is_builtin, resolve
from gptwrite.settings import Settings
from gptwrite.store import Stored, StoredFile

SETTINGS = Settings()


def keep(name: str, reference: str = "hf:a/b:Q8_0") -> Stored:
    folder = store.models_dir() / name
    folder.mkdir(parents=True)
    (folder / "x.gguf").write_bytes(b"GGUF")
    model = Stored(name, folder, reference, "MIT", (StoredFile("x.gguf", 4, "ab"),))
    store.write_record(model)
    return model


def test_a_path_is_a_path_whatever_it_holds(tmp_path: Path) -> None:
    for text in ("~/m.gguf", "dir/model", str(tmp_path / "x.gguf"), "m.gguf"):
        spec = resolve(text, SETTINGS)
        assert (spec.engine, spec.location) == ("llama", str(Path(text).expanduser()))


@pytest.mark.parametrize("prefix", ["file:", "file://"])
def test_file_references_are_paths(tmp_path: Path, prefix: str) -> None:
    assert resolve(f"{prefix}{tmp_path}/x", SETTINGS).location == f"{tmp_path}/x"


@pytest.mark.parametrize("reference", ["mine", "MINE", "hf:a/b:Q8_0"])
def test_a_downloaded_model_is_found_by_name_and_by_reference(reference: str) -> None:
    model = keep("mine")
    spec = resolve(reference, SETTINGS)
    assert (spec.location, spec.license, spec.sha256) == (str(model.path), "MIT", "ab")


@pytest.mark.parametrize(
    "reference", ["qwen3-4b", "hf:a/b", "ms:a/b:Q8_0", "https://h.example/x.gguf"]
)
def test_what_is_not_here_yet_says_how_to_fetch_it(reference: str) -> None:
    with pytest.raises(ModelError, match="not on this machine yet") as caught:
        resolve(reference, SETTINGS)
    assert caught.value.hint == f"Fetch it: gptwrite models pull {reference}"


def test_an_unknown_name_names_the_nearest_here_and_in_the_catalogue() -> None:
    keep("my-model")
    with pytest.raises(ModelError) as caught:
        resolve("my-modle", SETTINGS)
    assert "Did you mean my-model" in caught.value.hint
    with pytest.raises(ModelError) as caught:
        resolve("gemma", SETTINGS)
    assert "gemma-3-4b" in caught.value.hint


def test_an_endpoint_goes_before_all_but_not_offline() -> None:
    here = Settings(endpoint="http://127.0.0.1:1")
    assert resolve("any", here).engine == "remote"
    with pytest.raises(ModelError, match="not even to this machine"):
        resolve("any", Settings(endpoint="http://127.0.0.1:1", offline=True))


def test_the_catalogue_is_whole_and_plausible() -> None:
    entries = catalogue.load()
    assert len({entry.name for entry in entries}) == len(entries) >= 15
    for entry in entries:
        assert entry.name == entry.name.lower()
        assert entry.quantization.lower() in entry.file.lower()
        assert entry.repo.count("/") == 1
        assert entry.license
        assert entry.languages
        assert all(entry.good_at)
        bits = 8 * entry.size_bytes / (entry.parameters_b * 1e9)
        assert (
            (8 if entry.quantization == "Q8_0" else 4)
            < bits
            < (9.5 if "8" in entry.quantization else 8)
        )
        assert entry.context_length >= 8192
        assert 0 < entry.active_b <= entry.parameters_b
        # A language is a code or `many`, and one catalogue row fits 80 columns with its licence.
        assert all(code == "many" or len(code) == 2 for code in entry.languages)
        assert len(entry.name) <= 18 and len(entry.license) <= 10
        assert entry.modelscope in ("", entry.repo)
        words = entry.repo.split("/")[1].removesuffix("-GGUF").removesuffix("-it").lower()
        assert entry.file.lower().startswith(words.split("-")[0])


def test_the_built_in_model_is_known_by_name_by_path_and_behind_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = builtin_path()
    link = tmp_path / "package"
    link.symlink_to(path.parent)
    assert is_builtin("builtin") and is_builtin(str(path)) and is_builtin(str(link / path.name))
    assert not is_builtin("~nobody/model.gguf") and not is_builtin("http://127.0.0.1:1/v1")
    # A package that is itself reached through a link gives its model's place by that link.
    monkeypatch.setattr("gptwrite.models.builtin_path", lambda: link / path.name)
    assert is_builtin(str(link / path.name))
