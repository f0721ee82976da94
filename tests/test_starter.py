"""The built-in model's notes: which topic a request is about, and which facts it gets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random

import pytest
from conftest import Ran

from gptwrite import checks, starter
from gptwrite.engines.base import Message, Request, Sampling, Stats, Token
from gptwrite.engines.echo import EchoEngine
from gptwrite.errors import EngineError
from gptwrite.inputs import Inputs
from gptwrite.template import Library
from gptwrite.write import Job, build_request

REQUESTS = [
    ("气候变化", "气候变化"),
    ("过年", "春节"),
    ("谈谈茶", "茶"),
    ("茶几", None),
    ("气候变化对农业的影响", "气候变化"),
    ("人工智能与教育", "人工智能"),
    ("请写一篇关于春节的文章", "春节"),
    ("北京", "北京"),
    ("北京大学", None),
    ("月饼的由来", "月饼"),
    ("我家的猫", None),
    ("量子纠缠", None),
    ("为什么天空是蓝色的", None),
    ("", None),
    ("$x {{y}} \n\t", None),
]


@pytest.mark.parametrize(("request_", "name"), REQUESTS)
def test_a_request_is_about_a_topic_only_when_nothing_else_is_in_it(
    request_: str, name: str | None
) -> None:
    topic = starter.find_topic(request_)
    assert (topic.name if topic else None) == name


def test_more_length_gets_more_facts_and_no_fact_twice() -> None:
    topic = starter.find_topic("气候变化")
    assert topic
    for length, least, most in [(150, 4, 5), (500, 14, 15), (5000, 15, 15)]:
        facts = starter.choose_facts(topic, length, Random(1))
        assert least <= len(facts) <= most
        pairs = [pair for pairs in topic.facts.values() for pair in pairs]
        used = [next(i for i, pair in enumerate(pairs) if fact in pair) for fact in facts]
        assert len(set(used)) == len(used)
        assert facts[0] in topic.facts["definition"][0]


def test_the_same_seed_chooses_the_same_facts() -> None:
    topic = starter.find_topic("茶")
    assert topic
    draws = [starter.choose_facts(topic, 300, Random(seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_notes_are_material_for_the_built_in_model_only(gptwrite: Callable[..., Ran]) -> None:
    own = gptwrite(["article", "气候变化", "--show-prompt", "--seed", "1"])
    assert "参考材料：" in own.out and own.out.endswith("# 气候变化\n\n")
    other = gptwrite(["article", "气候变化", "--show-prompt", "--seed", "1", "-m", "echo"])
    assert "参考材料" not in other.out
    given = gptwrite(["article", "气候变化", "--show-prompt"], stdin="我的材料")
    assert "参考材料：\n我的材料" in given.out


NAMES = ["榫卯", "猫咖", "如何养多肉", "Rust 语言", '小明的"奇妙"一天']


@pytest.mark.parametrize("name", NAMES)
def test_an_article_without_notes_keeps_the_name_to_the_letter(
    gptwrite: Callable[..., Ran], name: str
) -> None:
    text = gptwrite(["article", name, "--seed", "1", "--lang", "zh", "-q"]).out
    core = starter.without_how(name)
    assert text.startswith(f"# {name}\n\n")
    assert core in text.split("。")[0].split("\n\n", 1)[1]
    assert text.count(core) >= 3
    assert starter.STAND_IN not in text and starter.STAND_IN_ACT not in text


def test_a_template_that_names_its_topic_otherwise_gets_no_stand_in() -> None:
    job = Job(Library().load("article"), Inputs("榫卯"), "zh")
    request = Request((Message("user", "谈谈榫卯"),))
    assert starter.stand_in_for(job, request) == ("", "")
    assert starter.stand_in_for(job, build_request(job)) == ("榫卯", starter.STAND_IN)
    noted = Job(Library().load("article"), Inputs("气候变化"), "zh")
    assert starter.stand_in_for(noted, build_request(noted)) == ("", "")


def test_the_prompt_shown_is_the_prompt_sent(gptwrite: Callable[..., Ran]) -> None:
    shown = gptwrite(["article", "榫卯", "--show-prompt"]).out
    assert f"“{starter.STAND_IN}”" in shown and shown.endswith(f"# {starter.STAND_IN}\n\n")
    assert "榫卯" in gptwrite(["article", "榫卯", "--show-prompt", "-m", "echo"]).out
    code = gptwrite(["code", "快速排序", "--show-prompt"]).out
    assert code.splitlines()[-2] == "def quick_sort(items):"


def test_the_program_says_when_it_has_no_notes(gptwrite: Callable[..., Ran]) -> None:
    env = {"GPTWRITE_STARTER_NOTE": "true"}
    arguments = ["article", "量子纠缠", "--max-tokens", "8"]
    assert "has no notes on “量子纠缠”" in gptwrite(arguments, env=env).err
    english = gptwrite(["article", "climate change", "--max-tokens", "8"], env=env)
    assert "writes Chinese" in english.err
    assert "no notes" not in gptwrite(["article", "茶", "--max-tokens", "8"], env=env).err
    poor = gptwrite(["story", "雨伞", "--max-tokens", "8"], env=env)
    assert "poor at `story`" in poor.err
    guess = gptwrite(["code", "a websocket echo server", "--max-tokens", "8"], env=env)
    assert "knows no function for" in guess.err
    taken = gptwrite(["code", "字符串反转", "--max-tokens", "8"], env=env)
    assert "takes this for `reverse_number`" in taken.err
    other = gptwrite(["code", "quick sort in Rust", "--max-tokens", "8"], env=env)
    assert "nothing but Python" in other.err
    batch = gptwrite(["batch", "title", "--max-tokens", "8"], stdin='{"text": "雨"}\n', env=env)
    assert "poor at `title`" in batch.err
    known = gptwrite(["code", "快速排序", "--max-tokens", "8"], env=env)
    assert "knows no function" not in known.err and known.out.startswith("def quick_sort(")


def test_a_batch_gives_the_built_in_model_its_notes_too(gptwrite: Callable[..., Ran]) -> None:
    rows = '{"topic": "茶"}\n{"topic": "榫卯"}\n'
    ran = gptwrite(["batch", "article", "--seed", "1", "-q"], stdin=rows)
    tea, joint = (json.loads(line)["text"] for line in ran.out.splitlines())
    topic = starter.find_topic("茶")
    assert topic and sum(wording in tea for wording in topic.roles()) >= 4
    assert joint.startswith("# 榫卯\n\n") and starter.STAND_IN not in joint
    (row,) = gptwrite(["batch", "code", "-q"], stdin='{"topic": "快速排序"}\n').out.splitlines()
    assert json.loads(row)["text"].startswith("def quick_sort(")


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_a_long_text_is_summarized_in_its_own_sentences(
    gptwrite: Callable[..., Ran], seed: str
) -> None:
    """Every part, and the whole, is held to what it is made of; neither is ever empty."""
    topics = ("茶", "长江", "月亮", "阅读", "地震", "春节", "大熊猫", "气候变化")
    found = [starter.find_topic(name) for name in topics]
    text = "\n\n".join(
        "".join(rows[0] for facts in topic.facts.values() for rows in facts)
        for topic in found
        if topic
    )
    ran = gptwrite(["summary", "--seed", seed, "--no-cache"], stdin=text)
    assert ran.status == 0 and "parts, condensed" in ran.err
    said = checks.sentences(ran.out)
    assert said and len(ran.out) < len(text) * 0.4
    own = [set(checks.pairs(sentence)) for sentence in checks.sentences(text)]
    for sentence in said:
        assert max(checks.share(sentence, known) for known in own) >= 0.9


def test_the_program_says_when_its_notes_are_short_of_the_length(
    gptwrite: Callable[..., Ran],
) -> None:
    env = {"GPTWRITE_STARTER_NOTE": "true"}
    arguments = ["article", "火锅", "--max-tokens", "8", "--length"]
    assert "enough for some" in gptwrite([*arguments, "2000"], env=env).err
    assert "enough for some" not in gptwrite([*arguments, "500"], env=env).err


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ("write a function that reverses a linked list in Rust", "nothing but Python"),
        ("用C写二分查找", "nothing but Python"),
        ("JavaScript 代码：快速排序", "nothing but Python"),
        ("写一个 shell sort 函数", ""),
        ("快速排序", ""),
        ("Go to the next prime", "prime"),
    ],
)
def test_other_languages_are_told_from_words_like_them(request_: str, says: str) -> None:
    note = starter.weakness(Job(Library().load("code"), Inputs(request_, ""), "zh"))
    assert says in note and bool(note) == bool(says)


def test_of_a_text_of_ones_own_nothing_is_said_about_notes() -> None:
    job = Job(Library().load("article"), Inputs("中秋节", "月亮。" * 1000), "zh", {"length": 3000})
    assert starter.weakness(job) == ""


class Poems(EchoEngine):
    """Answers each call with the next of its poems."""

    def __init__(self, *poems: str) -> None:
        super().__init__()
        self.poems = list(poems)
        self.seeds: list[int | None] = []

    def stream(self, request: Request) -> Iterator[Token]:
        self.seeds.append(request.sampling.seed)
        poem = self.poems.pop(0)
        self.stats = Stats(prompt_tokens=3, generated_tokens=len(poem))
        if not poem:
            raise EngineError("no continuation")
        yield Token(text=poem)
        yield Token(finish="stop")


@pytest.mark.parametrize(
    ("poems", "chosen", "draws"),
    [
        (["明月", "x"], "明月", 1),
        (["江", "月", "明月", "x"], "明月", 3),
        (["江", "月", "明", "花", "山", "水", "x"], "月", 6),
        (["", "江", "", "明月", "x"], "明月", 4),
    ],
)
def test_of_a_few_poems_the_one_with_most_of_the_theme_is_shown(
    poems: list[str], chosen: str, draws: int
) -> None:
    engine = Poems(*poems)
    request = Request((Message("user", "x"),), sampling=Sampling(seed=7))
    tokens = list(starter.on_theme(engine, request, "“明月”"))
    assert "".join(token.text for token in tokens) == chosen
    assert engine.stats.generated_tokens == sum(map(len, poems[:draws]))
    assert engine.stats.prompt_tokens == 3
    assert engine.seeds == list(range(7, 7 + draws))
    assert engine.stats.seed == 7


def test_where_no_poem_can_be_written_the_error_is_told() -> None:
    request = Request((Message("user", "x"),), sampling=Sampling(seed=7))
    engine = Poems(*[""] * starter.MOST_POEMS)
    with pytest.raises(EngineError, match="no continuation"):
        list(starter.on_theme(engine, request, "月"))
    assert not engine.poems
