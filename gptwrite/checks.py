"""What the built-in model's texts are held to, one check a kind of text.

Each reads a sentence with what stands before it and says whether it may stand. None of them knows
the model: they compare characters, with the notes, the given text, or the word that was asked for.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set

from gptwrite import splitting
from gptwrite.redraft import Check, repeats

LINK_CHARACTERS = 40  # of a sentence that only leads from one fact to the next
BARE_LINK_CHARACTERS = 14  # of one that does not name the topic
AUDIENCES = re.compile("小朋友|同学|孩子们|老年朋友|家长|老师|程序员|上班族|游客|大学生")
LONGEST_SENTENCE = 120  # characters: what has not ended by then does not end
LIST = re.compile(r"^(?:-|\d+\.)|：$")
LEAD_CHARACTERS = 12  # of a clause that leads to a fact
SUMMARY_SHARE = 0.4  # of the text's length
KEPT, LONGER = 0.75, 1.4  # share of the pairs that a text written anew keeps, and its length
NEGATION = re.compile(r"[不没未无非别勿]|\b(?:not|no|never|cannot)\b|n't\b", re.IGNORECASE)
NUMERAL = re.compile(r"[0-9]+|[一二三四五六七八九十百千万亿两]+")
LEAST_SUMMARY = 40  # characters that a summary may have in any case
SUPPORTED = 0.9  # share of the pairs of a clause of a summary that one sentence of the text has
WRAPPED = 20  # characters from which on a line without an end goes on in the next
# What a heading, or a clause that leads to a fact, says of the fact that follows.
ROLE_WORDS = {
    "definition": "概念|介绍|印象|概述|认识|什么",
    "background": "由来|历史|来历|过去|发展|背景|追溯|往回看",
    "mechanism": "特点|关键|道理|具体来看|门道|进一步|细看|深处|仔细观察",
    "example": "例|^身边的",
    "impact": "意义|影响|作用|重要|价值|与生活|更大的范围",
    "misconception": "误|弄错|澄清|需要说明|值得注意",
    "action": "怎么做|怎样做|建议|做起|做什么|怎样对待|与我们|普通人|落到实际|行动|实用",
    "outlook": "展望|未来|以后|今后|往前看",
}


def python() -> Check:
    """Return the check of a program: Python can read it. The last draw stands in any case."""

    def allows(before: str, unit: str) -> bool:
        return parses(before.partition("```python\n")[2] + unit)

    return Check(allows, lambda _, unit: unit, is_whole=True)


def parses(code: str) -> bool:
    """Say whether Python can read `code`."""
    try:
        ast.parse(code)
    except (SyntaxError, ValueError):
        return False
    return True


def pairs(text: str) -> list[str]:
    """Return the pairs of neighbouring characters of `text`, punctuation left out."""
    return ["".join(pair) for pair in itertools.pairwise(c for c in text if c.isalnum())]


def share(part: str, known: set[str]) -> float:
    """Return the share of the pairs of `part` that are known (0 to 1)."""
    own = pairs(part)
    return sum(pair in known for pair in own) / len(own) if own else 1.0


def body_of(article: str) -> str:
    """Return the text below the title."""
    return article.split("\n", 1)[-1].strip() if article.startswith("# ") else article.strip()


def clauses(text: str) -> list[str]:
    """Return the parts of `text` between its marks."""
    return [part.strip() for part in re.split(r"[，。；：！？\n]", text) if part.strip()]


def is_plain(part: str, names: Iterable[str], plain: Set[str]) -> bool:
    """Say whether `part` without the topic's names is made of plain pairs: it claims nothing."""
    rest = re.split(
        "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)), part
    )
    return all(pair in plain for piece in rest for pair in pairs(piece))


class Notes:
    """Facts, one a line, with their roles where these are known; the topic has one name or more."""

    def __init__(
        self,
        names: Sequence[str],
        notes: str,
        roles: Mapping[str, str],
        plain: Set[str],
        audience: str,
    ) -> None:
        self._names, self._roles, self._plain, self._audience = names, roles, plain, audience
        self.facts = [line for line in notes.splitlines() if line.strip()]
        self._clauses = set(clauses(notes))

    def allows(self, before: str, unit: str) -> bool:
        """Say whether a sentence is made of facts to the letter, or a link that claims nothing.

        A fact may follow a clause that leads to it; every other clause must stand in the notes.
        What comes below a heading must be of its kind. The first sentence names the topic, and the
        first fact is what it is.
        """
        body = body_of(before)
        if not body and not any(name in unit for name in self._names):
            return False
        if LIST.search(unit.strip()):  # the model announces lists that it does not write
            return False
        lines = before.rstrip().rsplit("\n", 1)
        heading = lines[-1] if lines[-1].startswith("## ") else ""
        has_told = any(clause in self._clauses for clause in clauses(body))
        for part in unit.strip().split("；"):
            first, *others = clauses(part) or [""]
            told = first in self._clauses
            if others and all(other in self._clauses for other in others):
                if not (told or self._is_link(first, LEAD_CHARACTERS)):
                    return False
            elif not told or others:
                if not (self._is_link(part) and self._suits(part, self._next(before))):
                    return False
                continue
            fact = self._like(part)
            words = heading + ("" if told else first)
            if words and not self._suits(words, fact):
                return False
            if not has_told and self._roles.get(fact or "", "definition") != "definition":
                return False
        return True

    def allows_heading(self, before: str, heading: str) -> bool:
        """Say whether a heading suits the fact that is to come below it."""
        claims_nothing = is_plain(heading, self._names, self._plain)
        return claims_nothing and self._suits(heading, self._next(before))

    def instead(self, before: str, unit: str) -> str | None:
        """Return the unused fact that `unit` was most like, first of all what the topic is.

        None when all are told.
        """
        unused = self._unused(before)
        if len(unused) == len(self.facts):
            return unused[0] if unused else None
        own = set(pairs(unit))
        return max(unused, key=lambda fact: share(fact, own)) if unused else None

    def _is_link(self, part: str, most: int = 0) -> bool:
        is_named = any(name in part for name in self._names)
        most = most or (LINK_CHARACTERS if is_named else BARE_LINK_CHARACTERS)
        addresses = AUDIENCES.search(part) and not self._audience
        turns_round = any(part.count(name) > 1 for name in self._names)
        fits = len(part) <= most and not addresses and not turns_round
        return fits and is_plain(part, self._names, self._plain)

    def _suits(self, words: str, fact: str | None) -> bool:
        role = self._roles.get(fact or "")
        told = {name for name, pattern in ROLE_WORDS.items() if re.search(pattern, words)}
        return role is None or not told or role in told

    def _like(self, part: str) -> str | None:
        own = set(pairs(part))
        return max(self.facts, key=lambda fact: share(fact, own), default=None)

    def _unused(self, before: str) -> list[str]:
        return [
            fact
            for fact in self.facts
            if fact.rstrip("。") not in before and not repeats(before, fact)
        ]

    def _next(self, before: str) -> str | None:
        return next(iter(self._unused(before)), None)


def noted(
    names: Sequence[str],
    text: str,
    roles: Mapping[str, str],
    plain: Set[str],
    audience: str = "",
) -> Check:
    """Return the check of an article from notes. A fact that fails too often comes as it is."""
    notes = Notes(names, text, roles, plain, audience)
    return Check(
        notes.allows, notes.instead, longest=LONGEST_SENTENCE, allows_heading=notes.allows_heading
    )


def on_the_word(topic: str, plain: Set[str]) -> Check:
    """Return the check of an article without notes: it names its topic, and claims nothing of it."""

    def allows(before: str, unit: str) -> bool:
        has_begun = bool(body_of(before))
        return (has_begun or topic in unit) and is_plain(unit, (topic,), plain)

    return Check(
        allows,
        longest=LONGEST_SENTENCE,
        allows_heading=lambda _, heading: is_plain(heading, (topic,), plain),
    )


def kept(text: str) -> Check:
    """Return the check of a text written anew: it keeps every sentence, number and negation.

    Else the text stands as it was.
    """
    own = set(pairs(text))

    def allows(_before: str, unit: str) -> bool:
        new = set(pairs(unit))
        is_as_long = 1 / LONGER <= len(unit.strip()) / max(1, len(text.strip())) <= LONGER
        return (
            is_as_long
            and share(unit, own) >= KEPT
            and all(share(sentence, new) >= KEPT for sentence in sentences(text))
            and all(
                sorted(pattern.findall(unit)) == sorted(pattern.findall(text))
                for pattern in (NUMERAL, NEGATION)
            )
        )

    return Check(allows, lambda _before, _unit: text, is_whole=True)


def unwrapped(text: str) -> str:
    """Return `text` with the lines joined that were only broken to fit a width."""
    lines: list[str] = []
    for line in text.split("\n"):
        before = lines[-1] if lines else ""
        goes_on = len(before) >= WRAPPED and not re.search(
            r"[。！？.!?：:”’」』]\s*$|^\s*[#\-*>|]", before
        )
        if goes_on and re.match(r"\s*\w", line) and not re.match(r"\s*\d+\.", line):
            is_latin = before[-1].isascii() and line.lstrip()[0].isascii()
            lines[-1] = before.rstrip() + (" " if is_latin else "") + line.lstrip()
        else:
            lines.append(line)
    return "\n".join(lines)


def sentences(text: str) -> list[str]:
    """Return the sentences and the list items of `text`; headings are left out."""
    lines = (line.strip() for line in unwrapped(text).split("\n"))
    return [s for line in lines if not line.startswith("#") for s in splitting.sentences(line)]


def central_sentence(text: str, most: int) -> str | None:
    """Return the whole sentence, of 8 to `most` characters, that has most in common with the others.

    Counted by the pairs of characters that come elsewhere too, a pair of it on average.
    """
    count = Counter(pairs(text))
    fitting = [
        s
        for s in sentences(text)
        if 8 < len(s) <= most and re.search(r"[。！？.!?][”’」』）)]*$", s)
    ]

    def weight(sentence: str) -> float:
        own = pairs(sentence)
        return sum(count[pair] - 1 for pair in own) / len(own) if own else 0.0

    return max(fitting, key=weight, default=None)


def backed(text: str, length: int = 0) -> Check:
    """Return the check of a summary: shorter than the text, and said by it.

    A sentence must be said by one sentence: what two say, put together, may be true of neither.
    `length` is that of the text that `text` was condensed from, in characters.
    """
    known = [
        [(set(pairs(part)), NEGATION.findall(part)) for part in clauses(sentence)]
        for sentence in sentences(text)
    ]
    numerals = set(NUMERAL.findall(text))
    length = length or len(text)
    most = min(length, max(LEAST_SUMMARY, round(SUMMARY_SHARE * length)))

    def is_said(part: str, sentence: list[tuple[set[str], list[str]]]) -> bool:
        if not sentence:
            return False
        own = set().union(*(found for found, _ in sentence))
        about = set(pairs(part)[:1])  # a wrong name at the beginning weighs more than its share
        # A clause without its "not" says the contrary.
        _, negations = max(sentence, key=lambda clause: share(part, clause[0]))
        is_as_said = NEGATION.findall(part) == negations
        return is_as_said and about <= own and share(part, own) >= SUPPORTED

    def allows(before: str, unit: str) -> bool:
        parts = clauses(unit)
        told = [*clauses(before), *parts]
        fits = len(before) + len(unit) <= most and len(set(told)) == len(told)
        fits = fits and numerals.issuperset(NUMERAL.findall(unit))
        return fits and any(all(is_said(part, said) for part in parts) for said in known)

    def instead(before: str, _: str) -> str | None:
        if before.strip():
            return None
        return central_sentence(text, most) or next(iter(clauses(text)), "")[:most] or None

    return Check(allows, instead, allows_heading=lambda _before, _heading: False)
