"""Prompt-lookup drafting: what is being copied from the prompt is read several tokens at a time.

Where the last tokens stand earlier in the prompt, what followed them there is a guess at what comes
now. The guess is decoded in one batch with the last token, and every token is still drawn from the
model's own distribution: the guess only decides how many draws one batch is good for. Whether that
pays depends on machine, model and text, so it is measured while writing.
"""

from __future__ import annotations

MATCH_TOKENS = 3  # how many tokens must agree before a guess is made
DRAFT_TOKENS = 4  # most tokens guessed at a time
FIRST_TRIALS = 4  # guesses made before the measurement decides
TRIAL_EVERY = 24  # guesses passed by before one is tried again
KEPT = 0.8  # share of an average that stays when a new value comes in


class Drafter:
    """Finds guesses in one request's tokens: prompt and answer."""

    def __init__(self, tokens: list[int]) -> None:
        self._tokens: list[int] = []
        self._follows: dict[tuple[int, ...], int] = {}  # tokens -> where what follows them starts
        for token in tokens:
            self.add(token)

    def add(self, token: int) -> None:
        """Take note of one more token."""
        if len(self._tokens) >= MATCH_TOKENS:
            self._follows[tuple(self._tokens[-MATCH_TOKENS:])] = len(self._tokens)
        self._tokens.append(token)

    def guess(self, most: int = DRAFT_TOKENS) -> list[int]:
        """Return the tokens that followed when the last few stood here before; often none."""
        at = self._follows.get(tuple(self._tokens[-MATCH_TOKENS:]))
        return [] if at is None else self._tokens[at : at + most]


class DraftGain:
    """Decides from measured times whether guessing pays: tokens a second with it and without."""

    def __init__(self) -> None:
        self._single = 0.0  # seconds of a decode of one token
        self._batch = 0.0  # seconds of a decode with a guess
        self._tokens = 0.0  # tokens such a decode gave
        self._trials = 0
        self._passed = 0

    def pays(self) -> bool:
        """Say whether to decode the next guess."""
        if self._trials < FIRST_TRIALS or not self._single:
            return bool(self._single)
        if self._tokens * self._single > self._batch:
            return True
        self._passed += 1
        if self._passed >= TRIAL_EVERY:
            self._passed = 0
            return True
        return False

    def saw_single(self, seconds: float) -> None:
        """Take the time of a decode of one token."""
        self._single = _average(self._single, seconds)

    def saw_batch(self, seconds: float, tokens: int) -> None:
        """Take the time of a decode with a guess, and how many tokens it was good for."""
        self._trials += 1
        self._batch = _average(self._batch, seconds)
        self._tokens = _average(self._tokens, tokens)


def _average(old: float, new: float) -> float:
    return new if not old else old * KEPT + new * (1 - KEPT)
