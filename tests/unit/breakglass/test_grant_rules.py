"""Who may write what into a BreakGlass: asked for by one, approved by another, and then never changed."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.grants import NOW, grant_object

from gateway.config.breakglass import BreakGlass
from gateway.core.errors import ConfigError
from webhooks.breakglass.clock import Moment
from webhooks.breakglass.grant import Approval, Changed, Grant, Revoked, Target, Use, read_grant, spec_digest
from webhooks.breakglass.rules import verbs, violations
from webhooks.breakglass.writer import APPROVE, REQUEST, Writer

ALICE, BOB, GATEWAY = "alice@example.com", "bob@example.com", "system:serviceaccount:govgate-system:govgate"
SETTINGS = BreakGlass(emergency_groups=("on-call",))
HOUR = timedelta(hours=1)
AT = Moment.exactly(NOW)


def asked(**spec: object) -> Grant:
    return read_grant(grant_object(**spec))


def with_status(grant: Grant, **status: object) -> Grant:
    return msgspec.structs.replace(grant, status=msgspec.structs.replace(grant.status, **status))


def approved(grant: Grant, by: str = BOB, *, emergency: bool = False) -> Grant:
    return with_status(grant, approval=Approval(by, spec_digest(grant.spec), emergency))


def used(grant: Grant, number: int = 1) -> Grant:
    uses = list(grant.status.uses)
    for index in range(number):
        target = Target("Deployment", "web", "apps/v1", "shop")
        uses.append(Use(f"u-{len(uses)}-{index}", NOW, ALICE, "UPDATE", target, (Changed("spec.replicas"),)))
    return with_status(grant, used=len(uses), uses=tuple(uses))


def texts(old: Grant | None, new: Grant | None, writer: Writer, settings: BreakGlass = SETTINGS) -> str:
    return "; ".join(f"{found.field} {found.text}" for found in violations(old, new, writer, AT, settings))


def writer(user: str, *held: str, groups: tuple[str, ...] = (), gateway: bool = False) -> Writer:
    return Writer(user, frozenset(groups), REQUEST in held, APPROVE in held, gateway)


def test_asking() -> None:
    """Who asks says so, may ask there, and asks for no longer and no more often than the configuration has it."""
    may = writer(ALICE, REQUEST)
    assert texts(None, asked(), may) == ""
    assert "verb request" in texts(None, asked(), writer(ALICE))
    assert "whoever writes asks" in texts(None, asked(by=BOB), may)
    assert "in the past" in texts(None, asked(expires=NOW), may)
    assert "240 minutes" in texts(None, asked(expires=NOW + timedelta(minutes=241)), may)
    assert "at most 10" in texts(None, asked(maxUses=11), may)
    assert texts(None, asked(expires=NOW + timedelta(minutes=240), maxUses=10), may) == ""
    assert "spec.users break-glass is for people" in texts(None, asked(by=GATEWAY), writer(GATEWAY, REQUEST))
    assert "for people" in texts(None, asked(users=["system:serviceaccount:a:b"]), may)
    assert "for people" in texts(None, asked(groups=["system:masters"]), may)
    assert "a new grant has none" in texts(None, approved(asked()), may)


def test_approving() -> None:
    """Somebody else approves, in the own name, exactly what lies there, once, and while it is of use."""
    grant = asked()
    may = writer(BOB, APPROVE)
    assert texts(grant, approved(grant), may) == ""
    assert "verb approve" in texts(grant, approved(grant), writer(BOB))
    assert "someone other" in texts(grant, approved(grant, ALICE), writer(ALICE, APPROVE))
    assert "another one's name" in texts(grant, approved(grant), writer(ALICE, APPROVE))
    other = with_status(grant, approval=Approval(BOB, spec_digest(asked(ticket="OTHER").spec)))
    assert "not that of the spec" in texts(grant, other, may)
    again = approved(grant, "carol@example.com")
    assert "is not changed" in texts(approved(grant), again, writer("carol@example.com", APPROVE))
    assert "is not changed" in texts(approved(grant), grant, may)
    gone = with_status(grant, expired=True)
    assert "is expired" in texts(gone, approved(gone), may)
    # Also if it was written where no webhook looked, it opens nothing.
    assert (approved(grant).state(NOW), other.state(NOW)) == ("active", "pending")
    assert approved(asked(by="carol@example.com", users=[BOB])).state(NOW) == "pending"
    gone = with_status(grant, revoked=Revoked(ALICE))
    assert "is revoked" in texts(gone, approved(gone), may)
    beneficiary = asked(by="carol@example.com", users=[BOB])
    assert "named in it" in texts(beneficiary, approved(beneficiary), may)


def test_an_emergency() -> None:
    """Who asked may approve alone as a member of a named group, and of no other."""
    grant = asked()
    alone = approved(grant, ALICE, emergency=True)
    assert texts(grant, alone, writer(ALICE, groups=("on-call",))) == ""
    assert "members of on-call" in texts(grant, alone, writer(ALICE, APPROVE))
    assert "nobody" in texts(grant, alone, writer(ALICE, groups=("on-call",)), BreakGlass())
    assert "others simply approve" in texts(
        grant, approved(grant, BOB, emergency=True), writer(BOB, groups=("on-call",))
    )
    assert alone.state(NOW) == "active"
    assert approved(grant, ALICE).state(NOW) == "pending"


def test_counting() -> None:
    """The gateway alone counts, one use at a time, while the grant holds; nobody takes one back."""
    grant = approved(asked(maxUses=2))
    gateway = writer(GATEWAY, gateway=True)
    assert texts(grant, used(grant), gateway) == ""
    assert "by the gateway alone" in texts(grant, used(grant), writer(BOB, APPROVE))
    assert "one use" in texts(grant, used(grant, 2), gateway)
    assert "one use" in texts(used(grant), grant, gateway)
    for number in (0, 2):  # the number alone
        assert "by the gateway alone" in texts(used(grant), with_status(used(grant), used=number), writer(BOB, APPROVE))
        assert "one use" in texts(used(grant), with_status(used(grant), used=number), gateway)
    again = used(grant, 2)
    first, second = again.status.uses
    other = with_status(grant, used=2, uses=(msgspec.structs.replace(first, user=BOB), second))
    assert "one use" in texts(with_status(grant, used=1, uses=(first,)), other, gateway)
    assert texts(with_status(grant, used=1, uses=(first,)), again, gateway) == ""
    two = used(approved(asked(maxUses=3)), 2)
    wider = tuple(msgspec.structs.replace(use, fields=(*use.fields, Changed("spec.paused"))) for use in two.status.uses)
    assert texts(two, with_status(two, uses=(wider[0], two.status.uses[1])), gateway) == ""
    assert "one use" in texts(two, with_status(two, uses=wider), gateway)
    assert "one use" in texts(two, with_status(two, uses=wider[:1]), gateway)
    ended = with_status(used(grant), revoked=Revoked(GATEWAY))
    assert "one use" in texts(grant, ended, writer(GATEWAY, APPROVE, gateway=True))
    full = used(used(grant))
    assert "does not hold" in texts(full, used(full), gateway)
    pending = asked()
    assert "does not hold" in texts(pending, used(pending), gateway)
    assert "one use" in texts(pending, approved(used(pending)), gateway)


def test_ending() -> None:
    """Who asked, or may approve, revokes; nothing is un-revoked or un-expired, and an end is not written too early."""
    grant = approved(asked())
    over = with_status(grant, revoked=Revoked(ALICE))
    assert texts(grant, over, writer(ALICE)) == ""
    assert over.state(NOW) == "revoked"
    assert "for who asked" in texts(grant, with_status(grant, revoked=Revoked(BOB)), writer(BOB))
    assert texts(grant, with_status(grant, revoked=Revoked(BOB)), writer(BOB, APPROVE)) == ""
    assert "back" in texts(over, with_status(grant, revoked=Revoked(BOB)), writer(BOB, APPROVE))
    assert "another one's name" in texts(grant, over, writer(BOB, APPROVE))
    assert "back" in texts(over, grant, writer(ALICE, APPROVE))
    gateway = writer(GATEWAY, gateway=True)
    late = approved(asked(expires=NOW))
    assert texts(late, with_status(late, expired=True), gateway) == ""
    assert "gateway to say" in texts(late, with_status(late, expired=True), writer(BOB, APPROVE))
    assert "gateway to say" in texts(grant, with_status(grant, expired=True), gateway)
    assert "takes it back" in texts(with_status(late, expired=True), late, gateway)


def test_deleting() -> None:
    """What was used is deleted only when it holds no longer, by those who approve: the record of the changes goes with it."""
    grant = approved(asked(maxUses=2))
    assert texts(grant, None, writer(ALICE)) == ""
    assert "revoke it first" in texts(used(grant), None, writer(BOB, APPROVE))
    ended = with_status(used(grant), expired=True)
    assert "verb approve" in texts(ended, None, writer(ALICE))
    assert texts(ended, None, writer(BOB, APPROVE)) == ""


def test_what_is_about_to_be_deleted_holds_no_more() -> None:
    """A finalizer, which whoever asks may put there, keeps it in sight; used then, its record would go with nobody asked."""
    gone = msgspec.structs.replace(approved(asked()), deleted=True)
    assert gone.state(NOW) == "deleted"
    assert "does not hold" in texts(gone, used(gone), writer(GATEWAY, gateway=True))
    document = grant_object()
    document["metadata"]["deletionTimestamp"] = "2026-11-26T12:00:00Z"
    grant = read_grant(document)
    assert "it is deleted" in texts(grant, approved(grant), writer(BOB, APPROVE))


SPECS = st.fixed_dictionaries(
    {},
    optional={
        "reason": st.sampled_from(["the shop is down", "another reason"]),
        "maxUses": st.integers(1, 3),
        "users": st.sampled_from([[ALICE], [ALICE, BOB]]),
        "expires": st.sampled_from(["2026-11-26T13:00:00Z", "2026-11-26T12:30:00Z"]),
    },
)


@given(SPECS, SPECS, st.booleans(), st.booleans())
def test_no_spec_is_ever_changed(before: dict, after: dict, may: bool, gateway: bool) -> None:
    """Whoever writes: a spec that differs is refused, one that says the same is not for that reason."""
    old, new = read_grant(_spec(before)), read_grant(_spec(after))
    who = Writer(ALICE, frozenset({"on-call"}), may, may, gateway)
    refused = any(found.field == "spec" for found in violations(old, new, who, AT, SETTINGS))
    assert refused == (old.spec != new.spec)


STATUS = st.builds(
    lambda approver, emergency, revoked, expired, uses: (approver, emergency, revoked, expired, uses),
    st.sampled_from(["", ALICE, BOB]),
    st.booleans(),
    st.sampled_from(["", ALICE, BOB]),
    st.booleans(),
    st.integers(0, 3),
)


@given(STATUS, STATUS, st.sampled_from([ALICE, BOB, GATEWAY]), st.booleans())
def test_nothing_that_ended_ever_holds_again(before: tuple, after: tuple, user: str, gateway: bool) -> None:
    """Any write that is let through leaves an expired, revoked or used up grant as it is; none makes one person enough."""
    old, new = _status(before), _status(after)
    who = Writer(user, frozenset(), may_request=True, may_approve=True, gateway=gateway)
    if violations(old, new, who, AT, SETTINGS):
        return
    if old.state(NOW) in {"expired", "revoked", "used-up"}:
        assert new.state(NOW) != "active"
    assert new.status.used >= old.status.used
    if new.state(NOW) == "active" and old.state(NOW) == "pending":
        assert new.status.approval is not None
        assert new.status.approval.approver == user != new.spec.requested_by


def _spec(spec: dict) -> dict:
    document = grant_object()
    document["spec"] |= spec
    return document


def _status(parts: tuple) -> Grant:
    approver, emergency, revoked, expired, uses = parts
    grant = asked(maxUses=2)
    if approver:
        grant = approved(grant, approver, emergency=emergency)
    return with_status(used(grant, uses), revoked=Revoked(revoked) if revoked else None, expired=expired)


def test_which_verbs_are_asked_about() -> None:
    """Only those that the write needs: each is a question to the API server."""
    grant = asked()
    assert verbs(None, grant, ALICE) == {REQUEST}
    assert verbs(grant, approved(grant), BOB) == {APPROVE}
    assert verbs(grant, with_status(grant, revoked=Revoked(ALICE)), ALICE) == set()
    assert verbs(grant, with_status(grant, revoked=Revoked(BOB)), BOB) == {APPROVE}
    assert verbs(approved(grant), used(approved(grant)), GATEWAY) == set()
    assert verbs(approved(grant), grant, BOB) == set()  # which nobody may, whatever the verb
    assert verbs(used(grant), None, ALICE) == {APPROVE}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"scope": {"kinds": ["Pod"], "names": ["a"], "namespaces": ["*", "a"]}}, "stands alone"),
        ({"users": []}, "neither users nor groups"),
        ({"expires": "2026-11-26T12:00:00"}, "time zone"),
        ({"scope": {"kinds": [], "names": ["a"]}}, "kinds"),
        ({"scope": {"kinds": ["Pod"], "names": ["a"], "guards": ["waivers"]}}, "guards"),
        ({"more": 1}, "unknown field"),
        ({"maxUses": 51}, "maxUses"),
    ],
)
def test_what_is_no_grant(spec: dict, says: str) -> None:
    """What cannot hold is named."""
    with pytest.raises(ConfigError, match=says):
        read_grant(_spec(spec))
