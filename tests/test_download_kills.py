"""That a download may be killed anywhere, and by anything, without harm."""

from __future__ import annotations

import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from hub_server import Fault, HubServer
from test_download import CONTENT, NAME, OTHER, Notes, leftovers, remote

from gptwrite import download, files, store
from gptwrite.download import fetch
from gptwrite.errors import ModelError


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked process and return how it ended: 0, or minus the signal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside the server's threads
        pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def die_at_line(number: int) -> None:
    """Kill this process when it is about to run that many lines of the code under test."""
    left = [number]

    def trace(frame: object, event: str, argument: object) -> object:
        if frame.f_code.co_filename not in (download.__file__, files.__file__):  # type: ignore[attr-defined]
            return None
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)  # type: ignore[arg-type]


def die_at_byte(number: int) -> None:
    """Kill this process when any file it writes would grow beyond that many bytes."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, resource.RLIM_INFINITY))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("knows_digest", [True, False], ids=["digest", "etag"])
def test_no_kill_at_any_point_leaves_wrong_content_under_the_final_name(
    hub: HubServer,
    tmp_path: Path,
    knows_digest: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """200 kills and more: between any two lines of the code, and within any write of any file."""
    monkeypatch.setattr(download, "_check_whole", lambda partial, remote: None)
    monkeypatch.setattr(
        os, "fsync", lambda handle: None
    )  # what is written outlives a killed process
    # No connection is kept open, which parent and child would both write to.
    client = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))
    dice = random.Random(20 + knows_digest)
    kills = resumed = episode = 0
    while kills < 110:
        episode += 1
        hub.plain[NAME] = content = CONTENT
        target = tmp_path / str(episode) / NAME
        target.parent.mkdir()
        possible = {CONTENT}
        for _ in range(dice.randrange(1, 6)):
            if dice.random() < 0.5:
                arm, at = die_at_line, dice.randrange(1, 260)
            else:
                arm, at = die_at_byte, dice.randrange(1, len(content))

            def work(arm: Callable[[int], None] = arm, at: int = at, target: Path = target) -> None:
                arm(at)
                fetch(client, remote(hub, CONTENT if knows_digest else None), target, Notes())

            ended = in_child(work)
            assert ended in (0, -signal.SIGKILL, -signal.SIGXFSZ)
            kills += ended != 0
            if target.exists():
                assert target.read_bytes() in possible
                break
            if not knows_digest and dice.random() < 0.3:
                hub.plain[NAME] = OTHER  # the file at the source changes
                possible = {CONTENT, OTHER}
        fetch(client, remote(hub, CONTENT if knows_digest else None), target, Notes())
        assert target.read_bytes() in possible
        assert leftovers(target.parent) == [NAME]
        resumed += any("Range" in seen.headers for seen in hub.downloads())
        hub.seen.clear()
    client.close()
    assert resumed > episode // 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_before_each_single_line_while_the_file_has_changed(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the old version is there, the new one is fetched: no mixture, wherever it stops."""
    monkeypatch.setattr(download, "_check_whole", lambda partial, remote: None)
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    client = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))
    old, new = CONTENT[:3000], OTHER[:3000]
    hub.plain[NAME] = old
    wanted = remote(hub, None)
    hub.faults = [Fault(cut_after=1500), *[Fault(404)]]
    with pytest.raises(ModelError):
        fetch(client, wanted, tmp_path / NAME, Notes(), lambda seconds: None)
    state = (tmp_path / (NAME + ".part.json")).read_bytes()
    hub.plain[NAME] = new
    line, ended = 0, -1
    while ended:
        line += 1
        (tmp_path / NAME).unlink(missing_ok=True)
        (tmp_path / (NAME + ".part")).write_bytes(old[:1500])
        (tmp_path / (NAME + ".part.json")).write_bytes(state)

        def work(line: int = line) -> None:
            die_at_line(line)
            fetch(client, wanted, tmp_path / NAME, Notes())

        ended = in_child(work)
        if (tmp_path / NAME).exists():
            assert (tmp_path / NAME).read_bytes() == new
        fetch(client, wanted, tmp_path / NAME, Notes())
        assert (tmp_path / NAME).read_bytes() == new
    client.close()
    assert line > 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_lock_is_waited_for_and_dies_with_its_holder(tmp_path: Path) -> None:
    ready, go = os.pipe(), os.pipe()

    def hold() -> None:
        with store.lock(tmp_path / "lock", lambda: None):
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            os.kill(os.getpid(), signal.SIGKILL)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        hold()
    os.read(ready[0], 1)
    waited = []

    def on_wait() -> None:
        waited.append(True)
        os.write(go[1], b"x")

    with store.lock(tmp_path / "lock", on_wait):
        assert waited == [True]
    os.waitpid(pid, 0)
    for end in (*ready, *go):
        os.close(end)
