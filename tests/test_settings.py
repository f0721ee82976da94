"""Settings: the order of sources, and errors that name the key, the source and the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ran

from gptwrite.errors import ConfigError, UsageError
from gptwrite.flags import flag_of
from gptwrite.settings import FIELDS, Settings, config_file, load_settings, parse, write_setting


def configure(text: str) -> None:
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text(text, encoding="utf-8")


def test_file_environment_and_flags_go_over_each_other_in_that_order() -> None:
    assert load_settings(environ={}).seed is None
    configure("seed = 1\n")
    assert load_settings(environ={}).seed == 1
    assert load_settings(environ={"GPTWRITE_SEED": "2"}).seed == 2
    assert load_settings({"seed": 3}, environ={"GPTWRITE_SEED": "2"}).seed == 3
    assert load_settings({"seed": None}, environ={"GPTWRITE_SEED": "2"}).seed == 2


WRONG = [
    ("sead = 1\n", "sead", "Did you mean seed?"),
    ('seed = "x"\n', "whole number", "For example: seed = 1"),
    ("ui_language = 'fr'\n", "ui_language", "auto, en, zh"),
    ("quiet = 1\n", "true or false", "For example: quiet = false"),
    ("seed = \n", "not valid TOML", "Mend"),
]


@pytest.mark.parametrize(("text", "message", "hint"), WRONG)
def test_a_wrong_file_is_an_error_with_a_way_out(text: str, message: str, hint: str) -> None:
    configure(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(environ={})
    assert message in caught.value.message and hint in caught.value.hint
    assert str(config_file()) in caught.value.message


@pytest.mark.parametrize("value", ["yes", "1", "true", "on", "TRUE"])
def test_truth_has_several_words_in_the_environment(value: str) -> None:
    assert load_settings(environ={"GPTWRITE_OFFLINE": value}).offline is True


def test_a_wrong_variable_is_named(gptwrite: Callable[..., Ran]) -> None:
    ran = gptwrite(["ask", "x", "-m", "echo"], env={"GPTWRITE_SEED": "many"})
    assert ran.status == 1 and "GPTWRITE_SEED" in ran.err


def test_set_keeps_comments_and_unset_goes_back(gptwrite: Callable[..., Ran]) -> None:
    configure("# mine\nseed = 1\n")
    assert gptwrite(["config", "set", "seed", "7"]).status == 0
    assert gptwrite(["config", "set", "model", "echo"]).status == 0
    assert config_file().read_text() == '# mine\nseed = 7\nmodel = "echo"\n'
    assert gptwrite(["config", "get", "seed"]).out == "7\n"
    assert gptwrite(["config", "unset", "seed"]).status == 0
    assert gptwrite(["config", "get", "seed"]).out == "null\n"
    assert gptwrite(["config", "path"]).out == f"{config_file()}\n"


def test_set_refuses_what_load_would_refuse(gptwrite: Callable[..., Ran]) -> None:
    for arguments, said in [(("sead", "1"), "seed"), (("seed", "x"), "whole number")]:
        ran = gptwrite(["config", "set", *arguments])
        assert ran.status == 1 and said in ran.err
    assert not config_file().exists()


def test_list_shows_every_setting(gptwrite: Callable[..., Ran]) -> None:
    out = gptwrite(["config", "list"]).out
    assert all(f"{name} = " in out for name in FIELDS)


def test_every_default_fits_its_type(tmp_path: Path) -> None:
    for name in FIELDS:
        value = getattr(Settings(), name)
        if value is not None:
            write_setting(tmp_path / "c.toml", name, value)


def test_a_broken_file_can_still_be_found_and_mended(gptwrite: Callable[..., Ran]) -> None:
    configure("seed = \n")
    assert gptwrite(["ask", "x"]).status == 1
    assert gptwrite(["config", "path"]).status == 0


def test_a_broken_file_is_not_written_over(gptwrite: Callable[..., Ran]) -> None:
    configure("seed = \n")
    ran = gptwrite(["config", "set", "seed", "1"])
    assert ran.status == 1 and "not valid TOML" in ran.err
    assert config_file().read_text() == "seed = \n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", "0"),
        ("temperature", "nan"),
        ("temperature", "inf"),
        ("temperature", "9.0"),
        ("top_p", "3.0"),
        ("min_p", "1.5"),
        ("repeat_penalty", "0.0"),
        ("threads", "-1"),
    ],
)
def test_numbers_out_of_bounds_are_refused_from_everywhere(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"x: {name} cannot be {value}"):
        parse(name, value, "x")
    configure(f"{name} = {value}\n")
    with pytest.raises(ConfigError, match=f"config.toml: {name} cannot be {value}"):
        load_settings(environ={})
    config_file().unlink()
    flag = f"--{name.replace('_', '-')} cannot be {value}"
    with pytest.raises(UsageError, match=flag):
        load_settings({name: int(value) if value.lstrip("-").isdigit() else float(value)})


@pytest.mark.parametrize(
    "arguments",
    [
        ["article", "x", "--temperature", "-1"],
        ["article", "x", "--top-p", "3"],
        ["article", "x", "--threads", "-1"],
        ["article", "x", "--endpoint", "ftp://example.com"],
        ["batch", "article", "x.txt", "--temperature", "9"],
        ["bench", "--threads", "-1"],
        ["commit", "--style", "foo"],
        ["commit", "--lang", "fr"],
        ["models", "pull", "qwen3-4b", "--source", "foo"],
    ],
)
def test_what_a_flag_cannot_be_is_wrong_usage(
    gptwrite: Callable[..., Ran], arguments: list[str]
) -> None:
    ran = gptwrite(arguments)
    flag, value = arguments[-2:]
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"Error: {flag}") and (value in ran.err or "ftp" in value)


def test_a_negative_value_can_be_set(gptwrite: Callable[..., Ran]) -> None:
    assert gptwrite(["config", "set", "gpu_layers", "-1"]).status == 0
    assert gptwrite(["config", "get", "gpu_layers"]).out == "-1\n"
    ran = gptwrite(["config", "set", "temperature", "-1"])
    assert ran.status == 1 and "temperature cannot be -1.0" in ran.err
    assert gptwrite(["config", "set", "--help"]).status == 0


def test_an_endpoint_that_is_no_address_is_not_set(gptwrite: Callable[..., Ran]) -> None:
    for address in ("no address", "ftp://example.com", "https://user:secret@example.com"):
        ran = gptwrite(["config", "set", "endpoint", address])
        assert ran.status == 1 and "secret" not in ran.err
        assert ran.err.startswith("Error: config set: endpoint: The endpoint")
    assert not config_file().exists()
    assert gptwrite(["config", "set", "endpoint", "localhost:8000"]).status == 0
    assert gptwrite(["config", "set", "endpoint", ""]).status == 0


def test_every_flag_is_named_as_it_is_given() -> None:
    assert [flag_of(name) for name in ("top_k", "cache", "dry_multiplier", "commit_style")] == [
        "--top-k", "--cache", "--dry", "--style",
    ]  # fmt: skip


def test_the_interface_language_can_be_configured(gptwrite: Callable[..., Ran]) -> None:
    gptwrite(["config", "set", "ui_language", "zh"])
    assert "写一首诗" in gptwrite(["--help"]).out
