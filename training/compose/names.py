"""Gathers names that the knowledge does not hold, for articles on unfamiliar topics."""

import re
from collections import Counter
from dataclasses import dataclass
from random import Random

from training.compose.sources import Sources

LONGEST_TITLE = 30
SHORTEST_CORE, LONGEST_CORE = 2, 9
HOW_PREFIXES = ("如何", "怎样", "怎么")


@dataclass(frozen=True)
class Name:
    """A name to write on: as the user gives it, the short form for the text, and its kind."""

    title: str
    core: str
    kind: str  # "word" or "how"


def known_names(sources: Sources) -> set[str]:
    """Returns all names and aliases of the knowledge."""
    return {name for topic in sources.topics for name in (topic.name, *topic.aliases)}


def read_names(sources: Sources) -> dict[str, list[Name]]:
    """Returns the unfamiliar names by where they are from."""
    table = sources.patterns("names")
    known = known_names(sources)
    barred = known | set(table["held_out"])
    words = [word for line in table["words"] for word in line.split()]
    acts = [act for line in table["how"] for act in line.split()]
    found = {
        "words": [Name(word, word, "word") for word in words if is_free(word, barred)],
        "how": [Name(act, act, "how") for act in acts if act not in barred],
        "wiki": titles(sources.open_text("wiki_qa"), barred),
        "docs": titles(sources.open_text("docs_zh"), barred),
        "taiwan": titles(sources.open_text("articles_taiwanmd"), barred),
        "lctt": titles(sources.open_text("articles_lctt"), barred),
        "papers": titles(sources.open_text("titles_csl"), barred),
    }
    return {origin: names for origin, names in found.items() if names}


def is_free(name: str, barred: set[str]) -> bool:
    """Returns whether a name is not barred, is no part of a barred one and holds none."""
    for other in barred:
        if name == other or name in other or (len(other) > 1 and other in name):
            return False
    return True


def titles(records: list[dict], barred: set[str]) -> list[Name]:
    """Returns the titles of records that can serve as topics, each once."""
    found = {}
    for record in records:
        title = re.sub(r"\s*[（(][^）)]*[）)]", "", record["title"]).strip()
        core = short_form(title)
        if not core or len(title) > LONGEST_TITLE or not is_free(title, barred):
            continue
        if title.startswith(HOW_PREFIXES) and core in title[2:]:
            act = title[2:]
            if len(act) <= LONGEST_CORE:
                found[title] = Name(title, act, "how")
                continue
        found[title] = Name(title, core, "word")
    return list(found.values())


def short_form(title: str) -> str:
    """Returns a part of a title short enough to say again and again, "" if there is none."""
    if len(title) <= LONGEST_CORE:
        return title if len(title) >= SHORTEST_CORE else ""
    first = re.split(r"[：，、！？——｜|]", title)[0].strip(" “”《》")
    if SHORTEST_CORE < len(first) <= LONGEST_CORE:
        return first
    latin = re.search(r"[A-Z][A-Za-z]{2,8}(?![A-Za-z])", title)
    return latin.group() if latin else ""


def invent(sources: Sources, characters: list[str], rng: Random) -> Name:
    """Returns a name that nobody has used: of common characters, syllables or a taught name."""
    table = sources.patterns("names")
    kind = rng.random()
    if kind < 0.45:
        name = "".join(rng.choice(characters) for _ in range(rng.choice([2, 2, 3, 3, 4])))
    elif kind < 0.7:
        name = "".join(rng.choice(table["syllables"]) for _ in range(rng.choice([2, 3])))
        name = name if rng.random() < 0.3 else name.capitalize()
    else:
        short = [topic.name for topic in sources.topics if len(topic.name) <= 4]
        name = rng.choice(short) if short else rng.choice(characters)
        if rng.random() < 0.75:
            name = name + rng.choice(table["tails"])
        else:
            name = rng.choice(table["heads"]) + name
    return Name(name, name, "word")


def common_characters(texts: list[str], count: int) -> list[str]:
    """Returns the most frequent Han characters of the texts, the most frequent first."""
    counts = Counter(char for text in texts for char in text if "\u4e00" <= char <= "\u9fff")
    return [char for char, _ in counts.most_common(count)]
