"""Grants in words, and as they are listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from gateway.cli.output import print_table, say
from gateway.core.finding import Finding
from webhooks.breakglass.grant import Grant
from webhooks.breakglass.noted import noted

UNSEEN = "not seen by any gateway"
_OPEN = frozenset({"active", "used-up"})


class Listed(msgspec.Struct, frozen=True, rename="camel"):
    """A grant with its state. ``seen``: whether a gateway saw its approval, without which it lets nothing through; None where
    that is not known, or is of no matter any more.
    """

    name: str
    state: str
    objects: str
    users: str
    used: int
    max_uses: int
    expires: str
    requested_by: str
    approver: str
    emergency: bool
    ticket: str
    reason: str
    seen: bool | None


def what(grant: Grant) -> str:
    """What may be changed, and whose refusal it is about where that is not the drift guard's alone."""
    scope = grant.spec.scope
    where = f"{', '.join(scope.namespaces)}/" if scope.namespaces else ""
    fields = "" if scope.fields == ("*",) else f" {', '.join(scope.fields)}"
    guards = "" if scope.guards == ("drift",) else f" (guards: {', '.join(scope.guards)})"
    return f"{', '.join(scope.operations)} {', '.join(scope.kinds)} {where}{', '.join(scope.names)}{fields}{guards}"


def who(grant: Grant) -> str:
    """Who may use it."""
    return ", ".join((*grant.spec.users, *(f"group {group}" for group in grant.spec.groups)))


def often(grant: Grant) -> str:
    """How often."""
    return "once" if grant.spec.max_uses == 1 else f"{grant.spec.max_uses} times"


def until(grant: Grant) -> str:
    """When it ends."""
    return f"{grant.spec.expires:%Y-%m-%d %H:%M %Z}"


def is_open(grant: Grant, now: datetime) -> bool:
    """Whether it was approved, and its time is not over."""
    return grant.state(now) in _OPEN


def listed(grant: Grant, notes: Mapping[str, str] | None, now: datetime) -> Listed:
    """The grant as it is listed. ``notes``: of the approvals that were seen; None if they are not known."""
    spec, approval = grant.spec, grant.status.approval
    return Listed(
        name=grant.name,
        state=grant.state(now),
        objects=what(grant),
        users=who(grant),
        used=grant.status.used,
        max_uses=spec.max_uses,
        expires=until(grant),
        requested_by=spec.requested_by,
        approver=approval.approver if approval is not None else "",
        emergency=approval is not None and approval.emergency,
        ticket=spec.ticket,
        reason=spec.reason,
        seen=noted(grant, notes) if notes is not None and is_open(grant, now) else None,
    )


def print_listed(grants: Sequence[Listed], findings: Sequence[Finding]) -> None:
    """Print them for people, and what is not in Git yet."""
    rows = [
        (
            one.state if one.seen is not False else f"{one.state} ({UNSEEN})",
            one.name,
            one.objects,
            one.users,
            f"{one.used}/{one.max_uses}",
            one.expires,
            f"{one.approver or '-'}{' (EMERGENCY)' if one.emergency else ''}",
            one.ticket,
        )
        for one in grants
    ]
    print_table(("STATE", "GRANT", "CHANGES", "FOR", "USED", "EXPIRES", "APPROVED BY", "TICKET"), rows)
    for finding in findings:
        about = finding.resource
        where = f"{about.namespace}/{about.name}" if about.namespace else about.name
        say(f"{about.kind} {where}: {finding.message} [{finding.rule}, {finding.id}]")
