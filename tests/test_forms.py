"""Forms: what can still become a text of its kind, and an engine that can write nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gptwrite import forms
from gptwrite.engines.base import Message, Request, Sampling
from gptwrite.engines.llama import LlamaEngine

QUATRAIN = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。"


def test_a_whole_poem_is_accepted_at_every_beginning() -> None:
    form = forms.VERSE["五绝"]
    assert all(form.accepts(QUATRAIN[:i]) for i in range(len(QUATRAIN) + 1))
    assert form.is_complete(QUATRAIN)
    assert not any(form.is_complete(QUATRAIN[:i]) for i in range(len(QUATRAIN)))


@pytest.mark.parametrize(
    "prefix",
    [
        "床前明月，",
        "床前明月光光",
        "床前明月光。",
        "a",
        "床前明月光，床前明月光。",
        "月月月月",
        QUATRAIN + "\n",
    ],
)
def test_what_breaks_the_form_is_refused(prefix: str) -> None:
    assert not forms.VERSE["五绝"].accepts(prefix)


@pytest.mark.parametrize(
    ("name", "width", "lines"), [("五绝", 5, 4), ("七绝", 7, 4), ("五律", 5, 8), ("七律", 7, 8)]
)
def test_forms_have_their_measure(name: str, width: int, lines: int) -> None:
    form = forms.named(name)
    assert isinstance(form, forms.Verse)
    assert (form.width, form.lines) == (width, lines)


def test_an_empty_name_is_no_form() -> None:
    assert forms.named("") is None


def test_labels_accept_their_beginnings_only() -> None:
    form = forms.labels(["fix", "feat", "feature"])
    assert form.accepts("fe") and form.accepts("feat") and not form.accepts("d")
    assert form.is_complete("fix") and not form.is_complete("feat")
    assert form.is_complete("feature")


def test_a_random_model_can_only_write_one_of_the_labels(models: Callable[..., Path]) -> None:
    engine = LlamaEngine(models("qwen2"))
    form = forms.labels(["the", "and", "写"])
    for seed in range(6):
        asked = Request((Message("user", "x"),), sampling=Sampling(seed=seed), form=form)
        assert "".join(t.text for t in engine.stream(asked)) in form.labels
    engine.close()


def test_a_random_model_can_only_write_verse(models: Callable[..., Path]) -> None:
    engine = LlamaEngine(models("llama"))
    form = forms.Verse(5, 4, most_repeats=6)
    asked = Request((Message("user", "x"),), sampling=Sampling(seed=1), form=form)
    text = "".join(t.text for t in engine.stream(asked))
    assert form.is_complete(text)
    engine.close()
