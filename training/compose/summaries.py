"""Makes examples of summaries and of titles."""

import re
from collections.abc import Iterator
from random import Random

from training.compose.brief import title_rows
from training.compose.example import Desk, Example, mostly
from training.compose.extract import summarize
from training.compose.repetition import support
from training.compose.sources import ROLES, Sources
from training.compose.wording import Rewording

STYLES = ("paragraph", "paragraph", "bullets", "one-line")
LONGEST_SHARE = 0.38
SUPPORTED = 0.6


def paragraphs_of(records: list[dict], shortest: int = 110, longest: int = 480) -> list[str]:
    """Returns pieces of the records' texts that stand alone: whole paragraphs, neighbours joined."""
    found = []
    for record in records:
        current = ""
        for line in record["text"].split("\n"):
            if line.startswith(("#", "- ", "1", "2", "3")) or line.endswith("：") or len(line) < 30:
                current = ""
                continue
            current = f"{current}\n{line}" if current else line
            if shortest <= len(current) <= longest and current.endswith("。"):
                found.append(current)
            if len(current) >= shortest:
                current = ""
    return [piece for piece in found if han_share(piece) > 0.7]


def han_share(text: str) -> float:
    """Returns the share of Han characters and Chinese punctuation in a text (0 to 1)."""
    return len(re.findall(r"[\u4e00-\u9fff，。、；：“”！？（）《》]", text)) / max(1, len(text))


def fact_text(sources: Sources, rewording: Rewording, rng: Random) -> str:
    """Returns a paragraph of six to eight facts of one topic."""
    topic = rng.choice(sources.topics)
    facts = [(role, fact) for role in ROLES for fact in topic.facts[role]]
    kept = sorted(rng.sample(range(1, len(facts)), rng.randint(5, 7)))
    chosen = [facts[0][1]] + [facts[place][1] for place in kept]
    lines = [rewording.vary(rng.choice(fact), topic.terms, "any", rng) for fact in chosen]
    return "".join(lines)


def written_summary(record: dict, style: str, rng: Random) -> str:
    """Returns the summary of a written record in the style asked for."""
    if style == "bullets":
        lines = [line.rstrip("。") for line in record["bullets"]]
        return "\n".join(f"- {line}" for line in lines)
    return record["one_line" if style == "one-line" else "paragraph"]


def summaries(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields summaries for ever: of written texts, of facts and of paragraphs of open text."""
    written = sources.tasks("summaries")
    rewording = Rewording(sources.patterns("synonyms"))
    pools = [
        paragraphs_of(sources.open_text(name))
        for name in ("wiki_qa", "articles_lctt", "articles_taiwanmd", "docs_zh")
    ]
    pools = [pool for pool in pools if pool]
    leads = lead_pairs(sources.open_text("articles_lctt"))
    while written or sources.topics or pools:
        style = rng.choice(STYLES)
        kind = rng.random()
        answer = None
        if kind < 0.22 and written:
            record = rng.choice(written)
            text, answer = record["text"], written_summary(record, style, rng)
        elif kind < 0.42 and sources.topics:
            text = fact_text(sources, rewording, rng)
        elif kind < 0.47 and leads:
            (text, answer), style = rng.choice(leads), "paragraph"
        elif pools:
            text = rng.choice(pools[0] if rng.random() < 0.4 else rng.choice(pools))
        else:
            continue
        answer = answer or summarize(text, style, rng)
        if answer and len(answer) <= LONGEST_SHARE * len(text):
            yield desk.example(
                "summary", mostly(rng, "zh", "en", 0.05), answer, text=text, style=style
            )


def lead_pairs(records: list[dict]) -> list[tuple[str, str]]:
    """Returns (beginning of an article, its lead) where the lead is short and drawn from the text."""
    found = []
    for record in records:
        lead = record.get("summary", "")
        text = "\n".join(record["text"].split("\n")[:4])[:600]
        text = text[: text.rfind("。") + 1]
        short = 12 <= len(lead) <= 0.3 * len(text)
        if (
            short
            and lead[-1] in "。！？"
            and han_share(text) > 0.65
            and support(lead, text) >= SUPPORTED
        ):
            found.append((text, lead))
    return found


def titles(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields texts and their titles for ever."""
    written = [*sources.tasks("summaries"), *sources.tasks("titles")]
    rewording = Rewording(sources.patterns("synonyms"))
    tables = sources.patterns("articles")
    opened = [
        pair
        for name in ("articles_lctt", "titles_csl", "docs_zh", "titles_csl")
        for pair in titled(sources.open_text(name))
    ]
    while written or opened:
        kind = rng.random()
        if kind < 0.3 and written:
            record = rng.choice(written)
            text, title = (
                record["text"],
                rng.choice(record.get("titles") or [record.get("title", "")]),
            )
        elif kind < 0.5 and sources.topics:
            topic = rng.choice(sources.topics)
            facts = [fact for role in ROLES for fact in topic.facts[role]]
            chosen = [facts[0], *rng.sample(facts[1:], 4)]
            text = "".join(
                rewording.vary(rng.choice(fact), topic.terms, "any", rng) for fact in chosen
            )
            row = rng.choice([row for row in title_rows(topic, tables) if not row.get("focus")])
            title = topic.name if rng.random() < 0.4 else row["text"].format(name=topic.name)
        elif opened:
            text, title = rng.choice(opened)
        else:
            continue
        if title and text:
            yield desk.example("title", mostly(rng, "zh", "en", 0.05), title, text=text)


def titled(records: list[dict]) -> list[tuple[str, str]]:
    """Returns (beginning of the text, title) of records whose title comes out of the text."""
    found = []
    for record in records:
        title = record["title"].strip()
        lines = [line for line in record["text"].split("\n") if not line.startswith("#")]
        text = "\n".join(lines[:3])[:420]
        text = text[: text.rfind("。") + 1]
        if 4 <= len(title) <= 32 and len(text) >= 80 and support(title, text) >= 0.5:
            found.append((text, title))
    return found
