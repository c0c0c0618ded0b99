"""From a judged request to the draft of its record."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.audit.chain import VERSION, Draft, new_id, rfc3339
from gateway.core.subject import Subject
from gateway.core.verdict import Verdict

# Every value below is a string, an integer or a boolean by type: no need for canonical_json's own check here.
_encode = msgspec.json.Encoder(order="sorted").encode


class Bodies(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Content addresses (``sha256:…``) of the redacted bodies; empty where there is none or it was not captured."""

    object: str = ""
    old_object: str = ""


class Actor(msgspec.Struct, frozen=True):
    """Who asked, as the API server authenticated it."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()


class Request(msgspec.Struct, frozen=True, rename="camel"):
    """What was asked."""

    uid: str
    operation: str
    group: str
    version: str
    kind: str
    resource: str
    subresource: str
    namespace: str
    name: str
    dry_run: bool
    actor: Actor


class Undecided(msgspec.Struct, frozen=True, rename="camel"):
    """A guard that could not decide. ``would``: what ``on_error`` would be if it were enforced, where it is not."""

    guard: str
    reason: str
    on_error: str
    would: str | msgspec.UnsetType = msgspec.UNSET


class Outcome(msgspec.Struct, frozen=True):
    """What was answered and why. ``guards``: those that were asked, where a webhook asks a part of them."""

    decision: str
    reasons: tuple[str, ...]
    indeterminate: tuple[Undecided, ...]
    guards: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


def decision_draft(
    subject: Subject, verdict: Verdict, *, rules: str, timings: dict[str, int], bodies: Bodies, time_ns: int
) -> Draft:
    """The record of one decision. ``timings`` are microseconds; ``time_ns`` is when it was decided."""
    identity = new_id(time_ns)
    user, kind = subject.user, subject.kind
    request = Request(
        uid=subject.uid,
        operation=subject.operation,
        group=kind.group,
        version=kind.version,
        kind=kind.kind,
        resource=subject.resource.resource,
        subresource=subject.subresource,
        namespace=subject.namespace,
        name=subject.name,
        dry_run=subject.dry_run,
        actor=Actor(user.username, user.uid, user.groups),
    )
    undecided = tuple(
        Undecided(one.guard, one.reason, one.on_error, msgspec.UNSET if one.would is None else one.would)
        for one in verdict.indeterminate
    )
    outcome = Outcome(verdict.decision, verdict.reasons, undecided, verdict.guards or msgspec.UNSET)
    head: dict[str, Any] = {"bodies": bodies, "findings": verdict.findings, "id": identity}
    middle = {"request": request, "rules": rules}
    tail = {"time": rfc3339(time_ns), "timings": timings, "type": "decision", "v": VERSION, "verdict": outcome}
    return Draft(identity, _encode(head)[1:-1], _encode(middle)[1:-1], _encode(tail)[1:-1])
