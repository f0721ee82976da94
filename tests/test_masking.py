"""What looks like a secret never stays in a text; what does not, stays as it is."""

from __future__ import annotations

import pytest

from gptwrite.masking import MASK, mask

# Built from parts, so that no scanner takes this file for a leak.
SECRETS = [
    ("AWS_KEY = " + "AKIA" + "IOSFODNN7EXAMPLE", "IOSFODNN7"),
    ("+token: " + "ghp_" + "a1B2" * 9, "a1B2a1B2"),
    ("x = '" + "github_pat_" + "11ABCDEFG0" * 3 + "'", "11ABCDEFG0"),
    ("key=" + "sk-" + "proj-" + "abcdEFGH1234" * 3, "abcdEFGH"),
    ("slack " + "xoxb-" + "123456789012-abcdef", "123456789012"),
    ("g = " + "AIza" + "SyA1234567890abcdefghijklmnopqrstuv", "SyA123"),
    ("hf " + "hf_" + "abcdefghijklmnopqrstuvwxyz", "abcdefghij"),
    ("jwt " + "eyJ" + "hbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc", "hbGci"),
    ("+password = 'correct horse'", "correct horse"),
    ('-  "client_secret": "0123-abcd-ef",', "0123-abcd"),
    ("+DB_PASSWORD=hunter2hunter2", "hunter2"),
    ("+密码：abcd1234", "abcd1234"),
    ("Authorization: Bearer abc.def-ghi_jkl", "abc.def"),
    ("url = postgres://admin:s3cr3tpw@db.example.org/x", "s3cr3tpw"),
    ("+x = fR8kQ2mZ7pL4vN9tB3wY6cH1jD5sG0aX", "fR8kQ2mZ"),
    ("+alibaba LTAI" + "5tAbCdEfGhIjKlMn", "5tAbCd"),
]


@pytest.mark.parametrize(("line", "secret"), SECRETS)
def test_a_secret_is_masked(line: str, secret: str) -> None:
    masked = mask(line)
    assert secret not in masked
    assert MASK in masked


def test_the_name_of_a_secret_stays() -> None:
    assert mask("+  db_password: 'abcdefgh'") == f"+  db_password: '{MASK}'"


PLAIN = [
    "def test_password_is_checked(self) -> None:",
    "+    token = request.token",
    "+    password: str",
    "-    secret = None",
    "+    max_tokens = count_tokens(text)",
    "diff --git a/src/token.py b/src/token.py",
    "+++ b/packages/a-very-long-folder-name/with-many-parts/index.ts",
    "+import { authenticate } from '@example/authentication-middleware'",
    "+class AbstractSingletonProxyFactoryBean(ConfigurableFactory):",
    "see https://example.org/path/to/page?query=1",
    "气候变化是指气候平均状态的长期改变。",
]


@pytest.mark.parametrize("line", PLAIN)
def test_ordinary_lines_stay_as_they_are(line: str) -> None:
    assert mask(line) == line


def test_a_private_key_goes_as_a_block() -> None:
    begin, end = "-----BEGIN RSA PRIVATE " + "KEY-----", "-----END RSA PRIVATE " + "KEY-----"
    text = f"+a = 1\n+{begin}\n+MIIEpAIBAAKCAQEA\n+abcdef\n+{end}\n+b = 2"
    assert mask(text) == f"+a = 1\n+{MASK}\n+b = 2"


def test_every_value_of_an_environment_file_is_masked() -> None:
    text = "+++ b/.env\n+PORT=8080\n+export NAME=x y\n # a comment"
    assert mask(text, is_environment_file=True) == (
        f"+++ b/.env\n+PORT={MASK}\n+export NAME={MASK}\n # a comment"
    )
