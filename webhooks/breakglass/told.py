"""What is let through of a grant's writes, and is to be seen: an approval of one's own, and that note was taken. Pure."""

from __future__ import annotations

from gateway.core.finding import Finding, Resource, finding_id
from gateway.core.subject import Subject
from webhooks.breakglass.grant import Grant
from webhooks.breakglass.known import ACKNOWLEDGED, GUARD, RULES, SELF_APPROVED


def told(subject: Subject, old: Grant | None, new: Grant | None) -> tuple[Finding, ...]:
    """The findings that say so.

    An emergency is warned of, and is all that this guard warns of: an alert wakes people by it. A note that was taken is
    recorded (audit).
    """
    if old is None:
        return ()
    about = about_of(subject)
    if new is not None and newly_approved(old, new) and new.status.approval and new.status.approval.emergency:
        text = f"approved by {new.spec.requested_by}, who asked for it: an emergency ({new.spec.ticket})"
        remedy = "Somebody else should look at it now: govgate break-glass list."
        field = "status.approval"
        return (_finding(SELF_APPROVED, about, field, text, remedy),)
    stated = (new or old).status.acknowledged
    if stated is None or (new is not None and old.status.acknowledged == stated):
        return ()
    fields = dict.fromkeys(
        " ".join((use.object.kind, place_of(use.object.namespace, use.object.name), changed.field)).strip()
        for use in old.status.uses
        for changed in use.fields
    )
    gone = "deleted; " if new is None else ""
    text = f"{gone}{stated.by} took note that this may not be in Git: {', '.join(fields)}: {stated.reason}"
    field = "status.acknowledged"
    return (_finding(ACKNOWLEDGED, about, field, text, ""),)


def _finding(rule: str, about: Resource, field: str, text: str, remedy: str) -> Finding:
    known, key = RULES[rule], finding_id(rule, about, field)
    return Finding(key, rule, known.severity, known.action, GUARD, about, field, text, remedy)


def newly_approved(old: Grant | None, new: Grant) -> bool:
    """Whether this write approves it."""
    return old is not None and new.status.approval is not None and new.status.approval != old.status.approval


def place_of(namespace: str, name: str) -> str:
    """An object's name, with its namespace if it has one."""
    return f"{namespace}/{name}" if namespace else name


def about_of(subject: Subject) -> Resource:
    """The grant that is written."""
    return Resource(subject.kind.api_version, subject.kind.kind, subject.namespace, subject.name)
