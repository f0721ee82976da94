from __future__ import annotations

import pytest

from gptwrite.errors import UsageError
from gptwrite.references import (
    Reference,
    canonical,
    default_name,
    parse,
    public_address,
    quantization_of,
    shards,
)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("hf:Qwen/Qwen3-4B-GGUF", Reference("hf", "Qwen/Qwen3-4B-GGUF")),
        ("hf:a/b:Q4_K_M", Reference("hf", "a/b", quantization="Q4_K_M")),
        ("hf:a/b:iq4_xs", Reference("hf", "a/b", quantization="iq4_xs")),
        ("hf:a/b:UD-Q4_K_XL", Reference("hf", "a/b", quantization="UD-Q4_K_XL")),
        ("hf:a/b:x.gguf", Reference("hf", "a/b", file="x.gguf")),
        ("hf:a/b@v1:sub/x.gguf", Reference("hf", "a/b", file="sub/x.gguf", revision="v1")),
        ("ms:a/b:Q8_0", Reference("modelscope", "a/b", quantization="Q8_0")),
        ("modelscope:a/b", Reference("modelscope", "a/b")),
        ("file:/x/y.gguf", Reference("file", location="/x/y.gguf")),
        ("file:///x/a%20b.gguf", Reference("file", location="/x/a b.gguf")),
        ("https://h.example/x.gguf", Reference("url", location="https://h.example/x.gguf")),
        ("https://huggingface.co/a/b/blob/main/x.gguf",
         Reference("hf", "a/b", file="x.gguf", revision="main")),
        ("https://hf-mirror.com/a/b/resolve/main/s/x.gguf?download=true",
         Reference("hf", "a/b", file="s/x.gguf", revision="main",
                   location="https://hf-mirror.com")),
        ("qwen3-4b", None),
        ("./model.gguf", None),
        ("ollama:qwen3:4b", None),
    ],
)  # fmt: skip
def test_a_reference_is_read(text: str, reference: Reference | None) -> None:
    assert parse(text) == reference


@pytest.mark.parametrize(
    "text",
    [
        "hf:a",
        "hf:",
        "hf:a/b/c",
        "hf:../b",
        "ms:a/b:good",
        "http://x/y.gguf",
        "https://[/y.gguf",
        "https://h.example:port/y.gguf",
    ],
)
def test_what_only_begins_like_a_reference_is_an_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


@pytest.mark.parametrize("text", ["hf:a/b", "hf:a/b@v1:Q8_0", "ms:a/b:x.gguf", "file:/x.gguf"])
def test_a_reference_writes_itself_as_it_is_read(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://h.example/x.gguf", "https://h.example/x.gguf"),
        ("https://user:pass@h.example:8443/x.gguf", "https://h.example:8443/x.gguf"),
        ("https://hf_token@h.example/x.gguf", "https://h.example/x.gguf"),
        ("https://h.example/x.gguf?token=hf_1&download=true#k",
         "https://h.example/x.gguf?download=true"),
        ("https://s3.example/x.gguf?X-Amz-Signature=ab&X-Amz-Credential=cd&unheard-of=ef",
         "https://s3.example/x.gguf"),
        ("https://m.example/repo?Revision=v1&FilePath=a%2Fx.gguf",
         "https://m.example/repo?Revision=v1&FilePath=a%2Fx.gguf"),
        ("https://user:pass@[/x.gguf", "https://..."),
        ("qwen3-4b", "qwen3-4b"),
        ("hf:a/b", "hf:a/b"),
    ],
)  # fmt: skip
def test_an_address_is_shown_without_what_may_be_a_secret(address: str, shown: str) -> None:
    assert public_address(address) == shown
    assert public_address(shown) == shown
    assert canonical(address) == shown


def test_a_reference_keeps_its_secret_for_the_request_alone() -> None:
    reference = parse("https://user:pass@h.example/x.gguf?token=hf_1")
    assert reference is not None
    assert reference.location == "https://user:pass@h.example/x.gguf?token=hf_1"
    assert str(reference) == "https://h.example/x.gguf"


def test_no_error_about_an_address_shows_its_secret() -> None:
    for text in ("http://user:pass@h.example/x.gguf", "https://user:pass@[/x", "https://u:pass@/x"):
        with pytest.raises(UsageError) as caught:
            parse(text)
        assert "pass" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("name", "quantization"),
    [
        ("Qwen3-4B-Q4_K_M.gguf", "Q4_K_M"),
        ("qwen2.5-1.5b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("model.Q8_0.gguf", "Q8_0"),
        ("gemma-3-4b-it-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("x-BF16-00001-of-00003.gguf", "BF16"),
        ("qwen3-4b.gguf", ""),
        ("IQ4_XS/x-IQ4_XS.gguf", "IQ4_XS"),
    ],
)
def test_a_files_name_states_its_quantization(name: str, quantization: str) -> None:
    assert quantization_of(name) == quantization


def test_a_split_model_has_all_its_parts() -> None:
    assert shards("a/x-00002-of-00003.gguf") == [
        "a/x-00001-of-00003.gguf",
        "a/x-00002-of-00003.gguf",
        "a/x-00003-of-00003.gguf",
    ]
    assert shards("x.gguf") == ["x.gguf"]


@pytest.mark.parametrize(
    ("file", "name"),
    [("A/B-Q4_K_M.gguf", "b-q4_k_m"), ("X-00001-of-00002.gguf", "x"), ("写 作.gguf", "model")],
)
def test_a_file_gets_a_short_name(file: str, name: str) -> None:
    assert default_name(file) == name
