"""How many tokens a text will be for a tokenizer that is not here: rather too many than too few.

Measured on prose, verse, code, tables and digits: never below what the vocabularies of qwen2 and
llama-bpe (Llama 3) need; 1.0 to 1.8 times that for Chinese and English, up to 3 times for Cyrillic
and Arabic. Vocabularies without Chinese (GPT-2, Llama 2) can need twice as many for Chinese: where
the server counts for us, samples of the texts raise the estimate to that; elsewhere the server has
the last word on what fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable

WORD = re.compile(r"[A-Za-z]+")
LETTERS_PER_TOKEN = 4
SPACES = re.compile(r"[ \t]{2,}|[ \t](?=\d)|[\r\n]+")
BLANK = re.compile(r"\s+")
MARKS = re.compile(r"[^A-Za-z\s]")
FIRST_HAN = "\u2e80"
SHORTEST_SAMPLE, LONGEST_SAMPLE = 256, 4096  # characters that a server is asked to count
SAMPLES = 4
SAFETY = 1.1  # a text's other parts may need more than its sample
PER_TURN = 8  # the markup around one message


def estimate_tokens(text: str) -> int:
    """Return about how many tokens `text` is, counted high."""
    words: int = sum(
        (len(word) + LETTERS_PER_TOKEN - 1) // LETTERS_PER_TOKEN for word in WORD.findall(text)
    )
    spaces = len(SPACES.findall(text))
    marks = MARKS.findall(text)
    han = sum(FIRST_HAN <= mark <= "\uffff" for mark in marks)
    rare = sum(mark > "\uffff" for mark in marks)  # emoji, rare Han: up to a token a byte
    total: int = words + spaces + len(marks) + (han + 7) // 8 + 2 * rare
    return total


def fewest_tokens(text: str) -> int:
    """Return a count that no usual tokenizer stays below for prose: one token to eight bytes."""
    return len(BLANK.sub(" ", text).encode("utf-8", "replace")) // 8


class CalibratedCount:
    """Estimates that are never below what the server's own counts of a few samples suggest.

    `ask` gives the server's count of a text, or 0 where it offers none.
    """

    def __init__(self, ask: Callable[[str], int]) -> None:
        self._ask = ask
        self._samples_left = SAMPLES
        self._scale = 1.0

    def count(self, text: str, may_ask: bool = True) -> int:
        """Return about how many tokens `text` is, counted high."""
        estimate = estimate_tokens(text)
        if may_ask and self._samples_left and len(text) >= SHORTEST_SAMPLE:
            middle = max(0, len(text) // 2 - LONGEST_SAMPLE // 2)
            sample = text[middle : middle + LONGEST_SAMPLE]
            told = self._ask(sample)
            self._samples_left = self._samples_left - 1 if told else 0
            self._scale = max(self._scale, SAFETY * told / max(1, estimate_tokens(sample)))
        return int(estimate * self._scale + 0.999)
