"""Valid candidates, changed at random: none passes as something else, and nothing is raised."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import cbor2
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from support.notation import STAMP, by_authority, cose_candidate, parts_of, sign_cose
from support.signing import (
    ARTIFACT,
    DIGEST,
    NotationSigner,
    attestation,
    bundle,
    by_identity,
    by_key,
    jws_candidate,
    legacy,
    legacy_logged,
    p256,
    simple_signing,
)
from support.sigstack import NOW, Stack, b64, sign, statement
from support.tsa import TimestampAuthority

from gateway.provenance.evidence import Candidate, Levels
from gateway.provenance.signatures import verify_candidates

STACK = Stack()
KEY, LEAF_KEY = p256(), p256()
LEAF = STACK.leaf(LEAF_KEY)
NOTATION, TSA = NotationSigner(), TimestampAuthority()
ROOT = STACK.root()
AUTHORITIES = (
    by_key(KEY, root=ROOT),
    by_identity(ROOT, levels=Levels(allow_tsa_only=True)),
    NOTATION.authority(notation_timestamp_authorities=TSA.anchors, notation_signing_authorities=NOTATION.anchors),
)


def _legacy() -> Candidate:
    payload = simple_signing(team="web")
    signature = sign(LEAF_KEY, payload)
    return legacy(
        payload,
        signature,
        certificate=LEAF.public_bytes(serialization.Encoding.PEM).decode(),
        bundle=legacy_logged(STACK, payload, signature, LEAF),
        rfc3161timestamp=json.dumps({"SignedRFC3161Timestamp": b64(STACK.tsa.stamp(signature, NOW))}),
    )


def _stamped_jws() -> Candidate:
    document = json.loads(NOTATION.sign().payload)
    signature = base64.urlsafe_b64decode(document["signature"] + "==")
    document["header"][STAMP] = b64(TSA.token(signature, NOW))
    return jws_candidate(document)


COSE = "Notation in COSE, stamped"
VALID = {
    "by key": bundle(STACK.envelope(statement(DIGEST), KEY, stamped=True)),
    "by key, of the artifact": bundle(STACK.message(b'{"schemaVersion": 2}', KEY)),
    "by identity": bundle(STACK.envelope(statement(DIGEST), LEAF_KEY, certificate=LEAF, stamped=True)),
    "by identity, time stamp only": bundle(
        STACK.envelope(statement(DIGEST), LEAF_KEY, certificate=LEAF, logged=False, stamped=True)
    ),
    "legacy by identity": _legacy(),
    "legacy attestation": attestation(statement(DIGEST, "https://slsa.dev/provenance/v1", {"a": 1}), KEY),
    "Notation": NOTATION.sign(),
    "Notation, stamped": _stamped_jws(),
    COSE: sign_cose(NOTATION, None, {STAMP: lambda signature: TSA.token(signature, NOW)}),
    "Notation in COSE, by a signing authority": sign_cose(NOTATION, by_authority()),
}
NAMES = sorted(VALID)
IN_JSON = [name for name in NAMES if VALID[name].payload.startswith(b"{")]


def facts(candidate: Candidate) -> list[tuple[Any, ...]]:
    """What is accepted: who says what of which artifact. Raises if anything else than a refusal came out."""
    evidence = verify_candidates(ARTIFACT, [candidate], AUTHORITIES, NOW)
    for rejected in evidence.rejected:
        assert "internal error" not in rejected.reason, rejected
    return [
        (
            signed.signer,
            signed.predicate_type,
            msgspec.json.encode(signed.predicate),
            signed.statement,
            signed.annotations,
        )
        for signed in evidence.signed
    ]


TRUTH = {name: facts(candidate) for name, candidate in VALID.items()}


def test_all_of_them_are_valid_to_begin_with():
    """Each is accepted once."""
    assert {name: len(found) for name, found in TRUTH.items()} == dict.fromkeys(VALID, 1)


def check(name: str, candidate: Candidate) -> None:
    """A changed candidate is refused, or says exactly what the original did (a hint or a space was changed)."""
    found = facts(candidate)
    assert not found or found == TRUTH[name]


@given(st.sampled_from(NAMES), st.data())
def test_bytes_changed(name, data):
    """A byte of the payload is changed, left out or doubled."""
    payload = bytearray(VALID[name].payload)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 1))
        how = data.draw(st.sampled_from(["flip", "drop", "double"]))
        if how == "flip":
            payload[at] ^= data.draw(st.integers(1, 255))
        elif how == "drop":
            del payload[at]
        else:
            payload.insert(at, payload[at])
    check(name, msgspec.structs.replace(VALID[name], payload=bytes(payload)))


@given(st.sampled_from(IN_JSON), st.data())
def test_bytes_changed_inside_of_the_encodings(name, data):
    """A byte of something in base64 is changed: signatures, certificates, bodies, proofs, stamps."""
    document = json.loads(VALID[name].payload)
    places = [place for place in _places(document) if _decoded(_at(document, place))]
    if not places:
        return
    place = data.draw(st.sampled_from(places))
    content = bytearray(_decoded(_at(document, place)) or b"")
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    check(name, _replaced(name, document, place, b64(bytes(content))))


WEIRD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.just([]),
    st.just({}),
    st.just("A" * 100_000),
    st.just([[[]]] * 50),
)


@given(st.sampled_from(IN_JSON), st.data())
def test_values_replaced(name, data):
    """A value of the document becomes another one, of whatever type."""
    document = json.loads(VALID[name].payload)
    place = data.draw(st.sampled_from(list(_places(document))))
    check(name, _replaced(name, document, place, data.draw(WEIRD)))


@given(st.sampled_from(IN_JSON), st.data())
def test_fields_dropped(name, data):
    """A field or an element is left out."""
    document = json.loads(VALID[name].payload)
    place = data.draw(st.sampled_from([place for place in _places(document) if place]))
    parent = _at(document, place[:-1])
    del parent[place[-1]]
    check(name, msgspec.structs.replace(VALID[name], payload=json.dumps(document).encode()))


@given(st.booleans(), st.data())
def test_items_of_cbor_replaced(drop, data):
    """As with JSON, in the envelope and in the header that is signed."""
    body, *rest = parts_of(VALID[COSE])
    document = [cbor2.loads(body), *rest]
    place = data.draw(st.sampled_from([place for place in _places(document) if place]))
    parent = _at(document, place[:-1])
    if drop:
        del parent[place[-1]]
    else:
        parent[place[-1]] = data.draw(st.one_of(WEIRD, st.binary(max_size=5), st.just(cbor2.CBORTag(1, 1748779200))))
    if document and isinstance(document[0], dict):
        document[0] = cbor2.dumps(document[0])
    check(COSE, cose_candidate(document))


OTHERS = {
    "by key": STACK.envelope(statement(DIGEST, "https://other.test"), KEY, stamped=True),
    "by identity": STACK.envelope(statement(DIGEST, "https://other.test"), LEAF_KEY, certificate=LEAF, stamped=True),
}


@given(st.sampled_from(sorted(OTHERS)), st.data())
def test_parts_swapped(name, data):
    """A part of one valid bundle is put in the place of another's: never a third statement that nobody signed."""
    document, other = json.loads(VALID[name].payload), OTHERS[name]
    place = data.draw(st.sampled_from([place for place in _places(document) if place]))
    try:
        part = _at(other, place)
    except (KeyError, IndexError):
        return
    found = facts(_replaced(name, document, place, copy.deepcopy(part)))
    assert not found or found in (TRUTH[name], facts(bundle(other)))


@given(st.sampled_from(NAMES), st.data())
def test_annotations_changed(name, data):
    """Of the legacy formats: an annotation is left out, replaced, or changed inside."""
    annotations = dict(VALID[name].annotations)
    if not annotations:
        return
    key = data.draw(st.sampled_from(sorted(annotations)))
    how = data.draw(st.sampled_from(["drop", "text", "flip"]))
    if how == "drop":
        del annotations[key]
    elif how == "text" or not annotations[key]:
        annotations[key] = data.draw(st.text(max_size=30))
    else:
        at = data.draw(st.integers(0, len(annotations[key]) - 1))
        changed = chr(ord(annotations[key][at]) ^ data.draw(st.integers(1, 31)))
        annotations[key] = annotations[key][:at] + changed + annotations[key][at + 1 :]
    check(name, msgspec.structs.replace(VALID[name], annotations=annotations))


@pytest.mark.parametrize("name", NAMES)
def test_read_as_another_format(name):
    """A candidate of one format that claims to be another is refused."""
    for other in NAMES:
        if VALID[other].format != VALID[name].format:
            disguised = msgspec.structs.replace(VALID[name], format=VALID[other].format)
            assert facts(disguised) == []
            assert facts(msgspec.structs.replace(disguised, media_type=VALID[other].media_type)) == []


@given(st.binary(max_size=200), st.sampled_from(NAMES))
def test_anything_at_all(payload, name):
    """Bytes that are nothing are refused."""
    assert facts(msgspec.structs.replace(VALID[name], payload=payload)) == []


def _places(value: Any, path: tuple[Any, ...] = ()) -> Any:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*path, key))


def _at(document: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        document = document[step]
    return document


def _replaced(name: str, document: Any, place: tuple[Any, ...], value: Any) -> Candidate:
    if place:
        _at(document, place[:-1])[place[-1]] = value
    else:
        document = value
    return msgspec.structs.replace(VALID[name], payload=json.dumps(document).encode())


def _decoded(value: Any) -> bytes | None:
    if not isinstance(value, str) or len(value) < 8:
        return None
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        return None
