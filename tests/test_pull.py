from __future__ import annotations

import contextlib
import errno
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_server import COMMIT, Fault, HubServer, Repository, sha256
from test_discovery import ollama
from test_download import Notes

from gptwrite import catalogue, download, download_errors, pull, store
from gptwrite.errors import GptwriteError, ModelError, UsageError
from gptwrite.hub import list_files
from gptwrite.models import resolve
from gptwrite.references import Reference
from gptwrite.settings import Settings

REPO = "owner/Tiny-GGUF"
SETTINGS = Settings()


def blob(seed: int, size: int = 3000) -> bytes:
    return b"GGUF" + random.Random(seed).randbytes(size)


FILES = {
    "README.md": b"# A model",
    "tiny-Q4_K_M.gguf": blob(1),
    "tiny-Q8_0.gguf": blob(2),
    "tiny-uncensored-Q4_K_M.gguf": blob(3),
    "mmproj-tiny-Q4_K_M.gguf": blob(4),
    "big/tiny-F16-00001-of-00002.gguf": blob(5),
    "big/tiny-F16-00002-of-00002.gguf": blob(6),
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        server.repositories[REPO] = Repository(dict(FILES))
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("MODELSCOPE_DOMAIN", server.url)
        yield server


def fetch(wanted: str, settings: Settings = SETTINGS, **options: str) -> store.Stored:
    return pull.pull(wanted, settings, Notes(), sleep=lambda seconds: None, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "name", "content"),
    [
        (f"hf:{REPO}", "tiny-q4_k_m", FILES["tiny-Q4_K_M.gguf"]),
        (f"hf:{REPO}:Q8_0", "tiny-q8_0", FILES["tiny-Q8_0.gguf"]),
        (f"hf:{REPO}:q8_0", "tiny-q8_0", FILES["tiny-Q8_0.gguf"]),
        (f"hf:{REPO}:tiny-Q8_0.gguf", "tiny-q8_0", FILES["tiny-Q8_0.gguf"]),
        (f"hf:{REPO}@main:Q8_0", "tiny-q8_0", FILES["tiny-Q8_0.gguf"]),
        (f"ms:{REPO}:Q8_0", "tiny-q8_0", FILES["tiny-Q8_0.gguf"]),
        (f"ms:{REPO}", "tiny-q4_k_m", FILES["tiny-Q4_K_M.gguf"]),
    ],
)
def test_a_reference_fetches_the_file_it_means(
    hub: HubServer, wanted: str, name: str, content: bytes
) -> None:
    model = fetch(wanted)
    assert (model.name, model.reference) == (name, wanted.replace("q8_0", "q8_0"))
    assert model.path.read_bytes() == content
    assert model.files[0].sha256 == sha256(content)
    assert store.damage(model) == ""
    assert store.find(name) == store.find(wanted) == model


def test_a_split_model_is_fetched_whole_and_opened_by_its_first_part(hub: HubServer) -> None:
    model = fetch(f"hf:{REPO}:F16")
    assert [file.name for file in model.files] == [
        "tiny-F16-00001-of-00002.gguf",
        "tiny-F16-00002-of-00002.gguf",
    ]
    assert model.name == "tiny-f16"
    assert model.path.read_bytes() == FILES["big/tiny-F16-00001-of-00002.gguf"]
    assert model.size_bytes == 2 * 3004


def test_a_split_model_with_a_part_missing_is_refused(hub: HubServer) -> None:
    del hub.repositories[REPO].files["big/tiny-F16-00002-of-00002.gguf"]
    with pytest.raises(ModelError, match="00002-of-00002"):
        fetch(f"hf:{REPO}:F16")


def test_the_commit_is_pinned_and_the_token_stays_with_the_hub(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    fetch(f"hf:{REPO}:Q8_0")
    asked = {seen.path.split("?")[0]: seen.headers.get("Authorization") for seen in hub.seen}
    assert asked == {
        f"/api/models/{REPO}": "Bearer hf_right",
        f"/{REPO}/resolve/{COMMIT}/tiny-Q8_0.gguf": "Bearer hf_right",
        f"/cdn/{REPO}/tiny-Q8_0.gguf": None,
    }


def test_the_second_pull_asks_nobody(hub: HubServer) -> None:
    first = fetch(f"hf:{REPO}:Q8_0")
    hub.seen.clear()
    assert fetch(f"hf:{REPO}:Q8_0") == first
    assert fetch(f"hf:{REPO}:Q8_0", Settings(offline=True)) == first
    assert hub.seen == []


def test_a_file_that_was_cut_on_disk_is_fetched_again(hub: HubServer) -> None:
    model = fetch(f"hf:{REPO}:Q8_0")
    model.path.write_bytes(b"GGUF")
    assert "has 4 bytes instead of 3004" in store.damage(model)
    assert fetch(f"hf:{REPO}:Q8_0").path.read_bytes() == FILES["tiny-Q8_0.gguf"]


def test_verify_finds_one_changed_byte(hub: HubServer) -> None:
    model = fetch(f"hf:{REPO}:Q8_0")
    data = bytearray(model.path.read_bytes())
    data[1000] ^= 1
    model.path.write_bytes(data)
    assert "SHA-256" in store.damage(model)


def test_a_pull_killed_before_its_record_adopts_the_whole_file(hub: HubServer) -> None:
    model = fetch(f"hf:{REPO}:Q8_0")
    (model.folder / store.RECORD).unlink()
    assert store.find(model.name) is None
    hub.seen.clear()
    assert fetch(f"hf:{REPO}:Q8_0") == model
    assert hub.downloads() == []


def test_a_digest_that_the_hub_states_wrongly_never_yields_a_model(hub: HubServer) -> None:
    hub.repositories[REPO].lying_sha256 = "0" * 64
    with pytest.raises(ModelError, match="SHA-256 is wrong, twice"):
        fetch(f"hf:{REPO}:Q8_0")
    assert store.installed() == []
    assert not list(store.models_dir().glob("*/*.gguf"))


@pytest.mark.parametrize("source", ["hf", "ms"])
def test_an_unknown_repository_is_an_error_with_the_next_step(hub: HubServer, source: str) -> None:
    with pytest.raises(ModelError, match="no public model owner/none") as caught:
        fetch(f"{source}:owner/none")
    assert "recommend" in caught.value.hint


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_gated_model_says_how_to_get_a_token(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, is_listed: bool
) -> None:
    hub.repositories[REPO].gated = True
    hub.repositories[REPO].is_listed = is_listed
    with pytest.raises(ModelError, match="is gated") as caught:
        fetch(f"hf:{REPO}")
    assert f"Accept them at {hub.url}/{REPO}, make a token at" in caught.value.hint
    assert "HF_TOKEN" in caught.value.hint
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert fetch(f"hf:{REPO}").name == "tiny-q4_k_m"


def test_a_wrong_token_is_named_as_the_cause(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ModelError, match="does not accept your token"):
        fetch(f"hf:{REPO}")


@pytest.mark.parametrize("fault", [Fault(429, {"Retry-After": "2"}), Fault(503), Fault(500)])
def test_a_busy_hub_is_asked_again(hub: HubServer, fault: Fault) -> None:
    hub.api_faults = [fault, fault]
    notes, waits = Notes(), []
    pull.pull(f"hf:{REPO}", SETTINGS, notes, sleep=waits.append)
    assert store.find("tiny-q4_k_m")
    seconds = [2, 2] if fault.status == 429 else [1, 2]
    assert waits == seconds
    assert notes.said == [
        f"{hub.url} does not answer: {fault.status}; trying again in {wait} s" for wait in seconds
    ]
    hub.api_faults = [fault] * 10
    with pytest.raises(ModelError, match="does not answer"):
        fetch(f"hf:{REPO}:Q8_0")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (f"hf:{REPO}:Q3_K_S", "has no Q3_K_S"),
        (f"hf:{REPO}:none.gguf", "has no none.gguf"),
        (f"hf:{REPO}@v9", "has no revision 'v9'"),
    ],
)
def test_what_a_repository_lacks_is_an_error_that_lists_what_it_has(
    hub: HubServer, wanted: str, words: str
) -> None:
    with pytest.raises(GptwriteError, match=words) as caught:
        fetch(wanted)
    assert caught.value.hint.startswith("It has: F16, Q4_K_M, Q8_0") or "@" in wanted


def test_a_repository_without_gguf_says_so(hub: HubServer) -> None:
    hub.repositories[REPO].files = {"model.safetensors": b"x"}
    with pytest.raises(ModelError, match="holds no GGUF"):
        fetch(f"hf:{REPO}")


@pytest.mark.parametrize(
    "bad", ["hf:owner", "hf:owner/repo:what", "hf:../..", "https://", "http://example.com/x.gguf"]
)
def test_a_broken_reference_is_a_usage_error(bad: str) -> None:
    with pytest.raises(UsageError):
        fetch(bad)


def test_an_address_is_fetched_and_checked_against_a_given_digest(
    hub: HubServer, models: Callable[..., Path]
) -> None:
    data = models("qwen2").read_bytes()
    hub.plain["mine.gguf"] = data
    address = f"{hub.url}/files/mine.gguf"
    with pytest.raises(ModelError):
        fetch(address, sha256="0" * 64)
    assert fetch(address, sha256=sha256(data)).path.read_bytes() == data
    store.remove("mine")
    assert fetch(address, name="own").name == "own"


def test_a_secret_in_an_address_is_sent_and_neither_stored_nor_shown(
    hub: HubServer, models: Callable[..., Path]
) -> None:
    hub.plain["mine.gguf"] = data = models("qwen2").read_bytes()
    place = hub.url.removeprefix("http://") + "/files/mine.gguf"
    address = f"http://user:pa55@{place}?token=hf_pa55&download=true"

    def written() -> str:
        texts = [p for p in store.models_dir().rglob("*") if p.suffix == ".json"]
        return "".join(path.read_text(encoding="utf-8") for path in texts)

    hub.faults = [Fault(cut_after=1000), Fault(404)]
    with pytest.raises(ModelError) as caught:
        fetch(address)
    assert "pa55" not in caught.value.message + caught.value.hint
    assert place in written() and "pa55" not in written()
    # Another token for the same file goes on where the first one stopped.
    model = fetch(address.replace("hf_pa55", "hf_new_pa55"))
    assert hub.downloads()[-1].headers["Range"] == "bytes=1000-"
    assert hub.downloads()[-1].path.endswith("?token=hf_new_pa55&download=true")
    assert hub.downloads()[-1].headers["Authorization"].startswith("Basic ")
    assert model.path.read_bytes() == data
    assert model.reference == f"http://{place}?download=true"
    assert place in written() and "pa55" not in written()
    assert store.find(address) == model
    with pytest.raises(ModelError, match="not on this machine") as missing:
        resolve(address.replace("mine", "other"), SETTINGS)
    assert "pa55" not in missing.value.message + missing.value.hint


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", b"GGUF"])
def test_a_secret_is_not_shown_when_the_file_is_no_model(hub: HubServer, content: bytes) -> None:
    hub.plain["mine.gguf"] = content
    with pytest.raises(ModelError, match=r"mine\.gguf") as caught:
        fetch(f"{hub.url}/files/mine.gguf?token=hf_pa55")
    assert "pa55" not in caught.value.message + caught.value.hint


def test_a_password_in_the_mirrors_address_is_not_shown(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url.replace("//", "//user:pa55@"))
    with pytest.raises(ModelError, match=f"{hub.url} has no public model") as caught:
        fetch("hf:owner/none")
    assert "pa55" not in caught.value.message + caught.value.hint


def test_a_digest_other_than_the_hubs_is_refused(hub: HubServer) -> None:
    with pytest.raises(ModelError, match="another one than yours"):
        fetch(f"hf:{REPO}", sha256="0" * 64)


@pytest.mark.parametrize("source", ["hf", "modelscope"])
def test_a_catalogue_name_is_fetched_from_the_chosen_source(hub: HubServer, source: str) -> None:
    entry = catalogue.find("qwen3-0.6b")
    assert entry
    hub.repositories[entry.repo] = Repository({entry.file: blob(9)})
    model = fetch("Qwen3-0.6B", Settings(model_source=source))
    assert (model.name, model.license) == ("qwen3-0.6b", "Apache-2.0")
    api = "/api/v1/models/" if source == "modelscope" else "/api/models/"
    assert hub.seen[0].path.startswith(api)
    assert resolve("qwen3-0.6b", SETTINGS).location == str(model.path)


def test_a_catalogue_file_that_was_renamed_is_found_by_its_quantization(hub: HubServer) -> None:
    entry = catalogue.find("qwen3-0.6b")
    assert entry
    hub.repositories[entry.repo] = Repository({"other-name-Q8_0.gguf": blob(9)})
    assert fetch("qwen3-0.6b").files[0].name == "other-name-Q8_0.gguf"


def test_a_catalogue_name_without_a_modelscope_place_says_what_else_to_do() -> None:
    with pytest.raises(ModelError, match="no place") as caught:
        fetch("smollm3-3b", Settings(model_source="modelscope"))
    assert "HF_ENDPOINT" in caught.value.hint


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ModelError, match="no model 'qwen3-4bb'") as caught:
        fetch("qwen3-4bb")
    assert "Did you mean qwen3-4b" in caught.value.hint


@pytest.mark.parametrize("name", ["builtin", "Echo", "../x", ".hidden", "a b"])
def test_a_name_that_cannot_be_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a model's name"):
        fetch(f"hf:{REPO}", name=name)


@pytest.mark.parametrize("wanted", ["Qwen/Qwen3-4B-GGUF", "Qwen/Qwen3-4B-GGUF:Q8_0"])
def test_a_repository_without_its_hub_is_told_how_to_be_written(wanted: str) -> None:
    with pytest.raises(UsageError, match="does not say where it is") as caught:
        fetch(wanted)
    assert f"hf:{wanted} for the Hub" in caught.value.hint


def test_a_full_disk_is_found_before_the_first_byte(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 1_000_000

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Full)
    with pytest.raises(ModelError, match=r"0\.07 GB needed .* 0\.07 GB more than there is"):
        fetch(f"hf:{REPO}")
    assert hub.downloads() == []
    assert list(store.models_dir().glob("tiny*")) == []
    # Of a plain address the size is known when it answers: nothing is written even so.
    hub.plain["tiny.gguf"] = FILES["tiny-Q8_0.gguf"]
    with pytest.raises(ModelError, match=r"0\.07 GB needed .* 0\.07 GB more than there is"):
        fetch(f"{hub.url}/files/tiny.gguf")
    assert list(store.models_dir().glob("tiny*")) == []


def test_a_mirror_in_a_pasted_address_is_asked_without_the_token(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    reference = Reference("hf", REPO, quantization="Q8_0", location=hub.url)
    with download.open_client() as client:
        files, license_name = list_files(reference, client)
    assert license_name == "apache-2.0" and len(files) == 6
    assert all(file.url.startswith(hub.url) and not file.headers for file in files)
    assert [seen.headers.get("Authorization") for seen in hub.seen] == [None]


def test_a_disk_error_names_the_cause() -> None:
    error = download_errors.disk_error(PermissionError(13, "Permission denied"), Path("/x/y"), 1)
    assert error.message == "Cannot write /x/y: Permission denied."
    full = OSError(errno.ENOSPC, "No space left on device")
    assert "2.00 GB more" in download_errors.disk_error(full, Path("/x/y"), 2 * 10**9).message
    unknown = download_errors.disk_error(full, Path("/x/y"), -1)
    assert unknown.message == "The disk is full: /x/y cannot grow."
    assert "models rm" in unknown.hint


def test_two_pulls_of_one_model_share_one_download(
    hub: HubServer, models: Callable[..., Path]
) -> None:
    hub.repositories[REPO].files["tiny-Q8_0.gguf"] = models("qwen2").read_bytes()
    command = [sys.executable, "-m", "gptwrite", "models", "pull", f"hf:{REPO}:Q8_0"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    ended = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert [out.decode().strip() for out, _ in ended] == ["tiny-q8_0"] * 2
    assert len(hub.downloads()) == 1


def test_a_pull_that_waited_for_one_that_gave_up_has_its_folder(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def held_until_another_gave_up(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
        with contextlib.suppress(OSError):
            (store.models_dir() / path.name).rmdir()
        yield

    monkeypatch.setattr(store, "lock", held_until_another_gave_up)
    assert fetch(f"hf:{REPO}:Q8_0").path.exists()


def test_a_file_that_another_tool_holds_is_not_downloaded_again(hub: HubServer) -> None:
    data = FILES["tiny-Q8_0.gguf"]
    blob_path = ollama(Path.home() / ".ollama/models", "registry.ollama.ai/library/t/1b", data)
    found = fetch(f"hf:{REPO}:Q8_0")
    assert (found.name, found.path) == ("ollama:t:1b", blob_path)
    assert hub.downloads() == []
    assert store.installed() == []
    assert fetch(f"hf:{REPO}:Q8_0", name="own").path.parent == store.models_dir() / "own"


def test_rm_deletes_only_what_was_downloaded(hub: HubServer, tmp_path: Path) -> None:
    model = fetch(f"hf:{REPO}:Q8_0")
    note = model.folder / "my-notes.txt"
    note.write_text("mine", encoding="utf-8")
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF")
    for wrong in (str(own), "../" + model.name, "builtin", "ollama:x", ".", ".."):
        with pytest.raises(ModelError, match="not downloaded"):
            store.remove(wrong)
    assert store.remove(model.name) == 3004
    assert note.exists()
    assert not model.path.exists()
    assert store.find(model.name) is None


def test_rm_clears_away_an_unfinished_download(hub: HubServer) -> None:
    hub.faults = [Fault(cut_after=1000), *[Fault(404)] * 9]
    with pytest.raises(ModelError):
        fetch(f"hf:{REPO}:Q8_0")
    assert store.remove("tiny-q8_0") > 1000
    assert not (store.models_dir() / "tiny-q8_0").exists()


def test_rm_leaves_alone_what_is_being_downloaded(hub: HubServer) -> None:
    model = fetch(f"hf:{REPO}:Q8_0")
    with store.lock(store.lock_path(model.name), lambda: None):
        with pytest.raises(ModelError, match="being downloaded by another gptwrite"):
            store.remove(model.name)
        assert store.find(model.name) == model
    assert store.remove(model.name) == 3004


def test_rm_works_under_the_lock_that_a_pull_takes(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Path] = []

    @contextlib.contextmanager
    def noted(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
        held.append(path)
        yield

    monkeypatch.setattr(store, "lock", noted)
    model = fetch(f"hf:{REPO}:Q8_0")
    store.remove(model.name)
    assert held == [store.lock_path("tiny-q8_0")] * 2


def test_a_pull_never_replaces_another_model_of_the_same_name(hub: HubServer) -> None:
    first = fetch(f"hf:{REPO}:Q8_0")
    hub.repositories["other/Tiny-GGUF"] = Repository({"tiny-Q8_0.gguf": blob(7)})
    with pytest.raises(UsageError, match=f"named tiny-q8_0, from hf:{REPO}:Q8_0") as caught:
        fetch("hf:other/Tiny-GGUF:Q8_0")
    assert "--name" in caught.value.hint
    assert store.installed() == [first]
    assert first.path.read_bytes() == FILES["tiny-Q8_0.gguf"]
    assert fetch("hf:other/Tiny-GGUF:Q8_0", name="other").path.read_bytes() == blob(7)


def test_the_same_file_from_another_source_is_recorded_and_not_fetched_again(
    hub: HubServer,
) -> None:
    fetch(f"hf:{REPO}:Q8_0")
    hub.seen.clear()
    assert fetch(f"ms:{REPO}:Q8_0").reference == f"ms:{REPO}:Q8_0"
    assert hub.downloads() == []


def test_a_record_that_points_elsewhere_is_not_believed(tmp_path: Path) -> None:
    folder = store.models_dir() / "evil"
    folder.mkdir(parents=True)
    (folder / store.RECORD).write_text(
        '{"reference": "", "license": "", "files":'
        ' [{"name": "../../x", "size_bytes": 1, "sha256": ""}]}',
        encoding="utf-8",
    )
    assert store.installed() == []
