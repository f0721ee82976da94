"""Tests about the code itself: layers, file sizes, exports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gptwrite

ROOT = Path(gptwrite.__file__).parent


# Modules about the network alone: they may import httpx, and nobody imports them at the top.
NETWORK = {"download", "hub", "pull"}


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if "prompts" not in path.parts)


def imports_at_top(path: Path) -> set[str]:
    """Return the gptwrite modules imported when `path` is imported (not inside functions)."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gptwrite"):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def all_imports(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = set()
    for node in tree:
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_command_line_imports_typer_and_nothing_imports_the_command_line(
    path: Path,
) -> None:
    inside_cli = "cli" in path.relative_to(ROOT).parts
    names = all_imports(path)
    if not inside_cli:
        assert not any(name.split(".")[0] in ("typer", "click") for name in names)
        if path.name != "__main__.py":
            assert not any(name.startswith("gptwrite.cli") for name in names)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_llama_cpp_is_imported_in_one_place(path: Path) -> None:
    if path.relative_to(ROOT).as_posix() != "engines/library.py":
        assert not any(name.split(".")[0] == "llama_cpp" for name in all_imports(path))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_heavy_is_imported_at_the_top(path: Path) -> None:
    heavy = {"llama_cpp", "numpy", "httpx", "huggingface_hub", "jinja2", "rich"}
    name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    if name in NETWORK:
        heavy.remove("httpx")
    else:
        assert not imports_at_top(path) & {f"gptwrite.{module}" for module in NETWORK}
    assert not {name.split(".")[0] for name in imports_at_top(path)} & heavy


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_engines_know_no_terminal_and_no_command_line() -> None:
    for path in (ROOT / "engines").glob("*.py"):
        names = all_imports(path)
        assert not names & {"gptwrite.terminal", "gptwrite.template", "gptwrite.write"}, path


def test_every_export_can_be_imported() -> None:
    for name in gptwrite.__all__:
        assert getattr(gptwrite, name)
