"""How far a long run is, for whoever watches it."""

from __future__ import annotations

import sys
import time

_SECONDS = 1.0


class Progress:
    """A line on a terminal's standard error once the run takes long."""

    def __init__(self, what: str = "objects") -> None:
        self._what = what
        self._interactive = sys.stderr.isatty()
        self._started = self._shown = time.monotonic()

    def show(self, objects: int, findings: int) -> None:
        """Say how far the run is, at most every second."""
        now = time.monotonic()
        if self._interactive and now - self._shown >= _SECONDS:
            self._shown = now
            sys.stderr.write(f"\r{objects} {self._what}, {findings} findings, {now - self._started:.0f} s ")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown != self._started:
            sys.stderr.write("\r\x1b[K")
