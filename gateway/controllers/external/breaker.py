"""A store that does not answer is not asked by everybody: one asks, ever later, until it answers again."""

from __future__ import annotations

import random

from gateway_secrets.stores.errors import StoreError

_PAUSE_SECONDS = (1.0, 30.0)


class Breaker:
    """Whether a store is worth asking. Pure, but for chance."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0
        self._probing = False
        self._seen = ""
        self.problem = ""
        """Why it is not asked, as long as it does not answer: no other words for each try, or all who wait would tell of them."""

    def refusal(self, now: float) -> str:
        """Why it is not asked now; empty if it is. Who is let through after a failure is the only one, until it has an answer."""
        if not self._failures or (now >= self._until and not self._probing):
            self._probing = bool(self._failures)
            return ""
        return self.problem

    def failed(self, error: StoreError, now: float) -> bool:
        """It did not answer; whether that is new."""
        if self._failures and not self._probing and now < self._until:
            return False  # to one of those who had asked before that was known: no reason to wait longer
        first, longest = _PAUSE_SECONDS
        pause = min(first * 2.0**self._failures, longest)
        self._until = now + random.uniform(0.5, 1.0) * pause  # noqa: S311 - spreads load, hides nothing
        self._failures += 1
        self._probing = False
        text = str(error)
        if self._failures == 1 or text == self._seen:
            self.problem = text  # another trouble is another one when it stays
        self._seen = text
        return self._failures == 1

    def abandoned(self) -> None:
        """Who asked has no answer, and it is not known why: another one asks."""
        self._probing = False

    def answered(self) -> bool:
        """It did; whether that ends a time in which it did not."""
        ended = self._failures > 0
        self._failures, self._probing = 0, False
        return ended
