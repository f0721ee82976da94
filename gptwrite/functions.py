"""The Python functions that the built-in model knows by heart: which one a request asks for.

A model this small can recite a function, body and all, but does not understand requests in words it
never saw. The package ships the head of each function (imports, signature, docstring) with the words
that people ask for it in; the head of the likeliest one begins the model's answer.
"""

from __future__ import annotations

import functools
import gzip
import itertools
import json
import math
import re
from pathlib import Path

FUNCTIONS = Path(__file__).parent / "builtin" / "functions.tsv.gz"
# What a word counts that one, two, ... of a function's wordings hold, and the most it can count.
# Chosen by asking for 400 functions in one of their wordings, left out of the table.
FIRST, EACH, MOST = 0.5, 0.15, 1.4
LEAST_MATCH = 0.15  # share of a request's weight: what nine in ten of those requests reach


def features(text: str) -> set[str]:
    """Return what is compared: Latin words and their pairs, Chinese characters and their pairs."""
    words = [
        word[:-1] if word.endswith("s") and len(word) > 3 else word
        for word in re.findall(r"[a-z]{2,}", text.lower())
    ]
    found = {*words, *(" ".join(pair) for pair in itertools.pairwise(words))}
    for run in re.findall(r"[\u4e00-\u9fff]+", text):
        found |= {*run, *("".join(pair) for pair in itertools.pairwise(run))}
    return found


def head_of(request: str) -> str:
    """Return the lines that begin the function which `request` asks for; "" where none is near."""
    return nearest(request)[0]


@functools.lru_cache(maxsize=8)
def nearest(request: str) -> tuple[str, float]:
    """Return the lines that begin the function nearest to `request`, and how near it is.

    "" and 0 where none is near; from 1 on it is almost surely meant.
    """
    wanted = features(request)
    rows = []  # head, and in how many of its wordings each wanted feature occurs
    holders = dict.fromkeys(wanted, 0)
    with gzip.open(FUNCTIONS, "rt", encoding="utf-8") as lines:
        for line in lines:
            head, *wordings = json.loads(line)
            counts = dict.fromkeys(wanted, 0)
            for wording in wordings:
                for feature in wanted.intersection(wording):
                    counts[feature] += 1
            for feature, count in counts.items():
                holders[feature] += bool(count)
            rows.append((head, counts))
    rarity = {
        feature: math.log(len(rows) / max(1, count)) ** 2 for feature, count in holders.items()
    }
    total = sum(rarity.values())
    best, score = "", 0.0
    for head, counts in rows:
        own = sum(
            rarity[feature] * min(MOST, FIRST + EACH * count)
            for feature, count in counts.items()
            if count
        )
        if own > score:
            best, score = head, own
    return (best, score / total) if total and score >= LEAST_MATCH * total else ("", 0.0)
