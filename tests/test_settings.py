"""Settings: the order of sources, and errors that name the key, the source and the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Ran

from gptwrite.errors import ConfigError
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
    [("parallel", "0"), ("max_tokens", "0"), ("temperature", "nan"), ("temperature", "inf")],
)
def test_numbers_out_of_bounds_are_refused_from_everywhere(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} cannot be {value}"):
        parse(name, value, "x")
    with pytest.raises(ConfigError, match=f"{name} cannot be {value}"):
        load_settings({name: float(value) if name == "temperature" else int(value)})


def test_the_interface_language_can_be_configured(gptwrite: Callable[..., Ran]) -> None:
    gptwrite(["config", "set", "ui_language", "zh"])
    assert "写一首诗" in gptwrite(["--help"]).out
