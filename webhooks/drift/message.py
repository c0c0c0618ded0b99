"""What a person is told: who manages the object, which fields, from what to what, and how to change it properly."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.core.finding import Action, Finding, Resource, finding_id
from gateway.core.subject import Subject
from webhooks.drift.equality import MISSING
from webhooks.drift.facts import Source
from webhooks.drift.paths import path_text
from webhooks.drift.values import shown
from webhooks.drift.violations import RULES, Rule, Violation
from webhooks.drift.weigh import Drifted

_MAX_SOURCE_CHARS = 300


def findings(guard: str, subject: Subject, drifted: Sequence[Drifted], *, limit: int) -> tuple[Finding, ...]:
    """The findings of a decision, at most ``limit``, denials first: the limit never hides why it was denied."""
    order = list(Action)
    ordered = sorted(drifted, key=lambda d: order.index(d.action))
    return tuple(_finding(guard, subject, d) for d in ordered[:limit])


def resource_of(subject: Subject) -> Resource:
    """The resource the request is about."""
    return Resource(subject.kind.api_version, subject.kind.kind, subject.object_namespace, subject.name)


def _finding(guard: str, subject: Subject, drifted: Drifted) -> Finding:
    violation = drifted.violation
    resource = resource_of(subject)
    field = path_text(violation.path)
    known = drifted.known
    message = f"{_owner(drifted)}: {_what(subject, violation, field)}"
    if drifted.excused:
        message += f" (not enforced: {drifted.excused})"
    elif drifted.ruled:
        message += f" ({drifted.ruled})"
    source = known.source if known else Source()
    return Finding(
        id=finding_id(violation.rule, resource, field),
        rule=violation.rule.value,
        severity=RULES[violation.rule].severity,
        action=drifted.action,
        guard=guard,
        resource=resource,
        field=field,
        message=message,
        remedy=_remedy(drifted, source),
        would=Action.DENY if drifted.held_back else msgspec.UNSET,
    )


def _owner(drifted: Drifted) -> str:
    owner, known = drifted.owner, drifted.known
    text = f"managed by {drifted.reconciler.title} {owner}"
    if known is None:
        return text
    source = known.source
    parts = [
        _short(source.repository),
        f"path {_short(source.path)}" if source.path else "",
        f"revision {_short(source.revision)}" if source.revision else "",
    ]
    where = ", ".join(part for part in parts if part)
    return f"{text} ({where})" if where else text


def _short(text: str) -> str:
    """A text of the owner's, within bounds: every finding repeats it."""
    return text if len(text) <= _MAX_SOURCE_CHARS else text[: _MAX_SOURCE_CHARS - 1] + "…"


_FIXED = {
    Rule.DELETED: "deleting it is not what Git says",
    Rule.MANAGED_FIELDS: "the record of which fields the reconciler owns (metadata.managedFields) would be rewritten",
    Rule.RESTARTED: "restarts by hand are restricted here",
}


def _what(subject: Subject, violation: Violation, field: str) -> str:
    fixed = _FIXED.get(violation.rule)
    if fixed:
        return fixed
    if violation.rule is Rule.CLAIMED:
        who = "only its owner's reconciler may"
        return (
            f"{field} would name another owner besides: {who} do that" if field else f"{who} create it with its marks"
        )
    subject_text = f"tracking metadata {field}" if violation.rule is Rule.TRACKING_METADATA else field
    before = shown(subject.kind, violation.path, violation.old)
    after = shown(subject.kind, violation.path, violation.new)
    if violation.new is MISSING:
        return f"{subject_text} would be removed" + (f" (Git: {before})" if before else "")
    if before is not None and after is not None:
        return f"{subject_text} would change from {before} to {after}"
    return f"{subject_text} would change"


def _remedy(drifted: Drifted, source: Source) -> str:
    if drifted.violation.rule is Rule.CLAIMED:
        return "Let the reconciler write it from Git, or leave its ownership labels and annotations out."
    if drifted.violation.rule is Rule.RESTARTED:
        return "Ask someone who may restart workloads here (drift.restart.actors)."
    short = Source(_short(source.repository), _short(source.path), _short(source.revision))
    return drifted.reconciler.remedy(drifted.owner, short)
