"""How many tokens a text will be for a tokenizer that is not here: rather too many than too few.

Measured on prose, verse, code, tables and digits: never below what the vocabularies of qwen2 and
llama-bpe (Llama 3) need; 1.0 to 1.8 times that for Chinese and English, up to 3 times for Cyrillic
and Arabic. Vocabularies without Chinese (GPT-2, Llama 2) can need twice as many for Chinese: the
server has the last word on what fits.
"""

from __future__ import annotations

import re

WORD = re.compile(r"[A-Za-z]+")
LETTERS_PER_TOKEN = 4
SPACES = re.compile(r"[ \t]{2,}|[ \t](?=\d)|[\r\n]+")
MARKS = re.compile(r"[^A-Za-z\s]")
FIRST_HAN = "\u2e80"
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
    return len(text.encode("utf-8", "replace")) // 8
