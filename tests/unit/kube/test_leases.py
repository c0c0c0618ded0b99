"""Who may hold a lease, by this process's own clock; and the pace of requests."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.kube.lease import LeaseSpec, Observed, lease_document, may_take, observe, released, taken
from gateway.kube.pace import Pacer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def seen(spec: LeaseSpec, version: str, at: float, before: Observed | None = None) -> Observed:
    return observe(before, lease_document("ns", "l", spec, version), at)


def test_another_ones_lease_runs_out_by_our_clock() -> None:
    """From when it was first seen as it is: what its times say, on whatever clock, decides nothing."""
    theirs = taken(None, "them", 15, datetime(1970, 1, 1, tzinfo=UTC))
    first = seen(theirs, "1", 100.0)
    later = seen(theirs, "1", 114.0, first)
    assert later.changed_at == 100.0
    assert not may_take(later, "us", 114.9)
    assert may_take(later, "us", 115.0)
    renewed = seen(taken(theirs, "them", 15, NOW), "2", 114.0, later)
    assert not may_take(renewed, "us", 120.0)


def test_nobodys_and_our_own_lease_may_be_taken() -> None:
    """At once."""
    mine = taken(None, "us", 15, NOW)
    assert may_take(seen(mine, "1", 0.0), "us", 0.0)
    assert may_take(seen(released(mine, NOW), "2", 0.0), "them", 0.0)
    assert may_take(seen(LeaseSpec(), "3", 0.0), "them", 0.0)


def test_transitions_are_counted() -> None:
    """Renewing changes neither them nor when it was acquired."""
    first = taken(None, "a", 15, NOW)
    later = taken(first, "a", 15, datetime(2026, 1, 2, tzinfo=UTC))
    assert (later.lease_transitions, later.acquire_time) == (0, first.acquire_time)
    assert taken(later, "b", 15, NOW).lease_transitions == 1


@given(st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3]), min_size=20, max_size=60))
def test_the_pace_is_kept(pauses: list[float]) -> None:
    """Whatever the pauses, in no stretch of time more than the burst and the rate allow."""
    now = 0.0
    pacer = Pacer(10.0, 5, clock=lambda: now)
    times = []
    for pause in pauses:
        now += pause
        now += pacer.take()
        times.append(now)
    for i, start in enumerate(times):
        for j in range(i, len(times)):
            assert j - i + 1 <= 5 + 10.0 * (times[j] - start) + 1e-6
