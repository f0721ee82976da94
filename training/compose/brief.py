"""Draws what a user might ask of an article: title, focus, length, tone, readers.

Knows the tables of patterns/articles.yaml; does not know how the article is written.
"""

from dataclasses import dataclass
from random import Random

from training.compose.sources import Topic

LENGTHS = (
    [150] * 6 + [200] * 9 + [250] * 3 + [300] * 14 + [350] * 3 + [400] * 18 + [450] * 4
    + [500] * 26 + [550] * 2 + [600] * 9 + [700] * 2 + [800] * 3 + [1000]
)  # fmt: skip
TONES = ("neutral",) * 5 + ("lively", "formal", "plain") * 2
PHRASE_MARKS = ("的", "与", "和", "为什么", "如何", "怎么", "入门", "为何")
LONGEST_NAME_IN_TEXT = 9


@dataclass(frozen=True)
class Brief:
    """One order for an article about one topic; `length` in characters."""

    title: str
    name: str
    focus: tuple[str, ...]
    length: int
    tone: str
    audience: str
    opener: str | None = None


def short_name(topic: Topic) -> str:
    """Returns the name to use inside the text: an alias where the name is long."""
    if len(topic.name) <= LONGEST_NAME_IN_TEXT:
        return topic.name
    short = [alias for alias in topic.aliases if len(alias) <= LONGEST_NAME_IN_TEXT]
    return short[0] if short else topic.name


def is_phrase(name: str) -> bool:
    """Returns whether a topic is a phrase, which takes fewer patterns than a noun does."""
    return len(name) > 7 or any(mark in name for mark in PHRASE_MARKS)


def field_group(field: str, tables: dict) -> str:
    """Returns the group of a field of knowledge ("place", "animal", ...), "" if none."""
    for group, fields in tables["field_groups"].items():
        if field in fields:
            return group
    return ""


def title_rows(topic: Topic, tables: dict) -> list[dict]:
    """Returns the title patterns that fit a topic."""
    rows = list(tables["titles"]["any"])
    if not is_phrase(topic.name):
        group = field_group(topic.field, tables)
        rows += tables["titles"]["noun"] + tables["titles"].get(group, []) * 3
    return rows


def draw_audience(tables: dict, rng: Random, chance: float = 0.2) -> str:
    """Returns a kind of reader, mostly none."""
    return rng.choice(list(tables["audience_openers"])) if rng.random() < chance else ""


def draw_brief(
    topic: Topic, tables: dict, rng: Random, shared: frozenset[str] | set[str] = frozenset()
) -> Brief:
    """Returns one order for the topic: its name, an alias, a phrase or a whole request as title.

    Aliases in `shared` belong to several topics and are not used.
    """
    aliases = [alias for alias in topic.aliases if alias not in shared]
    name, focus, opener = short_name(topic), (), None
    kind = rng.random()
    if kind < 0.42:
        title = topic.name
    elif kind < 0.55 and aliases:
        alias = rng.choice(aliases)
        title = alias
        if rng.random() < 0.25:
            title = rng.choice(tables["titles"]["any"])["text"].format(name=alias)
        if alias != name:
            opener = rng.choice(tables["alias_openers"]).format(alias=alias, name=name)
    elif kind < 0.95:
        row = rng.choice(title_rows(topic, tables))
        title = row["text"].format(name=topic.name)
        focus = tuple(row.get("focus", ()))
    else:
        title = rng.choice(tables["requests"]).format(name=topic.name)
    return Brief(
        title,
        name,
        focus,
        rng.choice(LENGTHS),
        rng.choice(TONES),
        draw_audience(tables, rng),
        opener,
    )
