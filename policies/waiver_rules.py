"""Who may write what into a PolicyWaiver. Pure; what a user may do is asked of the cluster before."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from policies.waivers import Approval, Waiver, spec_digest

REQUEST, APPROVE = "request", "approve"
"""Verbs on policywaivers and clusterpolicywaivers of govgate.dev, as RBAC knows them."""
_SERVICE_ACCOUNT = "system:serviceaccount:"


class Writer(msgspec.Struct, frozen=True):
    """Who writes, and which of the verbs the user holds for waivers there."""

    user: str
    may_request: bool
    may_approve: bool


class Violation(msgspec.Struct, frozen=True):
    """What is refused of a write: the field, and why."""

    field: str
    text: str


def changes(old: Waiver | None, new: Waiver) -> tuple[bool, bool]:
    """Whether a write changes what is asked for, and whether it approves."""
    asks = old is None or old.spec != new.spec
    approves = new.approval != (old.approval if old is not None else Approval()) and bool(new.approval.approver)
    return asks, approves


def violations(
    old: Waiver | None, new: Waiver, writer: Writer, now: datetime, *, max_lifetime: timedelta
) -> list[Violation]:
    """Why this write of a waiver is refused; empty if it is not. ``old``: as it was, None if it is created."""
    asks, approves = changes(old, new)
    found = _of_request(new, writer, now, max_lifetime) if asks else []
    return found + (_of_approval(old, new, writer) if approves else [])


def _of_request(new: Waiver, writer: Writer, now: datetime, max_lifetime: timedelta) -> list[Violation]:
    found: list[Violation] = []
    if not writer.may_request:
        found.append(Violation("spec", f"you may not ask for waivers here (verb {REQUEST} in {_GROUP})"))
    if new.spec.requested_by != writer.user and not writer.user.startswith(_SERVICE_ACCOUNT):
        found.append(Violation("spec.requestedBy", f"whoever writes asks: {writer.user}"))
    if new.spec.expires <= now:
        found.append(Violation("spec.expires", "is in the past"))
    if new.spec.expires > now + max_lifetime:
        found.append(Violation("spec.expires", f"at most {max_lifetime.days} days ahead"))
    return found


_GROUP = "policywaivers.govgate.dev"


def _of_approval(old: Waiver | None, new: Waiver, writer: Writer) -> list[Violation]:
    found: list[Violation] = []
    approval = new.approval
    if approval.approver != writer.user:
        found.append(Violation("status.approval.approver", "nobody approves in another one's name"))
    if old is None or writer.user == new.spec.requested_by:
        found.append(Violation("status.approval", "a waiver is approved by someone other than who asked for it"))
    if not writer.may_approve:
        found.append(Violation("status.approval", f"you may not approve waivers here (verb {APPROVE} in {_GROUP})"))
    if approval.spec_digest != spec_digest(new.spec):
        found.append(Violation("status.approval.specDigest", "is not that of the spec: it changed meanwhile"))
    return found
