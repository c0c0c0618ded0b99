"""Time that never goes back: a grant that was seen expired stays so while this process lives, whatever is done to the clock.

Beyond it, ``status.expired`` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime


class Forward:
    """A clock that shows the latest time that it has ever seen."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._latest = clock()

    def __call__(self) -> datetime:
        """Now, or later than that."""
        self._latest = max(self._latest, self._clock())
        return self._latest
