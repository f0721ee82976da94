"""What a user may write to name a model that is elsewhere: hf:, ms:, https:// and file:.

Reads text only; knows no network and no disk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from gptwrite.errors import UsageError
from gptwrite.language import say

Source = Literal["hf", "modelscope", "url", "file"]

REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
QUANTIZATION = re.compile(
    r"(?:UD-)?(?:I?Q\d\w*|TQ\d_\d|BF16|F16|F32|MXFP4\w*|NVFP4)", re.IGNORECASE
)
SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
# https://HOST/OWNER/REPO/resolve/REVISION/FILE, as a browser shows and copies it.
HUB_PAGE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/(?:resolve|blob)/(?P<revision>[^/]+)/(?P<file>.+)")
# What in an address's query says which file is meant. All else may be a key or a signature.
FILE_PARAMETERS = ("download", "file", "filename", "filepath", "id", "name", "path", "ref",
                   "revision", "version")  # fmt: skip
MIRRORS = ("hf-mirror.com",)
HUB_HOSTS = ("huggingface.co", "hf.co", *MIRRORS)


@dataclass(frozen=True)
class Reference:
    """A model somewhere else. `location` is an address or a path, for `url` and `file`.

    For `hf` it is the mirror the user named by a page's address, or empty.

    An address may hold a secret, which is used and never shown: `str()` leaves it out.
    """

    source: Source
    repo: str = ""
    file: str = ""
    quantization: str = ""
    revision: str = ""
    location: str = ""

    def __str__(self) -> str:
        if self.source in ("url", "file"):
            is_address = self.source == "url"
            return public_address(self.location) if is_address else f"file:{self.location}"
        prefix = "hf" if self.source == "hf" else "ms"
        what = self.file or self.quantization
        revision = f"@{self.revision}" if self.revision else ""
        return f"{prefix}:{self.repo}{revision}" + (f":{what}" if what else "")


def parse(text: str) -> Reference | None:
    """Return the reference that `text` writes, or None for a plain name or path.

    Raises `UsageError` for one that begins like a reference and is none.
    """
    lower = text.lower()
    if lower.startswith("file:"):
        path = text[5:]
        return Reference("file", location=unquote(path[2:]) if path.startswith("//") else path)
    if lower.startswith(("https://", "http://")):
        return _from_address(text)
    for prefix, source in (("hf:", "hf"), ("ms:", "modelscope"), ("modelscope:", "modelscope")):
        if lower.startswith(prefix):
            return _from_repository(text, text[len(prefix) :], source)  # type: ignore[arg-type]
    return None


def canonical(text: str) -> str:
    """Return how a reference is recorded and shown, without secrets; any other text as it is."""
    try:
        return str(parse(text) or text)
    except UsageError:
        return public_address(text)


def public_address(address: str) -> str:
    """Return `address` without what may be a secret; a text that is no address as it is.

    What goes: user and password, the fragment, and of the query all but what is known to say which
    file is meant.
    """
    scheme, mark, _ = address.partition("://")
    if not mark:
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return f"{scheme}://..."
    query = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name.lower() in FILE_PARAMETERS
    ]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(query), ""))


def _from_repository(text: str, rest: str, source: Source) -> Reference:
    repo, _, what = rest.partition(":")
    repo, _, revision = repo.partition("@")
    is_file = what.lower().endswith(".gguf")
    if not REPO.fullmatch(repo) or (what and not is_file and not QUANTIZATION.fullmatch(what)):
        raise UsageError(
            say(f"{text!r} names no model.", f"“{text}”不是有效的模型引用。"),
            say("Write hf:owner/repo, hf:owner/repo:Q4_K_M or hf:owner/repo:file.gguf.",
                "请写成 hf:owner/repo、hf:owner/repo:Q4_K_M 或 hf:owner/repo:file.gguf。"),
        )  # fmt: skip
    if is_file:
        return Reference(source, repo, file=what, revision=revision)
    return Reference(source, repo, quantization=what, revision=revision)


def _from_address(text: str) -> Reference:
    shown = public_address(text)
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        is_loopback = host in ("127.0.0.1", "localhost", "::1")
        is_usable = bool(host) and (parts.scheme == "https" or is_loopback) and parts.port != 0
    except ValueError:  # brackets or a port that are none
        is_usable = False
    if not is_usable:
        raise UsageError(
            say(f"{shown!r} is not an https address.", f"“{shown}”不是 https 地址。"),
            say("Models are fetched over https:// only.", "模型只通过 https:// 下载。"),
        )
    page = HUB_PAGE.fullmatch(unquote(parts.path))
    if page and host.removeprefix("www.") in HUB_HOSTS:
        mirror = f"https://{host}" if host in MIRRORS else ""
        return Reference("hf", page["repo"], page["file"], "", page["revision"], mirror)
    return Reference("url", location=text)


def quantization_of(file_name: str) -> str:
    """Return the quantization that a file's name states, in capitals, or an empty string."""
    found = re.findall(
        rf"(?<![A-Za-z0-9])({QUANTIZATION.pattern})(?![A-Za-z0-9_])", file_name, re.IGNORECASE
    )
    return str(found[-1]).upper() if found else ""


def shards(file_name: str) -> list[str]:
    """Return the names of all parts of a split GGUF, first to last; one name for a whole file."""
    match = SHARD.search(file_name)
    if not match:
        return [file_name]
    count = int(match[2])
    stem = file_name[: match.start()]
    return [f"{stem}-{index:05}-of-{count:05}.gguf" for index in range(1, count + 1)]


def default_name(file_name: str) -> str:
    """Return the short name a downloaded file gets: its own in small letters, without endings."""
    base = SHARD.sub(".gguf", file_name.rsplit("/", 1)[-1])
    return re.sub(r"[^a-z0-9._-]+", "-", base.removesuffix(".gguf").lower()).strip("-.") or "model"
