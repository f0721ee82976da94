"""The baseline: a 5-gram model over the same tokens, interpolated Kneser-Ney with one discount.

Counts are sorted arrays of 64-bit keys (a key mixes the ids of an n-gram; two of ten million
colliding is a matter of one in a hundred thousand), so ten million tokens take seconds and little
memory.  Formula: Chen and Goodman 1999, equation for the interpolated model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ORDER = 5
DISCOUNT = 0.75
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Keys = NDArray[np.uint64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Level:
    """The counts of one order: n-grams, and per context how much and how many kinds follow."""

    keys: Keys
    counts: Counts
    contexts: Keys
    totals: Counts
    kinds: Counts


@dataclass(frozen=True)
class Ngram:
    """The levels from one token to `ORDER`, and the size of the vocabulary."""

    levels: tuple[Level, ...]
    vocabulary: int


def mix(key: Keys, ids: Keys) -> Keys:
    """The key of an n-gram from that of its first n-1 ids and its last id."""
    mixed = (key ^ (ids + np.uint64(1))) * MULTIPLIER
    return mixed ^ (mixed >> np.uint64(29))


def gram_keys(tokens: NDArray[np.integer], starts: NDArray[np.integer], order: int) -> Keys:
    """The keys of the n-grams of `order` tokens that begin at `starts`."""
    wide = tokens.astype(np.uint64)
    key = np.zeros(len(starts), dtype=np.uint64)
    for offset in range(order):
        key = mix(key, wide[starts + offset])
    return key


def level(grams: Keys, contexts: Keys, counts: Counts) -> Level:
    """The level of distinct n-grams with their contexts' keys and counts."""
    order = np.argsort(grams)
    names, inverse = np.unique(contexts, return_inverse=True)
    totals = np.bincount(inverse, weights=counts).astype(np.int64)
    return Level(grams[order], counts[order], names, totals, np.bincount(inverse))


def fit(tokens: NDArray[np.integer], vocabulary: int) -> Ngram:
    """A model of the text `tokens` (count,), in which documents follow each other."""
    starts = np.arange(len(tokens) - ORDER + 1)
    grams, first, counts = np.unique(
        gram_keys(tokens, starts, ORDER), return_index=True, return_counts=True
    )
    places = starts[first]
    levels = [level(grams, gram_keys(tokens, places, ORDER - 1), counts)]
    for order in range(ORDER - 1, 0, -1):
        # Below the top an n-gram counts by how many different tokens it follows.
        shorter = places + 1
        grams, first, counts = np.unique(
            gram_keys(tokens, shorter, order), return_index=True, return_counts=True
        )
        places = shorter[first]
        levels.append(level(grams, gram_keys(tokens, places, order - 1), counts))
    return Ngram(tuple(reversed(levels)), vocabulary)


def look_up(keys: Keys, values: Counts, wanted: Keys) -> Counts:
    """The values of `wanted` in the sorted `keys`; 0 where one is missing."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def losses(model: Ngram, tokens: NDArray[np.integer]) -> NDArray[np.float64]:
    """The loss in nats of each token of a document but the first, (count - 1,)."""
    ends = np.arange(1, len(tokens))
    probability = np.full(len(ends), 1.0 / model.vocabulary)
    for order, one in enumerate(model.levels, start=1):
        usable = ends >= order - 1
        starts = ends[usable] - order + 1
        contexts = gram_keys(tokens, starts, order - 1)
        count = look_up(one.keys, one.counts, gram_keys(tokens, starts, order))
        total = look_up(one.contexts, one.totals, contexts)
        kinds = look_up(one.contexts, one.kinds, contexts)
        seen = total > 0
        lower = probability[usable]
        mixed = np.maximum(count - DISCOUNT, 0) + DISCOUNT * kinds * lower
        probability[usable] = np.where(seen, mixed / np.maximum(total, 1), lower)
    return -np.log(probability)
