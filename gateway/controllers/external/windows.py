"""When a path is read again. Pure.

Time is cut into windows as long as the refresh interval, which begin at another moment for each path: all objects that read
one path come to be read in the same moment, so that one read serves them, and different paths are spread evenly.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from functools import lru_cache

MAX_PATHS = 16
"""Of one object, so many count; the others are read along with them."""

Path = tuple[str, ...]


def window_end(path: Path, interval: float, at: float) -> float:
    """The end of the window of ``path`` that ``at`` is in. Seconds since the epoch."""
    phase = _fraction(path) * interval
    return phase + (math.floor((at - phase) / interval) + 1) * interval


def window_start(path: Path, interval: float, at: float) -> float:
    """Its beginning."""
    return window_end(path, interval, at) - interval


def due(paths: Iterable[Path], interval: float, read_at: float) -> float | None:
    """When an object is read again that was read last at ``read_at``; None if it has no path, or no interval."""
    if interval <= 0:
        return None
    ends = [window_end(path, interval, read_at) for path in list(dict.fromkeys(paths))[:MAX_PATHS]]
    return min(ends, default=None)


@lru_cache(maxsize=16_384)
def _fraction(path: Path) -> float:
    """From 0 to 1, evenly, and the same in each process."""
    digest = hashlib.sha256("\0".join(path).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
