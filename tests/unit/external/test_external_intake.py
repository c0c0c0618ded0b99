"""How many changes are taken, and that telling of many holds nobody up."""

from __future__ import annotations

from gateway_secrets.stores.pace import TokenBucket


def test_changes_are_counted_and_not_requests() -> None:
    """So many at once as one notice may hold, then by the second."""
    now = [0.0]
    bucket = TokenBucket(200.0, 1_000, lambda: now[0])
    assert bucket.take(0.0, 1_000) == 0.0
    assert bucket.take(0.0) is None
    assert bucket.take(10.0, 400) == 2.0
    now[0] = 4.0
    assert bucket.take(0.0, 401) is None
    assert bucket.take(0.0, 400) == 0.0
