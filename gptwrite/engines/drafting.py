"""Prompt-lookup drafting: what is being copied from the prompt is read several tokens at a time.

Where the last tokens stand earlier in the prompt, what followed them there is a guess at what comes
now. The guess is decoded in one batch with the last token, and every token is still drawn from the
model's own distribution: the guess only decides how many draws one batch is good for. Whether that
pays depends on the text, so the right guesses are counted while writing. No clock has a say: a token
in a batch differs in its last bits from one alone, and the same seed must give the same text.
"""

from __future__ import annotations

MATCH_TOKENS = 3  # how many tokens must agree before a guess is made
DRAFT_TOKENS = 4  # most tokens guessed at a time
FIRST_TRIALS = 4  # guesses made before the measurement decides
TRIAL_EVERY = 24  # guesses passed by before one is tried again
KEPT = 0.8  # share of an average that stays when a new value comes in
# Tokens alone that cost as much as a batch with a guess, at most. Measured on two processors: 2.6 for
# 12M weights, 3.0 for 30M, 4.0 for 0.5B; a GPU's batch costs less.
BATCH_COST = 4.0


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
    """Decides from the guesses that were right so far whether the next one is worth a batch."""

    def __init__(self) -> None:
        self._tokens = 0.0  # tokens that a decode with a guess gave, on average of late
        self._trials = 0
        self._passed = 0

    def pays(self) -> bool:
        """Say whether to decode the next guess."""
        if self._trials < FIRST_TRIALS or self._tokens > BATCH_COST:
            return True
        self._passed += 1
        if self._passed >= TRIAL_EVERY:
            self._passed = 0
            return True
        return False

    def saw_batch(self, tokens: int) -> None:
        """Take how many tokens a decode with a guess was good for."""
        self._trials += 1
        self._tokens = self._tokens * KEPT + tokens * (1 - KEPT) if self._trials > 1 else tokens
