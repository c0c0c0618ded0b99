"""A store that does not answer is not asked by everybody: one asks, ever later, until it answers again. Of the stores of one
server, however many they are, only a few are asked at a time then: whoever asks and has no answer works on nothing else.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway_secrets.stores.errors import StoreError

_PAUSE_SECONDS = (1.0, 30.0)
_PROBES, _OF_NAMESPACE = 8, 2
"""At a time, of one server; and of these, for stores of one namespace."""


class Breaker:
    """Whether a store is worth asking. Pure, but for chance."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0
        self._probing = False
        self._seen = ""
        self.problem = ""
        """Why it is not asked, as long as it does not answer: no other words for each try, or all who wait would tell of them."""

    @property
    def failing(self) -> bool:
        """Whether it did not answer last."""
        return self._failures > 0

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


class Probes:
    """Who asks servers that did not answer last, for stores and generators of which namespaces."""

    def __init__(self) -> None:
        self._servers: Counter[str] = Counter()
        self._namespaces: Counter[tuple[str, str]] = Counter()

    def room(self, server: str, namespace: str) -> bool:
        """Whether one more may ask."""
        return self._servers[server] < _PROBES and self._namespaces[server, namespace] < _OF_NAMESPACE

    @contextmanager
    def one(self, server: str, namespace: str) -> Iterator[None]:
        """While it asks."""
        self._servers[server] += 1
        self._namespaces[server, namespace] += 1
        try:
            yield
        finally:
            self._servers[server] -= 1
            self._namespaces[server, namespace] -= 1
            self._servers, self._namespaces = +self._servers, +self._namespaces
