"""Makes summaries out of the sentences of a text: picks, shortens, keeps within a share of it."""

import re
from random import Random

from training.compose.repetition import bigrams

LARGEST_SHARE = 0.36  # of the characters of the text
DANGLING = re.compile(
    r"^(它|他|她|这|那|其|该|此|但|不过|然而|因此|所以|而|同时|此外|另外|例如|比如|如|并|也|还|则|后来|当时|后|之后|以上|下面|如果|是)"
)
FILLER = re.compile(
    r"^(此外|另外|同时|还有|除此之外|再者|例如|比如|举例来说|举个例子|其中|当然|总之|值得注意的是|需要说明的是|对普通人来说|落到实际)，"
)
TAIL = re.compile(
    r"^(并|也|还|同时|从而|使|让|其中|例如|比如|如|因此|所以|以及|包括|但|不过|然而|而|甚至|尤其|特别|因而|以便|以免|虽然|并且|而且)"
)


def split_sentences(text: str) -> list[str]:
    """Returns the sentences of a text, each with its closing mark, line breaks taken out."""
    flat = text.replace("\n", "")
    return [
        part.strip() for part in re.findall(r"[^。！？]+[。！？]+[”’》）]?", flat) if part.strip()
    ]


def shorten(sentence: str, longest: int) -> str | None:
    """Returns the sentence without a filler at its start and clauses at its end, or None if too long."""
    body = FILLER.sub("", sentence)
    clauses = re.split(r"(?<=[，；])", body)
    while len("".join(clauses)) > longest and len(clauses) > 1:
        if not (TAIL.match(clauses[-1]) or clauses[-2].endswith("；")):
            return None
        clauses.pop()
    kept = "".join(clauses).rstrip("，；")
    if not 8 <= len(kept) <= longest:
        return None
    return kept if kept[-1] in "。！？”’》）" else kept + "。"


def weigh(sentences: list[str]) -> list[float]:
    """Returns how much of the rest of the text each sentence shares, the first one favoured."""
    sets = [bigrams(sentence) for sentence in sentences]
    scores = []
    for place, own in enumerate(sets):
        rest = set().union(*(other for index, other in enumerate(sets) if index != place), set())
        shared = len(own & rest) / (len(own) or 1)
        scores.append(shared + (0.5 if place == 0 else 0.0))
    return scores


def summarize(text: str, style: str, rng: Random) -> str | None:
    """Returns a summary in the style "one-line", "paragraph" or "bullets", or None where none fits."""
    sentences = split_sentences(text)
    room = int(len(text) * LARGEST_SHARE)
    if len(sentences) < 3 or room < 20:
        return None
    scores = weigh(sentences)
    ranked = sorted(range(len(sentences)), key=lambda place: -scores[place])
    wanted = {"one-line": 1, "paragraph": 2, "bullets": 3}[style]
    chosen: dict[int, str] = {}
    for place in ranked:
        left = room - sum(map(len, chosen.values()))
        if len(chosen) == wanted:
            break
        if place and DANGLING.match(sentences[place]):
            continue
        most = left if style == "one-line" else min(left, int(room * 0.6))
        kept = shorten(sentences[place], most)
        if kept:
            chosen[place] = kept
    if len(chosen) < (1 if style == "one-line" else 2):
        return None
    kept = [chosen[place] for place in sorted(chosen)]
    if style == "bullets":
        return "\n".join("- " + line.rstrip("。") for line in kept)
    return "".join(kept)
