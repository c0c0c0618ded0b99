"""One person is never two: whatever names, groups and accounts are at hand, nobody asks, approves and uses alone."""

from __future__ import annotations

import unicodedata
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.grants import NOW, grant_object

from gateway.config.breakglass import BreakGlass
from gateway.core.subject import UserInfo
from webhooks.breakglass.clock import Moment
from webhooks.breakglass.grant import Approval, Grant, Status, read_grant, spec_digest
from webhooks.breakglass.person import folded, machine, same
from webhooks.breakglass.rules import violations
from webhooks.breakglass.writer import Writer

AT = Moment.exactly(NOW)
SETTINGS = BreakGlass(emergency_groups=("on-call",))
ACCOUNT = "system:serviceaccount:shop:deployer"
BASES = ("alice@example.com", "straße", "ﬁnn", "İpek", "ångström")


def variants(name: str) -> list[str]:
    """Ways to write one person's name."""
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name)
    hidden = name[:1] + "\u200d" + name[1:]
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    return [name, name.upper(), name.title(), wide, hidden, f" {name}", name.casefold(), *forms]


NAMES = st.sampled_from(BASES).flatmap(lambda base: st.sampled_from(variants(base)))


@given(NAMES, NAMES)
def test_which_names_are_one_persons(one: str, other: str) -> None:
    """Case, width, composition and what is not seen make no other person; another base does."""
    base = {variant: name for name in BASES for variant in variants(name)}
    assert same(one, other) == (base[one] == base[other])


UNSEEN = (
    *(0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180E, 0x180F, 0x200B, 0x202E, 0x2065, 0x3164),
    *(0xFE00, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFF0, 0x1BCA0, 0x1D173, 0xE0000, 0xE0100, 0xE01EF, 0xE0FFF),
)


@pytest.mark.parametrize("number", UNSEEN, ids=hex)
def test_a_character_that_nobody_sees_makes_no_other_person(number: int) -> None:
    """Wherever it stands, and whether Unicode assigned it yet or not."""
    unseen = chr(number)
    for name in (f"{unseen}alice@example.com", f"al{unseen}ice@example.com", f"alice@example.com{unseen}"):
        assert same(name, "alice@example.com")
    assert machine(f"sys{unseen}tem:serviceaccount:a:b")


@given(st.text(max_size=30))
def test_folding_is_done_once(text: str) -> None:
    """A folded name is folded already: comparing is an equivalence."""
    assert folded(folded(text)) == folded(text)


def asked(by: str, users: list[str], groups: list[str]) -> Grant:
    return read_grant(grant_object(by=by, users=users, groups=groups))


def approving(grant: Grant, approver: UserInfo, *, emergency: bool = False) -> tuple[Grant, str]:
    """The grant with the approval, and why it is refused."""
    approval = Approval(approver.username, spec_digest(grant.spec), emergency)
    new = msgspec.structs.replace(grant, status=Status(approval=approval))
    writer = Writer(approver.username, frozenset(approver.groups), may_request=True, may_approve=True)
    return new, "; ".join(found.text for found in violations(grant, new, writer, AT, SETTINGS))


IDENTITIES = st.builds(
    lambda name, groups: UserInfo(name, groups=tuple(groups)),
    st.sampled_from(variants("alice@example.com")),
    st.lists(st.sampled_from(["developers", "Developers", "ops"]), max_size=2, unique=True),
)


@given(IDENTITIES, IDENTITIES, IDENTITIES, st.booleans(), st.lists(st.sampled_from(["developers", "ops"]), max_size=2))
def test_no_identities_of_one_person_open_a_grant(
    asks: UserInfo, approves: UserInfo, uses: UserInfo, named: bool, groups: list[str]
) -> None:
    """Written in whichever way, in whichever groups: who asks, approves and uses are not one and the same."""
    grant = asked(asks.username, [uses.username] if named or not groups else [], groups)
    approved, refused = approving(grant, approves)
    assert refused
    assert approved.state(NOW) == "pending"


@given(st.sampled_from(["bob@example.com", "BOB@example.com"]), IDENTITIES, st.booleans())
def test_who_approves_does_not_use(bob: str, alice: UserInfo, later: bool) -> None:
    """Neither as a member of the group that it is for, nor as one that joined it after approving."""
    grant = asked(alice.username, [], ["ops"])
    approved, refused = approving(grant, UserInfo("bob@example.com", groups=() if later else ("ops",)))
    assert bool(refused) is not later
    if later:
        assert approved.state(NOW) == "active"
        assert not approved.lets(UserInfo(bob, groups=("ops",)))
        assert approved.lets(UserInfo("carol@example.com", groups=("ops",)))


@pytest.mark.parametrize("name", ["Ops", "\uff4fps", "o\u200dps"])
def test_a_group_is_one_however_it_is_written(name: str) -> None:
    """An identity provider may fold it; who is in it is no second person."""
    grant = asked("alice@example.com", [], ["ops"])
    assert "you are in ops" in approving(grant, UserInfo("bob@example.com", groups=(name,)))[1]


@pytest.mark.parametrize("name", [ACCOUNT, "system:admin", "System:Admin", "\u200bsystem:node:a"])
def test_an_account_is_no_second_person(name: str) -> None:
    """Whoever can get its token is it: it neither approves nor asks, and the message says what to do."""
    assert machine(name)
    grant = asked("alice@example.com", ["alice@example.com"], [])
    approved, refused = approving(grant, UserInfo(name))
    assert "under your own name" in refused
    assert approved.state(NOW) == "pending"
    writer = Writer(name, may_request=True)
    request = asked(name, ["alice@example.com"], [])
    assert "Ask under your own name" in "; ".join(f.text for f in violations(None, request, writer, AT, SETTINGS))


def test_an_account_for_emergencies() -> None:
    """An account in one of the emergency groups is alone as configured, flagged; it is no second person either."""
    groups = ("on-call",)
    writer = Writer(ACCOUNT, frozenset(groups), may_request=True, may_approve=True)
    request = asked(ACCOUNT, [ACCOUNT], [])
    assert violations(None, request, writer, AT, SETTINGS) == []
    alone, refused = approving(request, UserInfo(ACCOUNT, groups=groups), emergency=True)
    assert (refused, alone.state(NOW), alone.lets(UserInfo(ACCOUNT))) == ("", "active", True)
    for users, for_groups in (
        (["alice@example.com"], []),
        ([ACCOUNT, "alice@example.com"], []),
        ([ACCOUNT], ["developers"]),
    ):
        wider = asked(ACCOUNT, users, for_groups)
        refusals = violations(None, wider, writer, AT, SETTINGS)
        assert "asks for itself alone" in "; ".join(one.text for one in refusals)
        assert "asks for itself alone" in approving(wider, UserInfo(ACCOUNT, groups=groups), emergency=True)[1]
    of_alice = asked("alice@example.com", ["alice@example.com"], [])
    assert "under your own name" in approving(of_alice, UserInfo(ACCOUNT, groups=groups))[1]


def test_what_was_asked_for_while_nobody_looked_has_the_same_limits() -> None:
    """An approval is refused where the request would have been: it may have been written past the webhook."""
    far = read_grant(grant_object(maxUses=50, groups=["system:authenticated"], expires=NOW.replace(day=28)))
    refused = approving(far, UserInfo("bob@example.com"))[1]
    assert all(text in refused for text in ("at most 240 minutes", "at most 10", "for people"))


def test_nobody_approves_in_the_name_of_an_emergency_of_somebody_else() -> None:
    """An emergency that another than the requester approved does not hold, however it was written."""
    for approver, flag in product(("bob@example.com", "Alice@example.com"), (True,)):
        grant = asked("alice@example.com", ["alice@example.com"], [])
        assert approving(grant, UserInfo(approver), emergency=flag)[0].state(NOW) == "pending"
