"""Evidence that grows round by round."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from support.signing import ARTIFACT, DIGEST, bundle, by_key, p256
from support.sigstack import NOW, Stack, statement

from gateway.provenance.collecting import Collected, Growing
from gateway.provenance.evidence import Rejected

STACK, KEY, OTHER = Stack(), p256(), p256()
AUTHORITIES = (by_key(KEY),)
CANDIDATES = [
    bundle(STACK.envelope(statement(DIGEST), KEY, logged=False), "sha256:signature"),
    bundle(STACK.envelope(statement(DIGEST, "t", {"a": [1.50, "é"]}), KEY, logged=False), "sha256:attestation"),
    bundle(STACK.envelope(statement(DIGEST), OTHER, logged=False), "sha256:stranger"),
    bundle(b"{", "sha256:garbage"),
]
LOST = Rejected("sigstore-bundle", "sha256:lost", "format", "gone", "sign again")


@given(st.lists(st.lists(st.sampled_from(CANDIDATES), max_size=3), max_size=5), st.booleans(), st.booleans())
def test_it_is_what_it_would_be_at_once(rounds: list[list[object]], lost: bool, complete: bool) -> None:
    """However it was found; that is why nothing has to be verified twice."""
    growing = Growing(AUTHORITIES, NOW)
    collected = Collected(ARTIFACT)
    for more in rounds:
        collected = msgspec.structs.replace(collected, candidates=(*collected.candidates, *more))
        growing.of(collected)
    if lost:
        collected = msgspec.structs.replace(collected, unreadable=(LOST,))
    collected = msgspec.structs.replace(collected, complete=complete)
    grown, at_once = growing.of(collected), collected.evidence(AUTHORITIES, NOW)
    assert json.loads(msgspec.json.encode(grown)) == json.loads(msgspec.json.encode(at_once))
    assert grown.complete is (complete and not lost)


def test_predicates_are_kept_as_they_were_written() -> None:
    """Numbers too; a statement that is no UTF-8 is refused before it could be printed."""
    found = Collected(ARTIFACT, tuple(CANDIDATES)).evidence(AUTHORITIES, NOW)
    said = next(one for one in found.signed if one.predicate_type == "t")
    assert json.loads(bytes(said.predicate)) == {"a": [1.5, "é"]}
    broken = statement(DIGEST, "t", {"a": "?"}).replace(b"?", b"\xff")
    evidence = Collected(ARTIFACT, (bundle(STACK.envelope(broken, KEY, logged=False)),)).evidence(AUTHORITIES, NOW)
    assert [one.step for one in evidence.rejected] == ["format"]
