"""The table of rhymes in the package is what the recipe makes of the books."""

import gzip
from pathlib import Path

from training.rhymes import write_rhymes

BOOKS = """book	tone	group	characters
pingshui	上平声	四支	诗时台师𫄨
pingshui	上平声	十灰	台灰
pingshui	上声	四纸	纸是
pingshui	去声	四寘	寘是时师
xinyun	平	四姑	都
xinyun	平	十三支	诗仁
"""


def test_each_book_has_groups_of_its_own_and_the_tones_of_both(tmp_path: Path) -> None:
    (tmp_path / "rhyme_books.tsv").write_text(BOOKS, encoding="utf-8")
    table = tmp_path / "rhymes.tsv.gz"
    assert write_rhymes(tmp_path, table) == 11
    rows = gzip.decompress(table.read_bytes()).decode("utf-8").splitlines()
    assert rows == [
        "pingshui	仄		时是纸",  # one row for all groups
        "pingshui	平		台思汁淄都",
        "pingshui	平	十灰	台灰",
        "pingshui	平	四支	师时诗",  # without the rare character and the forgotten reading
        "xinyun	仄		时是纸",
        "xinyun	平		台师时灰",
        "xinyun	平	十三支	思汁淄诗",  # with what the table lacks, without what it misplaces
        "xinyun	平	四姑	都",
    ]
