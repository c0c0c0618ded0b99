"""Requests that were refused, or would have been, put together by who asked for what and why. Bounded. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from gateway.audit.record import Request, Undecided
from gateway.audit.rows import Record
from gateway.core.finding import Action, Finding
from gateway.core.guard import OnError

MAX_GROUPS = 10_000
"""Of different users, rules, kinds and fields; what comes after is counted and not told apart."""
_MAX_NAMED = 3
_MAX_REASON_CHARS = 300
_ELEMENT = re.compile(r"\[[^\]\"]*\]")

DENIED, WOULD_DENY, UNDECIDED, WOULD_BE_UNDECIDED = "denied", "would-deny", "undecided", "would-be-undecided"


class Objects(msgspec.Struct):
    """A few of the objects that requests were about, and how many there were."""

    names: list[str] = []
    more: bool = False

    def add(self, name: str) -> None:
        """Remember one more, if it is new and there is room."""
        if name in self.names:
            return
        if len(self.names) < _MAX_NAMED:
            self.names.append(name)
        else:
            self.more = True


class Group(msgspec.Struct, rename="camel"):
    """Requests of one user that one rule found the same with, or that one guard could not decide for the same reason.

    ``outcome``: ``denied``, ``would-deny``; of doubts ``undecided``, ``would-be-undecided``, with a ``reason`` instead of a rule.
    """

    outcome: str
    guard: str
    rule: str
    user: str
    person: bool
    kind: str
    operation: str
    subresource: str
    field: str
    reason: str = ""
    requests: int = 0
    first: str = ""
    last: str = ""
    namespaces: Objects = msgspec.field(default_factory=Objects)
    objects: Objects = msgspec.field(default_factory=Objects)


class Cause(NamedTuple):
    """One reason why a request was refused, or would have been: a finding, or a doubt."""

    outcome: str
    guard: str
    rule: str = ""
    field: str = ""
    reason: str = ""


def causes(record: Record) -> Iterator[Cause]:
    """All of a decision's that count, each once however many elements of a list it was found in.

    What was excepted does not count, nor does a doubt that refuses nothing.
    """
    yield from dict.fromkeys(_causes(record))


def _causes(record: Record) -> Iterator[Cause]:
    for finding in record.findings:
        outcome = "" if finding.exception is not None else _of_finding(finding)
        if outcome:
            yield Cause(outcome, finding.guard, finding.rule, _ELEMENT.sub("[]", finding.field))
    for doubt in record.verdict.indeterminate:
        refused, would = doubt.on_error == OnError.DENY, doubt.would == OnError.DENY
        if refused or would:
            outcome = UNDECIDED if refused else WOULD_BE_UNDECIDED
            yield Cause(outcome, doubt.guard, reason=_reason(doubt, record.request))


def _of_finding(finding: Finding) -> str:
    if finding.action is Action.DENY:
        return DENIED
    return WOULD_DENY if finding.would is Action.DENY else ""


def _reason(doubt: Undecided, request: Request) -> str:
    """As it was recorded, but for the object's own name, which would tell equal reasons apart, and for the mode that held it
    back, which the outcome says.
    """
    text = doubt.reason
    if doubt.would is not msgspec.UNSET and text.endswith("]"):
        text = text.rpartition(" [")[0] or text
    if request.name:
        text = text.replace(f"{request.namespace}/{request.name}", "…").replace(f'"{request.name}"', '"…"')
    return text if len(text) <= _MAX_REASON_CHARS else text[: _MAX_REASON_CHARS - 1] + "…"


class Groups:
    """Adds up causes. ``unlisted``: how many are in no group, since there were too many."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, ...], Group] = {}
        self.unlisted = 0

    def add(self, record: Record, cause: Cause, *, person: bool) -> None:
        """One more of a decision's causes."""
        request = record.request
        kind = f"{request.kind}.{request.group}" if request.group else request.kind
        user = request.actor.username
        key = (*cause, user, kind, request.operation, request.subresource)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= MAX_GROUPS:
                self.unlisted += 1
                return
            group = self._groups[key] = Group(
                **cause._asdict(),
                user=user,
                person=person,
                kind=kind,
                operation=request.operation,
                subresource=request.subresource,
                first=record.time,
            )
        group.requests += 1
        group.first, group.last = min(group.first, record.time), max(group.last, record.time)
        group.namespaces.add(request.namespace)
        group.objects.add(f"{request.namespace}/{request.name}" if request.namespace else request.name)

    def listed(self) -> list[Group]:
        """The most frequent first."""
        return sorted(
            self._groups.values(), key=lambda one: (-one.requests, one.user, one.rule, one.field, one.guard, one.reason)
        )
