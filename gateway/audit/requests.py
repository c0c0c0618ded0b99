"""What was asked about one request, put together. Pure, and bounded.

The API server asks each webhook by itself, under a uid of its own: where groups of guards have webhooks of their own, one
request is several decisions. They are about the same, of guards that differ, and come within the time that a webhook may
take. What asks for the same once more is asked about by the same guards again: another request.

Source: ``k8s.io/apiserver/pkg/admission/plugin/webhook/request/admissionreview.go`` (a uid a call).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import msgspec

from gateway.audit.record import Bodies, Request
from gateway.audit.rows import Record

WITHIN = timedelta(seconds=30)
"""As long as a webhook may take to answer."""
MAX_OPEN = 10_000
"""Requests that others may still be put to; beyond them the oldest is given as it is."""
_GRAVER = ("deny", "undecided", "allow")


class _Open:
    """A request, of whose decisions there may be more."""

    def __init__(self, record: Record, until: datetime) -> None:
        self.record = record
        self.until = until


def requests(decisions: Iterable[Record]) -> Iterator[Record]:
    """One record for each request, of decisions in the order of a log. Of several it has the identity and the time of the
    first, what all of them found, and the gravest decision: that is what the request met with.
    """
    waiting: deque[_Open] = deque()
    about: dict[tuple[Request, Bodies], list[_Open]] = {}

    def next_one() -> Record:
        oldest = waiting.popleft()
        key = _about(oldest.record)
        about[key].remove(oldest)
        if not about[key]:
            del about[key]
        return oldest.record

    for record in decisions:
        guards = _guards(record)
        if not guards:
            yield record  # all of them were asked
            continue
        time = datetime.fromisoformat(record.time)
        while waiting and (waiting[0].until < time or len(waiting) >= MAX_OPEN):
            yield next_one()
        same = about.setdefault(_about(record), [])
        found = next((one for one in reversed(same) if guards.isdisjoint(_guards(one.record))), None)
        if found is None:
            waiting.append(_Open(record, time + WITHIN))
            same.append(waiting[-1])
        else:
            found.record = _joined(found.record, record)
    while waiting:
        yield next_one()


def _about(record: Record) -> tuple[Request, Bodies]:
    return msgspec.structs.replace(record.request, uid=""), record.bodies


def _guards(record: Record) -> frozenset[str]:
    return frozenset(record.verdict.guards or ())


def _joined(one: Record, other: Record) -> Record:
    verdict = msgspec.structs.replace(
        one.verdict,
        decision=min(one.verdict.decision, other.verdict.decision, key=_GRAVER.index),
        reasons=(*one.verdict.reasons, *other.verdict.reasons),
        indeterminate=(*one.verdict.indeterminate, *other.verdict.indeterminate),
        guards=tuple(sorted(_guards(one) | _guards(other))),
    )
    return msgspec.structs.replace(one, verdict=verdict, findings=(*one.findings, *other.findings))
