"""What share of the tuning characters each family gets, and the drawing until it is filled."""

from collections.abc import Callable, Iterator
from random import Random

from training.compose import (
    articles,
    commits,
    conversation,
    functions,
    poems,
    proofread,
    summaries,
    unfamiliar,
    writing,
)
from training.compose.example import Desk, Example
from training.compose.sources import Sources

TUNE_CHARACTERS = 13_000_000
Family = Callable[[Sources, Desk, Random], Iterator[Example]]
SHARES: dict[str, tuple[float, Family]] = {
    "articles": (0.42, articles.articles),
    "unfamiliar": (0.09, unfamiliar.unfamiliar_articles),
    "summaries": (0.08, summaries.summaries),
    "titles": (0.015, summaries.titles),
    "poetry": (0.065, poems.poetry),
    "code": (0.15, functions.code),
    "explain": (0.012, functions.explain_code),
    "review": (0.006, functions.review),
    "commits": (0.06, commits.commit_messages),
    "stories": (0.018, writing.stories),
    "news": (0.007, writing.news),
    "emails": (0.007, writing.emails),
    "outlines": (0.007, writing.outlines),
    "continue": (0.007, writing.continuations),
    "polish": (0.015, proofread.polish),
    "spell": (0.055, proofread.spell),
    "translate": (0.01, conversation.translate),
    "ask": (0.02, conversation.ask),
}
MOST_REPEATS = 12  # of the very same prompt and answer, in small families


def fill(name: str, sources: Sources, desk: Desk, seed: int, scale: float) -> list[Example]:
    """Returns the examples of one family, up to its share of the characters."""
    share, family = SHARES[name]
    room = share * TUNE_CHARACTERS * scale
    rng = Random(f"{seed}:{name}")
    chosen: list[Example] = []
    counts: dict[tuple[str, str], int] = {}
    idle = 0
    for example in family(sources, desk, rng):
        if room <= 0 or idle > 3000:
            break
        key = (example.messages[-1]["content"], example.answer)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] > MOST_REPEATS:
            idle += 1
            continue
        idle = 0
        chosen.append(example)
        room -= example.characters()
    return chosen
