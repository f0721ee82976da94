"""The address of an OpenAI-compatible server, and the key for it.

Decides what may be sent where. Opens no connection, and keeps every key out of messages.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gptwrite.errors import ConfigError, ModelError
from gptwrite.language import say

OWN_KEY, COMMON_KEY = "GPTWRITE_API_KEY", "OPENAI_API_KEY"
KEYRING_SERVICE = "gptwrite"
HOST = re.compile(
    r"[\w.-]+|[\da-fA-F:.]+(?:%[\w.-]+)?"
)  # a name, in any script, or an IPv6 address
CHAT_PATH = "/chat/completions"


@dataclass(frozen=True)
class Endpoint:
    """A server: `base` is what `/chat/completions` and `/models` are appended to."""

    base: str
    host: str
    is_loopback: bool

    @property
    def is_encrypted(self) -> bool:
        return self.base.startswith("https:")

    @property
    def root(self) -> str:
        """The address without its `/v1`, where a server's own extras are."""
        return self.base.removesuffix("/v1")


def parse_endpoint(address: str, offline: bool = False) -> Endpoint:
    """Return what `address` names: `http://localhost:8000`, with or without `/v1`.

    Raises `ConfigError` for an address that is none, or that holds a password or a query, which
    could be a key; `ModelError` for any while `offline`, which means that no socket is opened, not
    even to this machine. No message repeats the address before it is known to hold no secret.
    """
    address = address.strip()
    if "://" not in address:
        is_local = is_loopback(urlsplit(f"//{address}").hostname or "")
        address = f"{'http' if is_local else 'https'}://{address}"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _not_an_address() from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigError(
            say("The endpoint's address holds a password, a query or a fragment.",
                "服务器地址中含有密码、查询或片段。"),
            say(f"Give the plain address, and the key in {OWN_KEY}.",
                f"请只写地址，密钥放在 {OWN_KEY} 中。"),
        )  # fmt: skip
    if (
        parts.scheme not in ("http", "https")
        or not HOST.fullmatch(host)
        or not address.isprintable()
    ):
        raise _not_an_address()
    path = parts.path.rstrip("/").removesuffix(CHAT_PATH) or "/v1"
    shown = f"[{host}]" if ":" in host else host
    place = f"{shown}:{port}" if port else shown
    endpoint = Endpoint(f"{parts.scheme}://{place}{path}", place, is_loopback(host))
    if offline:
        raise ModelError(
            say(f"{endpoint.host} cannot be asked: offline, gptwrite opens no connection at all, "
                "not even to this machine.",
                f"无法使用 {endpoint.host}：离线模式下不建立任何连接，本机也不例外。"),
            say("Leave out --offline (GPTWRITE_OFFLINE, or the setting), or leave out the endpoint "
                "and write with a model on disk.",
                "请去掉 --offline（或 GPTWRITE_OFFLINE、设置项 offline），"
                "或去掉服务器地址，改用磁盘上的模型。"),
        )  # fmt: skip
    return endpoint


def _not_an_address() -> ConfigError:
    return ConfigError(
        say("The endpoint is not an http:// or https:// address.",
            "服务器地址不是 http:// 或 https:// 地址。"),
        say("For example: --endpoint http://localhost:8000/v1",
            "例如：--endpoint http://localhost:8000/v1"),
    )  # fmt: skip


def is_loopback(host: str) -> bool:
    """Return whether `host` can only be this machine."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def find_key(endpoint: Endpoint, environ: Mapping[str, str] | None = None) -> str:
    """Return the key for `endpoint`, or an empty string.

    GPTWRITE_API_KEY goes first, then what the keyring holds for this very host, then
    OPENAI_API_KEY. The last was set for some other program: it never goes unencrypted to another
    machine.
    """
    variables = os.environ if environ is None else environ
    if own := variables.get(OWN_KEY, "").strip():
        return _checked(own, OWN_KEY)
    if kept := _from_keyring(endpoint.host):
        return _checked(kept, "keyring")
    if endpoint.is_encrypted or endpoint.is_loopback:
        return _checked(variables.get(COMMON_KEY, "").strip(), COMMON_KEY)
    return ""


def _checked(key: str, source: str) -> str:
    """Return `key` if it can stand in a header; a message about it never shows it."""
    if key.isascii() and (not key or key.isprintable()) and " " not in key:
        return key
    raise ConfigError(
        say(f"The key in {source} has characters that no key has.",
            f"{source} 中的密钥含有不可能的字符。"),
        say("Copy it again.", "请重新复制。"),
    )  # fmt: skip


def _from_keyring(host: str) -> str:
    """Return what the system's keyring holds for `host`; empty without the keyring package."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        return (keyring.get_password(KEYRING_SERVICE, host) or "").strip()
    except (KeyringError, RuntimeError):
        return ""


def warnings(endpoint: Endpoint) -> list[str]:
    """Return what a user should know before sending anything to `endpoint`."""
    if endpoint.is_encrypted or endpoint.is_loopback:
        return []
    return [
        say(f"texts, and the key if any, go unencrypted to {endpoint.host}; prefer https://",
            f"文字及密钥（如有）将以明文发往 {endpoint.host}；建议使用 https://")
    ]  # fmt: skip
