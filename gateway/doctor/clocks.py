"""The clocks of replicas, compared with the API server's: grants of break-glass end by the later of the two. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from gateway.core.finding import Resource, Severity
from gateway.doctor.replicas import GRAVE_SECONDS, SKEW_SECONDS, Told
from gateway.doctor.rules import Result, found


def ahead_of(time: str, before: datetime, after: datetime) -> tuple[float, float] | None:
    """How many seconds a clock is ahead of ours that showed ``time`` between two of our own, and how many that may be wrong by.

    None where it shows no time (an earlier version).
    """
    try:
        there = datetime.fromisoformat(time)
    except ValueError:
        return None
    if there.tzinfo is None:
        return None
    half = (after - before).total_seconds() / 2
    return (there - before).total_seconds() - half, half


def check_replicas(told: Mapping[tuple[str, str], Told], skew_seconds: float, uncertain_seconds: float) -> list[Result]:
    """Replicas whose clock is not the API server's. The rest: as :func:`gateway.doctor.replicas.check_clock` has it."""
    results: list[Result] = []
    for (namespace, name), one in sorted(told.items()):
        if one.ahead is None:
            continue
        ahead, uncertain = one.ahead[0] - skew_seconds, one.ahead[1] + uncertain_seconds
        certain = abs(ahead) - uncertain
        if certain <= SKEW_SECONDS:
            continue
        how = "ahead of" if ahead > 0 else "behind"
        text = f"its clock is {abs(ahead):.0f} s {how} the API server's: grants of break-glass end by the later one"
        severity = Severity.HIGH if certain > GRAVE_SECONDS else None
        results.append(found("clock-skew", Resource("v1", "Pod", namespace, name), text, severity=severity))
    return results
