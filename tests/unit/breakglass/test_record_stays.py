"""The record of what was changed stays until Git agrees, or a second person took note of it."""

from __future__ import annotations

from datetime import UTC, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.grants import NOW, grant_object

from gateway.config.breakglass import BreakGlass
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from webhooks.breakglass.clock import Moment
from webhooks.breakglass.grant import (
    Acknowledged,
    Approval,
    Changed,
    Grant,
    Revoked,
    Status,
    Target,
    Use,
    read_grant,
    spec_digest,
)
from webhooks.breakglass.noted import digest_of, noted
from webhooks.breakglass.record import is_loss
from webhooks.breakglass.rules import verbs, violations
from webhooks.breakglass.told import told
from webhooks.breakglass.writer import APPROVE, Writer

ALICE, BOB, CAROL = "alice@example.com", "bob@example.com", "carol@example.com"
OPEN = ("Deployment shop/web spec.replicas",)
AT = Moment.exactly(NOW)
WHY = "the Deployment is to be gone for good"


def used(*, revoked: bool = True, acknowledged: Acknowledged | None = None, by: str = ALICE, **spec: object) -> Grant:
    grant = read_grant(grant_object(**spec))
    use = Use("u", NOW, by, "UPDATE", Target("Deployment", "web", "apps/v1", "shop"), (Changed("spec.replicas"),))
    status = Status(
        approval=Approval(BOB, spec_digest(grant.spec)), revoked=Revoked(BOB) if revoked else None, used=1, uses=(use,),
        acknowledged=acknowledged,
    )  # fmt: skip
    return msgspec.structs.replace(grant, status=status)


def writer(user: str, *, groups: tuple[str, ...] = (), may: bool = True) -> Writer:
    return Writer(user, frozenset(groups), may_approve=may)


def refused(old: Grant, new: Grant | None, who: Writer, outstanding: tuple[str, ...] = ()) -> str:
    found = violations(old, new, who, AT, BreakGlass(), outstanding=outstanding)
    return "; ".join(f"{one.field} {one.text}" for one in found)


def acknowledged(old: Grant, by: str, reason: str = WHY) -> Grant:
    return msgspec.structs.replace(
        old, status=msgspec.structs.replace(old.status, acknowledged=Acknowledged(by, reason))
    )


def test_a_record_of_what_git_does_not_say_is_not_deleted() -> None:
    """By nobody; the message names what is open, and the way out. With Git's agreement, or taken note of, it goes."""
    old = used()
    assert is_loss(old, None, AT)
    text = refused(old, None, writer(BOB), OPEN)
    assert "Deployment shop/web spec.replicas" in text
    assert "govgate break-glass acknowledge web --reason=WHY" in text
    assert refused(old, None, writer(BOB)) == ""
    done = acknowledged(old, BOB)
    assert not is_loss(done, None, AT)
    assert refused(done, None, writer(BOB), OPEN) == ""
    assert "verb approve" in refused(done, None, writer(ALICE, may=False))


def test_nothing_is_asked_where_nothing_is_lost() -> None:
    """What was not used, still holds, or is not deleted at all."""
    assert not is_loss(read_grant(grant_object()), None, AT)
    assert not is_loss(used(revoked=False, maxUses=2), None, AT)
    assert not is_loss(used(), used(), AT)
    many = tuple(f"field-{number}" for number in range(9))
    assert "and 5 more" in refused(used(), None, writer(BOB), many)


def test_who_takes_note() -> None:
    """A second person, who may approve, in the own name, once, with a reason, when it is over."""
    old = used()
    assert verbs(old, acknowledged(old, BOB), BOB) == {APPROVE}
    assert refused(old, acknowledged(old, BOB), writer(BOB)) == ""
    assert "verb approve" in refused(old, acknowledged(old, BOB), writer(BOB, may=False))
    assert "another one's name" in refused(old, acknowledged(old, BOB), writer(CAROL))
    assert "other than who asked" in refused(old, acknowledged(old, ALICE), writer(ALICE))
    assert "under your own name" in refused(old, acknowledged(old, "system:admin"), writer("system:admin"))
    of_group = used(users=[], groups=["ops"], by=CAROL)
    assert "you are in ops" in refused(of_group, acknowledged(of_group, BOB), writer(BOB, groups=("ops",)))
    assert "who changed something" in refused(of_group, acknowledged(of_group, CAROL), writer("Carol@example.com"))
    holds = used(revoked=False, maxUses=2)
    assert "revoke it first" in refused(holds, acknowledged(holds, BOB), writer(BOB))
    unused = msgspec.structs.replace(old, status=Status(revoked=Revoked(BOB)))
    assert "delete it" in refused(unused, acknowledged(unused, BOB), writer(BOB))
    done = acknowledged(old, BOB)
    for after in (old, acknowledged(old, CAROL), acknowledged(old, BOB, "another reason")):
        assert "is not changed" in refused(done, after, writer(CAROL))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"by": BOB, "reason": ""}, Acknowledged)


@given(st.sampled_from([ALICE, BOB, CAROL, "Alice@Example.com"]), st.booleans(), st.booleans())
def test_nobody_alone_changes_and_takes_the_record_away(name: str, may: bool, done: bool) -> None:
    """Whoever deletes: what is open and not taken note of stays; who asked or changed takes no note."""
    old = used()
    if done:
        new = acknowledged(old, name)
        if refused(old, new, writer(name, may=may)):
            return
        assert name not in {ALICE, "Alice@Example.com"}
        old = new
    assert bool(refused(old, None, writer(name, may=may), OPEN)) is not (done and may)


def test_what_a_note_is_of() -> None:
    """One approval of one object: of another object, by another person, or of another spec it is another note."""
    grant = used()
    notes = {grant.uid: f"{digest_of(grant)} {(NOW + timedelta(hours=1)).astimezone(UTC).isoformat()}"}
    assert noted(grant, notes)
    approval = Approval(CAROL, spec_digest(grant.spec))
    status = msgspec.structs.replace(grant.status, approval=approval)
    forged = [
        msgspec.structs.replace(grant, uid="other"),
        msgspec.structs.replace(grant, uid=""),
        msgspec.structs.replace(grant, status=status),
        used(ticket="OTHER"),
    ]
    assert not any(noted(one, notes) for one in forged)
    moved = {"other": notes[grant.uid], "": digest_of(forged[1])}
    assert not any(noted(one, moved) for one in forged)
    assert not noted(msgspec.structs.replace(grant, name="other"), notes)
    assert not noted(grant, {})


def test_only_an_emergency_is_warned_of() -> None:
    """The alert that somebody approved alone goes by this guard's warnings: that note was taken is recorded, and no warning."""
    asked = Subject(
        uid="u", operation="UPDATE", kind=GroupVersionKind("govgate.dev", "v1alpha1", "BreakGlass"),
        resource=GroupVersionResource("govgate.dev", "v1alpha1", "breakglasses"), user=UserInfo(BOB), name="web",
    )  # fmt: skip
    old = used()
    noted_of = acknowledged(old, BOB)
    for before, after in ((old, noted_of), (noted_of, None)):
        (found,) = told(asked, before, after)
        assert (found.rule, found.action) == ("break-glass/acknowledged", "audit")
    fresh = read_grant(grant_object())
    alone = Status(approval=Approval(ALICE, spec_digest(fresh.spec), emergency=True))
    (found,) = told(asked, fresh, msgspec.structs.replace(fresh, status=alone))
    assert (found.rule, found.action) == ("break-glass/self-approved", "warn")
