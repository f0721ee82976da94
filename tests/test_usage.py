"""Wrong command lines and help pages, in both languages of the interface."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Ran

Run = Callable[..., Ran]
CHINESE = {"LC_ALL": "zh_CN.UTF-8"}

WRONG = [
    (["artcle", "x"], "There is no command 'artcle'.", "没有命令“artcle”。"),
    (["article", "x", "--lengt", "3"], "There is no option --lengt.", "没有选项 --lengt。"),
    (["article", "x", "--length", "many"], "--length must be a whole number.", "--length 应为整数。"),
    (["article", "x", "--top-p", "x"], "--top-p must be a number.", "--top-p 应为数字。"),
    (["article", "x", "-n", "0"], "--drafts / -n must be in the range 1<=x<=64.",
     "--drafts / -n 应在范围 1<=x<=64 内。"),
    (["article", "x", "-n", "many"], "--drafts / -n must be a whole number.",
     "--drafts / -n 应为整数。"),
    (["article", "x", "--seed"], "The option --seed needs a value.", "选项 --seed 需要一个值。"),
    (["config", "get"], "The argument key is missing.", "缺少参数 key。"),
    (["config", "get", "seed", "b"], "There is a word too many: b.", "多余的参数：b。"),
    (["--nothing"], "There is no option --nothing.", "没有选项 --nothing。"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "en", "zh"), WRONG)
def test_a_wrong_line_is_told_in_the_language_of_the_interface(
    gptwrite: Run, arguments: list[str], en: str, zh: str
) -> None:
    ran = gptwrite(arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"Error: {en}\nHint: ") and "--help`." in ran.err
    ran = gptwrite(arguments, env=CHINESE)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"错误：{zh}\n提示：") and "--help`。" in ran.err


def test_the_nearest_name_is_suggested(gptwrite: Run) -> None:
    assert "Did you mean article?" in gptwrite(["artcle", "x"]).err
    assert "是否要写 article？" in gptwrite(["artcle", "x"], env=CHINESE).err
    assert "--length" in gptwrite(["article", "x", "--lengt", "3"], env=CHINESE).err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["article", "--help"], ["config", "--help"], ["config", "get", "-h"]]
)
def test_a_help_page_is_all_in_chinese(gptwrite: Run, arguments: list[str]) -> None:
    page = gptwrite(arguments, env=CHINESE).out
    assert page.startswith("用法：gptwrite") and "显示此帮助并退出。" in page
    for word in ("Usage", "Options:", "Commands:", "Arguments:", "[OPTIONS]", "default", "Show",
                 "current"):  # fmt: skip
        assert word not in page, word


def test_a_group_without_a_command_shows_its_help_and_is_wrong_usage(gptwrite: Run) -> None:
    for arguments in ([], ["config"], ["run"]):
        ran = gptwrite(arguments)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.startswith("Usage: gptwrite") and "Error" not in ran.err
