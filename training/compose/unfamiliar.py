"""Writes articles on words the knowledge does not hold: general, honest, on the word."""

import re
from collections.abc import Iterator
from random import Random

from training.compose.articles import TITLE_CHARACTERS
from training.compose.brief import TONES, draw_audience
from training.compose.example import Desk, Example, mostly
from training.compose.names import HOW_PREFIXES, Name, common_characters, invent, read_names
from training.compose.repetition import repeated_run
from training.compose.sources import Sources

LENGTHS = [150, 200, 200, 250, 300, 300, 300, 400, 400, 500, 500, 500, 500, 500, 600, 800]
LONGEST_ARTICLE = 300  # more could not be said without inventing
HOW_TITLES = ("{act}的方法", "{act}的技巧", "学会{act}", "{act}的经验", "{act}")


def unfamiliar_articles(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields articles on unfamiliar names for ever."""
    tables = sources.patterns("unfamiliar")
    frames = sources.patterns("articles")
    names = read_names(sources)
    texts = [sentence for topic in sources.topics for sentence in topic.sentences()]
    characters = common_characters(texts, 1500)
    wiki = [record for record in sources.open_text("wiki_qa") if len(record["text"]) >= 200]
    weights = {"words": 30, "how": 10, "wiki": 22, "docs": 8, "taiwan": 2, "lctt": 8, "papers": 5}
    origins = [origin for origin in names for _ in range(weights[origin])]
    while True:
        if wiki and rng.random() < 0.06:
            example = article_from_material(rng.choice(wiki), tables, desk, rng)
        else:
            name = (
                invent(sources, characters, rng)
                if not origins or rng.random() < 0.2
                else rng.choice(names[rng.choice(origins)])
            )
            example = unfamiliar_article(name, tables, frames, desk, rng)
        if example and is_on_the_word(example):
            yield example


def unfamiliar_article(
    name: Name, tables: dict, frames: dict, desk: Desk, rng: Random
) -> Example | None:
    """Returns an article of general sentences about one name."""
    title = draw_title(name, frames, rng)
    length = rng.choice(LENGTHS)
    audience = draw_audience(frames, rng, 0.12)
    body = general_body(name, min(length, LONGEST_ARTICLE), tables[name.kind], rng)
    if audience:
        opener = rng.choice(frames["audience_openers"][audience]).format(name=name.core)
        body = opener + body if not body.startswith("## ") else f"{opener}\n\n{body}"
    if len(title) > TITLE_CHARACTERS and rng.random() < 0.5:
        body = f"# {name.core}\n\n{body}"
    return desk.example(
        "article",
        mostly(rng, "zh", "en", 0.04),
        body,
        topic=title,
        length=length,
        tone=rng.choice(TONES),
        audience=audience,
        notes={"name": name.core},
    )


def is_on_the_word(example: Example) -> bool:
    """Returns whether an article says its word often enough below the title and repeats no run."""
    body = example.answer.removeprefix(example.notes["start"])
    return body.count(example.notes["name"]) >= 3 and repeated_run(example.answer) is None


def draw_title(name: Name, frames: dict, rng: Random) -> str:
    """Returns the topic as a user may put it: the bare name or a phrase around it."""
    if name.kind == "how":
        if name.title.startswith(HOW_PREFIXES):
            return name.title
        if rng.random() < 0.7:
            return rng.choice(HOW_PREFIXES) + name.core
        return rng.choice(HOW_TITLES).format(act=name.core)
    if name.title != name.core or rng.random() < 0.6:
        return name.title
    rows = frames["titles"]["any"] + frames["titles"]["noun"]
    return rng.choice(rows)["text"].format(name=name.core)


def general_body(name: Name, length: int, tables: dict, rng: Random) -> str:
    """Returns paragraphs of general sentences, about `length` characters, that end properly."""
    order = list(rng.choice(tables["orders"]))
    words = {"topic": name.core, "act": name.core}
    count = max(4, round(length / 24))
    middle = order[1:-1]
    share = max(1, round((count - 2) / len(middle)))
    if share == 1:
        middle = middle[: max(2, count - 2)]
    first = rng.choice(tables["open"]).format(**words)
    blocks, current = [], first
    headed = length >= 300 and rng.random() < 0.2
    listed = rng.choice(middle) if length >= 250 and rng.random() < 0.1 else ""
    for group in middle:
        chosen = rng.sample(tables[group], min(share, len(tables[group])))
        sentences = [sentence.format(**words) for sentence in chosen]
        if headed or listed == group or (len(current) > 70 and rng.random() < 0.7):
            if current:
                blocks.append(current)
            current = ""
        if headed:
            blocks.append("## " + rng.choice(tables["headings"][group]))
        if listed == group and len(sentences) > 1:
            blocks.append("\n".join(f"- {sentence}" for sentence in sentences))
        else:
            current += "".join(sentences)
    ending = rng.choice(tables["end"]).format(**words)
    if current and rng.random() < 0.5:
        blocks.append(current + ending)
    else:
        blocks += [block for block in (current, ending) if block]
    return "\n\n".join(blocks)


def article_from_material(record: dict, tables: dict, desk: Desk, rng: Random) -> Example | None:
    """Returns an article made of the sentences of a paragraph that the user gives."""
    name = re.sub(r"\s*[（(].*", "", record["title"])
    sentences = [part + "。" for part in record["text"].split("。") if 10 <= len(part) <= 90]
    clean = all(sentence[0].isalnum() or sentence[0] in "《“" for sentence in sentences)
    if not 2 <= len(name) <= 9 or len(sentences) < 4 or not clean or "-{" in record["text"]:
        return None
    chosen = sentences[: rng.choice([4, 5, 6, 7])]
    rows = tables["material"]
    text = "".join(chosen)
    told = [chosen[0]]
    for sentence in chosen[1:]:
        turned = rng.random() < 0.3 and not sentence.startswith(
            ("此外", "另外", "同时", "但", "而")
        )
        told.append(rng.choice(rows["turn"]) + sentence if turned else sentence)
    opening = rng.choice(rows["open"]).format(topic=name)
    half = max(2, len(told) // 2)
    blocks = [opening + "".join(told[:half]), "".join(told[half:])]
    if rng.random() < 0.7:
        blocks[1] += rng.choice(rows["end"]).format(topic=name)
    return desk.example(
        "article",
        "zh",
        "\n\n".join(blocks),
        topic=name,
        text=text,
        length=rng.choice([200, 300, 300, 400, 500]),
        tone=rng.choice(TONES),
        notes={"name": name},
    )
