"""Varies a finished sentence: safe synonyms and the joining of two short sentences."""

import re
from random import Random


class Rewording:
    """The table of safe replacements, compiled; tone picks the extra rows."""

    def __init__(self, table: dict):
        self._rows = {
            tone: [(re.compile(row[0]), row[1:]) for row in rows] for tone, rows in table.items()
        }

    def vary(self, sentence: str, terms: tuple, tone: str, rng: Random, chance: float = 0.4) -> str:
        """Returns the sentence with some words replaced; words inside a key term stay."""
        rows = self._rows["any"] + self._rows.get(tone, [])
        for pattern, choices in rows:
            match = pattern.search(sentence)
            if not match or rng.random() > chance:
                continue
            if any(match.group() in term for term in terms):
                continue
            sentence = pattern.sub(rng.choice(choices), sentence, count=1)
        return sentence


def starts_with_any(sentence: str, words: list[str]) -> bool:
    """Returns whether the sentence begins with one of the words."""
    return sentence.startswith(tuple(words))


def lead_in(lead: str, sentence: str, barred: list[str]) -> str:
    """Returns the sentence behind its lead; a lead ending in a comma is dropped where it would clash."""
    if lead.endswith("，") and starts_with_any(sentence, barred):
        return sentence
    return lead + sentence


def joinable(first: str, second: str) -> bool:
    """Returns whether two sentences may become one with a semicolon between them."""
    plain = all(mark not in first + second for mark in "；？！：")
    short = len(first) <= 26 and len(second) <= 30
    return plain and short and first.endswith("。") and second.endswith("。")


def join(first: str, second: str, mark: str) -> str:
    """Returns one sentence made of two."""
    return first[:-1] + mark + second
