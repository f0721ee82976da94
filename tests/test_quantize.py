from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gptwrite import quantize
from gptwrite.engines.base import Message, Request, Sampling
from gptwrite.engines.llama import LlamaEngine
from gptwrite.errors import GptwriteError, ModelError, UsageError
from gptwrite.gguf_file import read_header
from gptwrite.quantize import quantize as make

Model = Callable[..., Path]


@pytest.fixture
def source(models: Model) -> Path:
    return models("qwen2", width=256, heads=4, kv_heads=2, feed_forward=256)


@pytest.mark.parametrize("kind", ["Q8_0", "q4_k_m", "Q4_0", "BF16"])
def test_a_model_gets_smaller_and_still_writes(source: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "small.gguf"
    steps: list[tuple[int, int]] = []
    make(source, target, kind, lambda done, total: steps.append((done, total)))
    assert read_header(target).quantization == kind.upper()
    assert target.stat().st_size < source.stat().st_size
    count = read_header(source).n_tensors
    assert steps[-1] == (count, count)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    engine = LlamaEngine(target)
    request = Request((Message("user", "hello"),), sampling=Sampling(max_tokens=4, seed=1))
    assert list(engine.stream(request))[-1].finish in ("length", "stop")
    engine.close()


def test_a_file_that_is_there_is_not_replaced_unasked(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "small.gguf"
    target.write_bytes(b"precious")
    with pytest.raises(UsageError, match="already there"):
        make(source, target, "Q8_0")
    assert target.read_bytes() == b"precious"
    make(source, target, "Q8_0", replace=True)
    assert read_header(target).quantization == "Q8_0"


def test_a_model_is_never_quantized_onto_itself(source: Path) -> None:
    with pytest.raises(UsageError):
        make(source, source, "Q8_0", replace=True)


def test_quantizing_twice_is_refused(source: Path, tmp_path: Path) -> None:
    make(source, tmp_path / "a.gguf", "Q8_0")
    with pytest.raises(UsageError, match="already quantized"):
        make(tmp_path / "a.gguf", tmp_path / "b.gguf", "Q4_0")


def test_an_unknown_type_names_the_nearest(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no type 'Q4_KM'") as caught:
        make(source, tmp_path / "x.gguf", "Q4_KM")
    assert "Q4_K_M" in caught.value.hint


def test_a_damaged_model_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(source.read_bytes()[:-5000])
    with pytest.raises(ModelError, match="cut short"):
        make(cut, tmp_path / "x.gguf", "Q8_0")
    assert sorted(path.name for path in tmp_path.glob("*x.gguf*")) == []


def test_a_folder_that_is_not_there_is_named(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"Cannot write in .*nowhere: No such file") as caught:
        make(source, tmp_path / "nowhere" / "x.gguf", "Q8_0")
    assert caught.value.hint


@pytest.mark.skipif(os.name == "nt", reason="needs a umask")
def test_a_new_file_has_the_permissions_of_any_other(source: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        make(source, tmp_path / "small.gguf", "Q8_0")
    finally:
        os.umask(before)
    assert (tmp_path / "small.gguf").stat().st_mode & 0o777 == 0o600


def test_a_failure_within_leaves_nothing_behind(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(source, tmp_path / "x.gguf", "Q8_0", stop)
    assert list(tmp_path.glob("*x.gguf*")) == []


def test_a_full_disk_is_found_before_the_work(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 1000

    monkeypatch.setattr(quantize.shutil, "disk_usage", lambda path: Full)
    with pytest.raises(GptwriteError, match=r"0\.00 GB are free"):
        make(source, tmp_path / "x.gguf", "Q8_0")
