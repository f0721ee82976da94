"""Rhyme and tone: by either book, by any reading, and what no book lists."""

from __future__ import annotations

import gzip

import pytest

from gptwrite import prosody

ANY, RARE, OLD = "鬱龘鸛"  # no book of ours lists them


@pytest.mark.parametrize(
    "ends",
    [
        "",
        "尽流目楼",  # the first line does not rhyme
        "间还住山",  # it does
        "在深泪心月金短簪",  # 簪 by the old book alone
        "纷魂有村",  # 魂 and 村 with 纷 by the new book alone
        "斜家晚花",
        "尽明目钟",  # by the new book alone
        "看安目难",  # 看 in its level reading
        "看流目楼",  # 看 in its oblique one
        ANY + "流" + RARE + OLD,
        "尽思目时",
        "尽庭目声",
    ],
)
def test_lines_that_rhyme(ends: str) -> None:
    assert prosody.rhymes(ends)


@pytest.mark.parametrize(
    "ends",
    [
        "尽流目台",  # no rhyme
        "尽流目有",  # the right sound, but oblique
        "尽流楼秋",  # the third line joins in
        "山流目楼",  # the first is level and does not rhyme
        "尽流目流",  # a rhyme twice
        "流流目楼",
        "尽诗目台",  # only by a reading that no poet rhymed on
        "花时目诗",  # 花 is oblique only by such a reading
        "尽回目来月明短钟",  # each couplet by another book
        "尽流目们",  # the old book does not know 们, the new one does
    ],
)
def test_lines_that_do_not_rhyme(ends: str) -> None:
    assert not prosody.rhymes(ends)


@pytest.mark.parametrize(
    "lines",
    [
        ["白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"],
        ["朝辞白帝彩云间", "千里江陵一日还", "两岸猿声啼不住", "轻舟已过万重山"],
        ["浑欲不胜簪"],  # 胜 in its level reading
        ["白日依山尽", "黄" + ANY],
        [ANY * 5, RARE * 5, ANY * 4 + OLD, ANY * 3],
    ],
)
def test_lines_that_keep_the_tones(lines: list[str]) -> None:
    assert prosody.obeys(lines, len(lines[0]))


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["白云依山尽"], "the second and the fourth character are alike"),
        (["朝辞白帝彩月间"], "the fourth and the sixth are alike"),
        (["白日依山尽", "沧海"], "the lines of a couplet are alike"),
        (["白日依山尽", "黄河入海流", "欲去"], "the couplets are not joined"),
    ],
)
def test_lines_that_break_the_tones(lines: list[str], fault: str) -> None:
    assert prosody.obeys([*lines[:-1], lines[-1][:1]], len(lines[0]))
    assert not prosody.obeys(lines, len(lines[0])), fault


def test_rhyme_and_tones_are_judged_by_one_book() -> None:
    """白 is level by the new book only, 回 and 来 rhyme by the old one only."""
    lines = [f"{ANY}白{ANY}日{ANY}", f"{ANY * 4}回", RARE * 5, f"{ANY * 4}来"]
    assert not prosody.obeys(lines, 5)
    assert prosody.obeys([line.replace("白", ANY) for line in lines], 5)
    assert prosody.obeys([line.replace("回", "才").replace("来", "开") for line in lines], 5)


def test_what_one_book_lacks_has_the_tone_that_the_other_gives() -> None:
    for book in prosody.books():
        assert book.can_be(prosody.OBLIQUE, "去") and not book.can_be(prosody.LEVEL, "去")
        assert book.can_be(prosody.LEVEL, "她") and not book.can_be(prosody.OBLIQUE, "她")


def test_the_table_is_small_and_holds_every_group() -> None:
    assert prosody.RHYMES.stat().st_size < 30_000
    rows = gzip.decompress(prosody.RHYMES.read_bytes()).decode("utf-8").splitlines()
    assert len(rows) == len(set(rows)) == (30 + 2) + (14 + 2)
    assert all(len(set(row.split("\t")[3])) == len(row.split("\t")[3]) for row in rows)
