"""Notation's envelopes in COSE: the same signatures, and everything that CBOR can be besides."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import cbor2
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from support.notation import (
    ABSENT,
    ALG,
    ALGORITHMS,
    CHAIN,
    CRIT,
    CTY,
    EXPIRY,
    NOON,
    PREFIX,
    SCHEME,
    STAMP,
    TIME,
    chain_of,
    cose_candidate,
    epoch,
    parts_of,
    sign_cose,
)
from support.signing import OTHER, NotationSigner, accepted, refused, verify
from support.sigstack import NOW

from gateway.provenance.signatures.cbor import MAX_DEPTH, Tagged, read_cbor
from gateway.provenance.signatures.refusal import RefusedError

SIGNER = NotationSigner()
TRUSTED = SIGNER.authority()
RIGHT = sign_cose(SIGNER)


def test_a_signature_in_cose_says_what_one_in_jws_does():
    """Who, under which anchor, and what the signer adds."""
    signed = accepted(verify(RIGHT, TRUSTED))
    assert (signed.signer.identity, signed.signer.issuer) == ("C=DE,O=Acme,CN=signer", "C=DE,O=Acme,CN=root")
    assert (signed.format, signed.time, signed.level, signed.annotations) == (
        "notation-cose",
        None,
        "none",
        {"build": "7"},
    )
    assert signed.is_signature


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "ES512"),
        (lambda: rsa.generate_private_key(65537, 2048), "PS256"),
        (lambda: rsa.generate_private_key(65537, 3072), "PS384"),
    ],
    ids=["ES384", "ES512", "PS256", "PS384"],
)
def test_each_kind_of_key_has_its_one_number(make, algorithm):
    """And no other: the header is compared with the key; a text, a float or none is no algorithm."""
    signer = NotationSigner(make())
    accepted(verify(sign_cose(signer, {ALG: ALGORITHMS[algorithm]}), signer.authority()))
    for other in (-7, -8, -257, 5, 0, "ES256", [-7], ABSENT):
        assert refused(verify(sign_cose(signer, {ALG: other}), signer.authority())).step == "algorithm"


def test_the_largest_keys_have_theirs_too():
    """RSA of 4,096 bits."""
    signer = NotationSigner(rsa.generate_private_key(65537, 4096))
    accepted(verify(sign_cose(signer, {ALG: ALGORITHMS["PS512"]}), signer.authority()))


@pytest.mark.parametrize(
    ("step", "protected"),
    [
        ("critical-header", {CRIT: []}),
        ("critical-header", {CRIT: ABSENT}),
        ("critical-header", {CRIT: SCHEME}),
        ("critical-header", {CRIT: [SCHEME, SCHEME]}),
        ("critical-header", {CRIT: [SCHEME, EXPIRY]}),
        ("critical-header", {CRIT: [SCHEME, TIME]}),
        ("critical-header", {CRIT: [SCHEME, 7]}),
        ("critical-header", {CRIT: [SCHEME, 33]}),
        ("critical-header", {CRIT: [SCHEME, f"{PREFIX}verificationPlugin"]}),
        ("critical-header", {f"{PREFIX}verificationPlugin": "com.example.plugin"}),
        ("critical-header", {258: -16}),
        ("critical-header", {4: b"kid"}),
        ("critical-header", {SCHEME: ABSENT}),
        ("critical-header", {SCHEME: "notary.x509.other"}),
        ("critical-header", {SCHEME: 1}),
        ("critical-header", {SCHEME: [SCHEME]}),
        ("critical-header", {TIME: ABSENT}),
        ("critical-header", {TIME: NOON}),
        ("critical-header", {TIME: "2025-06-01T12:00:00Z"}),
        ("critical-header", {TIME: cbor2.CBORTag(0, "2025-06-01T12:00:00Z")}),
        ("critical-header", {TIME: epoch("2025")}),
        ("critical-header", {TIME: cbor2.CBORTag(100, NOON)}),
        ("critical-header", {TIME: epoch(2**60)}),
        ("critical-header", {TIME: epoch(-(2**60))}),
        ("critical-header", {EXPIRY: epoch(NOON + 10)}),
        ("critical-header", {EXPIRY: epoch(NOON), CRIT: [SCHEME, EXPIRY]}),
        ("critical-header", {EXPIRY: epoch(NOON + 50), TIME: epoch(NOON + 50), CRIT: [SCHEME, EXPIRY]}),
        ("critical-header", {EXPIRY: NOON + 10, CRIT: [SCHEME, EXPIRY]}),
        ("payload-type", {CTY: "application/json"}),
        ("payload-type", {CTY: 50}),
        ("payload-type", {CTY: ABSENT}),
        ("format", {CHAIN: chain_of(SIGNER)}),
    ],
)
def test_whatever_the_specification_demands_is_checked(step, protected):
    """Known headers only, each of its type, exactly the critical ones marked so."""
    assert refused(verify(sign_cose(SIGNER, protected), TRUSTED)).step == step


@pytest.mark.parametrize(
    "target", [{"digest": OTHER}, {"mediaType": "application/vnd.oci.image.index.v1+json"}, {"size": 21}]
)
def test_the_payload_is_bound_to_the_artifact(target):
    """To its digest, its media type and its size."""
    assert refused(verify(sign_cose(SIGNER, target=target), TRUSTED)).step == "subject"


def test_a_signature_counts_until_it_expires():
    """If its signer says so, in a critical header."""
    candidate = sign_cose(SIGNER, {CRIT: [SCHEME, EXPIRY], EXPIRY: epoch(NOON + 1)})
    accepted(verify(candidate, TRUSTED))
    assert refused(verify(candidate, TRUSTED, now=NOW + timedelta(seconds=1))).step == "critical-header"


def test_the_chain_may_be_protected_as_well():
    """The specification allows it; in one place, not in two."""
    accepted(verify(sign_cose(SIGNER, {CHAIN: chain_of(SIGNER)}, {CHAIN: ABSENT}), TRUSTED))


@pytest.mark.parametrize(
    ("step", "unprotected"),
    [
        ("format", {CHAIN: ABSENT}),
        ("format", {CHAIN: chain_of(SIGNER)[0]}),
        ("format", {CHAIN: ["leaf"]}),
        ("certificate", {CHAIN: []}),
        ("certificate", {CHAIN: [b"x" * 40]}),
        ("certificate", {CHAIN: chain_of(SIGNER)[:1]}),
        ("certificate", {CHAIN: chain_of(SIGNER)[:1] * 11}),
        ("format", {STAMP: "text"}),
        ("format", {CTY: "application/json"}),
    ],
)
def test_the_unprotected_headers_are_of_their_types(step, unprotected):
    """And none of them stands in for, or beside, a protected one."""
    assert refused(verify(sign_cose(SIGNER, None, unprotected), TRUSTED)).step == step


def test_a_header_that_means_nothing_to_a_signature_is_passed_over():
    """Outside of what is signed, as in JWS."""
    accepted(verify(sign_cose(SIGNER, None, {"com.example.note": [1, b"x"]}), TRUSTED))


def test_a_wrong_signature_is_wrong():
    """Another's, a byte of it changed, none; and the payload or a header changed under it."""
    body, outside, payload, signature = parts_of(RIGHT)
    for parts in (
        [body, outside, payload, signature[:-1] + bytes([signature[-1] ^ 1])],
        [body, outside, payload, signature[:-1]],
        [body, outside, payload, b""],
        [body, outside, payload.replace(b'"7"', b'"8"'), signature],
        [body.replace(b"\x68\x3c", b"\x68\x3d"), outside, payload, signature],
        [body, {**outside, CHAIN: chain_of(NotationSigner())}, payload, signature],
    ):
        found = refused(verify(cose_candidate(parts), TRUSTED))
        assert found.step in ("signature", "certificate")


def test_only_a_tagged_sign1_with_its_payload_is_an_envelope():
    """Not COSE_Sign, not without a tag, not detached, not of other types, not of three or five parts."""
    body, outside, payload, signature = right = parts_of(RIGHT)
    for candidate in (
        cose_candidate(right, tag=98),
        cose_candidate(right, tag=None),
        cose_candidate([body, outside, None, signature]),
        cose_candidate([body, outside, payload.decode(), signature]),
        cose_candidate([body, [], payload, signature]),
        cose_candidate([cbor2.loads(body), outside, payload, signature]),
        cose_candidate([body, outside, payload]),
        cose_candidate([*right, b""]),
        cose_candidate([b"", outside, payload, signature]),
        cose_candidate([cbor2.dumps([1]), outside, payload, signature]),
        cose_candidate({}),
        cose_candidate(b""),
        cose_candidate(RIGHT.payload + b"\x00"),
        cose_candidate(RIGHT.payload[:-1]),
    ):
        assert refused(verify(candidate, TRUSTED)).step == "format"


def test_the_signed_header_has_one_form():
    """A signer could write it in many, and two readers understand it differently: it is refused, rightly signed or not."""
    body, outside, payload, signature = parts_of(RIGHT)
    assert body[0] == 0xA5
    for other in (
        b"\xb8\x05" + body[1:],
        b"\xbf" + body[1:] + b"\xff",
        body + b"\x00",
        b"\xa6" + body[1:] + b"\x01\x26",
    ):
        assert refused(verify(cose_candidate([other, outside, payload, signature]), TRUSTED)).step == "format"


@pytest.mark.parametrize(
    "text",
    [
        "1801",  # 1, in two bytes
        "5801ff",  # a byte string's length, in two
        "9f01ff",  # of indefinite length
        "5f4101ff",
        "a201020103",  # a label twice
        "a2010218010 3".replace(" ", ""),
        "f6",  # null, undefined, true, simple, floats
        "f7",
        "f5",
        "f0",
        "f93c00",
        "fb3ff0000000000000",
        "a1f500",  # labels of other types
        "a1410000",
        "a1a000",
        "a1c10100",
        "62c328",  # not UTF-8
        "0000",  # two items
        "",
        "9affffffff00",  # more than there is
        "5affffffff00",
        "ff",
        "1c",
    ],
)
def test_other_forms_of_cbor_are_refused(text):
    """By the step that they fail at."""
    with pytest.raises(RefusedError) as caught:
        read_cbor(bytes.fromhex(text), "it")
    assert caught.value.step == "format"


@pytest.mark.parametrize("number", [0, 1, 2, 4, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 43000, 55799, 70000])
def test_a_tag_makes_nothing_of_its_value(number):
    """No date, no regular expression, no reference, no set: its number and what is in it."""
    assert read_cbor(cbor2.dumps(cbor2.CBORTag(number, ["(a+)+", b"x"])), "it") == Tagged(number, ["(a+)+", b"x"])
    inside = [cbor2.CBORTag(number, "x"), {7: cbor2.CBORTag(number, b"y")}]
    assert read_cbor(cbor2.dumps(inside), "it") == [Tagged(number, "x"), {7: Tagged(number, b"y")}]


def test_nesting_is_bounded():
    """Whatever nests."""
    depths = [b"\x81" * depth + b"\x00" for depth in (MAX_DEPTH - 1, MAX_DEPTH + 1, 100_000)]
    assert read_cbor(depths[0], "it")
    for deep in (*depths[1:], b"\xa1\x00" * 100_000 + b"\x00", b"\xc1" * 100_000 + b"\x00"):
        with pytest.raises(RefusedError):
            read_cbor(deep, "it")


@given(st.data())
def test_no_change_of_a_byte_makes_another_signature(data):
    """Any byte of a right envelope, changed: refused; or the certificate chain's own freedom, which proves nothing else."""
    at = data.draw(st.integers(0, len(RIGHT.payload) - 1))
    changed = bytearray(RIGHT.payload)
    changed[at] ^= data.draw(st.integers(1, 255))
    evidence = verify(msgspec.structs.replace(RIGHT, payload=bytes(changed)), TRUSTED)
    for one in evidence.rejected:
        assert "internal error" not in one.reason, one.reason
    for one in evidence.signed:  # the agent's name is nobody's
        assert msgspec.structs.replace(one, source="") == msgspec.structs.replace(
            accepted(verify(RIGHT, TRUSTED)), source=""
        )


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    """By name, never with another error."""
    with contextlib.suppress(RefusedError):
        read_cbor(data, "it")
