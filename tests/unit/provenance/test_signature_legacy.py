"""cosign's legacy formats: what the signed text must say, and what its annotations must hold."""

from __future__ import annotations

import json
from datetime import timedelta

import msgspec
import pytest
from support.signing import (
    DIGEST,
    OTHER,
    accepted,
    attestation,
    by_key,
    legacy,
    legacy_logged,
    p256,
    refused,
    simple_signing,
    verify,
)
from support.sigstack import NOW, Stack, b64, sign, statement

STACK = Stack()
KEY = p256()
TRUSTED = by_key(KEY, root=STACK.root())
PAYLOAD = simple_signing(team="web", build=7)
SIGNATURE = sign(KEY, PAYLOAD)


def test_a_signature_is_bound_to_the_manifests_digest_alone():
    """The reference in it is ignored; its own annotations are evidence, where they are text."""
    signed = accepted(verify(legacy(PAYLOAD, SIGNATURE), TRUSTED))
    assert signed.annotations == {"team": "web"}
    assert signed.predicate_type == ""
    assert signed.is_signature


@pytest.mark.parametrize(
    ("payload", "step"),
    [
        (simple_signing(OTHER), "subject"),
        (simple_signing(DIGEST.upper()), "subject"),
        (simple_signing(kind="atomic container signature"), "payload-type"),
        (b"{}", "format"),
        (b"", "format"),
        (b"\xff\xfe", "format"),
        (b"[" * 100_000, "format"),
        (simple_signing() + b"x", "format"),
    ],
)
def test_a_payload_that_says_something_else_is_refused(payload, step):
    """However rightly it is signed."""
    assert refused(verify(legacy(payload, sign(KEY, payload)), TRUSTED)).step == step


def test_annotations_that_cannot_be_read_are_refused():
    """No signature, one that is not base64, huge ones, certificates and log entries that are none."""
    cases = {
        "format": [{}, {"dev.cosignproject.cosign/signature": "not base64!"}],
        "size": [{"dev.cosignproject.cosign/signature": "A" * 300_000}],
    }
    for step, listed in cases.items():
        for changed in listed:
            candidate = msgspec.structs.replace(legacy(PAYLOAD, SIGNATURE), annotations=changed)
            assert refused(verify(candidate, TRUSTED)).step == step
    for name, value in (
        ("certificate", "-----BEGIN CERTIFICATE-----"),
        ("certificate", "\ud800"),
        ("certificate", "-----BEGIN CERTIFICATE-----\nAA\ud800A\n-----END CERTIFICATE-----"),
        ("certificate", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----"),
        ("bundle", "{"),
        ("bundle", json.dumps({"SignedEntryTimestamp": "", "Payload": {"body": "e30=", "logID": "x", "logIndex": 1}})),
        ("rfc3161timestamp", "[]"),
    ):
        assert refused(verify(legacy(PAYLOAD, SIGNATURE, **{name: value}), TRUSTED)).step == "format"


def test_a_log_entry_that_is_there_must_be_right():
    """Its promise, its body's signature, hash and key, and its log's id; in a signature by key too."""
    right = json.loads(legacy_logged(STACK, PAYLOAD, SIGNATURE, KEY))
    signed = accepted(verify(legacy(PAYLOAD, SIGNATURE, bundle=json.dumps(right)), TRUSTED))
    assert (signed.level, signed.time, signed.log.kind) == ("log", NOW, "hashedrekord 0.0.1")
    logged = right["Payload"]
    for step, changed in (
        ("log-promise", {**right, "Payload": {**logged, "integratedTime": logged["integratedTime"] + 1}}),
        ("log-promise", {**right, "Payload": {**logged, "logIndex": 8}}),
        ("log-promise", {**right, "Payload": {**logged, "logIndex": 2**60}}),
        ("log-promise", {**right, "SignedEntryTimestamp": b64(sign(KEY, b"x"))}),
        ("log-entry", {**right, "SignedEntryTimestamp": ""}),
        ("trust-root", {**right, "Payload": {**logged, "logID": "00" * 32}}),
        ("format", {**right, "Payload": {**logged, "logID": "no hex"}}),
        ("log-entry", json.loads(legacy_logged(STACK, PAYLOAD, sign(KEY, PAYLOAD), KEY))),
        ("log-entry", json.loads(legacy_logged(STACK, simple_signing(OTHER), SIGNATURE, KEY))),
        ("log-entry", json.loads(legacy_logged(STACK, PAYLOAD, SIGNATURE, p256()))),
    ):
        assert refused(verify(legacy(PAYLOAD, SIGNATURE, bundle=json.dumps(changed)), TRUSTED)).step == step


def test_a_time_stamp_is_over_the_signature():
    """And proves the time for a key's validity."""
    stamp = json.dumps({"SignedRFC3161Timestamp": b64(STACK.tsa.stamp(SIGNATURE, NOW))})
    signed = accepted(verify(legacy(PAYLOAD, SIGNATURE, rfc3161timestamp=stamp), TRUSTED, now=NOW + timedelta(days=9)))
    assert (signed.level, signed.time) == ("tsa", NOW)
    other = json.dumps({"SignedRFC3161Timestamp": b64(STACK.tsa.stamp(PAYLOAD, NOW))})
    assert refused(verify(legacy(PAYLOAD, SIGNATURE, rfc3161timestamp=other), TRUSTED)).step == "timestamp"


def test_a_detached_signature_may_come_decoded():
    """Where the registry side has it in hand already."""
    candidate = msgspec.structs.replace(legacy(PAYLOAD, b""), annotations={}, signature=SIGNATURE)
    accepted(verify(candidate, TRUSTED))


def test_attestations_carry_their_predicate():
    """Statements v0.1 and v1; what they say is evidence, and never a signature."""
    for version in ("v0.1", "v1"):
        payload = statement(
            DIGEST, "https://slsa.dev/provenance/v1", {"builder": 1}, _type=f"https://in-toto.io/Statement/{version}"
        )
        signed = accepted(verify(attestation(payload, KEY), TRUSTED))
        assert (signed.predicate_type, bytes(signed.predicate)) == ("https://slsa.dev/provenance/v1", b'{"builder": 1}')
        assert not signed.is_signature


@pytest.mark.parametrize(
    ("payload", "step"),
    [
        (statement(OTHER), "subject"),
        (statement(DIGEST, subject=[]), "subject"),
        (statement(DIGEST, subject=[{"digest": {"sha512": DIGEST[7:]}}]), "subject"),
        (statement(DIGEST, subject=[{"digest": {"sha256": DIGEST[7:]}}] * 5000), "size"),
        (statement(DIGEST, ""), "format"),
        (statement(DIGEST, _type="https://in-toto.io/Statement/v9"), "format"),
        (statement(DIGEST, _type=None), "format"),
        (b"[]", "format"),
        (b'{"predicate":' + b"[" * 100_000, "format"),
    ],
)
def test_a_statement_that_is_about_something_else_is_refused(payload, step):
    """Or about nothing, by another algorithm, of another version, of no type."""
    assert refused(verify(attestation(payload, KEY), TRUSTED)).step == step


@pytest.mark.parametrize(
    ("step", "field", "value"),
    [
        ("payload-type", "payloadType", "application/json"),
        ("format", "signatures", []),
        ("format", "signatures", [{"sig": "AAAA"}, {"sig": "AAAA"}]),
        ("format", "signatures", [{"sig": ""}]),
        ("format", "payload", "not base64!"),
    ],
)
def test_an_envelope_of_another_form_is_refused(step, field, value):
    """Another type of payload, more or fewer signatures than one, no base64."""
    right = attestation(statement(DIGEST), KEY)
    changed = json.dumps(json.loads(right.payload) | {field: value}).encode()
    assert refused(verify(msgspec.structs.replace(right, payload=changed), TRUSTED)).step == step


def test_any_of_several_subjects_may_be_the_artifact():
    """As in the provenance of a release with many files."""
    subjects = [{"digest": {"sha256": OTHER[7:]}}, {"name": "x", "digest": {"sha256": DIGEST[7:]}}]
    accepted(verify(attestation(statement(DIGEST, subject=subjects), KEY), TRUSTED))


def test_a_layer_of_another_media_type_is_refused():
    """Each format has its own; one is not read as another."""
    for media_type in ("application/vnd.dsse.envelope.v1+json", "text/plain"):
        candidate = msgspec.structs.replace(legacy(PAYLOAD, SIGNATURE), media_type=media_type)
        assert refused(verify(candidate, TRUSTED)).step == "media-type"
    unknown = msgspec.structs.replace(legacy(PAYLOAD, SIGNATURE), format="gpg")
    assert refused(verify(unknown, TRUSTED)).step == "format"


def test_what_is_too_large_is_not_read():
    """Beyond a mebibyte."""
    assert refused(verify(legacy(b" " * (1024 * 1024 + 1), SIGNATURE), TRUSTED)).step == "size"
