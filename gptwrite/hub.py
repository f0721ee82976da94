"""What the model hubs say of a repository: its files, their sizes, digests and addresses.

The Hugging Face Hub is asked through huggingface_hub, ModelScope through its own HTTP interface.
Opens connections; nothing that writes texts imports this module.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gptwrite.download import LONGEST_WAIT_SECONDS, MAX_TRIES, RemoteFile, retry_after
from gptwrite.download_errors import TOKENS_PAGE, gated
from gptwrite.errors import ModelError, UsageError
from gptwrite.language import say
from gptwrite.references import Reference, public_address, quantization_of, shards

if TYPE_CHECKING:
    import httpx

HF_DEFAULT = "https://huggingface.co"
MODELSCOPE_DEFAULT = "https://www.modelscope.cn"
# Without a wish of the user's: the usual balance first, then what is nearest to it.
PREFERRED = ("Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_XS", "Q5_K_M", "Q5_K_S", "Q6_K", "Q8_0")


def hf_endpoint() -> str:
    """Return the Hub's address: HF_ENDPOINT, or the Hub itself."""
    return (os.environ.get("HF_ENDPOINT") or HF_DEFAULT).rstrip("/")


def modelscope_endpoint() -> str:
    """Return ModelScope's address: MODELSCOPE_DOMAIN (with or without https://), or its own."""
    address = os.environ.get("MODELSCOPE_DOMAIN") or MODELSCOPE_DEFAULT
    return (address if "://" in address else f"https://{address}").rstrip("/")


def list_files(
    reference: Reference,
    client: httpx.Client,
    sleep: Callable[[float], None] = time.sleep,
    note: Callable[[str], None] = lambda text: None,
) -> tuple[list[RemoteFile], str]:
    """Return the GGUF files of the repository and its licence, as its hub states them.

    `note` is told of every wait for a hub that does not answer.
    """
    patience = _Patience(sleep, note)
    if reference.source == "modelscope":
        return _modelscope(reference, client, patience), ""
    return _hugging_face(reference, patience)


@dataclass(frozen=True)
class _Patience:
    sleep: Callable[[float], None]
    note: Callable[[str], None]


def _hugging_face(reference: Reference, patience: _Patience) -> tuple[list[RemoteFile], str]:
    from huggingface_hub import HfApi, get_token, hf_hub_url
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        OfflineModeIsEnabled,
    )

    endpoint = reference.location or hf_endpoint()
    # A mirror that only stands in a pasted address is not trusted with the token.
    token = get_token() if endpoint == hf_endpoint() else None
    api = HfApi(endpoint=endpoint, token=token or False, library_name="gptwrite")

    def ask() -> Any:
        try:
            return api.model_info(
                reference.repo, revision=reference.revision or None, files_metadata=True, timeout=30
            )
        except OfflineModeIsEnabled as exc:
            raise offline_error() from exc
        except HFValidationError as exc:
            raise _no_repository(reference, endpoint) from exc
        except HfHubHTTPError as exc:
            status = exc.response.status_code
            if status in (401, 403, 404):
                raise _refused(reference, endpoint, exc, token) from exc
            raise _BusyError(str(status), retry_after(exc.response.headers)) from exc
        except HTTPError as exc:
            raise _BusyError(str(exc), None) from exc

    info = _patiently(ask, endpoint, patience)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    files = [
        RemoteFile(
            sibling.rfilename,
            hf_hub_url(reference.repo, sibling.rfilename, revision=info.sha, endpoint=endpoint),
            int(sibling.size or (sibling.lfs.size if sibling.lfs else 0) or 0),
            str(sibling.lfs.sha256) if sibling.lfs else "",
            headers,
            _page(reference, endpoint),
        )
        for sibling in info.siblings or []
        if sibling.rfilename.lower().endswith(".gguf")
    ]
    card = getattr(info, "card_data", None)
    return files, str((card.get("license") if card else "") or "")


def _modelscope(
    reference: Reference, client: httpx.Client, patience: _Patience
) -> list[RemoteFile]:
    import httpx

    endpoint = modelscope_endpoint()
    revision = reference.revision or "master"
    base = f"{endpoint}/api/v1/models/{reference.repo}/repo"

    def ask() -> Any:
        try:
            answer = client.get(f"{base}/files", params={"Revision": revision, "Recursive": "True"})
        except httpx.TransportError as exc:
            raise _BusyError(str(exc), None) from exc
        if answer.status_code in (401, 403, 404):
            raise _no_repository(reference, endpoint)
        if answer.status_code >= 400:
            raise _BusyError(str(answer.status_code), retry_after(answer.headers))
        try:
            body = answer.json()
        except ValueError as exc:
            raise _BusyError(say("no JSON", "不是 JSON"), None) from exc
        if not body.get("Success") or not isinstance(body.get("Data"), dict):
            raise _no_repository(reference, endpoint)
        return body["Data"].get("Files") or []

    return [
        RemoteFile(
            str(row["Path"]),
            f"{base}?Revision={quote(revision, safe='')}&FilePath={quote(str(row['Path']), safe='')}",
            int(row.get("Size") or 0),
            str(row.get("Sha256") or "").lower(),
        )
        for row in _patiently(ask, endpoint, patience)
        if str(row.get("Path", "")).lower().endswith(".gguf")
    ]


class _BusyError(Exception):
    """The hub cannot answer now. `after_seconds` is its wish."""

    def __init__(self, reason: str, after_seconds: float | None) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


def _patiently(ask: Callable[[], Any], endpoint: str, patience: _Patience) -> Any:
    """Return what `ask` returns, asking again while the hub is busy."""
    shown = public_address(endpoint)
    for attempt in range(MAX_TRIES):
        try:
            return ask()
        except _BusyError as exc:
            wait = 2.0**attempt if exc.after_seconds is None else exc.after_seconds
            if attempt + 1 == MAX_TRIES or wait > LONGEST_WAIT_SECONDS:
                raise ModelError(
                    say(f"{shown} does not answer: {exc}.", f"{shown} 没有回应：{exc}。"),
                    say("Try again later. In mainland China, --source modelscope or "
                        "HF_ENDPOINT=https://hf-mirror.com may help.",
                        "请稍后再试。在中国大陆可用 --source modelscope 或 "
                        "HF_ENDPOINT=https://hf-mirror.com。"),
                ) from exc  # fmt: skip
            patience.note(
                say(f"{shown} does not answer: {exc}; trying again in {wait:.0f} s",
                    f"{shown} 没有回应：{exc}；{wait:.0f} 秒后重试")
            )  # fmt: skip
            patience.sleep(wait)
    raise AssertionError


def choose(files: list[RemoteFile], reference: Reference) -> list[RemoteFile]:
    """Return the file that `reference` means, all its parts if it is split.

    Raises `UsageError` with the names there are when none is meant, or more than one could be.
    """
    models = [file for file in files if not _base(file.name).lower().startswith("mmproj")]
    if not models:
        raise ModelError(
            say(f"{reference.repo} holds no GGUF file.", f"{reference.repo} 中没有 GGUF 文件。"),
            say("Look for a repository of that model whose name ends in -GGUF.",
                "请找该模型名称以 -GGUF 结尾的仓库。"),
        )  # fmt: skip
    chosen = _first(models, reference)
    by_name = {file.name: file for file in models}
    parts = shards(chosen.name)
    if missing := [part for part in parts if part not in by_name]:
        raise ModelError(
            say(f"{reference.repo} lacks {missing[0]}, a part of the model.",
                f"{reference.repo} 缺少模型的一部分 {missing[0]}。"),
            say("Choose another file or repository.", "请换一个文件或仓库。"),
        )  # fmt: skip
    return [by_name[part] for part in parts]


def _first(models: list[RemoteFile], reference: Reference) -> RemoteFile:
    if reference.file:
        for file in models:
            if reference.file in (file.name, _base(file.name)):
                return file
    wanted = [reference.quantization.upper()] if reference.quantization else list(PREFERRED)
    if reference.file and not reference.quantization:
        wanted = []
    # The shortest name is the plain one: no "-uncensored", no folder of variants.
    for quantization in wanted:
        fitting = [file for file in models if quantization_of(file.name) == quantization]
        if fitting:
            return min(
                fitting, key=lambda file: (len(shards(file.name)), len(file.name), file.name)
            )
    if len(models) == 1 and not reference.file and not reference.quantization:
        return models[0]
    names = sorted({quantization_of(file.name) or file.name for file in models})
    raise UsageError(
        say(f"{reference.repo} has no {reference.file or reference.quantization or 'usual file'}.",
            f"{reference.repo} 没有 {reference.file or reference.quantization or '常用文件'}。"),
        say(f"It has: {', '.join(names)}.", f"它有：{'、'.join(names)}。"),
    )  # fmt: skip


def _base(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def offline_error() -> ModelError:
    """Return the error for a wish to use the network while that is forbidden."""
    return ModelError(
        say("This needs the network, and gptwrite is offline.", "此操作需要联网，而 gptwrite 处于离线模式。"),
        say("Leave out --offline, or unset GPTWRITE_OFFLINE and HF_HUB_OFFLINE.",
            "请去掉 --offline，或取消 GPTWRITE_OFFLINE 与 HF_HUB_OFFLINE。"),
    )  # fmt: skip


def _refused(reference: Reference, endpoint: str, exc: Any, token: str | None) -> ModelError:
    """Return the error for 401, 403 and 404; the Hub answers 401 for what does not exist, too."""
    code = exc.response.headers.get("X-Error-Code", "")
    status = exc.response.status_code
    if code == "RevisionNotFound":
        return ModelError(
            say(f"{reference.repo} has no revision {reference.revision!r}.",
                f"{reference.repo} 没有版本“{reference.revision}”。"),
            say("Leave the revision out.", "请去掉版本。"),
        )  # fmt: skip
    if code == "GatedRepo" or (status == 403 and code != "RepoNotFound"):
        return gated(reference.repo, _page(reference, endpoint))
    if token and status == 401 and "credentials" in exc.response.headers.get("X-Error-Message", ""):
        return ModelError(
            say("The Hub does not accept your token.", "Hub 不接受你的令牌。"),
            say(f"Make a new one at {TOKENS_PAGE} and set HF_TOKEN.",
                f"请在 {TOKENS_PAGE} 新建令牌并设置 HF_TOKEN。"),
        )  # fmt: skip
    return _no_repository(reference, endpoint)


def _page(reference: Reference, endpoint: str) -> str:
    """Return the page of the repository, where the terms of a gated model are accepted."""
    return f"{public_address(endpoint)}/{reference.repo}"


def _no_repository(reference: Reference, endpoint: str) -> ModelError:
    shown = public_address(endpoint)
    return ModelError(
        say(f"{shown} has no public model {reference.repo}.",
            f"{shown} 没有公开模型 {reference.repo}。"),
        say("Check the spelling; for a private one set HF_TOKEN. "
            "`gptwrite models recommend` lists models that work.",
            "请检查拼写；私有模型请设置 HF_TOKEN。`gptwrite models recommend` 列出可用的模型。"),
    )  # fmt: skip
