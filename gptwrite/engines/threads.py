"""How many threads to decode with, from what each token has just cost.

Two threads of which one has lost its processor to another program take turns waiting for each
other, and a token then costs many times what one thread alone would need. No constant is right, so
the count follows the measured time per token: down at once when tokens get much slower than they
were, up again by short trials that grow rarer while they fail.
"""

from __future__ import annotations

WINDOW = 4  # tokens of one thread count that make a measurement
SLOWER = 1.25  # a fall below this share of the best speed looks like company
FIRST_PAUSE, LONGEST_PAUSE = 16, 256  # tokens between trials of more threads


class ThreadCount:
    """Chooses a thread count between 1 and `most`, told of every token's time in seconds."""

    def __init__(self, most: int) -> None:
        self.most = max(1, most)
        self.current = self.most
        self._best: dict[int, float] = {}
        self._recent: list[float] = []
        self._pause = FIRST_PAUSE
        self._tokens_until_trial = FIRST_PAUSE
        self._before_trial: tuple[int, float] | None = None

    def observe(self, seconds: float) -> int:
        """Take the time of one decode of one token; return the thread count for the next."""
        if self.most == 1:
            return 1
        self._recent.append(seconds)
        if len(self._recent) < WINDOW:
            return self.current
        cost = sorted(self._recent)[WINDOW // 2]
        self._recent.clear()
        # A token slowly grows dearer with the length of the context: let the best follow.
        best = min(cost, self._best.get(self.current, cost) * 1.01)
        self._best[self.current] = best
        if self._before_trial:
            self._judge_trial(cost)
        elif cost > best * SLOWER and self.current > 1:
            self._try(max(1, self.current // 2), cost)
        elif self.current < self.most:
            self._tokens_until_trial -= WINDOW
            if self._tokens_until_trial <= 0:
                self._try(self.most, cost)
        return self.current

    def _try(self, threads: int, cost_now: float) -> None:
        self._before_trial = (self.current, cost_now)
        self.current = threads

    def _judge_trial(self, cost: float) -> None:
        assert self._before_trial
        threads, cost_before = self._before_trial
        self._before_trial = None
        if cost <= cost_before:
            self._pause = FIRST_PAUSE
        else:
            self.current = threads
            self._pause = min(LONGEST_PAUSE, self._pause * 2)
        self._tokens_until_trial = self._pause
