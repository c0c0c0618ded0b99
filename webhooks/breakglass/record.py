"""The record of what was changed under a grant: it grows by the gateway alone, and goes when nothing is lost with it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from webhooks.breakglass.clock import Moment
from webhooks.breakglass.grant import Grant, Use
from webhooks.breakglass.person import among
from webhooks.breakglass.writer import APPROVE, Violation, Writer, of_second

CLOCKS_APART = timedelta(minutes=5)
"""How far the clock of another gateway may be ahead."""


def is_loss(old: Grant, new: Grant | None, now: Moment) -> bool:
    """Whether it matters for this write if Git agrees with what was changed: the record of it would go, unacknowledged."""
    return (
        new is None
        and bool(old.status.uses)
        and old.status.acknowledged is None
        and old.state(now.earliest) != "active"
    )


def of_deletion(old: Grant, writer: Writer, now: Moment, outstanding: Sequence[str]) -> list[Violation]:
    """The record of what was changed goes with it, and what was changed is not guarded any more."""
    if not old.status.uses:
        return []
    if old.state(now.earliest) == "active":
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


def of_acknowledgement(old: Grant, new: Grant, writer: Writer, now: Moment) -> list[Violation]:
    """By a second person, as an approval: it lets the record go, and with it what guards the fields."""
    field, stated = "status.acknowledged", new.status.acknowledged
    if old.status.acknowledged is not None or stated is None:
        return [Violation(field, "an acknowledgement is not changed")]
    if not old.status.uses:
        return [Violation(field, "nothing was changed under it: delete it")]
    if old.state(now.earliest) == "active":
        return [Violation(field, "it still holds: revoke it first")]
    found = of_second(field, old, writer)
    if not found and among(writer.user, (use.user for use in old.status.uses)):
        found.append(Violation(field, "is for someone other than who changed something: let somebody else do it"))
    if stated.by != writer.user:
        found.append(Violation(f"{field}.by", "nobody acknowledges in another one's name"))
    if not writer.may_approve:
        found.append(Violation(field, f"takes the verb {APPROVE} on breakglasses there"))
    return found


def of_use(old: Grant, new: Grant, writer: Writer, now: Moment) -> list[Violation]:
    """One more, by a gateway, while the grant holds: then counting twice, or too often, is not possible."""
    before, after = old.status, new.status
    if not writer.gateway:
        return [Violation("status.uses", "are counted by the gateway alone")]
    grown = after.uses[:-1] == before.uses and after.used == before.used + 1
    told = after.used == before.used and _more_of_one(before.uses, after.uses)
    changed = after.approval != before.approval or after.revoked != before.revoked
    if not (grown or told) or len(after.uses) != after.used or changed:
        return [Violation("status.uses", "one use is added at a time, and nothing else")]
    holds = old.state(now.earliest - CLOCKS_APART) in ({"active"} if grown else {"active", "used-up"})
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
