"""Makes examples of verse: classical poems by title or theme, and short modern ones."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from training.compose.example import Desk, Example, mostly
from training.compose.names import common_characters
from training.compose.sources import Sources, pick_field

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
UNFIT_VERSE = re.compile(r"[佛偈刹衲屎嗔妾尸鬼□]|无量|众生|圣人|仲尼|真如|三昧|法身")
EMPTY_WORD = re.compile(r"[不未无有何自是此为可须莫若只一]")
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
            "".join(
                line + mark
                for line, mark in zip(self.lines[place : place + 2], marks, strict=False)
            )
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


def common_set(sources: Sources) -> set[str]:
    """Returns the commonest characters of prose: a poem of these only is simple."""
    texts = [
        record["text"] for name in ("stories", "wiki_qa") for record in sources.open_text(name)
    ]
    common = common_characters(texts, COMMON_CHARACTERS)
    if len(common) < COMMON_CHARACTERS:
        texts += [record["text"] for record in sources.open_text("poems")]
        common = common_characters(texts, COMMON_CHARACTERS)
    return set(common)


def read_poems(records: list[dict], common: set[str], rng: Random) -> dict[str, list[Poem]]:
    """Returns the poems of exact forms and simple characters, by form; famous dynasties first."""
    names = {name: key for key, (name, _, _) in FORMS.items()}
    found: dict[str, list[tuple[float, Poem]]] = {key: [] for key in (*FORMS, CI)}
    for record in records:
        form = names.get(record["form"], CI if record["form"] == CI else None)
        weight = DYNASTIES.get(record.get("dynasty", ""), 0.0)
        text = record["text"]
        if form is None or not weight or UNFIT_VERSE.search(text):
            continue
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


def mark_score(text: str, words: dict) -> int:
    """Returns how often the words of a theme occur in a poem, 0 where the theme does not fit."""
    every, some = words.get("all", []), words.get("any", [])
    if not all(word in text for word in every) or (some and not any(word in text for word in some)):
        return 0
    return sum(text.count(word) for word in every + some)


@dataclass(frozen=True)
class Shelf:
    """The poems of one form and, for every theme, those that it marks with how strongly."""

    poems: list[Poem]
    by_theme: dict[str, tuple[list[Poem], list[int]]]


def shelve(poems: list[Poem], themes: dict[str, dict]) -> Shelf:
    """Returns the shelf of a form; a theme needs ten poems to be on it."""
    texts = ["".join(poem.lines) for poem in poems]
    by_theme = {}
    for name, words in themes.items():
        marked = [(poem, mark_score(text, words)) for poem, text in zip(poems, texts, strict=False)]
        marked = [(poem, score) for poem, score in marked if score]
        if len(marked) >= 10:
            by_theme[name] = ([poem for poem, _ in marked], [score**2 for _, score in marked])
    return Shelf(poems, by_theme)


def line_words(lines: tuple[str, ...], frequent: set[str]) -> list[str]:
    """Returns the frequent two-character words of a poem."""
    pairs = [line[place : place + 2] for line in lines for place in range(0, len(line) - 1)]
    return [pair for pair in pairs if pair in frequent]


def frequent_words(poems: dict[str, list[Poem]], least: int = 60) -> set[str]:
    """Returns two-character words that open or follow the pause of many lines: topics of their own."""
    counts = Counter()
    for form in FORMS:
        for poem in poems.get(form, []):
            for line in poem.lines:
                counts.update((line[:2], line[2:4]))
    return {
        word for word, count in counts.items() if count >= least and not EMPTY_WORD.search(word)
    }


def poetry(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields poems for ever, each with a topic that it keeps to."""
    pools = read_poems(sources.open_text("poems"), common_set(sources), rng)
    pools = {form: poems for form, poems in pools.items() if poems}
    themes = read_themes(sources)
    shelves = {form: shelve(poems, themes) for form, poems in pools.items()}
    frequent = frequent_words(pools)
    modern = [*sources.tasks("verse"), *sources.tasks("poems")]
    while shelves or modern:
        if modern and (not shelves or rng.random() < 0.06):
            example = modern_verse(rng.choice(modern), desk)
            if example:
                yield example
            continue
        form = rng.choice(DRAWN_FORMS)
        shelf = shelves.get("七绝" if form == "auto" else form)
        topic, poem = draw_poem(shelf, themes, frequent, rng) if shelf else ("", None)
        if not topic:
            continue
        language = mostly(rng, "zh", "en", 0.03) if form != "auto" else "zh"
        text = poem.lines[0] if form == CI else poem.text()
        yield desk.example(
            "poetry", language, text, topic=topic, form=form, notes={"form": poem.form}
        )


def modern_verse(record: dict, desk: Desk) -> Example | None:
    """Returns a written free-verse poem as an example."""
    topic, text = pick_field(record, "topic", "theme", "title"), pick_field(record, "text", "lines")
    if not topic or not text:
        return None
    return desk.example(
        "poetry", "en" if topic.isascii() else "zh", text, topic=topic, form="modern"
    )


def draw_poem(shelf: Shelf, themes: dict, frequent: set[str], rng: Random):
    """Returns (topic, poem): by title, by a theme or two, or by a word out of the poem."""
    kind = rng.random()
    if kind < 0.62 and shelf.by_theme:
        theme = rng.choice(list(shelf.by_theme))
        poems, weights = shelf.by_theme[theme]
        poem = rng.choices(poems, weights)[0]
        text = "".join(poem.lines)
        if rng.random() < 0.15:
            others = [name for name, words in themes.items() if mark_score(text, words)]
            others = [name for name in others if len(name) == len(theme) == 2 and name != theme]
            if others:
                return rng.choice(
                    [theme + rng.choice(others), f"{theme}与{rng.choice(others)}"]
                ), poem
        return theme, poem
    poem = rng.choice(shelf.poems)
    if kind < 0.82 or poem.form == CI:
        return poem.title, poem
    words = line_words(poem.lines, frequent)
    return (rng.choice(words) if words else ""), poem
