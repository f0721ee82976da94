"""Finds strings that come twice in one text."""

from gptwrite.checks import pairs
from gptwrite.redraft import RUN_CHARACTERS


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
    return set(pairs(text))


def support(part: str, whole: str) -> float:
    """Returns the share of the bigrams of `part` that occur in `whole` (0 to 1)."""
    wanted = bigrams(part)
    return len(wanted & bigrams(whole)) / len(wanted) if wanted else 1.0
