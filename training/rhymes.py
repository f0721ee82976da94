"""Writes into the package which characters rhyme and of what tone they are.

    python -m training.rhymes FOLDER

FOLDER holds `rhyme_books.tsv`: book, tone, group and characters, simplified, of 平水韵 and 中华新韵, from
the MIT-licensed repository charlesix59/chinese_word_rhyme. Kept are the characters of GB 2312, which
are those in common use. Groups are those of level tone, since nothing rhymes on the others. What
only one book lists has its tone in the other too, and no group there. The archive holds no time
stamp, so the same books give the same bytes.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from gptwrite.prosody import LEVEL, NO_GROUP, OBLIQUE, RHYMES

OLD_BOOK, NEW_BOOK = "pingshui", "xinyun"
LEVEL_TONES = ("上平声", "下平声", LEVEL)
# Readings that the old book has and poets did not rhyme on, such as 台 among 时 and 诗: counted in
# 196,000 poems, of at least 20 lines that rhyme on the character fewer than 1% do so in that group.
# The character stays of level tone, as it may be within a line.
FORGOTTEN = {
    "一东": "冢庞梦泛种", "二冬": "共衡", "三江": "逢", "四支": "丽剂只台堕委宦居砥罢荠蠡",
    "六鱼": "衙", "七虞": "句恶愈救母浮驺", "八齐": "折澌蠡", "十灰": "垒能追", "十一真": "仑甄菌",
    "十二文": "听辉颁", "十三元": "怨沌纯蕴蹇辉阮", "十四寒": "汉禅", "十五删": "患",
    "一先": "单卷平纯缗零", "二萧": "了峤徼料潦", "三肴": "挠", "四豪": "挑", "五歌": "些献番陂",
    "六麻": "了吾污涂祖", "七阳": "庆怆涨鞅", "八庚": "振榜顷", "九青": "莹", "十蒸": "甑",
    "十一尤": "区叟句售救调龟", "十三覃": "暗澹颔", "十四盐": "针铃", "十五咸": "才",
}  # fmt: skip
# Characters that the old book has in an oblique tone too and the new one has not, and that end lines
# out of rhyme less than 3% as often as they rhyme.
LEVEL_ONLY = (
    "花深回迟吟留乡仙闻轻如机钱扉收缘儿师经离龙迎除庭苍栽齐临盟冥呼题封滩参评坟妨三澜裁嬉优嵬饶"
    "摇装衙穿浑蒲牵汤娑煎醅陂溟摩熏森桡娇涎颓驱延敲妃吁兼司油潸维盐膏斤躇廷犹培僚髯嘘葭呵沾旄韬"
    "沱偿员芊纯睛昭纡潢澌"
)
# Common characters of level tone that the table of the new book lacks, by their pronunciation.
LACKING = {
    "一麻": "茬搭瘩筏啪抓", "二波": "摸胳", "三皆": "截睫竭抉决诀", "四开": "猜", "五微": "裴",
    "六豪": "骄昭", "七尤": "酬诌", "八寒": "蹿镰", "九文": "荤郧", "十唐": "妨煌郎囊羌秧漳",
    "十一庚": "甭仍熔庭酮猩刑荧迎庸蒸", "十二齐": "笛狄嫉凄歧需吁锑硒烯", "十三支": "思汁淄",
    "十四姑": "胡凸菩酥诬",
}  # fmt: skip

# Characters that stand in the new book's table where none of their readings of today rhymes: found by
# comparing the table with a list of pronunciations, and left out there.
MISPLACED = {
    "七尤": "掐文柜谄", "九文": "劳当麋", "二波": "宅怫挞毫祭荸锉鱿", "五微": "佳扳邳", "八寒": "抚机氽瘴",
    "六豪": "捡晃照盗矣骜鹞", "十一庚": "尝崂弄惮放暹梧樟漆稳苘过镫鲷", "十三支": "仁仂填幼母汗给著赠路",
    "十二齐": "动发呈圮微畲睢舍跛锹颈", "十唐": "乒忍找桃湍粕耸身铰", "十四姑": "修栈桧燕畈辞酾鞭默",
    "四开": "骏",
}  # fmt: skip

Rows = dict[tuple[str, str, str], set[str]]  # characters by book, tone and group


def is_common(character: str) -> bool:
    """Returns whether a character is among the 6,763 of GB 2312."""
    try:
        return len(character.encode("gb2312")) == 2
    except UnicodeEncodeError:
        return False


def read_books(path: Path) -> Rows:
    """Returns the common characters of both books, mended."""
    rows: Rows = {}

    def add(book: str, tone: str, group: str, characters: set[str]) -> None:
        rows.setdefault((book, tone, group), set()).update(filter(is_common, characters))

    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        book, tone, group, text = line.split("\t")
        characters = set(text)
        if tone not in LEVEL_TONES:
            unheard = set(LEVEL_ONLY) if book == OLD_BOOK else set()
            add(book, OBLIQUE, NO_GROUP, characters - unheard)
        elif book == OLD_BOOK:
            forgotten = characters & set(FORGOTTEN.get(group, ""))
            add(book, LEVEL, group, characters - forgotten)
            add(book, LEVEL, NO_GROUP, forgotten)
        else:
            characters -= set(MISPLACED.get(group, ""))
            add(book, LEVEL, group, characters | set(LACKING.get(group, "")))
    return rows


def lend_tones(rows: Rows, book: str, lender: str) -> None:
    """Adds to a book the tones of what only the other one lists."""
    listed = set().union(*(held for key, held in rows.items() if key[0] == book))
    for tone in (LEVEL, OBLIQUE):
        lent = set().union(*(held for key, held in rows.items() if key[:2] == (lender, tone)))
        rows.setdefault((book, tone, NO_GROUP), set()).update(lent - listed)


def write_rhymes(folder: Path, path: Path = RHYMES) -> int:
    """Writes the books and returns how many characters they tell of."""
    rows = read_books(folder / "rhyme_books.tsv")
    lend_tones(rows, OLD_BOOK, NEW_BOOK)
    lend_tones(rows, NEW_BOOK, OLD_BOOK)
    text = "".join("\t".join((*key, "".join(sorted(rows[key])))) + "\n" for key in sorted(rows))
    path.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
    return len(set().union(*rows.values()))


if __name__ == "__main__":
    print(write_rhymes(Path(sys.argv[1])), "characters")
