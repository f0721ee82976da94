"""Addresses and keys: what is sent where, and what is never shown."""

from __future__ import annotations

import keyring
import keyring.backend
import pytest

from gptwrite.endpoint import find_key, is_loopback, parse_endpoint, warnings
from gptwrite.errors import ConfigError, GptwriteError, ModelError

ADDRESSES = [
    ("http://localhost:8000", "http://localhost:8000/v1", "localhost:8000", True),
    ("localhost:8000", "http://localhost:8000/v1", "localhost:8000", True),
    ("127.0.0.1:80/v1/", "http://127.0.0.1:80/v1", "127.0.0.1:80", True),
    ("http://[::1]:8000/v1", "http://[::1]:8000/v1", "[::1]:8000", True),
    ("https://api.example.com/v1/chat/completions", "https://api.example.com/v1",
     "api.example.com", False),
    ("api.example.com", "https://api.example.com/v1", "api.example.com", False),
    ("https://example.com/v1beta/openai/", "https://example.com/v1beta/openai", "example.com",
     False),
    ("http://10.0.0.5:8000/v1", "http://10.0.0.5:8000/v1", "10.0.0.5:8000", False),
]  # fmt: skip


@pytest.mark.parametrize(("address", "base", "host", "is_here"), ADDRESSES)
def test_an_address_may_be_written_shortly(
    address: str, base: str, host: str, is_here: bool
) -> None:
    endpoint = parse_endpoint(address)
    assert (endpoint.base, endpoint.host, endpoint.is_loopback) == (base, host, is_here)


WRONG = [
    "ftp://example.com",
    "https://",
    "https://example.com:port/v1",
    "https://exa\nmple.com/v1",
    "https://user:secret@example.com/v1",
    "https://secret@example.com/v1",
    "https://example.com/v1?key=secret",
    "https://example.com/v1#secret",
    "secret@example.com",
    "no address",
    "https://a b.example/v1",
]


@pytest.mark.parametrize("address", WRONG)
def test_a_wrong_address_is_refused_without_repeating_a_secret(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_endpoint(address)
    assert "secret" not in caught.value.message + caught.value.hint


HOSTS = [
    ("localhost", True), ("LOCALHOST.", True), ("127.9.9.9", True), ("::1", True),
    ("localhost.example.com", False), ("127.0.0.1.example.com", False), ("0.0.0.0", False),
    ("192.168.0.1", False), ("", False),
]  # fmt: skip


@pytest.mark.parametrize(("host", "expected"), HOSTS)
def test_only_this_machine_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:1", "api.example.com"])
def test_offline_no_server_may_be_asked_not_even_on_this_machine(host: str) -> None:
    with pytest.raises(ModelError, match=r"offline, .* not even to this machine") as caught:
        parse_endpoint(f"http://{host}", offline=True)
    assert host in caught.value.message
    assert "--offline" in caught.value.hint and "endpoint" in caught.value.hint


class Box(keyring.backend.KeyringBackend):
    """A keyring with a key for one host, which the program reads and never changes."""

    priority = 1.0

    def get_password(self, service: str, username: str) -> str | None:
        return {("gptwrite", "api.example.com"): "kept"}.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def box() -> object:
    before = keyring.get_keyring()
    keyring.set_keyring(Box())
    yield
    keyring.set_keyring(before)


KEYS = [
    ({"GPTWRITE_API_KEY": " own\n", "OPENAI_API_KEY": "common"}, "https://api.example.com", "own"),
    ({"OPENAI_API_KEY": "common"}, "https://api.example.com", "kept"),
    ({"OPENAI_API_KEY": "common"}, "https://other.example.com", "common"),
    ({"OPENAI_API_KEY": "common"}, "http://localhost:8000", "common"),
    ({"OPENAI_API_KEY": "common"}, "http://10.0.0.5:8000", ""),
    ({"GPTWRITE_API_KEY": "own"}, "http://10.0.0.5:8000", "own"),
    ({}, "https://other.example.com", ""),
]


@pytest.mark.parametrize(("environ", "address", "expected"), KEYS)
def test_keys_are_looked_for_in_order_and_go_where_they_may(
    environ: dict[str, str], address: str, expected: str
) -> None:
    assert find_key(parse_endpoint(address), environ) == expected


@pytest.mark.parametrize("key", ["sécret", "sec ret", "sec\nret", "sec\x00ret"])
def test_a_key_that_cannot_be_one_is_refused_unseen(key: str) -> None:
    with pytest.raises(GptwriteError) as caught:
        find_key(parse_endpoint("localhost"), {"GPTWRITE_API_KEY": key})
    assert key not in caught.value.message + caught.value.hint


def test_an_unencrypted_way_to_another_machine_is_warned_of() -> None:
    assert "unencrypted" in warnings(parse_endpoint("http://10.0.0.5:8000"))[0]
    assert not warnings(parse_endpoint("http://localhost:8000"))
    assert not warnings(parse_endpoint("https://api.example.com"))
