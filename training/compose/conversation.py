"""Makes examples of free questions and of translation: who the assistant is, facts, small talk."""

from collections.abc import Iterator
from random import Random

from training.compose.brief import short_name
from training.compose.example import Desk, Example, mostly
from training.compose.names import read_names
from training.compose.sources import Sources, pick_field
from training.compose.wording import Rewording

JOINED_SHARE = 0.3  # of translations are of two sentences


def ask(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields questions and answers for ever."""
    identity = sources.tasks("identity")
    written = [*sources.tasks("qa"), *sources.tasks("dialogue")]
    passages = [
        (record["text"], question, answer)
        for record in sources.open_text("wiki_qa")
        if len(record["text"]) <= 400
        for question, answer in record["qa"]
    ]
    questions = sources.patterns("questions")
    rewording = Rewording(sources.patterns("synonyms"))
    names = [name for pool in read_names(sources).values() for name in pool if name.kind == "word"]
    while identity or written or sources.topics:
        kind = rng.random()
        if kind < 0.3 and identity:
            yield question_example(desk, rng.choice(identity), rng)
        elif kind < 0.5 and written:
            yield question_example(desk, rng.choice(written), rng)
        elif kind < 0.6 and passages:
            text, question, answer = rng.choice(passages)
            yield desk.example("ask", "zh", answer.rstrip("。") + "。", topic=question, text=text)
        elif kind < 0.9 and sources.topics:
            yield fact_question(sources, questions, rewording, desk, rng)
        elif names:
            name = rng.choice(names).core
            question = rng.choice(questions["unknown"]["ask"]).format(name=name)
            answer = rng.choice(questions["unknown"]["answer"]).format(name=name)
            yield desk.example("ask", "zh", answer, topic=question)


def question_example(desk: Desk, record: dict, rng: Random) -> Example:
    """Returns a written question and answer; a dialogue becomes a chat up to one of its answers."""
    if record.get("turns"):
        chat = [
            {"role": ("user", "assistant")[place % 2], "content": turn.split("：", 1)[-1]}
            for place, turn in enumerate(record["turns"])
        ]
        last = rng.randrange(1, len(chat), 2)
        opening = desk.example("ask", "zh", "", topic=chat[0]["content"]).messages
        return Example("ask", [*opening, *chat[1:last]], chat[last]["content"])
    question, answer = record["question"], record["answer"]
    return desk.example("ask", "en" if question.isascii() else "zh", answer, topic=question)


def fact_question(sources: Sources, questions: dict, rewording: Rewording, desk: Desk, rng: Random):
    """Returns a question on a taught topic, answered with the facts of one role."""
    topic = rng.choice(sources.topics)
    role = rng.choice(["definition", "definition", *topic.facts])
    facts = topic.facts[role] or topic.facts["definition"]
    lines = [rewording.vary(rng.choice(fact), topic.terms, "any", rng) for fact in facts[:2]]
    question = rng.choice(questions[role]).format(name=short_name(topic))
    return desk.example("ask", mostly(rng, "zh", "en", 0.03), "".join(lines), topic=question)


def translate(sources: Sources, desk: Desk, rng: Random) -> Iterator[Example]:
    """Yields translations between Chinese and English, both ways, for ever."""
    records = [
        (pick_field(record, "zh", "chinese"), pick_field(record, "en", "english"))
        for record in sources.tasks("translate")
    ]
    records = [(chinese, english) for chinese, english in records if chinese and english]
    while records:
        chinese, english = rng.choice(records)
        if rng.random() < JOINED_SHARE:
            more = rng.choice(records)
            chinese, english = chinese + more[0], f"{english} {more[1]}"
        if rng.random() < 0.6:
            to = {"to": "英文"} if rng.random() < 0.2 else {}
            yield desk.example("translate", "zh", english, text=chinese, **to)
        else:
            to = {"to": "Chinese"} if rng.random() < 0.2 else {}
            yield desk.example("translate", "en", chinese, text=english, **to)
