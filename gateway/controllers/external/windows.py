"""When a path is read again. Pure.

Time is cut into windows as long as the refresh interval, which begin at another moment for each path: one read in each serves
all objects that read the path, and different paths are spread evenly.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable
from functools import lru_cache

Path = tuple[str, ...]
Since = Callable[[Path], float]
"""When what is at a path must have been read, at the earliest: seconds since the epoch."""


def window_end(path: Path, interval: float, at: float) -> float:
    """The end of the window of ``path`` that ``at`` is in. Seconds since the epoch."""
    phase = _fraction(path) * interval
    number = math.floor((at - phase) / interval) + 1
    end = phase + number * interval
    # The very end is the next one's, however it is rounded.
    return end if end > at else phase + (number + 1) * interval


def window_start(path: Path, interval: float, at: float) -> float:
    """Its beginning."""
    return window_end(path, interval, at) - interval


def due(paths: Iterable[Path], interval: float, read_at: float) -> float | None:
    """When an object is looked at again that was read last at ``read_at``: at the end of the window of the path that leads,
    the first one. None if it has no path, or no interval.
    """
    lead = next(iter(paths), None)
    return window_end(lead, interval, read_at) if lead is not None and interval > 0 else None


def good_since(path: Path, interval: float, at: float) -> float:
    """What was read of a path at this moment or later need not be read again at ``at``: its window's beginning."""
    return window_start(path, interval, at) if interval > 0 else -math.inf


def earliest(since: Since, interval: float, now: float) -> Since:
    """When what is given must have been read: since it changed, or was changed, and in the window of its path."""
    return lambda path: max(since(path), good_since(path, interval, now))


@lru_cache(maxsize=65_536)
def _fraction(path: Path) -> float:
    """From 0 to 1, evenly, and the same in each process."""
    digest = hashlib.sha256("\0".join(path).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
