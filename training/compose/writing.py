"""Makes examples of the smaller writing tasks: stories, news, e-mails, outlines, going on."""

import re
from collections.abc import Iterator
from random import Random

from training.compose.articles import ArticleWriter
from training.compose.brief import draw_brief, is_phrase, short_name
from training.compose.example import Desk, Example, mostly
from training.compose.extract import split_sentences
from training.compose.repetition import repeated_run
from training.compose.sources import Sources, pick_field

NOTES_SHARE = 0.35
CONTINUED_CHARACTERS = 260
STORY_LENGTHS = (150, 200, 300, 400, 500, 600, 800)
STORY_CHARACTERS = (100, 900)  # of a children's story that is taken from the open text
CHILDREN_STORIES = "global-asp/global-asp"


def written(task: str, records: list[dict], desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields records with `topic` and `text` as examples of a task for ever, each round shuffled."""
    records = [record for record in records if record.get("topic") and record.get("text")]
    while records:
        rng.shuffle(records)
        for record in records:
            topic, text = record["topic"], record["text"]
            language = "en" if topic.isascii() else mostly(rng, "zh", "en", 0.03)
            extra = {"length": nearest(len(text), STORY_LENGTHS)} if task == "story" else {}
            yield desk.example(task, language, text, topic=topic, notes={"topic": topic}, **extra)


def nearest(value: int, choices: tuple[int, ...]) -> int:
    """Returns the choice nearest to a value."""
    return min(choices, key=lambda choice: abs(choice - value))


def stories(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields our own stories and the children's stories of the open text, three of ours to one."""
    children = [
        {"topic": record["title"], "text": record["text"]}
        for record in sources.open_text("stories")
        if record["source"] == CHILDREN_STORIES
        and STORY_CHARACTERS[0] <= len(record["text"]) <= STORY_CHARACTERS[1]
    ]
    ours = [
        {"topic": pick_field(record, "topic", "title"), "text": pick_field(record, "text", "story")}
        for record in sources.tasks("stories")
    ]
    ours, others = written("story", ours, desk, rng), written("story", children, desk, rng)
    while True:
        first, second = (ours, others) if rng.random() < 0.75 else (others, ours)
        example = next(first, None) or next(second, None)
        if example is None:
            return
        yield example


def news(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields short news items, one in three from its facts as notes."""
    for example in written("news", sources.tasks("news"), desk, rng):
        if rng.random() > NOTES_SHARE:
            yield example
            continue
        topic = example.notes["topic"]
        notes = [f"- {line.rstrip('。')}" for line in split_sentences(example.answer)]
        kept = sorted(rng.sample(range(len(notes)), max(1, len(notes) - rng.choice([0, 0, 1]))))
        text = "\n".join(notes[place] for place in kept)
        yield desk.example("news", "zh", example.answer, topic=topic, text=text)


def emails(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields e-mails."""
    return written("email", sources.tasks("emails"), desk, rng)


def outlines(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields outlines: written ones, and ones made of the headings for a taught topic."""
    tables = sources.patterns("articles")
    ours = [record for record in sources.tasks("outlines") if record.get("points")]
    while ours or sources.topics:
        if ours and (not sources.topics or rng.random() < 0.5):
            record = rng.choice(ours)
            yield desk.example(
                "outline",
                "en" if record["topic"].isascii() else mostly(rng, "zh", "en", 0.03),
                nested_outline(record["points"]),
                topic=record["topic"],
            )
        else:
            topic = rng.choice(sources.topics)
            answer = topic_outline(topic, tables, rng)
            title = draw_brief(topic, tables, rng).title
            title = title if len(title) <= 24 else topic.name
            yield desk.example("outline", mostly(rng, "zh", "en", 0.03), answer, topic=title)


def nested_outline(points: list) -> str:
    """Returns numbered headings with their points below: [[heading, [point, ...]], ...]."""
    lines = []
    for number, (heading, below) in enumerate(points, 1):
        lines += [f"{number}. {heading}", *(f"   - {point}" for point in below)]
    return "\n".join(lines)


def topic_outline(topic, tables: dict, rng: Random) -> str:
    """Returns numbered headings for a topic, with its key terms as points below."""
    order = rng.choice(tables["orders"])
    roles = [role for role in order if role == "definition" or rng.random() < 0.75]
    lines, used = [], set()
    terms = [term for term in topic.terms if term != topic.name]
    rng.shuffle(terms)
    detailed = rng.random() < 0.5
    for number, role in enumerate(roles, 1):
        choices = [head for head in tables["headings"][role] if head not in used]
        if not is_phrase(topic.name):
            choices += [row.format(name=short_name(topic)) for row in tables["noun_headings"][role]]
        heading = rng.choice(choices)
        used.add(heading)
        lines.append(f"{number}. {heading}")
        if detailed and role in ("mechanism", "definition", "example") and len(terms) >= 2:
            lines.append(f"   - {terms.pop()}")
            lines.append(f"   - {terms.pop()}")
    return "\n".join(lines)


def continuations(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields beginnings and what follows: written ones, and articles cut at a sentence."""
    ours = sources.tasks("continue")
    writer = ArticleWriter(sources)
    while ours or sources.topics:
        language = mostly(rng, "zh", "en", 0.04)
        if ours and (not sources.topics or rng.random() < 0.5):
            record = rng.choice(ours)
            yield desk.example("continue", language, record["next"], text=record["text"])
            continue
        topic = rng.choice(sources.topics)
        body = writer.body(topic, draw_brief(topic, writer.tables, rng), rng)
        if any(mark in body for mark in ("## ", "\n- ", "\n1. ")) or repeated_run(body):
            continue
        edges = [match.end() for match in re.finditer("。", body)]
        edges = [edge for edge in edges if 40 <= edge <= len(body) - 40]
        if edges:
            edge = rng.choice(edges)
            rest = body[edge:].lstrip("\n")[:CONTINUED_CHARACTERS]
            answer = rest.rpartition("。")[0] + "。"
            yield desk.example("continue", language, answer, text=body[:edge])
