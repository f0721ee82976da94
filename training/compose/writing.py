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

TOPIC_FIELDS = ("topic", "request", "title", "subject", "theme", "prompt")
TEXT_FIELDS = ("material", "facts", "message", "incoming", "reply_to", "input", "context", "start")
ANSWER_FIELDS = (
    "answer",
    "story",
    "email",
    "news",
    "outline",
    "body",
    "output",
    "continuation",
    "text",
)
NOTES_SHARE = 0.35
STORY_LENGTHS = (150, 200, 300, 400, 500, 600, 800)


def written(task: str, file: str, sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields the records of tasks/<file>.jsonl as examples of a task for ever."""
    records = list(sources.tasks(file))
    while records:
        rng.shuffle(records)
        made = 0
        for record in records:
            topic, text = pick_field(record, *TOPIC_FIELDS), pick_field(record, *TEXT_FIELDS)
            answer = pick_field(record, *(name for name in ANSWER_FIELDS if name in record))
            if task == "continue":
                text = text or pick_field(record, "text")
                answer = pick_field(record, "continuation", "answer", "next", "output")
                topic = ""
            if not answer or not (topic or text):
                continue
            language = "en" if (topic or text).isascii() else mostly(rng, "zh", "en", 0.03)
            extra = {"length": nearest(len(answer), STORY_LENGTHS)} if task == "story" else {}
            yield desk.example(
                task, language, answer, topic=topic, text=text, notes={"topic": topic}, **extra
            )
            made += 1
        if not made:
            return


def nearest(value: int, choices: tuple[int, ...]) -> int:
    """Returns the choice nearest to a value."""
    return min(choices, key=lambda choice: abs(choice - value))


def stories(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields stories."""
    return written("story", "stories", sources, desk, rng)


def news(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields short news items, one in three from its facts as notes."""
    for example in written("news", "news", sources, desk, rng):
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
    return written("email", "emails", sources, desk, rng)


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
    ours = written("continue", "continue", sources, desk, rng)
    writer = ArticleWriter(sources)
    while True:
        example = next(ours, None) if rng.random() < 0.35 else None
        if example is None and sources.topics:
            topic = rng.choice(sources.topics)
            body = writer.body(topic, draw_brief(topic, writer.tables, rng), rng)
            if "## " in body or "\n- " in body or "\n1. " in body or repeated_run(body):
                continue
            edges = [match.end() for match in re.finditer("。", body)]
            edges = [edge for edge in edges if 40 <= edge <= len(body) - 40]
            if not edges:
                continue
            edge = rng.choice(edges)
            rest = body[edge:].lstrip("\n")
            example = desk.example(
                "continue",
                mostly(rng, "zh", "en", 0.04),
                rest[:260].rpartition("。")[0] + "。",
                text=body[:edge],
            )
        if example is None:
            return
        yield example
