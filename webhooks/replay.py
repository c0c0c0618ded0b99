"""Recorded requests judged again by other rules: what would be answered otherwise. Pure.

Records hold who asked for what, and redacted bodies; what the cluster looked like then they do not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.audit.record import Outcome, Request
from gateway.audit.rows import Record
from gateway.core.errors import MalformedRequestError
from gateway.core.finding import Action, Finding
from gateway.core.guard import OnError
from gateway.core.subject import Subject
from gateway.core.verdict import Verdict
from webhooks.review import API_VERSION, decode_review

REDACTED = b'"hmac-sha256:'
"""What stands in a body instead of a value that is not kept."""

MAX_CHANGES = 2_000
_MAX_NAMED = 3


class Said(msgspec.Struct, frozen=True):
    """What was, or would be, said: the decision, and what live findings do, by rule."""

    decision: str
    warned: bool
    rules: frozenset[tuple[str, str]]


class Change(msgspec.Struct, rename="camel"):
    """Requests that are answered otherwise in the same way. ``appeared``, ``vanished``: rules, each with what it does.

    ``redacted``: so many of them hold values that are not kept, which rules then saw as digests.
    """

    before: str
    after: str
    appeared: tuple[str, ...]
    vanished: tuple[str, ...]
    user: str
    kind: str
    operation: str
    requests: int = 0
    redacted: int = 0
    objects: list[str] = []
    messages: list[str] = []


class Replay(msgspec.Struct, rename="camel"):
    """The whole. ``same``: answered as before, by the same findings. ``passed_over``: requests that could not be judged
    again, by why. ``newly_refused`` and ``newly_allowed`` are of ``changed``; so is ``newly_warned``.
    """

    rules: str = ""
    judged: int = 0
    same: int = 0
    changed: int = 0
    newly_refused: int = 0
    newly_allowed: int = 0
    newly_warned: int = 0
    unlisted: int = 0
    passed_over: dict[str, int] = {}
    changes: list[Change] = []


def subject_of(record: Record, bodies: Mapping[str, bytes]) -> Subject | str:
    """The request of a record as it was asked, but for what is not kept; else why it cannot be had.

    ``bodies``: those that could be found, ``object`` and ``oldObject``.
    """
    request = record.request
    named = {"object": record.bodies.object, "oldObject": record.bodies.old_object}
    if any(address and name not in bodies for name, address in named.items()):
        return "a body is not kept any more"
    if not any(named.values()) and request.operation != "CONNECT":
        return "no bodies were kept (audit.bodies.capture)"
    try:
        return decode_review(msgspec.json.encode(_review(request, bodies)))
    except MalformedRequestError as error:
        return f"the record holds no request: {error}"


def _review(request: Request, bodies: Mapping[str, bytes]) -> dict[str, Any]:
    group = {"group": request.group, "version": request.version}
    asked: dict[str, Any] = {
        "uid": request.uid,
        "operation": request.operation,
        "kind": {**group, "kind": request.kind},
        "resource": {**group, "resource": request.resource},
        "subResource": request.subresource,
        "namespace": request.namespace,
        "name": request.name,
        "dryRun": request.dry_run,
        "userInfo": request.actor,
    }
    asked |= {name: msgspec.Raw(body) for name, body in bodies.items()}
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "request": asked}


def recorded(outcome: Outcome, findings: tuple[Finding, ...]) -> Said:
    """What a record says was said."""
    doubtful = any(one.on_error == OnError.WARN for one in outcome.indeterminate)
    return _said(outcome.decision, findings, doubtful=doubtful)


def said(verdict: Verdict) -> Said:
    """What a verdict says."""
    doubtful = any(one.on_error is OnError.WARN for one in verdict.indeterminate)
    return _said(verdict.decision.value, verdict.findings, doubtful=doubtful)


def _said(decision: str, findings: tuple[Finding, ...], *, doubtful: bool) -> Said:
    live = [finding for finding in findings if finding.exception is None]
    warned = doubtful or any(finding.action is Action.WARN for finding in live)
    return Said(decision, warned, frozenset((finding.rule, finding.action.value) for finding in live))


class Comparison:
    """Adds up what changes, request by request; bounded, whatever there is."""

    def __init__(self, rules: str) -> None:
        self._replay = Replay(rules)
        self._changes: dict[tuple[Any, ...], Change] = {}

    def pass_over(self, why: str) -> None:
        """A request that cannot be judged again."""
        self._replay.passed_over[why] = self._replay.passed_over.get(why, 0) + 1

    def add(self, subject: Subject, before: Said, after: Said, findings: tuple[Finding, ...]) -> None:
        """One request. ``findings``: the new ones, for their words."""
        replay = self._replay
        replay.judged += 1
        if (before.decision, before.rules, before.warned) == (after.decision, after.rules, after.warned):
            replay.same += 1
            return
        replay.changed += 1
        replay.newly_refused += before.decision == "allow" and after.decision != "allow"
        replay.newly_allowed += before.decision != "allow" and after.decision == "allow"
        replay.newly_warned += after.decision == "allow" and after.warned and not before.warned
        appeared, vanished = _listed(after.rules - before.rules), _listed(before.rules - after.rules)
        kind = f"{subject.kind.kind}.{subject.kind.group}" if subject.kind.group else subject.kind.kind
        kind += f"/{subject.subresource}" if subject.subresource else ""
        key = (before.decision, after.decision, appeared, vanished, subject.user.username, kind, subject.operation)
        change = self._changes.get(key)
        if change is None:
            if len(self._changes) >= MAX_CHANGES:
                replay.unlisted += 1
                return
            change = self._changes[key] = Change(*key)
        change.requests += 1
        change.redacted += REDACTED in subject.raw_object or REDACTED in subject.raw_old_object
        where = f"{subject.object_namespace}/{subject.name}" if subject.object_namespace else subject.name
        _remember(change.objects, where)
        new = {rule for rule, _ in after.rules - before.rules}
        for finding in findings:
            if finding.rule in new:
                _remember(change.messages, finding.message)

    def result(self) -> Replay:
        """What changes, the most frequent first."""
        order = sorted(self._changes.values(), key=lambda one: (-one.requests, one.user, one.kind, one.appeared))
        self._replay.changes = order
        return self._replay


def _listed(rules: frozenset[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(f"{rule} ({action})" for rule, action in sorted(rules))


def _remember(texts: list[str], text: str) -> None:
    if text and text not in texts and len(texts) < _MAX_NAMED:
        texts.append(text)
