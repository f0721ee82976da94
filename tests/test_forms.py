"""Forms: what can still become a text of its kind, and an engine that can write nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gptwrite import forms
from gptwrite.engines.answer import fit_form
from gptwrite.engines.base import Message, Request, Sampling
from gptwrite.engines.llama import LlamaEngine
from gptwrite.models import builtin_path

POEMS = {  # of the Tang
    "五绝": "白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。",
    "七绝": "朝辞白帝彩云间，千里江陵一日还。\n两岸猿声啼不住，轻舟已过万重山。",
    "五律": (
        "国破山河在，城春草木深。\n感时花溅泪，恨别鸟惊心。\n"
        "烽火连三月，家书抵万金。\n白头搔更短，浑欲不胜簪。"
    ),
    "七律": (
        "风急天高猿啸哀，渚清沙白鸟飞回。\n无边落木萧萧下，不尽长江滚滚来。\n"
        "万里悲秋常作客，百年多病独登台。\n艰难苦恨繁霜鬓，潦倒新停浊酒杯。"
    ),
}
QUATRAIN = POEMS["五绝"]


@pytest.mark.parametrize("name", POEMS)
def test_a_whole_poem_is_accepted_at_every_beginning(name: str) -> None:
    form, poem = forms.VERSE[name], POEMS[name]
    assert all(form.accepts(poem[:i]) for i in range(len(poem) + 1))
    assert form.is_complete(poem)
    assert not any(form.is_complete(poem[:i]) for i in range(len(poem)))


@pytest.mark.parametrize(
    "prefix",
    [
        "白日依山，",
        "白日依山尽尽",
        "白日依山尽。",
        "a",
        "白日依山尽，白日依山尽。",
        "日日日日",
        QUATRAIN + "\n",
    ],
)
def test_what_breaks_the_measure_is_refused(prefix: str) -> None:
    assert not forms.VERSE["五绝"].accepts(prefix)


@pytest.mark.parametrize("line", ["更上一层台", "更上一层阁", "更上一层流"])
def test_a_poem_without_rhyme_is_refused_at_its_last_character(line: str) -> None:
    form, poem = forms.VERSE["五绝"], QUATRAIN.replace("更上一层楼", line)
    assert form.accepts(poem[:-2]) and not form.accepts(poem[:-1])
    assert not form.is_complete(poem)
    assert fit_form(poem, form) is None


def test_a_token_of_several_characters_is_judged_by_all_of_them() -> None:
    form, begun = forms.VERSE["五绝"], QUATRAIN[:-4]
    assert form.accepts(begun + "一层楼。") and not form.accepts(begun + "一层台。")
    assert form.accepts("白日依山尽，黄河") and not form.accepts("白日依山尽，沧海")


def test_a_whole_poem_that_rhymes_is_kept_with_its_faults_of_tone() -> None:
    form = forms.VERSE["五绝"]
    poem = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。"
    assert form.is_complete(poem) and fit_form(poem, form) == poem
    assert not form.accepts(poem)


@pytest.mark.parametrize("name", POEMS)
def test_the_built_in_model_writes_verse_with_rhyme_and_tones(name: str) -> None:
    engine, form = LlamaEngine(builtin_path()), forms.VERSE[name]
    for seed, topic in enumerate(("秋夜", "江上", "晨跑", "母亲")):
        message = Message("user", f"以“{topic}”为题写一首{name}。")
        asked = Request((message,), sampling=Sampling(0.9, seed=seed), form=form)
        text = "".join(token.text for token in engine.stream(asked))
        assert form.is_complete(text) and form.accepts(text)
    engine.close()


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
