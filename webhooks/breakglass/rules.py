"""Who may write what into a BreakGlass. Pure; what a user may do is asked of the cluster before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from gateway.config.breakglass import BreakGlass
from webhooks.breakglass.grant import Grant, Status, Use, spec_digest
from webhooks.breakglass.person import MACHINES, among, machine, same

REQUEST, APPROVE = "request", "approve"
"""Verbs on breakglasses.govgate.dev, as RBAC knows them."""
_PEOPLE = f"is for people: {{}} begins with {MACHINES}, and whoever gets its token is it. {{}} under your own name"
_CLOCKS_APART = timedelta(minutes=5)


class Writer(msgspec.Struct, frozen=True):
    """Who writes. ``places``: verbs, each with whether it is held wherever the scope reaches. ``gateway``: it is one itself."""

    user: str
    groups: frozenset[str] = frozenset()
    may_request: bool = False
    may_approve: bool = False
    gateway: bool = False


class Violation(msgspec.Struct, frozen=True):
    """What is refused of a write: the field, and why."""

    field: str
    text: str


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


def is_loss(old: Grant, new: Grant | None, now: datetime) -> bool:
    """Whether it matters for this write if Git agrees with what was changed: the record of it would go, unacknowledged."""
    return new is None and bool(old.status.uses) and old.status.acknowledged is None and old.state(now) != "active"


def violations(
    old: Grant | None,
    new: Grant | None,
    writer: Writer,
    now: datetime,
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
        return _of_deletion(old, writer, now, outstanding)
    found = []
    if new.spec != old.spec:
        found.append(Violation("spec", "a grant is not changed: ask for another one"))
    return found + _of_status(old, new, writer, now, settings)


def _of_request(new: Grant, writer: Writer, now: datetime, settings: BreakGlass) -> list[Violation]:
    found: list[Violation] = []
    spec = new.spec
    if not writer.may_request:
        found.append(Violation("spec.scope", f"you may not ask for break-glass there (verb {REQUEST} on breakglasses)"))
    if spec.requested_by != writer.user:
        found.append(Violation("spec.requestedBy", f"whoever writes asks: {writer.user}"))
    if machine(writer.user) and not _emergency(writer, settings):
        found.append(Violation("spec.requestedBy", _PEOPLE.format(writer.user, "Ask")))
    if new.status != Status():
        found.append(Violation("status", "a new grant has none"))
    if spec.expires <= now:
        found.append(Violation("spec.expires", "is in the past"))
    return found + _of_limits(new, writer, now, settings)


def _of_limits(grant: Grant, writer: Writer, now: datetime, settings: BreakGlass) -> list[Violation]:
    """What holds for what is asked for, whoever wrote it down."""
    found: list[Violation] = []
    spec = grant.spec
    own = {writer.user} if _emergency(writer, settings) else set()
    if any(machine(name) for name in (*spec.users, *spec.groups) if name not in own):
        found.append(Violation("spec.users", f"break-glass is for people: nothing that begins with {MACHINES}"))
    if spec.expires > now + timedelta(minutes=settings.max_minutes):
        found.append(Violation("spec.expires", f"at most {settings.max_minutes} minutes ahead"))
    if spec.max_uses > settings.max_uses:
        found.append(Violation("spec.maxUses", f"at most {settings.max_uses}"))
    return found


def _emergency(writer: Writer, settings: BreakGlass) -> bool:
    """Whether the configuration lets the writer be alone."""
    return not writer.groups.isdisjoint(settings.emergency_groups)


def _of_deletion(old: Grant, writer: Writer, now: datetime, outstanding: Sequence[str]) -> list[Violation]:
    """The record of what was changed goes with it, and what was changed is not guarded any more."""
    if not old.status.uses:
        return []
    if old.state(now) == "active":
        return [Violation("", "it was used and still holds: revoke it first")]
    if not writer.may_approve:
        return [
            Violation("", f"it holds the record of what was changed: that takes the verb {APPROVE} on breakglasses")
        ]
    if outstanding and old.status.acknowledged is None:
        return [Violation("", f"it holds the record of what is not in Git yet: {_some(outstanding)}. {way_out(old)}")]
    return []


def way_out(grant: Grant) -> str:
    """What helps where Git will not agree, or nobody can tell."""
    return (
        "Put it into Git, or let the reconciler put it back; else somebody who may approve takes note of it: "
        f"govgate break-glass acknowledge {grant.name} --reason=WHY"
    )


def _some(texts: Sequence[str], most: int = 4) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _of_status(old: Grant, new: Grant, writer: Writer, now: datetime, settings: BreakGlass) -> list[Violation]:
    before, after = old.status, new.status
    found: list[Violation] = []
    if after.approval != before.approval:
        found += _of_approval(old, new, writer, now, settings)
    if after.revoked != before.revoked:
        found += _of_revocation(old, new, writer)
    if after.acknowledged != before.acknowledged:
        found += _of_acknowledgement(old, new, writer, now)
    if after.expired != before.expired and not (writer.gateway and after.expired and _due(old, now)):
        found.append(Violation("status.expired", "is for the gateway to say, and nobody takes it back"))
    if (after.used, after.uses) != (before.used, before.uses):
        found += _of_use(old, new, writer, now)
    return found


def _due(grant: Grant, now: datetime) -> bool:
    """Expired by the clock here; another gateway's may be a little ahead."""
    return grant.spec.expires <= now + _CLOCKS_APART


def _of_approval(old: Grant, new: Grant, writer: Writer, now: datetime, settings: BreakGlass) -> list[Violation]:
    approval, spec = new.status.approval, old.spec
    if old.status.approval is not None or approval is None:
        return [Violation("status.approval", "an approval is not changed: revoke the grant")]
    found: list[Violation] = []
    if old.state(now) in {"expired", "revoked"}:
        found.append(Violation("status.approval", f"it is {old.state(now)}: ask for another one"))
    if approval.approver != writer.user:
        found.append(Violation("status.approval.approver", "nobody approves in another one's name"))
    if approval.spec_digest != spec_digest(spec):
        found.append(Violation("status.approval.specDigest", "is not that of the spec"))
    # The request itself may have been written while nobody was asked.
    found += _of_limits(old, writer, now, settings)
    if approval.emergency:
        return found + _of_emergency(spec.requested_by, writer, settings)
    found += _of_second("status.approval", old, writer)
    if not writer.may_approve:
        found.append(
            Violation("status.approval", f"you may not approve break-glass there (verb {APPROVE} on breakglasses)")
        )
    return found


def _of_second(field: str, grant: Grant, writer: Writer) -> list[Violation]:
    """Whether the writer is a second person beside who asked and who may use it."""
    spec = grant.spec
    if machine(writer.user):
        return [Violation(field, _PEOPLE.format(writer.user, "Do it"))]
    if same(writer.user, spec.requested_by) or among(writer.user, spec.users):
        return [Violation(field, "is for someone other than who asked, or is named in it: let somebody else do it")]
    mine = sorted(group for group in spec.groups if among(group, writer.groups))
    if mine:
        text = f"is for someone whom it is not for: you are in {', '.join(mine)}. Let somebody outside do it"
        return [Violation(field, text)]
    return []


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


def _of_acknowledgement(old: Grant, new: Grant, writer: Writer, now: datetime) -> list[Violation]:
    """By a second person, as an approval: it lets the record go, and with it what guards the fields."""
    field, stated = "status.acknowledged", new.status.acknowledged
    if old.status.acknowledged is not None or stated is None:
        return [Violation(field, "an acknowledgement is not changed")]
    if not old.status.uses:
        return [Violation(field, "nothing was changed under it: delete it")]
    if old.state(now) == "active":
        return [Violation(field, "it still holds: revoke it first")]
    found = _of_second(field, old, writer)
    if not found and among(writer.user, (use.user for use in old.status.uses)):
        found.append(Violation(field, "is for someone other than who changed something: let somebody else do it"))
    if stated.by != writer.user:
        found.append(Violation(f"{field}.by", "nobody acknowledges in another one's name"))
    if not writer.may_approve:
        found.append(Violation(field, f"takes the verb {APPROVE} on breakglasses there"))
    return found


def _of_use(old: Grant, new: Grant, writer: Writer, now: datetime) -> list[Violation]:
    """One more, by a gateway, while the grant holds: then counting twice, or too often, is not possible."""
    before, after = old.status, new.status
    if not writer.gateway:
        return [Violation("status.uses", "are counted by the gateway alone")]
    grown = after.uses[:-1] == before.uses and after.used == before.used + 1
    told = after.used == before.used and _more_of_one(before.uses, after.uses)
    changed = after.approval != before.approval or after.revoked != before.revoked
    if not (grown or told) or len(after.uses) != after.used or changed:
        return [Violation("status.uses", "one use is added at a time, and nothing else")]
    holds = old.state(now - _CLOCKS_APART) in ({"active"} if grown else {"active", "used-up"})
    return [] if holds else [Violation("status.uses", "the grant does not hold")]


def _more_of_one(before: tuple[Use, ...], after: tuple[Use, ...]) -> bool:
    """Whether all that is new is fields of one use: what another guard refused of the same write."""
    if len(before) != len(after):
        return False
    differing = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    return len(differing) == 1 and all(
        set(old.fields) <= set(new.fields) and msgspec.structs.replace(old, fields=new.fields) == new
        for old, new in differing
    )
