"""Whether a server is asked at all: after failures in a row it is left alone for a while, then asked once, to see.

Pure: the time is handed in.
"""

from __future__ import annotations

from collections.abc import Callable


class Breaker:
    """Counts failures. Each ``admit`` that says yes is followed by one ``succeeded`` or ``failed``.

    ``failures`` in a row open it; ``seconds`` later one request is let through, and no other until that one has ended.
    """

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float]) -> None:
        self._limit = failures
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._again = 0.0
        self._probing = False
        self.problem = ""
        """Why the server is not asked, or was not a moment ago; empty while it answers."""

    @property
    def open(self) -> bool:
        """Whether it has failed so often that it is not simply asked."""
        return self._failures >= self._limit

    def admit(self) -> bool:
        """Whether the server may be asked now."""
        if not self.open:
            return True
        if self._probing or self._clock() < self._again:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """It answered, whatever the answer was."""
        self._failures, self._probing, self.problem = 0, False, ""

    def failed(self, problem: str) -> None:
        """It did not."""
        self._probing = False
        self._failures += 1
        if self.open:
            self.problem = problem
            self._again = self._clock() + self._seconds
