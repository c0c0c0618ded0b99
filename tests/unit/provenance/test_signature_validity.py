"""Until when evidence holds: for good where a time is proven, else no longer than what was compared with the present."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest
from support.signing import (
    DIGEST,
    NotationSigner,
    accepted,
    bundle,
    by_identity,
    by_key,
    legacy,
    p256,
    pem,
    refused,
    simple_signing,
    verify,
)
from support.sigstack import NOW, Stack, sign, statement

from gateway.provenance.evidence import Key, Levels

STACK = Stack()
KEY = p256()
LEAF = STACK.leaf(KEY)
ROOT = STACK.root()
BARE = legacy(simple_signing(), sign(KEY, simple_signing()))
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
NO_LOG = Levels(allow_no_log=True)
UNLOGGED = bundle(STACK.envelope(statement(DIGEST), KEY, certificate=LEAF, logged=False))


def ends(candidate, authority):
    """When the evidence ends; and that it is not accepted any more a second later, but was until then."""
    end = accepted(verify(candidate, authority)).valid_until
    if end is not None:
        assert accepted(verify(candidate, authority, now=end - SECOND)).valid_until == end
        refused(verify(candidate, authority, now=end + SECOND))
    return end


@pytest.mark.parametrize("stamped", [False, True])
def test_what_is_proven_holds_for_good(stamped):
    """By a log or a time-stamp authority; whatever ends since."""
    options = {"logged": not stamped, "stamped": stamped}
    key = Key(pem(KEY), not_after=NOW + HOUR)
    keyed = bundle(STACK.envelope(statement(DIGEST), KEY, **options))
    assert ends(keyed, by_key(key, root=STACK.root(log=(NOW - HOUR, NOW + HOUR), tsa=(NOW - HOUR, NOW + HOUR)))) is None
    keyless = bundle(STACK.envelope(statement(DIGEST), KEY, certificate=LEAF, **options))
    assert (
        ends(keyless, by_identity(STACK.root(ca=(NOW - HOUR, NOW + HOUR)), levels=Levels(allow_tsa_only=True))) is None
    )


def test_without_a_proven_time_a_signature_ends_with_its_key():
    """If the key ends."""
    assert ends(BARE, by_key(KEY)) is None
    assert ends(BARE, by_key(Key(pem(KEY), not_after=NOW + HOUR))) == NOW + HOUR


def test_a_log_entry_without_a_time_ends_with_the_logs_key():
    """A proof without a promise: the log's window was compared with now."""
    candidate = bundle(STACK.envelope(statement(DIGEST), KEY, promised=False))
    authority = by_key(Key(pem(KEY), not_after=NOW + 2 * HOUR), root=STACK.root(log=(NOW - HOUR, NOW + HOUR)))
    assert ends(candidate, authority) == NOW + HOUR


def test_without_a_proven_time_an_identity_ends_with_its_certificate():
    """Or with its authority, whose window or own certificate may end before."""
    assert ends(UNLOGGED, by_identity(ROOT, levels=NO_LOG)) == LEAF.not_valid_after_utc
    window = STACK.root(ca=(NOW - HOUR, NOW + SECOND * 9))
    assert ends(UNLOGGED, by_identity(window, levels=NO_LOG)) == NOW + SECOND * 9
    short = Stack(ca_until=NOW + SECOND * 30)
    candidate = bundle(short.envelope(statement(DIGEST), KEY, certificate=short.leaf(KEY), logged=False))
    assert ends(candidate, by_identity(short.root(), levels=NO_LOG)) == NOW + SECOND * 30


def test_a_notation_signature_ends_with_its_expiry_or_a_certificate():
    """The earliest of them all."""
    signer = NotationSigner(days=3)
    assert ends(signer.sign(), signer.authority()) == NOW + timedelta(days=3)
    longer = NotationSigner(days=99)
    assert ends(longer.sign(), longer.authority()) == NOW + timedelta(days=30), "its authorities' end before"
    prefix = "io.cncf.notary."
    expiring = signer.sign(crit=[f"{prefix}signingScheme", f"{prefix}expiry"], expiry="2025-06-01T13:00:00Z")
    assert ends(expiring, signer.authority()) == NOW + HOUR


def test_the_end_is_saved_with_the_evidence():
    """As validUntil."""
    evidence = verify(BARE, by_key(Key(pem(KEY), not_after=NOW + HOUR)))
    assert json.loads(msgspec.json.encode(evidence))["signed"][0]["validUntil"] == "2025-06-01T13:00:00Z"
