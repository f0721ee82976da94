"""Cuts a long text into chunks of so many tokens, where a reader would pause.

The chunks in order are the text, character for character. Only the piece of text at hand is ever
tokenized, so time grows with the length of the text and memory does not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Count = Callable[[str], int]

AHEAD = 80  # characters past the window that a pattern may look at
NUMBER = "0-9０-９零〇一二三四五六七八九十百千两"
SENTENCE = (
    r"[。！？…]+[”’」』】）》\"')\]]*[ \t\u3000]*(?P<cut>)(?![。！？…”’」』】）》])|"
    r"(?P<stop>[.!?]+)[\"'”’)\]]*[ \t]+(?P<cut2>)(?![a-z])"
)
SENTENCE_END = re.compile(SENTENCE)
# A boundary, and how full at least a chunk that ends there should be. The first kind that is found
# wins, at its last place. The named group says where to cut.
BOUNDARIES: tuple[tuple[re.Pattern[str], float], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), least)
    for pattern, least in (
        # a chapter begins
        (rf"\f(?P<cut>)|^(?P<cut2>)(?:\#{{1,2}} |[ \t\u3000]*第[{NUMBER}]+[章卷部篇回集]|"
         r"[ \t]*(?:CHAPTER|Chapter|PART|Part|BOOK|Book)\s+(?:[0-9]+|[IVXLC]+|[A-Z][A-Za-z]+)\b)", 0.4),
        # a heading
        (rf"^(?P<cut>)(?:\#{{3,6}} |[ \t\u3000]*第[{NUMBER}]+[节条]|[一二三四五六七八九十]+、)", 0.4),
        # a paragraph ends
        (r"\n[ \t\r\u3000]*\n\s*?(?P<cut>)(?=[ \t\u3000]*\S)", 0.5),
        # a line ends with a sentence
        (r"[。！？…：.!?:][”’」』】）》\"')\]]*[ \t\r]*\n(?P<cut>)", 0.5),
        # a sentence ends
        (SENTENCE, 0.6),
        # a line, a clause, a word ends
        (r"\n(?P<cut>)", 0.6),
        (r"[，；、：,;:][ \t]*(?P<cut>)", 0.75),
        (r"[ \t\u3000]+(?P<cut>)(?=\S)", 0.75),
    )
)  # fmt: skip
ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“‘])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|cf|e\.g|i\.e|Fig|fig|No|no|Vol|pp?)$"
)


@dataclass(frozen=True)
class Chunk:
    """The characters from `start` to `end` of a text, which are `tokens` tokens."""

    index: int
    start: int
    end: int
    text: str
    tokens: int


def split(text: str, limit: int, count: Count) -> Iterator[Chunk]:
    """Yield the chunks of `text`, none of more than `limit` tokens by `count`.

    A single character of more tokens than the limit is a chunk by itself.
    """
    start = index = 0
    per_token = 1.0  # characters; measured from the first piece on
    while start < len(text):
        end, per_token = _reach(text, start, limit, count, per_token)
        if end < len(text):
            end = best_cut(text, start, end)
        piece = text[start:end]
        tokens = count(piece)
        while tokens > limit and len(piece) > 1:
            # The beginning of a text can have more tokens than the whole, in rare vocabularies.
            end = whole_character(text, start, start + len(piece) * 9 // 10)
            piece = text[start:end]
            tokens = count(piece)
        yield Chunk(index, start, end, piece, tokens)
        start, index = end, index + 1


def _reach(text: str, start: int, limit: int, count: Count, per_token: float) -> tuple[int, float]:
    """Return about how far `limit` tokens reach from `start`, and characters per token there."""
    left = len(text) - start
    size = min(left, max(1, int(limit * per_token)))
    fits = 0
    for _ in range(8):
        tokens = max(1, count(text[start : start + size]))
        per_token = size / tokens
        if tokens <= limit:
            fits = max(fits, size)
            if size == left or tokens >= limit * 0.9:
                break
            wanted = min(left, int(limit * per_token * 0.98))
            if wanted <= size:
                break
        else:
            wanted = max(1, min(size - 1, int(limit * per_token * 0.97)))
            if size == 1:
                break
        size = wanted
        if fits and size <= fits:
            break
    while not fits:
        size = max(1, size // 2)
        if size == 1 or count(text[start : start + size]) <= limit:
            fits = size
    return start + fits, per_token


def best_cut(text: str, start: int, end: int) -> int:
    """Return where best to end a chunk that begins at `start` and may reach to `end`."""
    for pattern, least in BOUNDARIES:
        low = start + max(1, int((end - start) * least))
        best = 0
        for match in pattern.finditer(text, low - 1, min(len(text), end + AHEAD)):
            cut = _cut_of(match)
            if cut > end:
                break
            if cut >= low and is_boundary(text, cut) and not _is_abbreviated(text, match):
                best = cut
        if best:
            return best
    return whole_character(text, start, end)


def sentences(line: str) -> Iterator[str]:
    """Yield the sentences of a text without line breaks, each with its marks, none blank."""
    start = 0
    for match in SENTENCE_END.finditer(line):
        if not _is_abbreviated(line, match):
            cut = _cut_of(match)
            yield line[start:cut].strip()
            start = cut
    if rest := line[start:].strip():
        yield rest


def _cut_of(match: re.Match[str]) -> int:
    groups = match.re.groupindex
    at = match.start("cut")
    return match.start("cut2") if at < 0 and "cut2" in groups else at


def _is_abbreviated(text: str, match: re.Match[str]) -> bool:
    if "stop" not in match.re.groupindex or match.start("stop") < 0:
        return False
    at = match.start("stop")
    return match.group("stop") == "." and bool(ABBREVIATION.search(text, max(0, at - 8), at))


def whole_character(text: str, start: int, cut: int) -> int:
    """Return the nearest place from `cut` back that is between two characters as people see them.

    Where all from `start` on is one such character, the place is `cut` itself.
    """
    at = cut
    while at > start and not is_boundary(text, at):
        at -= 1
    return at if at > start else max(cut, start + 1)


ZERO_WIDTH_JOINER = "\u200d"


def is_boundary(text: str, at: int) -> bool:
    """Say whether a character, as people see it, ends at `at`.

    The rules of Unicode's annex 29 that matter in practice: line ends, combining marks, joined
    emoji and their colours, flags, Hangul letters, and surrogates.
    """
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if after < "\u0300" and before < "\u0300":
        return not (before == "\r" and after == "\n")
    if ZERO_WIDTH_JOINER in (before, after):
        return False
    if unicodedata.category(after) in ("Mn", "Me", "Mc"):
        return before in "\r\n"
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":
        return False
    if _is_flag(before) and _is_flag(after):
        first = at - 1
        while first > 0 and _is_flag(text[first - 1]):
            first -= 1
        return (at - first) % 2 == 0
    if "\u1160" <= after <= "\u11ff":
        return False
    if "\u1100" <= before <= "\u115f" and ("\u1100" <= after <= "\u115f" or "가" <= after <= "힣"):
        return False
    return not ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def count_up_to(text: str, limit: int, count: Count) -> int:
    """Return the tokens of `text`, or soon some number above `limit` when there are more.

    Counts piece by piece, which can give a few more than the whole; for a first look.
    """
    total = 0
    for start in range(0, len(text), 8192):
        total += count(text[start : start + 8192])
        if total > limit:
            break
    return total


BLANK_LINES = re.compile(r"(\s*\n[ \t\r\u3000]*\n\s*)")
LINES = re.compile(r"(\s*\n\s*)")
LINE_END = re.compile(r"[。！？…：.!?:][”’」』】）》\"')\]]*$")


def paragraph_separator(text: str) -> re.Pattern[str]:
    """Return what separates the paragraphs of `text`: blank lines, or single line ends.

    In a text without blank lines every line is a paragraph if most lines end with a sentence;
    otherwise the lines are those of a narrow page, and no paragraph ends with one.
    """
    if BLANK_LINES.search(text.strip()):
        return BLANK_LINES
    lines = [line.strip() for line in text[:20_000].split("\n") if line.strip()]
    ended = sum(bool(LINE_END.search(line)) for line in lines)
    return LINES if ended * 2 >= len(lines) else BLANK_LINES


def paragraphs(text: str, separator: re.Pattern[str]) -> list[str]:
    """Return the paragraphs of `text` and what separates them in turn; joined, they are the text.

    The first and the last are white space too, or empty, where `text` begins or ends with it.
    """
    start = text[: len(text) - len(text.lstrip())]
    body = text.strip()
    end = text[len(start) + len(body) :]
    return [start, *separator.split(body), end]
