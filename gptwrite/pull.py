"""Fetches a model by name or reference into gptwrite's folder: all its parts, checked, once.

Opens connections; nothing that writes texts imports this module.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from gptwrite import catalogue, download, hub, store
from gptwrite.discovery import Discovered, discover
from gptwrite.download import RemoteFile, Watcher
from gptwrite.errors import ModelError, UsageError
from gptwrite.files import hash_file
from gptwrite.language import say
from gptwrite.models import RESERVED, unknown_model
from gptwrite.references import REPO, Reference, Source, default_name, parse
from gptwrite.settings import Settings
from gptwrite.store import Stored, StoredFile

if TYPE_CHECKING:
    import httpx


def pull(
    wanted: str,
    settings: Settings,
    watcher: Watcher,
    name: str = "",
    sha256: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> Stored | Discovered:
    """Return the model that `wanted` names, downloaded unless some tool holds it already.

    `name` and `sha256` are the user's own, for a reference. Raises `GptwriteError`.
    """
    if name and (not store.NAME.fullmatch(name) or name.lower() in RESERVED):
        raise UsageError(
            say(f"{name!r} cannot be a model's name.", f"“{name}”不能作模型名。"),
            say(
                "Use letters, digits, dots and hyphens, and no name that is taken.",
                "请用字母、数字、点和连字符，且不与内置名称相同。",
            ),
        )
    sha256 = sha256.lower().removeprefix("sha256:")
    if sha256 and not download.SHA256.fullmatch(sha256):
        raise UsageError(
            say("--sha256 must be 64 hexadecimal digits.", "--sha256 应为 64 位十六进制数字。"),
            say("Copy it from the model's page.", "请从模型页面复制。"),
        )
    reference, own_name, license_name = _look_up(wanted, cast(Source, settings.model_source))
    wants_own_copy = bool(name)
    name = name or own_name
    present = store.find(name or str(reference))
    if present and present.reference == str(reference) and _is_whole(present, sha256):
        watcher.note(say(f"{present.name} is already there.", f"{present.name} 已经下载过。"))
        return present
    if settings.offline:
        raise hub.offline_error()
    with download.open_client() as client:
        files, stated_license = _remote_files(reference, client, sha256, sleep, watcher.note)
        if not wants_own_copy and (found := _held_elsewhere(files)):
            watcher.note(
                say(f"{found.name} is this very file: nothing to download.",
                    f"{found.name} 就是这个文件：无需下载。")
            )  # fmt: skip
            return found
        name = name or default_name(files[0].name)
        folder = store.models_dir() / name
        lock = store.lock_path(name)
        _make(lock.parent)
        # The folder belongs to whoever holds the lock: one that gives up takes it away again.
        with store.lock(lock, lambda: watcher.note(_waiting(name))), _making(folder):
            present = store.read_record(folder)
            if present and present.reference == str(reference) and _is_whole(present, sha256):
                return present
            if present:
                _check_same(present, reference, files)
            _check_space(folder, files)
            stored = []
            for file in files:
                target = folder / file.name.rsplit("/", 1)[-1]
                digest = _fetch(client, file, target, watcher, sleep)
                stored.append(StoredFile(target.name, target.stat().st_size, digest))
            model = Stored(
                name, folder, str(reference), license_name or stated_license, tuple(stored)
            )
            store.write_record(model)
    return model


def _look_up(wanted: str, source: Source) -> tuple[Reference, str, str]:
    """Return the reference, the name it will have, and the licence; empty where not known yet."""
    if reference := parse(wanted):
        if reference.source == "file":
            raise UsageError(
                say("A file that is here needs no pull.", "本地文件无需下载。"),
                say(f"Use it as it is: `gptwrite models use {wanted}`.",
                    f"直接使用：`gptwrite models use {wanted}`。"),
            )  # fmt: skip
        return reference, "", ""
    entry = catalogue.find(wanted)
    if entry is None and REPO.fullmatch(wanted.partition(":")[0]):
        raise UsageError(
            say(f"{wanted} does not say where it is.", f"{wanted} 没有说明来源。"),
            say(f"Write hf:{wanted} for the Hub, or ms:{wanted} for ModelScope.",
                f"Hub 上的请写 hf:{wanted}，ModelScope 上的请写 ms:{wanted}。"),
        )  # fmt: skip
    if entry is None:
        raise unknown_model(wanted)
    known = entry.reference(source)
    if known is None:
        raise ModelError(
            say(f"The catalogue knows no place for {entry.name} on {source}.",
                f"目录中没有 {entry.name} 在 {source} 上的位置。"),
            say("Use the Hub (--source hf), with HF_ENDPOINT=https://hf-mirror.com where it is "
                "blocked, or name a repository: ms:owner/repo.",
                "请用 --source hf（被屏蔽时设 HF_ENDPOINT=https://hf-mirror.com），"
                "或指明仓库：ms:owner/repo。"),
        )  # fmt: skip
    return known, entry.name, entry.license


def _remote_files(
    reference: Reference,
    client: httpx.Client,
    sha256: str,
    sleep: Callable[[float], None],
    note: Callable[[str], None],
) -> tuple[list[RemoteFile], str]:
    if reference.source == "url":
        name = unquote(urlsplit(reference.location).path).rsplit("/", 1)[-1]
        if not name.lower().endswith(".gguf") or "\\" in name:
            raise UsageError(
                say(f"{reference} does not end in a .gguf file's name.",
                    f"{reference} 不以 .gguf 文件名结尾。"),
                say("Give the address of the file itself.", "请给出文件本身的地址。"),
            )  # fmt: skip
        return [RemoteFile(name, reference.location, sha256=sha256)], ""
    files, license_name = hub.list_files(reference, client, sleep, note)
    chosen = hub.choose(files, reference)
    if sha256:
        if len(chosen) > 1 or chosen[0].sha256 not in ("", sha256):
            raise ModelError(
                say(
                    "The Hub's SHA-256 is another one than yours.",
                    "Hub 记录的 SHA-256 与你给出的不同。",
                ),
                say("Do not use this file unless you know why.", "除非知道原因，请勿使用此文件。"),
            )
        chosen = [dataclasses.replace(chosen[0], sha256=sha256)]
    return chosen, license_name


def _is_whole(model: Stored, sha256: str) -> bool:
    """Say whether all files are there in their full sizes, and have the digest that is asked for."""
    for file in model.files:
        path = model.folder / file.name
        if not path.exists() or path.stat().st_size != file.size_bytes:
            return False
    return not sha256 or model.files[0].sha256 == sha256


def _check_same(present: Stored, reference: Reference, files: list[RemoteFile]) -> None:
    """Raise `UsageError` where the download would replace another model that has its name."""
    digests = {file.sha256 for file in present.files}
    if present.reference == str(reference) or digests == {file.sha256 for file in files}:
        return
    raise UsageError(
        say(f"There is another model named {present.name}, from {present.reference}.",
            f"已有另一个名为 {present.name} 的模型，来自 {present.reference}。"),
        say(f"Give this one a name of its own with --name, or first: gptwrite models rm {present.name}",
            f"请用 --name 另取名称，或先运行：gptwrite models rm {present.name}"),
    )  # fmt: skip


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ModelError(
            say(f"Cannot make {folder}: {exc.strerror}.", f"无法创建 {folder}：{exc.strerror}。"),
            say("Set GPTWRITE_DATA_DIR to a folder of yours.",
                "请把 GPTWRITE_DATA_DIR 设为你自己的目录。"),
        ) from exc  # fmt: skip


@contextlib.contextmanager
def _making(folder: Path) -> Iterator[None]:
    """Make the folder; take it away again when nothing came into it."""
    _make(folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _held_elsewhere(files: list[RemoteFile]) -> Discovered | None:
    """Return the model of another tool that is the same file, by the digest it is kept under."""
    if len(files) != 1 or not files[0].sha256:
        return None
    same = (m for m in discover() if m.sha256 == files[0].sha256)
    return next((m for m in same if m.size_bytes == files[0].size_bytes), None)


def _check_space(folder: Path, files: list[RemoteFile]) -> None:
    missing = 0
    for file in files:
        name = file.name.rsplit("/", 1)[-1]
        for path in (folder / name, folder / (name + store.PART)):
            if path.exists():
                missing -= min(path.stat().st_size, file.size_bytes)
                break
        missing += file.size_bytes
    download.require_space(folder, missing)


def _fetch(
    client: httpx.Client,
    file: RemoteFile,
    target: Path,
    watcher: Watcher,
    sleep: Callable[[float], None],
) -> str:
    # A pull killed between a file's last byte and the record leaves whole files behind.
    if file.sha256 and target.exists():
        watcher.begin(target.name, file.size_bytes, 0)
        if hash_file(target).hexdigest() == file.sha256:
            watcher.advance(file.size_bytes)
            return file.sha256
    remote = dataclasses.replace(file, name=target.name)
    return download.fetch(client, remote, target, watcher, sleep)


def _waiting(name: str) -> str:
    return say(f"Another gptwrite is fetching {name}: waiting for it.",
               f"另一个 gptwrite 正在下载 {name}：等待中。")  # fmt: skip
