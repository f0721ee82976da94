"""Whether a commit's subject speaks of its diff: of the built-in model's words, only such stand.

A small model puts words together that nothing in the change has. Every word of a subject must be one
that any commit may say, or one of the diff; and at least one must be the diff's own.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass

LEAST_STEM = 4  # letters from which on "tests" and "testing" count as the diff's "test"
MOST_OF_ONE = 2  # times that a word may come
NUMBER = re.compile(r"\d+(?:\.\d+)*")
# What any commit may say.
COMMON = """
a about across add added adding adds after all allow allowed allows also always an and any are as
at avoid back bad basic be because before behind best better between both bug bump but by call
called can case catch change changed changes check clean cleaner clear clearer code command
comment comments config copy correct correctly create data default define deprecated describe
description different disable do docs document documentation does drop each empty enable end
ensure error errors example examples exit explain explicit extend extra fail fails failure fewer
field file files first fix fixed fixes flag for format from full function give given handle
handling have help hide ignore implement import improve improved in include inline input install
instead into is issue it its keep key language last less let like line link links list load log
longer look make makes mark match merge message method minor missing mode module more move moved
name names need never new no not note now number of old on once one only optimize option options
or order other out output package page parameter pass path print private project provide public
put raise raised read reduce refactor reference release remove removed removes rename renamed
reorder replace report require required rest return returns revert rewrite run runs safe same
script section separate set setting settings setup several shell short show simple simpler
simplify single skip small so some sort source space spelling split start state stop store string
style support switch system table tag test testing tests text than that the their them then there
they this through time to together tool top two type types typo typos unify unused up update
updated updates use used user uses using value values variable variables version via warn warning
was way when where whether which while whole will with without word words work works write wrong
your
"""
WORDS = frozenset(COMMON.split())
HAN_WORDS = re.compile(
    "新增|添加|增加|删除|移除|去掉|修复|修正|更正|更新|调整|优化|改进|改善|改用|改为|重构|重写|重命名|支持|补充|完善"
    "|整理|简化|统一|替换|移动|合并|拆分|使用|避免|允许|禁止|处理|检查|说明|显示|隐藏|返回|读取|写入|保存|加载"
    "|文档|测试|用例|单元|错误|问题|异常|代码|格式|样式|注释|配置|依赖|版本|示例|例子|链接|文件|目录|函数|方法|参数"
    "|变量|接口|模块|功能|逻辑|默认|内容|描述|名称|路径|类型|脚本|工具|页面|数据|字段|选项|命令|日志|信息|提示|警告"
    "|拼写|笔误|错字|翻译|中文|英文|多余|无用|缺少|缺失|部分|相关|一些|以及|并且|或者|如果|时候|可以|不再|没有|更好"
)


@dataclass(frozen=True)
class Known:
    """What stands in a diff: its Latin words, its numbers, and the pairs of its Han characters."""

    words: frozenset[str]
    numbers: frozenset[str]
    pairs: frozenset[str]


def known_of(diff: str) -> Known:
    """Return what stands in a diff."""
    return Known(
        frozenset(_words(diff)), frozenset(NUMBER.findall(diff)), frozenset(_han_pairs(diff))
    )


def is_grounded(subject: str, known: Known) -> bool:
    """Say whether each word and number of `subject` is common or the diff's, and one its own."""
    own = _words(subject)
    counts = Counter(word for word in own if len(word) >= LEAST_STEM)
    if any(count > MOST_OF_ONE for count in counts.values()):
        return False
    special = [word for word in own if word not in WORDS and len(word) > 2]
    han = _han_pairs(HAN_WORDS.sub(" ", subject))
    return (
        bool(special or han)
        and known.numbers.issuperset(NUMBER.findall(subject))
        and known.pairs.issuperset(han)
        and all(_is_known(word, known.words) for word in special)
    )


def _words(text: str) -> list[str]:
    """Return the Latin words of `text` in small letters; of a name, its parts."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)
    return [part.lower() for part in parts]


def _is_known(word: str, known: frozenset[str]) -> bool:
    if word in known:
        return True
    stem = re.sub(r"(?:ing|ied|ies|ed|es|s|d)$", "", word)
    return len(stem) >= LEAST_STEM and any(other.startswith(stem) for other in known)


def _han_pairs(text: str) -> list[str]:
    """Return the pairs of neighbouring Han characters."""
    runs = re.findall(r"[\u3400-\u9fff]{2,}", text)
    return ["".join(pair) for run in runs for pair in itertools.pairwise(run)]
