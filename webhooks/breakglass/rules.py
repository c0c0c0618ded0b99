"""Who may write what into a BreakGlass. Pure; what a user may do is asked of the cluster before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gateway.config.breakglass import BreakGlass
from webhooks.breakglass.clock import Moment
from webhooks.breakglass.grant import Grant, Status, spec_digest
from webhooks.breakglass.person import MACHINES, machine
from webhooks.breakglass.record import CLOCKS_APART, of_acknowledgement, of_deletion, of_use
from webhooks.breakglass.writer import APPROVE, REQUEST, Violation, Writer, of_people, of_second


def verbs(old: Grant | None, new: Grant | None, user: str) -> frozenset[str]:
    """Which verbs a write needs, so that they can be asked about. ``new`` is None for a deletion."""
    if old is None:
        return frozenset({REQUEST})
    if new is None:
        return frozenset({APPROVE}) if old.status.uses else frozenset()
    approves = new.status.approval is not None and new.status.approval != old.status.approval
    revokes = new.status.revoked != old.status.revoked and user != old.spec.requested_by
    acknowledges = new.status.acknowledged != old.status.acknowledged
    return frozenset({APPROVE}) if approves or revokes or acknowledges else frozenset()


def violations(
    old: Grant | None,
    new: Grant | None,
    writer: Writer,
    now: Moment,
    settings: BreakGlass,
    *,
    outstanding: Sequence[str] = (),
) -> list[Violation]:
    """Why this write is refused; empty if it is not. ``old``: None where it is created; ``new``: None where deleted.

    ``outstanding``: what Git does not agree with, in words; of a write that :func:`is_loss`.
    """
    if old is None:
        return _of_request(new, writer, now, settings) if new is not None else []
    if new is None:
        return of_deletion(old, writer, now, outstanding)
    found = []
    if new.spec != old.spec:
        found.append(Violation("spec", "a grant is not changed: ask for another one"))
    return found + _of_status(old, new, writer, now, settings)


def _of_request(new: Grant, writer: Writer, now: Moment, settings: BreakGlass) -> list[Violation]:
    found: list[Violation] = []
    spec = new.spec
    if not writer.may_request:
        found.append(Violation("spec.scope", f"you may not ask for break-glass there (verb {REQUEST} on breakglasses)"))
    if spec.requested_by != writer.user:
        found.append(Violation("spec.requestedBy", f"whoever writes asks: {writer.user}"))
    if machine(writer.user) and not _emergency(writer, settings):
        found.append(of_people("spec.requestedBy", writer.user, "Ask"))
    if new.status != Status():
        found.append(Violation("status", "a new grant has none"))
    if spec.expires <= now.latest:
        found.append(Violation("spec.expires", "is in the past"))
    return found + _of_limits(new, writer, now, settings)


def _of_limits(grant: Grant, writer: Writer, now: Moment, settings: BreakGlass) -> list[Violation]:
    """What holds for what is asked for, whoever wrote it down."""
    found: list[Violation] = []
    spec = grant.spec
    own = {writer.user} if _emergency(writer, settings) else set()
    if any(machine(name) for name in (*spec.users, *spec.groups) if name not in own):
        found.append(Violation("spec.users", f"break-glass is for people: nothing that begins with {MACHINES}"))
    if machine(spec.requested_by) and (spec.users != (spec.requested_by,) or spec.groups):
        found.append(Violation("spec.users", f"{spec.requested_by} is no person, and asks for itself alone"))
    if spec.expires > now.earliest + timedelta(minutes=settings.max_minutes):
        found.append(Violation("spec.expires", f"at most {settings.max_minutes} minutes ahead"))
    if spec.max_uses > settings.max_uses:
        found.append(Violation("spec.maxUses", f"at most {settings.max_uses}"))
    return found


def _emergency(writer: Writer, settings: BreakGlass) -> bool:
    """Whether the configuration lets the writer be alone."""
    return not writer.groups.isdisjoint(settings.emergency_groups)


def _of_status(old: Grant, new: Grant, writer: Writer, now: Moment, settings: BreakGlass) -> list[Violation]:
    before, after = old.status, new.status
    found: list[Violation] = []
    if after.approval != before.approval:
        found += _of_approval(old, new, writer, now, settings)
    if after.revoked != before.revoked:
        found += _of_revocation(old, new, writer)
    if after.acknowledged != before.acknowledged:
        found += of_acknowledgement(old, new, writer, now)
    if after.expired != before.expired and not (writer.gateway and after.expired and _due(old, now)):
        found.append(Violation("status.expired", "is for the gateway to say, and nobody takes it back"))
    if (after.used, after.uses) != (before.used, before.uses):
        found += of_use(old, new, writer, now)
    return found


def _due(grant: Grant, now: Moment) -> bool:
    """Expired by both clocks here; another gateway's may be a little ahead."""
    return grant.spec.expires <= now.earliest + CLOCKS_APART


def _of_approval(old: Grant, new: Grant, writer: Writer, now: Moment, settings: BreakGlass) -> list[Violation]:
    approval, spec = new.status.approval, old.spec
    if old.status.approval is not None or approval is None:
        return [Violation("status.approval", "an approval is not changed: revoke the grant")]
    found: list[Violation] = []
    state = old.state(now.latest)
    if state in {"expired", "revoked", "deleted"}:
        found.append(Violation("status.approval", f"it is {state}: ask for another one"))
    if approval.approver != writer.user:
        found.append(Violation("status.approval.approver", "nobody approves in another one's name"))
    if approval.spec_digest != spec_digest(spec):
        found.append(Violation("status.approval.specDigest", "is not that of the spec"))
    # The request itself may have been written while nobody was asked.
    found += _of_limits(old, writer, now, settings)
    if approval.emergency:
        return found + _of_emergency(spec.requested_by, writer, settings)
    found += of_second("status.approval", old, writer)
    if not writer.may_approve:
        found.append(
            Violation("status.approval", f"you may not approve break-glass there (verb {APPROVE} on breakglasses)")
        )
    return found


def _of_emergency(requester: str, writer: Writer, settings: BreakGlass) -> list[Violation]:
    groups = settings.emergency_groups
    if writer.user != requester:
        return [Violation("status.approval.emergency", "is for whoever asked: others simply approve")]
    if not _emergency(writer, settings):
        allowed = f"members of {', '.join(groups)}" if groups else "nobody (breakGlass.emergencyGroups)"
        return [Violation("status.approval.emergency", f"may be used by {allowed}: someone else has to approve")]
    return []


def _of_revocation(old: Grant, new: Grant, writer: Writer) -> list[Violation]:
    revoked = new.status.revoked
    if old.status.revoked is not None or revoked is None:
        return [Violation("status.revoked", "nobody takes a revocation back")]
    if revoked.by != writer.user:
        return [Violation("status.revoked.by", "nobody revokes in another one's name")]
    if writer.user != old.spec.requested_by and not writer.may_approve:
        return [Violation("status.revoked", f"is for who asked, or who holds the verb {APPROVE} on breakglasses")]
    return []
