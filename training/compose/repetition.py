"""Finds strings that come twice in one text; owns the length that counts as repetition."""

import itertools

RUN_CHARACTERS = 12


def repeated_run(text: str, length: int = RUN_CHARACTERS) -> str | None:
    """Returns the first run of `length` characters that occurs twice, or None."""
    seen = set()
    for start in range(len(text) - length + 1):
        run = text[start : start + length]
        if run in seen:
            return run
        seen.add(run)
    return None


def bigrams(text: str) -> set[str]:
    """Returns the set of pairs of neighbouring characters, punctuation and space left out."""
    letters = [char for char in text if char.isalnum()]
    return {first + second for first, second in itertools.pairwise(letters)}


def support(part: str, whole: str) -> float:
    """Returns the share of the bigrams of `part` that occur in `whole` (0 to 1)."""
    wanted = bigrams(part)
    return len(wanted & bigrams(whole)) / len(wanted) if wanted else 1.0
