"""Loading: devices, fallbacks, context lengths. The devices themselves are not to be had here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gptwrite.engines import library
from gptwrite.engines.base import Message, Request, Sampling
from gptwrite.engines.llama import LlamaEngine
from gptwrite.engines.model import LoadOptions, offload_steps
from gptwrite.errors import ModelError


@pytest.mark.parametrize(
    ("layers", "total", "steps"),
    [(-1, 24, [-1, 12, 6, 3, 1, 0]), (8, 24, [8, 4, 2, 1, 0]), (0, 24, [0]), (1, 24, [1, 0])],
)
def test_offloading_falls_back_in_halves_to_the_processor(
    layers: int, total: int, steps: list[int]
) -> None:
    assert offload_steps(layers, total) == steps


def test_a_gpu_without_room_is_tried_with_fewer_layers(
    models: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = library.load()
    tried: list[int] = []
    load = api.llama_model_load_from_file

    def only_without_gpu(path: bytes, params: Any) -> Any:
        tried.append(params.n_gpu_layers)
        return load(path, params) if params.n_gpu_layers == 0 else None

    monkeypatch.setattr(api, "llama_supports_gpu_offload", lambda: True)
    monkeypatch.setattr(api, "llama_model_load_from_file", only_without_gpu)
    engine = LlamaEngine(models("qwen2"), LoadOptions(gpu_layers=-1))
    assert tried == [-1, 1, 0]
    list(engine.stream(Request((Message("user", "x"),), sampling=Sampling(max_tokens=2))))
    assert engine.stats.device == "cpu"
    assert any("no room for 3 layers" in note for note in engine.stats.notes)
    engine.close()


def test_a_context_beyond_the_training_length_is_clamped_and_said(
    models: Callable[..., Path],
) -> None:
    engine = LlamaEngine(models("gpt2"), LoadOptions(context_length=100_000))
    assert engine.context_length == 512
    list(engine.stream(Request((Message("user", "x"),), sampling=Sampling(max_tokens=600))))
    assert any("100000" in note for note in engine.stats.notes)
    engine.close()


def test_an_unknown_architecture_is_named(tmp_path: Path) -> None:
    import gguf

    path = tmp_path / "strange.gguf"
    writer = gguf.GGUFWriter(str(path), "strange")
    writer.add_block_count(1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ModelError, match="strange"):
        LlamaEngine(path)


def test_the_library_is_quiet(
    models: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    engine = LlamaEngine(models("qwen3"))
    list(engine.stream(Request((Message("user", "x"),), sampling=Sampling(max_tokens=3))))
    engine.close()
    assert capfd.readouterr() == ("", "")


def test_loading_many_times_frees_what_it_took(models: Callable[..., Path]) -> None:
    path = models("qwen2", width=256, feed_forward=1024, layers=4)

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1])

    for _ in range(3):
        LlamaEngine(path).close()
    before = resident()
    for _ in range(20):
        engine = LlamaEngine(path)
        list(engine.stream(Request((Message("user", "x"),), sampling=Sampling(max_tokens=2))))
        engine.close()
    pages = path.stat().st_size // 4096
    assert resident() - before < 2 * pages
