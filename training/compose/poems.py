"""Makes examples of verse: classical poems by title or theme, and short modern ones."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from training.compose.example import Desk, Example, mostly
from training.compose.sources import Sources

FORMS = {  # our key: (name in the corpus, lines, characters a line)
    "五绝": ("五言绝句", 4, 5),
    "七绝": ("七言绝句", 4, 7),
    "五律": ("五言律诗", 8, 5),
    "七律": ("七言律诗", 8, 7),
}
CI = "词"
CI_CHARACTERS = (30, 70)
COMMON_CHARACTERS = 3000
DYNASTIES = {"唐": 1.0, "宋": 0.45, "元": 0.3, "隋": 0.3, "南北朝": 0.2}
DRAWN_FORMS = ["auto"] * 9 + ["七绝"] * 2 + ["五绝"] * 3 + ["五律"] * 3 + ["七律"] * 2 + [CI] * 2
TITLE_CHARACTERS = (2, 5)
POOL = 9000  # poems of a form that are kept, so that the model meets each more than once
UNFIT_TITLE = re.compile(r"[其首韵次和寄赠送题酬呈奉谢答·（）()〔〕\[\]一二三四五六七八九十]")


@dataclass(frozen=True)
class Poem:
    """A poem with its lines; `title` is empty where it cannot serve as a topic."""

    form: str
    title: str
    lines: tuple[str, ...]

    def text(self) -> str:
        """Returns the poem with one couplet a line."""
        marks = ("，", "。")
        pairs = [
            "".join(line + mark for line, mark in zip(self.lines[place : place + 2], marks))
            for place in range(0, len(self.lines), 2)
        ]
        return "\n".join(pairs)


def verse_lines(text: str) -> list[str]:
    """Returns the lines of a poem without their marks."""
    return [line for line in re.split(r"[，。！？；：、\s]+", text) if line]


def fits(lines: list[str], form: str) -> bool:
    """Returns whether lines have the number and the length of a form."""
    _, count, width = FORMS[form]
    return len(lines) == count and all(len(line) == width for line in lines)


def common_set(records: list[dict]) -> set[str]:
    """Returns the commonest characters of the poems."""
    counts = Counter()
    for record in records[::7]:
        counts.update(record["text"])
    return {char for char, _ in counts.most_common(COMMON_CHARACTERS)}


def read_poems(records: list[dict], rng: Random) -> dict[str, list[Poem]]:
    """Returns the poems of exact forms and simple characters, by form; famous dynasties first."""
    common = common_set(records)
    names = {name: key for key, (name, _, _) in FORMS.items()}
    found: dict[str, list[tuple[float, Poem]]] = {key: [] for key in (*FORMS, CI)}
    for record in records:
        form = names.get(record["form"], CI if record["form"] == CI else None)
        weight = DYNASTIES.get(record.get("dynasty", ""), 0.0)
        if form is None or not weight:
            continue
        text = record["text"]
        if form == CI:
            lines = (text,)
            if not CI_CHARACTERS[0] <= len(text) <= CI_CHARACTERS[1]:
                continue
        else:
            lines = tuple(verse_lines(text))
            if not fits(lines, form):
                continue
        if not common.issuperset(char for char in text if "\u4e00" <= char <= "\u9fff"):
            continue
        title = record["title"].strip()
        short = TITLE_CHARACTERS[0] <= len(title) <= TITLE_CHARACTERS[1]
        good = short and not UNFIT_TITLE.search(title) and form != CI
        found[form].append((rng.random() ** (1 / weight), Poem(form, title if good else "", lines)))
    best = {}
    for form, poems in found.items():
        poems.sort(key=lambda item: -item[0])
        best[form] = [poem for _, poem in poems[:POOL]]
    return best


def read_themes(sources: Sources) -> dict[str, dict]:
    """Returns the table of themes: the words that all or of which any must occur."""
    path = sources.corpus / "tasks" / "poem_themes.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def themes_of(text: str, themes: dict[str, dict]) -> list[str]:
    """Returns the themes whose words mark a poem."""
    return [
        name
        for name, words in themes.items()
        if all(word in text for word in words.get("all", []))
        and (not words.get("any") or any(word in text for word in words["any"]))
    ]


def line_words(lines: tuple[str, ...], frequent: set[str]) -> list[str]:
    """Returns the frequent two-character words of a poem."""
    pairs = [line[place : place + 2] for line in lines for place in range(0, len(line) - 1)]
    return [pair for pair in pairs if pair in frequent]


def frequent_words(poems: dict[str, list[Poem]], least: int = 60) -> set[str]:
    """Returns two-character words that open or follow the pause of many lines: topics of their own."""
    counts = Counter()
    for form in FORMS:
        for poem in poems[form]:
            for line in poem.lines:
                counts.update((line[:2], line[2:4]))
    return {word for word, count in counts.items() if count >= least}


def poetry(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields poems for ever, each with a topic that it keeps to."""
    pools = read_poems(sources.open_text("poems"), rng)
    pools = {form: poems for form, poems in pools.items() if poems}
    themes = read_themes(sources)
    frequent = frequent_words(pools) if len(pools) == len(FORMS) + 1 else set()
    modern = [*sources.tasks("verse"), *sources.tasks("poems")]
    while pools or modern:
        if modern and (not pools or rng.random() < 0.06):
            record = rng.choice(modern)
            topic, text = record.get("topic") or record.get("title"), record["text"]
            if topic:
                yield desk.example("poetry", "zh", text, topic=topic, form="modern")
            continue
        form = rng.choice(DRAWN_FORMS)
        poems = pools.get("七绝" if form == "auto" else form)
        if not poems:
            continue
        poem = rng.choice(poems)
        topic = draw_topic(poem, themes, frequent, rng)
        if topic:
            language = mostly(rng, "zh", "en", 0.03) if form != "auto" else "zh"
            text = poem.lines[0] if form == CI else poem.text()
            yield desk.example(
                "poetry", language, text, topic=topic, form=form, notes={"form": poem.form}
            )


def draw_topic(poem: Poem, themes: dict, frequent: set[str], rng: Random) -> str | None:
    """Returns a topic for the poem: its title, a theme of it or a word out of it."""
    text = "".join(poem.lines)
    kind = rng.random()
    if poem.title and kind < 0.3:
        return poem.title
    marked = themes_of(text, themes)
    if marked and kind < 0.8:
        return rng.choice(marked)
    words = line_words(poem.lines, frequent) if poem.form != CI else []
    return rng.choice(words) if words else (rng.choice(marked) if marked else None)
