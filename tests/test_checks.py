"""What the built-in model's sentences are held to."""

from __future__ import annotations

import pytest

from gptwrite import checks

NOTES = "茶是用茶树的嫩叶制成的饮料。\n唐代的陆羽写了《茶经》。\n泡绿茶宜用80度的水，红茶宜用沸水。"
ROLES = dict(zip(NOTES.splitlines(), ("definition", "background", "action"), strict=True))
PLAIN = frozenset(
    pair
    for text in (
        "从历史上看", "展望未来", "另外", "说到", "很多人都听过", "先看来历", "要了解", "先从提问开始",
        "先从", "说到", "历史背景", "另一种说法", "几点建议", "去图书馆查一查",
    )
    for pair in checks.pairs(text)
)  # fmt: skip
SENTENCES = [
    ("唐代的陆羽写了《茶经》。", True),
    ("从历史上看，唐代的陆羽写了《茶经》。", True),
    ("展望未来，唐代的陆羽写了《茶经》。", False),  # leads elsewhere
    ("唐代的陆游写了《茶经》。", False),  # miscopied
    ("宋代的陆羽写了《茶经》。", False),
    ("泡绿茶宜用90度的水，红茶宜用沸水。", False),
    ("泡绿茶宜用80度的水，红茶宜用沸水；另外，唐代的陆羽写了《茶经》。", True),
    ("泡绿茶宜用80度的水，黑茶宜用凉水。", False),
    ("- 唐代的陆羽写了《茶经》。", False),  # a list of one, mostly
    ("说到茶：", False),
    ("说到茶，很多人都听过。", True),
    ("先看来历。", True),
    ("几点建议。", False),  # the history comes first
    ("要了解茶，先从茶说到茶。", False),
    ("泡绿茶宜用80度的水，红茶宜用沸。", False),  # broken off
    ("说到茶，很多人都要。", False),
    ("世界各国的人们都在很早以前就开始栽种它们了。", False),  # claims what no note says
    ("1610年，有人发明了茶杯。", False),
]


@pytest.mark.parametrize(("sentence", "allowed"), SENTENCES)
def test_an_article_from_notes_keeps_to_them(sentence: str, allowed: bool) -> None:
    check = checks.noted(("茶",), NOTES, ROLES, PLAIN)
    assert check.allows("# 茶\n\n茶是用茶树的嫩叶制成的饮料。", sentence) is allowed


def test_the_first_sentence_names_the_topic() -> None:
    check = checks.noted(("茶", "茶饮"), NOTES, ROLES, PLAIN)
    assert not check.allows("# 茶\n\n", "陆羽写了一本书。")
    assert check.allows("# 茶\n\n", "茶是用茶树的嫩叶制成的饮料。")
    assert not check.allows("# 茶\n\n", "唐代的陆羽写了《茶经》。")  # that is not what it is
    assert not check.allows("# 茶\n\n说到茶。", "唐代的陆羽写了《茶经》。")
    word = checks.on_the_word("竹笛", PLAIN)
    assert not word.allows("# 竹笛\n\n", "先从提问开始。")
    assert word.allows("# 竹笛\n\n说到竹笛。", "先从提问开始。")


def test_a_heading_suits_the_fact_that_comes_next() -> None:
    check = checks.noted(("茶",), NOTES, ROLES, PLAIN)
    told = "# 茶\n\n茶是用茶树的嫩叶制成的饮料。\n\n"
    assert check.allows_heading(told, "历史背景")
    assert check.allows_heading(told, "另一种说法")  # says nothing of a kind
    assert not check.allows_heading(told, "另一种说唱")
    assert not check.allows_heading(told, "几点建议")
    below = told + "## 历史背景\n\n"
    assert check.allows(below, "唐代的陆羽写了《茶经》。")
    assert not check.allows(below, "泡绿茶宜用80度的水，红茶宜用沸水。")


def test_readers_are_spoken_to_only_when_they_are_named() -> None:
    plain = PLAIN | set(checks.pairs("孩子们说到"))
    for audience in ("", "小学生"):
        check = checks.noted(("茶",), NOTES, ROLES, plain, audience)
        assert check.allows("茶。", "孩子们，说到茶。") is bool(audience)


def test_the_note_most_like_the_sentence_takes_its_place_once() -> None:
    check = checks.noted(("茶",), NOTES, ROLES, PLAIN)
    definition, history, _ = NOTES.splitlines()
    assert check.instead("", "唐代的陆游写了《茶经》。") == definition
    assert check.instead(definition, "唐代的陆游写了《茶经》。") == history
    assert check.instead(NOTES.replace("\n", ""), "唐代的陆游写了《茶经》。") is None


def test_material_of_unknown_roles_takes_any_heading() -> None:
    check = checks.noted(("茶",), NOTES, {}, PLAIN)
    assert check.allows_heading("# 茶\n\n", "展望")
    assert check.allows("# 茶\n\n茶。\n\n## 展望\n\n", "唐代的陆羽写了《茶经》。")


@pytest.mark.parametrize(
    ("sentence", "allowed"),
    [
        ("要了解量子纠缠，先从提问开始。", True),
        ("用自己的话重写一遍，就能弄懂量子纠纷。", False),
        ("京剧是中国的传统戏曲。", False),
        ("去图书馆查一查。", True),
    ],
)
def test_without_notes_the_text_stays_on_its_word(sentence: str, allowed: bool) -> None:
    check = checks.on_the_word("量子纠缠", PLAIN)
    assert check.allows("量子纠缠。", sentence) is allowed


TEXT = "社区图书馆从五月起每天开到晚上十点。周末还会为孩子们安排读书会。书架也重新排了一遍，找书更方便。"


@pytest.mark.parametrize(
    ("sentence", "allowed"),
    [
        ("社区图书馆每天开到晚上十点。", True),
        ("图书馆将建一座游泳池。", False),
        (TEXT, False),  # longer than two fifths of the text, and than 40 characters
        ("社区图书馆从五月起为孩子们安排读书会。", False),  # of two sentences, said by neither
        ("游泳馆从五月起每天开到晚上十点。", False),
        ("找书更方便，找书更方便。", False),
    ],
)
def test_a_summary_is_short_and_said_by_the_text(sentence: str, allowed: bool) -> None:
    assert checks.backed(TEXT).allows("", sentence) is allowed


def test_a_summary_that_fails_is_a_sentence_of_the_text() -> None:
    assert checks.backed(TEXT).instead("", "x") == "社区图书馆从五月起每天开到晚上十点。"
    assert checks.backed(TEXT).instead("已有。", "x") is None
    assert checks.backed("没有句号的字").instead("", "x") == "没有句号的字"


def test_the_central_sentence_has_most_in_common_with_the_others() -> None:
    text = "# 河\n\n先说别的事情。大河的水流过平原。平原因大河的水而肥沃。\n- 大河的水有时泛滥\n"
    assert checks.central_sentence(text, 40) == "大河的水流过平原。"
    assert checks.central_sentence(text, 8) is None
    assert checks.sentences("Mr. Smith leads it. He is 5.") == ["Mr. Smith leads it.", "He is 5."]
    assert checks.sentences("One line of 3.5 words\nwraps. Two!\n- 三\n") == [
        "One line of 3.5 words wraps.", "Two!", "- 三",
    ]  # fmt: skip


def test_code_that_does_not_parse_is_refused() -> None:
    check = checks.python()
    head = "```python\ndef f(x):\n"
    assert check.allows("```python\n", "def f(x):\n    return x")
    assert not check.allows("```python\n", "def f(x:\n    return x")
    assert check.allows(head, "    return x")
    assert not check.allows(head, "return x")


@pytest.mark.parametrize(
    ("anew", "allowed"),
    [
        (TEXT, True),
        (TEXT.replace("每天开到", "每日开放至"), True),
        ("社区图书馆从五月起每天开到晚上十点。", False),  # two sentences are lost
        (TEXT.replace("书架也重新排了一遍，找书更方便。", ""), False),  # the last one is
        (TEXT.replace("十点", "九点"), False),
        (TEXT.replace("还会", "不会"), False),
        (TEXT + "欢迎大家常来，也欢迎大家把自己读过的好书带来，放在门口的架子上。", False),
        ("图书馆里的人们很高兴，因为他们都喜欢读书，读书使人快乐，使人进步，使人聪明。", False),
    ],
)
def test_a_text_written_anew_says_what_it_said(anew: str, allowed: bool) -> None:
    check = checks.kept(TEXT)
    assert check.allows("", anew) is allowed
    assert check.instead("", anew) == TEXT


def test_a_summary_has_no_number_that_the_text_has_not() -> None:
    text = "这所学校今年一共有一千二百名学生参加了春季运动会的各个项目。" * 2
    assert checks.backed(text).allows("", "这所学校今年一共有一千二百名学生参加了春季运动会。")
    assert not checks.backed(text).allows("", "这所学校今年一共有一千三百名学生参加了春季运动会。")


@pytest.mark.parametrize(
    ("sentence", "allowed"),
    [
        ("市政府没有批准新的预算方案。", True),
        ("市政府批准新的预算方案。", False),
        ("服用这种药物。", False),
    ],
)
def test_a_summary_leaves_no_negation_out(sentence: str, allowed: bool) -> None:
    text = (
        "市政府没有批准新的预算方案，因为方案里有许多错误。医院提醒大家不要随便服用这种药物。" * 2
    )
    assert checks.backed(text).allows("", sentence) is allowed


def test_lines_broken_to_fit_a_width_are_one_sentence() -> None:
    text = "# 秋\n\n到了秋天，北边山上的树叶都变黄了，人们都喜\n欢到公园里散步看树叶。他说：“今天去。”\n- 一项"
    assert checks.sentences(text) == [
        "到了秋天，北边山上的树叶都变黄了，人们都喜欢到公园里散步看树叶。", "他说：“今天去。”", "- 一项",
    ]  # fmt: skip
