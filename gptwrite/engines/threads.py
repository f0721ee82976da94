"""How many threads to decode with, from what each token has just cost.

Two threads of which one has lost its processor to another program take turns waiting for each
other, and a token then costs many times what one thread alone would need. No constant is right, so
the count follows the measured time per token: other counts are tried for a few tokens, at the start
and then ever more rarely while they prove slower. A trial ends as soon as it cannot win.
"""

from __future__ import annotations

WINDOW = 8  # tokens of one thread count that make a measurement
CLEARLY_FASTER = 0.95  # a trial must cost less than this share of the time now
CLEARLY_SLOWER = 1.15  # a trial whose tokens cost this much more has lost
LEAST_TOKENS = 2  # of a trial that say so
STALL = 1.3  # a measurement this much dearer than the one before means company: try at once
FIRST_PAUSE, LONGEST_PAUSE = 64, 512  # tokens between trials


class ThreadCount:
    """Chooses a thread count between 1 and `most`, told of every token's time in seconds.

    `is_fixed` keeps it at `most`, where another count would give other results.
    """

    def __init__(self, most: int, is_fixed: bool = False) -> None:
        self.most = max(1, most)
        self._is_fixed = is_fixed
        self.current = self.most
        self._counts = sorted({1, max(1, self.most // 2), self.most})
        self._home = self.most  # the count to go back to when a trial fails
        self._home_cost = 0.0  # seconds for WINDOW tokens at home
        self._spent = 0.0
        self._tokens = 0
        self._is_first = True  # the first token after a change pays for waking threads
        self._pause = FIRST_PAUSE
        self._tokens_until_trial = 0
        self._turn = 0

    def observe(self, seconds: float) -> int:
        """Take the time of one decode of one token; return the thread count for the next."""
        if self.most == 1 or self._is_fixed:
            return self.most
        if self._is_first:
            self._is_first = False
            return self.current
        self._spent += seconds
        self._tokens += 1
        is_trial = self.current != self._home
        if is_trial and self._has_lost():
            self._pause = min(LONGEST_PAUSE, self._pause * 2)
            self._tokens_until_trial = self._pause
            self._switch(self._home)
        elif self._tokens == WINDOW:
            if is_trial:
                self._home, self._home_cost = self.current, self._spent
                self._pause = self._tokens_until_trial = FIRST_PAUSE
                self._start_window()
            else:
                self._measured_at_home(self._spent)
        return self.current

    def _has_lost(self) -> bool:
        share = self._home_cost * self._tokens / WINDOW  # what as many tokens cost at home
        is_slower = self._tokens >= LEAST_TOKENS and self._spent > share * CLEARLY_SLOWER
        return is_slower or self._spent > self._home_cost * CLEARLY_FASTER

    def _measured_at_home(self, cost: float) -> None:
        has_stalled = 0 < self._home_cost * STALL < cost and self._home == self.most
        self._home_cost = cost
        self._tokens_until_trial -= WINDOW
        self._start_window()
        if self._tokens_until_trial <= 0 or has_stalled:
            others = [count for count in self._counts if count != self._home]
            self._turn += 1
            self._switch(others[-(self._turn % len(others)) - 1])

    def _switch(self, threads: int) -> None:
        self.current = threads
        self._is_first = True
        self._start_window()

    def _start_window(self) -> None:
        self._spent, self._tokens = 0.0, 0
