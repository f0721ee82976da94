"""Writes articles on taught topics from the facts of the knowledge."""

from collections import Counter
from collections.abc import Iterator
from random import Random

from training.compose.brief import Brief, draw_brief, field_group, is_phrase, short_name
from training.compose.example import Desk, Example, mostly
from training.compose.layout import Group, paragraphs, sections
from training.compose.repetition import repeated_run
from training.compose.sources import Sources, Topic
from training.compose.wording import Rewording

TITLE_CHARACTERS = 24  # prompts/article.yaml writes the title itself up to this length
KEPT_IN_PLACE = ("definition", "action", "outlook")  # told for sure when in focus, not earlier
SHORT_ARTICLE = 250  # characters; below this the wordings with key terms are preferred
WITH_NOTES = 0.72  # articles written from notes, as the program gives them to the built-in model
HARD_GROUPS = ("technology", "science", "society")


class ArticleWriter:
    """The tables an article is written with; the topics are there for related ones."""

    def __init__(self, sources: Sources):
        self.tables = sources.patterns("articles")
        self.rewording = Rewording(sources.patterns("synonyms"))
        self.topics = sources.topics
        self.relatives = find_relatives(self.topics)
        self.shared_names = shared_names(self.topics)
        self.last_picked: list[str] = []

    def pick(self, topic: Topic, brief: Brief, rng: Random) -> list[tuple[str, str]]:
        """Returns (role, sentence) of the facts to tell, each in one wording, to about the length."""
        first = topic.facts["definition"][0]
        others = [
            (role, fact)
            for role, facts in topic.facts.items()
            for fact in facts
            if fact is not first
        ]
        rng.shuffle(others)
        others.sort(key=lambda item: item[0] not in brief.focus)
        room = brief.length * rng.uniform(0.9, 1.02) - 22
        naming = [wording for wording in first if brief.name in wording]
        chosen = [("definition", rng.choice(naming or first))]
        room -= len(chosen[0][1])
        for role, fact in others:
            wording = rng.choice(fact)
            if brief.length <= SHORT_ARTICLE and rng.random() < 0.7:
                wording = max(fact, key=lambda line: sum(term in line for term in topic.terms))
            if len(wording) > room + 12:
                continue
            chosen.append((role, wording))
            room -= len(wording) + 2
            if room < 14:
                break
        chosen[1:] = sorted(chosen[1:], key=lambda item: sentence_place(topic, *item))
        picked = [
            (role, self.rewording.vary(sentence, topic.terms, brief.tone, rng))
            for role, sentence in chosen
        ]
        self.last_picked += [sentence for _, sentence in picked]
        return picked

    def groups(self, chosen: list[tuple[str, str]], focus: tuple, rng: Random) -> list[Group]:
        """Returns the sentences by role, the roles in one of the sensible orders."""
        order = list(rng.choice(self.tables["orders"]))
        front = [role for role in focus if role not in KEPT_IN_PLACE]
        order = ["definition", *front, *(r for r in order if r not in ("definition", *front))]
        found = []
        for role in order:
            sentences = [sentence for kind, sentence in chosen if kind == role]
            if sentences:
                found.append(Group(role, sentences))
        return found

    def opening(self, topic: Topic, brief: Brief, rng: Random) -> str:
        """Returns the sentence before the definition, often none."""
        if brief.opener:
            return brief.opener
        if brief.audience and rng.random() < 0.9:
            return rng.choice(self.tables["audience_openers"][brief.audience]).format(
                name=brief.name
            )
        chance = {"neutral": 0.3, "formal": 0.45}.get(brief.tone, 0.7)
        if rng.random() < chance:
            return rng.choice(self.lines("openers", topic, brief)).format(name=brief.name)
        return ""

    def lines(self, table: str, topic: Topic, brief: Brief) -> list[str]:
        """Returns the openers or endings of the tone; some are only for topics that take thought."""
        lines = self.tables[table][brief.tone]
        if field_group(topic.field, self.tables) in HARD_GROUPS:
            lines = lines + self.tables[f"hard_{table}"].get(brief.tone, [])
        return lines

    def ending(self, topic: Topic, brief: Brief, rng: Random) -> str:
        """Returns the last sentence, often none."""
        if brief.audience and rng.random() < 0.7:
            return rng.choice(self.tables["audience_endings"][brief.audience]).format(
                name=brief.name
            )
        chance = {"neutral": 0.35, "formal": 0.5}.get(brief.tone, 0.6)
        if rng.random() < chance:
            return rng.choice(self.lines("endings", topic, brief)).format(name=brief.name)
        return ""

    def body(self, topic: Topic, brief: Brief, rng: Random) -> str:
        """Returns the text below the title."""
        self.last_picked = []
        opening, ending = self.opening(topic, brief, rng), self.ending(topic, brief, rng)
        chosen = self.pick(topic, brief, rng)
        if not opening and brief.name not in chosen[0][1]:
            opening = rng.choice(self.lines("openers", topic, brief)).format(name=brief.name)
        groups = self.groups(chosen, brief.focus, rng)
        listed = ""
        if brief.length >= 300 and rng.random() < 0.22:
            listed = rng.choice(
                ["action", "mechanism", "example", "impact", "background", "action"]
            )
        if brief.length >= 300 and rng.random() < 0.42:
            noun = not is_phrase(topic.name) and brief.name == topic.name
            blocks = sections(groups, brief.name, noun, brief.title, self.tables, rng, listed)
        elif brief.length <= 220 and rng.random() < 0.7:
            blocks = ["".join(paragraphs([group], self.tables, rng)[0] for group in groups)]
        else:
            blocks = paragraphs(groups, self.tables, rng, listed)
        blocks += self.related(topic, brief, blocks, rng)
        if opening:
            blocks[0] = opening + blocks[0]
        if ending:
            last_is_list = blocks[-1].startswith(("- ", "1. "))
            if last_is_list or rng.random() < 0.4:
                blocks.append(ending)
            else:
                blocks[-1] += ending
        return "\n\n".join(blocks)

    def with_notes(self, topic: Topic, brief: Brief, rng: Random) -> tuple[str, str]:
        """Returns (notes, body): the facts one a line in their order, and the article on them.

        The program hands the built-in model such notes on the topics it knows.  Making an article
        of given sentences is learnt from far fewer examples than the facts themselves.
        """
        body = self.body(topic, brief, rng)
        told = {line: body.find(line[:-1]) for line in self.last_picked}
        told = sorted((line for line in told if told[line] >= 0), key=lambda line: told[line])
        if rng.random() < 0.1:
            rng.shuffle(told)
        return "\n".join(told), body

    def related(self, topic: Topic, brief: Brief, blocks: list[str], rng: Random) -> list[str]:
        """Returns a part on a related topic where the facts do not fill the length asked for."""
        missing = brief.length - sum(map(len, blocks)) - 40
        relatives = self.relatives.get(topic.name, [])
        if missing < 90 or not relatives:
            return []
        other = rng.choice(relatives)
        name = short_name(other)
        part = Brief(name, name, (), min(missing, 220), brief.tone, "")
        text = "".join(sentence for _, sentence in self.pick(other, part, rng))
        if any(block.startswith("## ") for block in blocks):
            return ["## " + rng.choice(self.tables["related_heading"]).format(other=name), text]
        return [rng.choice(self.tables["related"]).format(name=brief.name, other=name) + text]

    def pair(self, first: Topic, second: Topic, length: int, tone: str, rng: Random):
        """Returns (title, body) of an article over two related topics."""
        names = {"name": short_name(first), "other": short_name(second)}
        rows = self.tables["pairs"]
        halves = []
        for topic in (first, second):
            part = Brief("", short_name(topic), (), length // 2, tone, "")
            groups = self.groups(self.pick(topic, part, rng), (), rng)
            halves.append(paragraphs(groups, self.tables, rng))
        opener = rng.choice(rows["openers"]).format(**names)
        if rng.random() < 0.3:
            halves[0].insert(0, f"## {names['name']}")
            halves[1].insert(0, f"## {names['other']}")
            halves[0].insert(0, opener)
        else:
            halves[0][0] = opener + halves[0][0]
            halves[1][0] = rng.choice(rows["turns"]).format(**names) + halves[1][0]
        blocks = halves[0] + halves[1]
        if rng.random() < 0.7:
            blocks.append(rng.choice(rows["endings"]).format(**names))
        return rng.choice(rows["titles"]).format(**names), "\n\n".join(blocks)


def sentence_place(topic: Topic, role: str, sentence: str) -> int:
    """Returns the place of a sentence among the facts of its role."""
    for place, fact in enumerate(topic.facts[role]):
        if sentence in fact:
            return place
    return 0


def find_relatives(topics: list[Topic]) -> dict[str, list[Topic]]:
    """Returns for each topic those of its field that its facts or terms touch."""
    texts = {topic.name: "".join(topic.sentences()) for topic in topics}
    found = {}
    for topic in topics:
        near = [
            other
            for other in topics
            if other is not topic
            and other.field == topic.field
            and (
                short_name(other) in texts[topic.name]
                or topic.name in texts[other.name]
                or len(set(other.terms) & set(topic.terms)) >= 2
            )
        ]
        found[topic.name] = near
    return found


def shared_names(topics: list[Topic]) -> set[str]:
    """Returns the names and aliases that more than one topic has."""
    counts = Counter(name for topic in topics for name in {topic.name, *topic.aliases})
    return {name for name, count in counts.items() if count > 1}


def is_clean(example: Example, length: int) -> bool:
    """Returns whether an article is fit to learn from: nothing comes twice, length roughly as asked."""
    body = example.answer
    return repeated_run(body) is None and len(body) <= length * 1.25 + 40


def articles(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields articles for ever, the topics in a new order each round."""
    writer = ArticleWriter(sources)
    topics = list(sources.topics)
    while topics:
        rng.shuffle(topics)
        for topic in topics:
            for _ in range(6):
                example, length = draw_article(writer, topic, desk, rng)
                if is_clean(example, length):
                    yield example
                    break


def draw_article(
    writer: ArticleWriter, topic: Topic, desk: Desk, rng: Random
) -> tuple[Example, int]:
    """Returns one article as an example and the length that was asked for."""
    brief = draw_brief(topic, writer.tables, rng, writer.shared_names)
    relatives = writer.relatives[topic.name]
    title, text, audience = brief.title, "", brief.audience
    if relatives and rng.random() < 0.05:
        other = rng.choice(relatives)
        length = max(brief.length, 300)
        title, body = writer.pair(topic, other, length, brief.tone, rng)
        audience = ""
    else:
        length = brief.length
        body = writer.body(topic, brief, rng)
        if rng.random() < WITH_NOTES:
            text, body = writer.with_notes(topic, brief, rng)
        elif rng.random() < 0.1:
            text = material(topic, body, rng)
    if len(title) > TITLE_CHARACTERS and rng.random() < 0.6:
        body = f"# {topic.name}\n\n{body}"
    example = desk.example(
        "article",
        mostly(rng, "zh", "en", 0.04),
        body,
        topic=title,
        text=text,
        length=length,
        tone=brief.tone,
        audience=audience,
        notes={"name": topic.name, "terms": list(topic.terms)},
    )
    return example, length


def material(topic: Topic, body: str, rng: Random) -> str:
    """Returns notes as a user might paste them: facts that the article tells, one a line."""
    told = [sentence for sentence in topic.sentences() if sentence in body]
    rng.shuffle(told)
    return "\n".join(told[: rng.choice([2, 3, 4, 5])])
