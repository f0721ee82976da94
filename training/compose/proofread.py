"""Makes examples of correcting typos and of polishing."""

from collections.abc import Iterator
from random import Random

from training.compose.example import Desk, Example, mostly
from training.compose.names import common_characters
from training.compose.sources import Sources, pick_field

UNCHANGED = 0.12  # share of texts without a mistake, which must come back as they are
COMMON = 2200


def clean_texts(sources: Sources) -> list[str]:
    """Returns sentences of our own writing."""
    texts = [sentence for topic in sources.topics for sentence in topic.sentences()]
    for record in sources.tasks("summaries"):
        texts += [part + "。" for part in record["text"].split("。") if 8 <= len(part) <= 60]
    return texts


def confusion_table(sources: Sources, common: set[str]) -> dict[str, list[str]]:
    """Returns for each character those that it is mistaken for, by sound and by shape."""
    table: dict[str, list[str]] = {}
    for row in sources.open_table("typos_same_pinyin"):
        if len(row) >= 2 and row[0] in common:
            likely = [char for char in row[1] if char in common]
            table.setdefault(row[0], []).extend(likely * 3)
            if len(row) > 2:
                table[row[0]] += [char for char in row[2] if char in common]
    for row in sources.open_table("typos_same_stroke"):
        if row and row[0] in common:
            table.setdefault(row[0], []).extend(char for char in row[1:] if char in common)
    return {char: [c for c in others if c != char] for char, others in table.items() if others}


def put_typos(text: str, table: dict, confusions: list[dict], count: int, rng: Random) -> str:
    """Returns the text with up to `count` characters mistaken."""
    places = {}
    for row in confusions:
        for word in row["words"]:
            start = text.find(word)
            if start >= 0:
                places[start + word.index(row["right"])] = row["wrong"]
    usual = [place for place, char in enumerate(text) if char in table]
    chars = list(text)
    for _ in range(count):
        if places and rng.random() < 0.5:
            place = rng.choice(sorted(places))
            chars[place] = places.pop(place)
        elif usual:
            place = rng.choice(usual)
            others = table[text[place]]
            chars[place] = rng.choice(others) if others else chars[place]
    return "".join(chars)


def spell(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields texts with typos and the clean text for ever."""
    texts = clean_texts(sources)
    common = set(common_characters(texts, COMMON))
    table = confusion_table(sources, common)
    confusions = sources.patterns("typos")["confusions"]
    while texts:
        clean = "".join(rng.choice(texts) for _ in range(rng.choice([1, 1, 2, 3])))
        count = 0 if rng.random() < UNCHANGED else rng.choice([1, 1, 2, 3])
        wrong = put_typos(clean, table, confusions, count, rng)
        yield desk.example("spell", mostly(rng, "zh", "en", 0.06), clean, text=wrong)


def roughen(clean: str, table: dict, rng: Random) -> str | None:
    """Returns a wordy form of a clean text, or None where no form applies."""
    fitting = [(good, bad) for good, bad in table["forms"] if good in clean]
    if not fitting:
        return None
    rough = clean
    for good, bad in rng.sample(fitting, min(len(fitting), rng.choice([1, 2, 2, 3]))):
        rough = rough.replace(good, bad, 1)
    return rng.choice(table["starts"]) + rough if rng.random() < 0.35 else rough


def polish(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields rough texts and their polished wording for ever: written ones, joined ones, made ones."""
    pairs = [
        (
            pick_field(record, "rough", "draft", "before", "text"),
            pick_field(record, "polished", "better", "after", "answer"),
        )
        for record in sources.tasks("polish")
    ]
    pairs = [(rough, better) for rough, better in pairs if rough and better]
    texts, table = clean_texts(sources), sources.patterns("rough")
    while pairs or texts:
        kind = rng.random()
        if kind < 0.45 and pairs:
            rough, better = rng.choice(pairs)
        elif kind < 0.6 and pairs:
            both = [rng.choice(pairs), rng.choice(pairs)]
            rough, better = ("".join(part) for part in zip(*both, strict=False))
        else:
            better = "".join(rng.choice(texts) for _ in range(rng.choice([1, 1, 2])))
            rough = roughen(better, table, rng)
        if rough:
            language = "en" if rough.isascii() else mostly(rng, "zh", "en", 0.04)
            yield desk.example("polish", language, better, text=rough)
