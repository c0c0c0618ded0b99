"""What is noted of values that generators made elsewhere: when another is made, when a lease is renewed, whom a note is believed from."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.external import external

from gateway_secrets.external.made import (
    LEAST_SECONDS,
    MAX_REPLACED,
    Made,
    Note,
    Replaced,
    mark_of,
    note_in,
    note_name,
    note_of,
    recovered,
    replaced_by,
)
from gateway_secrets.external.spec import ExternalSecret
from gateway_secrets.external.status import synced_version
from gateway_secrets.stores.vault_dynamic_spec import Lease

KEY = b"of the tests"
VALUES = {"user": b"canary-user", "password": b"canary-password"}


def about(**spec: Any) -> ExternalSecret:
    return external(
        **{"dataFrom": [{"sourceRef": {"generatorRef": {"kind": "VaultDynamicSecret", "name": "x"}}}]} | spec
    )


def made(external: ExternalSecret, at: float = 1_000.0, lease: Lease | None = None) -> Made:
    return Made(
        "spec.dataFrom[0]", "VaultDynamicSecret/x", "u.1", synced_version(external), at,
        mark_of(VALUES, KEY), tuple(sorted(VALUES)), lease, lease.seconds if lease else 0.0,
    )  # fmt: skip


def lease(seconds: float, at: float = 1_000.0, *, renewable: bool = True) -> Lease:
    return Lease("a/lease", at + seconds, seconds, renewable)


def secret(note: str, of: ExternalSecret) -> dict[str, Any]:
    return {"metadata": {"annotations": {note_name(of): note}}}


@given(st.floats(30, 1e6), st.floats(1, 1e6), st.booleans())
def test_another_is_made_when_it_is_due_or_before_it_ends(interval: float, seconds: float, renewable: bool) -> None:
    """Whatever comes first; but not all the time. It is renewed before that."""
    of = about(refreshInterval=f"{int(interval)}s")
    one = made(of, lease=lease(seconds, renewable=renewable))
    at = one.replaced_at(of.spec)
    assert at is not None
    assert 1_000 + min(int(interval), LEAST_SECONDS) <= at <= 1_000 + max(int(interval), LEAST_SECONDS)
    assert at < 1_000 + seconds or at == 1_000 + LEAST_SECONDS
    renewed = one.renewed_at()
    assert (renewed is None) is not renewable
    assert renewed is None or renewed <= 1_000 + seconds / 2
    assert one.is_for(of, "u.1", at - 0.001)
    assert not one.is_for(of, "u.1", at)


@pytest.mark.parametrize(
    "spec", [{"refreshPolicy": "CreatedOnce"}, {"refreshPolicy": "OnChange"}, {"refreshInterval": "0"}]
)
def test_what_is_not_refreshed_is_not_replaced(spec: dict[str, str]) -> None:
    """Also when its lease ends."""
    of = about(**spec)
    assert made(of, lease=lease(60)).replaced_at(of.spec) is None


def test_a_lease_that_is_not_made_longer_any_more_is_let_run_out() -> None:
    """At its greatest life, what is left is ever less."""
    of, renewals = about(refreshPolicy="OnChange"), 0
    one = made(of, lease=lease(600))
    while (at := one.renewed_at()) is not None:
        renewals += 1
        assert one.lease is not None
        one = msgspec.structs.replace(one, lease=msgspec.structs.replace(one.lease, seconds=one.lease.ends - at))
    assert renewals == 3


@pytest.mark.parametrize(
    ("change", "good"),
    [({}, True), ({"revision": "u.2"}, False), ({"version": "2-x"}, False), ({"at": 99_999.0}, False)],
)
def test_for_what_it_was_made(change: dict[str, Any], good: bool) -> None:
    """The same generator, the same ExternalSecret; and not by a clock that was set back since."""
    of = about()
    assert msgspec.structs.replace(made(of), **change).is_for(of, "u.1", 1_001) is good
    once = about(refreshPolicy="CreatedOnce")
    assert msgspec.structs.replace(made(once), **change).is_for(once, "u.1", 1_001)


@pytest.mark.parametrize("policy", ["Owner", "Merge"])
def test_a_note_is_read_again(policy: str) -> None:
    """As it was written; without any value; and of this ExternalSecret alone."""
    of = about(target={"creationPolicy": policy})
    said = Note((made(of, lease=lease(60)),), (replaced("b"),))
    note = note_of(said, of, KEY)
    assert note_in(secret(note, of), of, KEY) == said
    assert "canary" not in note
    other = msgspec.structs.replace(of, uid="another")
    assert note_in({"metadata": {"annotations": {note_name(other): note}}}, other, KEY) == Note()
    assert note_in(secret(note, of), of, b"another key") == Note()
    for old, new in (("a/lease", "b/lease"), ('"made"', '"odd"'), ('"id":"b"', '"id":"c"'), ('"replaced"', '"odd"')):
        assert old in note
        assert note_in(secret(note.replace(old, new), of), of, KEY) == Note()
    assert note_of(Note(), of, KEY) == ""


def replaced(lease_id: str, at: float = 2_000.0, ends: float = 9_000.0) -> Replaced:
    return Replaced("VaultDynamicSecret/x", "u.1", Lease(lease_id, ends, 60.0), at)


def test_what_is_replaced_is_noted_until_it_is_ended() -> None:
    """For a while, but never beyond its own end; once; and what the Secret holds again is not."""
    of = about()
    before = Note((made(of, lease=lease(5_000)),), (replaced("b", at=1_500), replaced("over", ends=1_400)))
    found = replaced_by([], before, [replaced("b", at=-1), replaced("c", ends=1_450)], 1_400, 300)
    assert [(one.lease.id, one.at) for one in found] == [("c", 1_450), ("b", 1_500), ("a/lease", 1_700)]
    assert replaced_by(before.made, before, [], 1_400, 300) == (replaced("b", at=1_500),)


def test_no_more_are_noted_than_there_is_room_for() -> None:
    """The oldest go."""
    many = [replaced(f"{n:03}", at=2_000.0 + n) for n in range(MAX_REPLACED + 5)]
    assert replaced_by([], Note((), tuple(many)), [], 1_000, 300) == tuple(many[5:])


def test_values_out_of_the_secret() -> None:
    """If it holds them as they were made, whatever else it holds."""
    one = made(about())
    assert recovered(one, VALUES | {"other": b"x"}, KEY) == VALUES
    assert recovered(one, VALUES | {"password": b"changed"}, KEY) is None
    assert recovered(one, {}, KEY) is None
