"""Makes the prompts of evaluation, worded differently from training or on texts never seen.

Every record has `task`, `messages`, `start` (what the template begins the answer with) and what
the measurement needs: `topic`, `name`, `terms`, `length`, `text`, `test`, `message`, `form`.
"""

from random import Random

from gptwrite.starter import choose_facts, find_topic
from training.compose.brief import is_phrase, short_name
from training.compose.commits import changed_paths, conventional, cut_diff
from training.compose.example import Desk
from training.compose.names import known_names
from training.compose.sources import Sources
from training.compose.summaries import paragraphs_of
from training.prompts import render

TAUGHT, UNTAUGHT, SUMMARIES, CODE, COMMITS, POEMS = 60, 20, 50, 100, 50, 60
LENGTHS = (150, 200, 300, 400, 500)


def evaluation_files(sources: Sources, desk: Desk, seed: int) -> dict[str, list[dict]]:
    """Returns the records of every evaluation file by name."""
    makers = {
        "articles_noted": noted,
        "articles_taught": taught,
        "articles_untaught": untaught,
        "summaries": unseen_summaries,
        "code": reworded_code,
        "commits": unseen_commits,
        "poems": poem_forms,
    }
    return {
        name: make(sources, desk, Random(f"{seed}:evaluation:{name}"))
        for name, make in makers.items()
    }


def prompt_record(desk: Desk, task: str, language: str, notes: dict, **values) -> dict:
    """Returns a prompt with what the measurement needs to know."""
    messages, start = render(desk.prompts[task], language, **values)
    return {"task": task, "messages": messages, "start": start, **notes}


def taught(sources: Sources, desk: Desk, rng: Random) -> list[dict]:
    """Returns prompts on taught topics, one in three the bare name, the rest in unseen phrases."""
    frames = sources.patterns("articles")["held_out_titles"]
    topics = rng.sample(sources.topics, min(TAUGHT, len(sources.topics)))
    records = []
    for number, topic in enumerate(topics):
        name = short_name(topic)
        bare = number % 3 == 0 or is_phrase(topic.name)
        title = topic.name if bare else rng.choice(frames).format(name=name)
        length = rng.choice(LENGTHS)
        notes = {
            "topic": title,
            "name": name,
            "names": [topic.name, *topic.aliases],
            "terms": list(topic.terms),
            "length": length,
        }
        records.append(prompt_record(desk, "article", "zh", notes, topic=title, length=length))
    return records


def noted(sources: Sources, desk: Desk, rng: Random) -> list[dict]:
    """Returns the prompts on taught topics as the program sends them: with the notes it finds."""
    records = []
    for number, record in enumerate(taught(sources, desk, rng)):
        topic = find_topic(record["topic"])
        facts = choose_facts(topic, record["length"], Random(number)) if topic else []
        messages, _ = render(
            desk.prompts["article"],
            "zh",
            topic=record["topic"],
            text="\n".join(facts),
            length=record["length"],
        )
        records.append({**record, "messages": messages, "facts": facts})
    return records


def untaught(sources: Sources, desk: Desk, rng: Random) -> list[dict]:
    """Returns prompts on names that neither the knowledge nor the training holds."""
    known = known_names(sources)
    names = [name for name in sources.patterns("names")["held_out"] if name not in known]
    records = []
    for name in names[:UNTAUGHT]:
        core = name.removeprefix("如何").removeprefix("怎样")
        length = rng.choice(LENGTHS)
        notes = {"topic": name, "name": core, "length": length}
        records.append(prompt_record(desk, "article", "zh", notes, topic=name, length=length))
    return records


def unseen_summaries(sources: Sources, desk: Desk, rng: Random) -> list[dict]:
    """Returns prompts to summarize paragraphs of held-out records."""
    pieces = [
        piece
        for name in ("wiki_qa", "articles_lctt", "articles_taiwanmd", "docs_zh")
        for piece in paragraphs_of(sources.held_out(name), shortest=130)
    ]
    rng.shuffle(pieces)
    styles = ("paragraph", "paragraph", "bullets", "one-line")
    return [
        prompt_record(
            desk, "summary", "zh", {"text": piece, "style": style}, text=piece, style=style
        )
        for piece, style in zip(pieces[:SUMMARIES], styles * SUMMARIES, strict=False)
    ]


def reworded_code(sources: Sources, desk: Desk, rng: Random) -> list[dict]:
    """Returns requests in new words for taught functions, with the tests they must pass."""
    functions = {record["name"]: record for record in sources.functions}
    records = []
    for row in sources.tasks("code_eval"):
        function = functions.get(row["name"])
        if function:
            language = "en" if row["request"].isascii() else "zh"
            notes = {"name": row["name"], "test": function["test"], "topic": row["request"]}
            records.append(prompt_record(desk, "code", language, notes, topic=row["request"]))
    return records[:CODE]


def unseen_commits(sources: Sources, desk: Desk, rng: Random) -> list[dict]:
    """Returns held-out real diffs with the message that is right for them."""
    records = []
    for record in sources.held_out("commits"):
        message = conventional(record["summary"], changed_paths(record["text"]))
        if message:
            language = "en" if message.isascii() else "zh"
            kind = message.split(":")[0].split("(")[0]
            diff = cut_diff(record["text"])
            notes = {"message": message, "type": kind}
            records.append(prompt_record(desk, "commit-message", language, notes, text=diff))
    rng.shuffle(records)
    return records[:COMMITS]


def poem_forms(sources: Sources, desk: Desk, rng: Random) -> list[dict]:
    """Returns prompts for verse of exact forms on everyday themes."""
    themes = (
        "秋夜",
        "春雨",
        "故乡",
        "山中",
        "明月",
        "梅花",
        "送别友人",
        "江上",
        "雪后",
        "登楼",
        "远行",
        "读书",
        "夏荷",
        "晚归",
        "竹林",
    )
    forms = ("auto", "五绝", "五律", "七律")
    names = {"auto": "七绝"}
    return [
        prompt_record(
            desk,
            "poetry",
            "zh",
            {"form": names.get(form, form), "topic": theme},
            topic=theme,
            form=form,
        )
        for theme in themes
        for form in forms
    ][:POEMS]
