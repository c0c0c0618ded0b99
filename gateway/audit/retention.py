"""What may be removed from a log, and removing it in steps so small that no commit waits long for them.

Records go up to a signed checkpoint. Before the first of them goes, a ``prune`` record enters the chain: it holds the
checkpoint and the changes of key up to there, so that the rest verifies by itself and nobody else can prune unseen.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from gateway.audit.store import Store
from gateway.config.model import Retention

GRACE_SECONDS = 1_200.0
"""A body is kept at least so long after its last use: workers may refer to it without sending it again
(:data:`gateway.audit.bodies.REMEMBERED_SECONDS` is half of this)."""
STEP_RECORDS = 200
STEP_BODIES = 500
STEP_PAGES = 256
_MARGIN = 1.1
_SPACING_SECONDS = 60.0


class Uses:
    """Which records are old enough for bodies that only they refer to, by this process's own clock."""

    def __init__(self, seq: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._passed: deque[tuple[float, int]] = deque([(clock(), seq)])
        self._floor = 0

    def note(self, seq: int) -> None:
        """The log has now ``seq`` records."""
        now = self._clock()
        if now - self._passed[-1][0] >= _SPACING_SECONDS:
            self._passed.append((now, seq))
        while now - self._passed[0][0] >= GRACE_SECONDS:
            self._floor = self._passed.popleft()[1]
            if not self._passed:
                self._passed.append((now, seq))

    @property
    def floor(self) -> int:
        """Bodies last used up to this record may go."""
        return self._floor


def prune_target(store: Store, retention: Retention, now: datetime) -> tuple[int, str] | None:
    """The seq and note of the checkpoint up to which records have to go; None if none has to."""
    target: tuple[int, str] | None = None
    if retention.max_age_days:
        oldest = now - timedelta(days=retention.max_age_days)
        target = store.checkpoint_before(oldest.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    if retention.max_bytes:
        target = max(target or (0, ""), _target_by_size(store, retention.max_bytes) or (0, ""))
    first = store.first_seq()
    return target if target and first and target[0] >= first else None


def _target_by_size(store: Store, max_bytes: int) -> tuple[int, str] | None:
    """The first part of the log whose share of the records is the share of the bytes that are too many."""
    used = store.used_bytes()
    head = store.head()
    if used <= max_bytes or head is None:
        return None
    first = store.first_seq()
    share = min(1.0, (1 - max_bytes / used) * _MARGIN)
    return store.checkpoint_at_most(first + int((head[0] - first) * share))


def sweep(store: Store, through: int, floor: int) -> Iterator[None]:
    """Remove records up to ``through`` and bodies last used up to there and up to ``floor``: one step an iteration."""
    while True:
        with store.transaction():
            removed = store.delete_records(through, STEP_RECORDS)
        if removed == 0:
            break
        yield
    looked_at = 0
    while True:
        with store.transaction():
            looked_at = store.delete_bodies(looked_at, min(through, floor), STEP_BODIES)
        if looked_at == 0:
            break
        yield
    while store.release_pages(STEP_PAGES):
        yield
