"""The exported F32 GGUF must give the logits of the PyTorch network (run: pytest training)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from training import export, generate, start_from
from training import tokenizer as tokenizers
from training.model import GPT, PRESETS

TEXTS = {
    "Chinese": "气候变化是指气温、降水等要素在几十年里的持续改变。\n\n今天星期几？",
    "English": "The quick brown fox jumps over the lazy dog.  Two  spaces.",
    "code": 'def add(a, b):\n    """Add."""\n\treturn {\'sum\': a + b}["sum"]  # 1234\n',
    "emoji": "🌏🚀 谢谢👍🏽 — naïve café 𠮷野家",
    "chat": generate.render([{"role": "user", "content": "写一首诗"}]),
}


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tokenizer trained on this very file's texts."""
    folder = tmp_path_factory.mktemp("tokenizer")
    source, model = folder / "text.jsonl", folder / "tokenizer.model"
    lines = [
        f'{{"kind": "a", "text": "气候变化与今天的天气。 def f(x): return {n}"}}' for n in range(50)
    ]
    source.write_text("\n".join(lines), encoding="utf-8")
    tokenizers.train([source], model, 320, {"*": 100_000}, seed=1)
    return model


@pytest.fixture(scope="module")
def pair(vocabulary: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple:  # type: ignore[type-arg]
    """A random network and its export in llama.cpp."""
    torch.manual_seed(7)
    network = GPT(dataclasses.replace(PRESETS["tiny"], vocabulary=320))
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)  # the zero matrices would hide mistakes
    tokenizer = tokenizers.load(vocabulary)
    path = tmp_path_factory.mktemp("export") / "random.gguf"
    export.write_float32(network, tokenizer, path, "random")
    return network, tokenizer, generate.load(path, context=256)


def test_a_file_of_ours_comes_back_as_network_and_tokenizer(pair: tuple, tmp_path: Path) -> None:  # type: ignore[type-arg]
    network, tokenizer, model = pair
    reader = gguf.GGUFReader(model.model_path)
    again = start_from.read_network(reader)
    config = dataclasses.replace(again.config, norm_epsilon=network.config.norm_epsilon)
    assert config == network.config  # the header holds the epsilon in single precision
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    (tmp_path / "tokenizer.model").write_bytes(start_from.read_tokenizer(reader))
    read = tokenizers.load(tmp_path / "tokenizer.model")
    for text in TEXTS.values():
        assert read.encode(text) == tokenizer.encode(text)


@pytest.mark.parametrize("name", TEXTS)
def test_llama_cpp_gives_the_logits_of_the_network(pair: tuple, name: str) -> None:  # type: ignore[type-arg]
    network, _, model = pair
    ids = generate.token_ids(model, TEXTS[name])
    with torch.no_grad():
        ours = network.logits(torch.tensor([ids]))[0].numpy()
    theirs = generate.scores(model, ids)
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(ours) < 1e-3


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "chat"])
def test_both_tokenizers_give_the_same_ids_and_the_text_again(pair: tuple, name: str) -> None:  # type: ignore[type-arg]
    _, tokenizer, model = pair
    ids = generate.token_ids(model, TEXTS[name])
    assert ids == tokenizer.encode(TEXTS[name])
    assert generate.decode(model, ids) == TEXTS[name] == tokenizer.decode(ids)


def test_a_chat_gets_the_ids_that_training_saw(pair: tuple) -> None:  # type: ignore[type-arg]
    _, tokenizer, model = pair
    messages = [{"role": "system", "content": "你好"}, {"role": "user", "content": "写 诗\n二"}]
    assert generate.token_ids(model, generate.render(messages)) == tokenizers.chat_ids(
        tokenizer, messages
    )
