from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import httpx
import pytest
from hub_server import Fault, HubServer, sha256

from gptwrite import download
from gptwrite.download import RemoteFile, fetch
from gptwrite.errors import GptwriteError, ModelError

CONTENT = b"GGUF" + random.Random(1).randbytes(120_000)
OTHER = b"GGUF" + random.Random(2).randbytes(120_000)
NAME = "model.gguf"


class Notes:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int, int]] = []
        self.done: list[int] = []
        self.said: list[str] = []

    def begin(self, name: str, total_bytes: int, done_bytes: int) -> None:
        self.begun.append((name, total_bytes, done_bytes))

    def advance(self, done_bytes: int) -> None:
        self.done.append(done_bytes)

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        server.plain[NAME] = CONTENT
        yield server


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with download.open_client() as opened:
        yield opened


def remote(hub: HubServer, content: bytes | None = CONTENT) -> RemoteFile:
    """The plain file of the hub, whose digest is known unless `content` is None."""
    if content is None:
        return RemoteFile(NAME, f"{hub.url}/files/{NAME}")
    return RemoteFile(NAME, f"{hub.url}/files/{NAME}", len(content), sha256(content))


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(NAME))


def test_a_download_gets_its_name_and_leaves_nothing_else(
    hub: HubServer, client: httpx.Client, tmp_path: Path
) -> None:
    notes = Notes()
    digest = fetch(client, remote(hub), tmp_path / NAME, notes)
    assert digest == sha256(CONTENT)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert leftovers(tmp_path) == [NAME]
    assert notes.begun == [(NAME, len(CONTENT), 0)]
    assert notes.done[-1] == len(CONTENT)


@pytest.mark.parametrize("cut", [0, 1, 5, 60_000, len(CONTENT) - 1])
@pytest.mark.parametrize("known", [True, False])
def test_a_cut_connection_is_taken_up_where_it_was_cut(
    hub: HubServer, client: httpx.Client, tmp_path: Path, cut: int, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(download, "_check_whole", lambda partial, remote: None)
    hub.faults = [Fault(cut_after=cut)]
    waits: list[float] = []
    fetch(client, remote(hub, CONTENT if known else None), tmp_path / NAME, Notes(), waits.append)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    asked = [seen.headers.get("Range") for seen in hub.downloads()]
    assert asked == [None, f"bytes={cut}-" if cut else None]
    assert waits == [1.0]


def test_many_random_cuts_still_give_the_right_file(
    hub: HubServer, client: httpx.Client, tmp_path: Path
) -> None:
    dice = random.Random(7)
    hub.faults = [Fault(cut_after=dice.randrange(1, 5000)) for _ in range(40)]
    fetch(client, remote(hub), tmp_path / NAME, Notes(), lambda seconds: None)
    assert (tmp_path / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (Fault(429, {"Retry-After": "7"}), 7.0),
        (Fault(503, {"Retry-After": "3"}), 3.0),
        (Fault(500), 1.0),
        (Fault(502), 1.0),
        (Fault(408), 1.0),
        (Fault(429, {"Retry-After": formatdate(0, usegmt=True)}), 0.0),
    ],
)
def test_a_busy_server_is_asked_again_after_the_time_it_wishes(
    hub: HubServer, client: httpx.Client, tmp_path: Path, fault: Fault, wait: float
) -> None:
    hub.faults = [fault]
    waits: list[float] = []
    fetch(client, remote(hub), tmp_path / NAME, Notes(), waits.append)
    assert waits == [wait]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_server_that_stays_busy_is_given_up_and_the_part_stays(
    hub: HubServer, client: httpx.Client, tmp_path: Path
) -> None:
    hub.faults = [Fault(cut_after=1000), *[Fault(503)] * 20]
    waits: list[float] = []
    with pytest.raises(ModelError, match="answers 503"):
        fetch(client, remote(hub), tmp_path / NAME, Notes(), waits.append)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert leftovers(tmp_path) == [NAME + ".part", NAME + ".part.json"]
    hub.faults = []
    fetch(client, remote(hub), tmp_path / NAME, Notes(), waits.append)
    assert hub.downloads()[-1].headers["Range"] == "bytes=1000-"
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_wait_longer_than_anybody_would_wait_is_an_error(
    hub: HubServer, client: httpx.Client, tmp_path: Path
) -> None:
    hub.faults = [Fault(429, {"Retry-After": "86400"})]
    with pytest.raises(ModelError, match="answers 429"):
        fetch(client, remote(hub), tmp_path / NAME, Notes(), lambda seconds: None)


def test_a_file_that_changes_between_attempts_is_fetched_from_its_beginning(
    hub: HubServer, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_check_whole", lambda partial, remote: None)

    def change(seconds: float) -> None:
        hub.plain[NAME] = OTHER

    hub.faults = [Fault(cut_after=50_000)]
    fetch(client, remote(hub, None), tmp_path / NAME, Notes(), change)
    assert hub.downloads()[-1].headers["If-Range"] == f'"{sha256(CONTENT)[:16]}"'
    assert (tmp_path / NAME).read_bytes() == OTHER


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_strong_etag_or_digest_nothing_is_resumed(
    hub: HubServer, client: httpx.Client, tmp_path: Path, etag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_check_whole", lambda partial, remote: None)
    hub.etags[NAME] = etag
    hub.faults = [Fault(cut_after=50_000)]
    fetch(client, remote(hub, None), tmp_path / NAME, Notes(), lambda seconds: None)
    assert [seen.headers.get("Range") for seen in hub.downloads()] == [None, None]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_starts_over(
    hub: HubServer, client: httpx.Client, tmp_path: Path
) -> None:
    hub.faults = [Fault(cut_after=50_000), Fault(ignore_range=True)]
    fetch(client, remote(hub), tmp_path / NAME, Notes(), lambda seconds: None)
    assert (tmp_path / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "fault",
    [
        Fault(content=CONTENT[:-1] + b"?"),
        Fault(content=CONTENT[:-10]),
        Fault(extra=b"more"),
        Fault(content=b""),
    ],
    ids=["wrong byte", "too short", "too long", "empty"],
)
def test_wrong_bytes_are_thrown_away_and_fetched_once_more(
    hub: HubServer, client: httpx.Client, tmp_path: Path, fault: Fault
) -> None:
    hub.faults = [fault]
    fetch(client, remote(hub), tmp_path / NAME, Notes(), lambda seconds: None)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    (tmp_path / NAME).unlink()
    hub.faults = [fault] * 30
    with pytest.raises(ModelError):
        fetch(client, remote(hub), tmp_path / NAME, Notes(), lambda seconds: None)
    assert not (tmp_path / NAME).exists()


def test_a_damaged_part_is_found_by_the_digest(
    hub: HubServer, client: httpx.Client, tmp_path: Path
) -> None:
    hub.faults = [Fault(cut_after=50_000), *[Fault(500)] * 10]
    with pytest.raises(ModelError):
        fetch(client, remote(hub), tmp_path / NAME, Notes(), lambda seconds: None)
    part = tmp_path / (NAME + ".part")
    part.write_bytes(b"X" * 50_000)
    hub.faults = []
    notes = Notes()
    fetch(client, remote(hub), tmp_path / NAME, notes)
    assert notes.said == ["the SHA-256 is wrong; beginning again"]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_part_longer_than_the_file_begins_again(
    hub: HubServer, client: httpx.Client, tmp_path: Path
) -> None:
    hub.faults = [Fault(cut_after=50_000), *[Fault(500)] * 10]
    with pytest.raises(ModelError):
        fetch(client, remote(hub), tmp_path / NAME, Notes(), lambda seconds: None)
    (tmp_path / (NAME + ".part")).write_bytes(CONTENT + b"more")
    hub.faults = []
    fetch(client, remote(hub), tmp_path / NAME, Notes())
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_part_that_holds_everything_needs_no_request(
    hub: HubServer, client: httpx.Client, tmp_path: Path
) -> None:
    hub.faults = [Fault(cut_after=50_000), *[Fault(500)] * 10]
    with pytest.raises(ModelError):
        fetch(client, remote(hub), tmp_path / NAME, Notes(), lambda seconds: None)
    (tmp_path / (NAME + ".part")).write_bytes(CONTENT)
    before = len(hub.seen)
    fetch(client, remote(hub), tmp_path / NAME, Notes())
    assert len(hub.seen) == before
    assert (tmp_path / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "does not let you"), (403, "does not let you"), (404, "no file"), (410, "no file"),
     (400, "answers 400")],
)  # fmt: skip
def test_a_refusal_is_an_error_at_once(
    hub: HubServer, client: httpx.Client, tmp_path: Path, status: int, words: str
) -> None:
    hub.faults = [Fault(status)]
    with pytest.raises(ModelError, match=words):
        fetch(client, remote(hub), tmp_path / NAME, Notes())
    assert len(hub.seen) == 1


def test_a_range_beyond_the_end_begins_again(
    hub: HubServer, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_check_whole", lambda partial, remote: None)
    hub.etags[NAME] = '"never changes"'
    hub.faults = [Fault(cut_after=50_000)]

    def shorten(seconds: float) -> None:
        hub.plain[NAME] = OTHER[:40_000]

    fetch(client, remote(hub, None), tmp_path / NAME, Notes(), shorten)
    assert (tmp_path / NAME).read_bytes() == OTHER[:40_000]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html>sign in</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git-lfs pointer"),
        (b"PK\x03\x04 something", "not a GGUF file"),
    ],
)
def test_what_is_no_model_gets_no_models_name(
    hub: HubServer, client: httpx.Client, tmp_path: Path, content: bytes, words: str
) -> None:
    hub.plain[NAME] = content
    with pytest.raises(ModelError, match=words):
        fetch(client, remote(hub, None), tmp_path / NAME, Notes())
    assert not (tmp_path / NAME).exists()


def test_a_cut_short_model_without_a_digest_is_found_by_its_header(
    hub: HubServer, client: httpx.Client, tmp_path: Path, models: Callable[..., Path]
) -> None:
    whole = models("qwen2").read_bytes()
    hub.plain[NAME] = whole[:-1000]
    with pytest.raises(ModelError, match="damaged"):
        fetch(client, remote(hub, None), tmp_path / NAME, Notes())
    assert leftovers(tmp_path) == []
    hub.plain[NAME] = whole
    fetch(client, remote(hub, None), tmp_path / NAME, Notes())
    assert (tmp_path / NAME).read_bytes() == whole


def test_no_server_is_an_error_with_the_next_step(client: httpx.Client, tmp_path: Path) -> None:
    with HubServer() as gone:
        nowhere = RemoteFile(NAME, f"{gone.url}/files/{NAME}")
    with pytest.raises(ModelError, match="no connection") as caught:
        fetch(client, nowhere, tmp_path / NAME, Notes(), lambda seconds: None)
    assert "HF_ENDPOINT" in caught.value.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_says_how_much_is_missing(
    hub: HubServer, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: object, piece: bytes) -> None:
        os.write(os.open("/dev/full", os.O_WRONLY), piece)

    monkeypatch.setattr(download, "_write_all", full)
    with pytest.raises(GptwriteError, match=r"disk is too full: 0\.00 GB"):
        fetch(client, remote(hub), tmp_path / NAME, Notes())


def test_ctrl_c_leaves_a_part_that_is_resumed(
    hub: HubServer, client: httpx.Client, tmp_path: Path
) -> None:
    class Impatient(Notes):
        def advance(self, done_bytes: int) -> None:
            if done_bytes > 20_000:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(client, remote(hub), tmp_path / NAME, Impatient())
    part = (tmp_path / (NAME + ".part")).read_bytes()
    assert len(part) > 20_000
    assert CONTENT.startswith(part)
    fetch(client, remote(hub), tmp_path / NAME, Notes())
    assert hub.downloads()[-1].headers["Range"] == f"bytes={len(part)}-"
