"""Which grant lets a refused request through, and what is written down about it. Pure."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway.core.subject import GroupVersionKind, Subject
from webhooks.breakglass.clock import Moment
from webhooks.breakglass.grant import Changed, Grant, Operation, Target, Use
from webhooks.breakglass.known import NOT_IN_FORCE, RULES, USED
from webhooks.breakglass.once import known, origin_of
from webhooks.drift.named import value_digest

GUARD = "break-glass-use"
MAX_FIELDS = 32
"""That one use may change: each is kept in the status."""
_OPERATIONS: dict[str, Operation] = {"CREATE": "CREATE", "UPDATE": "UPDATE", "DELETE": "DELETE"}


class Choice(msgspec.Struct, frozen=True):
    """The grant that holds and covers everything that is refused; else, in ``idle``, why those that cover it do not help."""

    grant: Grant | None = None
    idle: tuple[str, ...] = ()


def denied(findings: Iterable[Finding]) -> list[Finding]:
    """Those because of which the request is refused."""
    return [finding for finding in findings if finding.action is Action.DENY and finding.exception is None]


def choose(grants: Iterable[Grant], subject: Subject, findings: Sequence[Finding], now: Moment, *, most: int) -> Choice:
    """The grant for a refused request: whole, or not at all. ``most``: findings that a guard tells of; there may be more."""
    refusing = denied(findings)
    operation = _OPERATIONS.get(subject.operation)
    if not refusing or operation is None:
        return Choice()
    covering = [
        grant
        for grant in grants
        if grant.lets(subject.user) and all(grant.covers(finding, operation) for finding in refusing)
    ]
    if covering and (len(refusing) > MAX_FIELDS or max(Counter(f.guard for f in findings).values()) >= most):
        return Choice(idle=("break-glass does not cover so many fields at once: change fewer",))
    ordered = sorted(covering, key=lambda grant: (grant.spec.expires, grant.name))
    if ordered:
        use = use_of(subject, findings, now.now)
        # One that was used for this very write goes before others, and holds for it though it is used up.
        holding = [grant for grant in ordered if holds_for(grant, use, now)]
        again = (grant for grant in holding if known(grant.status.uses, use) is not None)
        active = next(again, holding[0] if holding else None)
        if active is not None:
            return Choice(active)
    return Choice(idle=tuple(why_not(grant, now) for grant in ordered[:3]))


def holds_for(grant: Grant, use: Use, now: Moment) -> bool:
    """Whether it holds, or was used up by this very write and holds else."""
    state = grant.state(now.latest)
    return state == "active" or (state == "used-up" and known(grant.status.uses, use) is not None)


def why_not(grant: Grant, now: Moment) -> str:
    """Why a grant that covers a request does not let it through."""
    state = grant.state(now.latest)
    doubtful = state == "expired" != grant.state(now.earliest) and not now.agreed
    apart = ": the API server's clock and this gateway's do not agree, and it ends by the later one" if doubtful else ""
    return f"{grant.id} covers this, but is {state}{apart}"


def use_of(subject: Subject, findings: Sequence[Finding], now: datetime) -> Use:
    """What is kept of the use."""
    refusing = denied(findings)
    about = refusing[0].resource
    group, _, version = about.api_version.rpartition("/")
    kind = GroupVersionKind(group, version, about.kind)
    fields = dict.fromkeys(finding.field for finding in refusing)
    return Use(
        id=subject.uid,
        time=now,
        user=subject.user.username,
        operation=_OPERATIONS[subject.operation],
        object=Target(about.kind, about.name, about.api_version, about.namespace),
        fields=tuple(
            Changed(
                field,
                value_digest(kind, field, subject.old_object),
                value_digest(kind, field, subject.object),
            )
            for field in fields
        ),
        origin=origin_of(subject),
    )


def excused(grant: Grant, findings: Sequence[Finding], *, count: str) -> tuple[Finding, ...]:
    """The findings as they are kept: those that refused name the grant, and one says that it was used, to the person too.

    ``count``: which use it was.
    """
    marked = tuple(
        msgspec.structs.replace(finding, exception=grant.id) if finding in denied(findings) else finding
        for finding in findings
    )
    spec, approval = grant.spec, grant.status.approval
    emergency = approval is not None and approval.emergency
    by = "approved by nobody else (emergency)" if emergency else f"approved by {approval.approver if approval else ''}"
    text = f"let through by {grant.id} ({count}; {spec.ticket}: {_short(spec.reason)}; {by}). It is not in Git yet."
    note = _note(USED, denied(findings)[0].resource, text)
    return (msgspec.structs.replace(note, severity=Severity.CRITICAL) if emergency else note, *marked)


def not_in_force(findings: Sequence[Finding], why: str) -> Finding:
    """That a grant is about the request, and does not help."""
    return _note(NOT_IN_FORCE, denied(findings)[0].resource, why)


def command_for(findings: Sequence[Finding], operation: str) -> str:
    """What to type in order to ask for a grant for a refused request; empty where drift is not all that refuses it."""
    refusing = denied(findings)
    about = refusing[0].resource if refusing else None
    if about is None or any(finding.guard != "drift" for finding in refusing):
        return ""
    words = ["govgate", "break-glass", "request", _kind(about), _where(about)]
    fields = list(dict.fromkeys(finding.field for finding in refusing))
    if all(fields) and len(fields) <= MAX_FIELDS:
        words += [f"--field={_literal(field)}" for field in fields]
    if operation != "UPDATE":
        words.append(f"--operation={operation}")
    return shlex.join([*words, "--ticket=TICKET", "--reason=WHY"])


def _literal(field: str) -> str:
    """As a glob: a text that was cut covers what it begins with."""
    return field.replace("…", "*")


def _kind(about: Resource) -> str:
    group = about.api_version.rpartition("/")[0]
    return f"{group}/{about.kind}" if group else about.kind


def _where(about: Resource) -> str:
    return f"{about.namespace}/{about.name}" if about.namespace else about.name


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _note(rule: str, about: Resource, text: str) -> Finding:
    severity, action = RULES[rule].severity, RULES[rule].action
    return Finding(finding_id(rule, about, ""), rule, severity, action, GUARD, about, "", text, "")
