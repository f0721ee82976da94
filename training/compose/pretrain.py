"""Gathers the documents of pre-training: our own corpus and open text, a share per kind."""

from collections.abc import Callable, Iterator
from random import Random

from training.compose.commits import cut_diff
from training.compose.sources import ROLES, Sources, pick_field

PRETRAIN_CHARACTERS = 9_000_000
LONGEST_DOCUMENT = 1500  # characters
SHORTEST_DOCUMENT = 20
HELD_OUT_DOCUMENTS = 150
TASK_FILES = (
    "summaries", "polish", "dialogue", "identity", "qa", "emails", "news", "outlines", "stories",
    "titles", "translate", "continue", "verse", "diffs", "review",
)  # fmt: skip


def plain(record: dict) -> str:
    """Returns title and text."""
    title = record.get("title", "")
    return f"# {title}\n\n{record['text']}" if title else record["text"]


def untitled(record: dict) -> str:
    """Returns the text alone."""
    return record["text"]


def with_questions(record: dict) -> str:
    """Returns an encyclopedia paragraph with its questions and answers."""
    pairs = [f"问：{question}\n答：{answer}" for question, answer in record.get("qa", [])[:2]]
    return "\n".join([f"# {record['title']}\n\n{record['text'][:1200]}", *pairs])


def verse(record: dict) -> str:
    """Returns a poem under its title and author."""
    return f"《{record['title']}》 {record['dynasty']} {record['author']}\n{record['text']}"


def explained_code(record: dict) -> str:
    """Returns code below what it does."""
    request = record.get("request", "").strip()
    return f"# {record['title']}\n{request}\n\n{record['text']}" if request else record["text"]


def commit(record: dict) -> str:
    """Returns a diff with its subject."""
    return f"{cut_diff(record['text'], LONGEST_DOCUMENT - 100)}\n\n{record['summary']}"


KINDS: dict[str, tuple[float, tuple[str, ...], Callable[[dict], str]]] = {
    "articles": (0.28, ("articles_lctt", "articles_taiwanmd"), plain),
    "papers": (0.02, ("titles_csl",), plain),
    "docs": (0.15, ("docs_zh",), plain),
    "wiki": (0.12, ("wiki_qa",), with_questions),
    "stories": (0.12, ("stories",), untitled),
    "poems": (0.08, ("poems",), verse),
    "code": (0.10, ("code_zh",), explained_code),
    "commits": (0.05, ("commits",), commit),
    "laws": (0.02, ("laws",), plain),
    "dialogue": (0.04, ("dialogue",), untitled),
}


def cut(text: str, longest: int = LONGEST_DOCUMENT) -> Iterator[str]:
    """Yields pieces of a text of at most `longest` characters, cut at line ends (else anywhere)."""
    piece = ""
    for line in text.split("\n"):
        if piece and len(piece) + len(line) + 1 > longest:
            yield piece
            piece = ""
        rest = line
        while len(rest) > longest:
            end = rest.rfind("。", 0, longest) + 1 or longest
            yield rest[:end]
            rest = rest[end:]
        piece = f"{piece}\n{rest}" if piece else rest
    if piece:
        yield piece


def documents_of(records: list[dict], tell: Callable[[dict], str]) -> Iterator[str]:
    """Yields the documents of records, the very short ones left out."""
    for record in records:
        for piece in cut(tell(record).strip()):
            if len(piece) >= SHORTEST_DOCUMENT:
                yield piece


def own_documents(sources: Sources, rng: Random) -> list[str]:
    """Returns our own corpus as plain text: every wording, every function, every written text."""
    found = []
    for topic in sources.topics:
        for place in (0, 1):
            facts = [fact for role in ROLES for fact in topic.facts[role]]
            rng.shuffle(facts)
            lines = [fact[(place + number) % len(fact)] for number, fact in enumerate(facts)]
            found.append(f"# {topic.name}\n\n" + "".join(lines))
    for record in sources.functions:
        wording = rng.choice(record["zh"] + record["en"])
        found.append(f"# {wording}\n{record['code']}\n{record['explain']['zh']}")
    for name in TASK_FILES:
        for record in sources.tasks(name):
            values = [pick_field(record, key) for key in record]
            found.append("\n\n".join(value for value in values if len(value) > 4))
    return [text for text in found if text]


def pretrain_documents(sources: Sources, seed: int, scale: float) -> list[dict]:
    """Returns all documents of pre-training, shuffled: {"kind", "text"}."""
    chosen = []
    for kind, (share, files, tell) in KINDS.items():
        rng = Random(f"{seed}:pretrain:{kind}")
        room = share * PRETRAIN_CHARACTERS * scale
        records = [record for name in files for record in sources.open_text(name)]
        rng.shuffle(records)
        for text in documents_of(records, tell):
            if room <= 0:
                break
            chosen.append({"kind": kind, "text": text})
            room -= len(text)
    rng = Random(f"{seed}:pretrain:own")
    chosen += [{"kind": "own", "text": text} for text in own_documents(sources, rng)]
    rng.shuffle(chosen)
    return chosen


def heldout_documents(sources: Sources, seed: int) -> list[dict]:
    """Returns documents of the records that are never trained on, up to 150 a kind."""
    chosen = []
    for kind, (_, files, tell) in KINDS.items():
        rng = Random(f"{seed}:heldout:{kind}")
        records = [record for name in files for record in sources.held_out(name)]
        texts = list(documents_of(records, tell))
        rng.shuffle(texts)
        chosen += [{"kind": kind, "text": text} for text in texts[:HELD_OUT_DOCUMENTS]]
    return chosen
