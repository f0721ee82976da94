"""Errors speak the language of the interface, wherever they come from."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gptwrite
from gptwrite import language
from gptwrite.errors import ContextError, engine_closed
from gptwrite.gguf_file import Header

ROOT = Path(gptwrite.__file__).parent
KINDS = ("ModelError", "EngineError", "InputError", "UsageError", "ConfigError", "GptwriteError")


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPTWRITE_UI_LANGUAGE", "zh")
    language.choose("auto")


def test_a_prompt_that_does_not_fit_is_said_in_english() -> None:
    error = ContextError(5000, 4096)
    assert error.message == "The prompt has 5000 tokens; the context holds 4096."
    assert error.hint == "Shorten the text, or choose a model with a longer context."


@pytest.mark.usefixtures("chinese")
def test_engine_errors_are_chinese_where_the_interface_is() -> None:
    error = ContextError(5000, 4096)
    assert error.message == "提示有 5000 个词元；上下文只能容纳 4096 个。"
    assert error.hint == "请缩短文字，或换用上下文更长的模型。"
    assert engine_closed().message == "引擎已关闭。"


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: p.name)
def test_no_error_is_written_in_one_language_alone(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in KINDS:
            bare = [a for a in node.args if isinstance(a, ast.Constant) and a.value]
            mixed = [
                a
                for a in node.args
                if isinstance(a, ast.JoinedStr) and "say(" not in ast.unparse(a)
            ]
            assert not bare + mixed, f"{path.name}:{node.lineno}"


def test_a_header_with_words_for_numbers_is_read_as_not_telling() -> None:
    metadata = {"general.architecture": "x", "x.context_length": "many", "x.block_count": "few"}
    header = Header(Path("x.gguf"), metadata, {})
    assert (header.context_length, header.layers, header.kv_bytes_per_token()) == (0, 0, 0)
