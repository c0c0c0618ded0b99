"""Signatures by identity: the certificate, who is in it, the logs, the windows of the trusted root, the named levels."""

from __future__ import annotations

import base64
import json
import logging
from copy import deepcopy
from datetime import timedelta

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.signing import (
    ARTIFACT,
    DIGEST,
    MANIFEST,
    accepted,
    attestation,
    bundle,
    by_identity,
    by_key,
    legacy,
    legacy_logged,
    p256,
    refused,
    simple_signing,
    verify,
)
from support.sigstack import ISSUER, NOW, SUBJECT, Stack, b64, pae, second_body, sign, statement

from gateway.core.errors import ConfigError
from gateway.provenance.evidence import Identity, Levels
from gateway.provenance.signatures import certificates, prepare, sigstore_python, verify_candidates
from gateway.provenance.signatures.bundle import read_bundle
from gateway.provenance.signatures.material import Question
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.root import read_root
from gateway.provenance.signatures.sigstore_python import check_with_sigstore

STACK = Stack()
ROOT = STACK.root()
TRUSTED = by_identity(ROOT)
KEY = p256()
CURVE = ec.generate_private_key(ec.SECP256K1())
LEAF = STACK.leaf(KEY)
SIGNED = STACK.envelope(statement(DIGEST), KEY, certificate=LEAF)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def by_leaf(leaf, key=KEY, **options):
    return bundle(STACK.envelope(statement(DIGEST), key, certificate=leaf, **options))


def test_an_identity_signs():
    """Identity, issuer, time and log entry are in the evidence; long after the certificate's ten minutes."""
    signed = accepted(verify(bundle(SIGNED), TRUSTED, now=NOW + 100 * DAY))
    assert (signed.signer.identity, signed.signer.issuer) == (SUBJECT, ISSUER)
    assert (signed.time, signed.level, signed.log.origin) == (NOW, "log", "https://rekor.test")


def test_a_blob_is_signed_by_an_identity():
    """A signature of the artifact itself, by its digest or its bytes."""
    document = bundle(STACK.message(MANIFEST, KEY, certificate=LEAF))
    for content in (None, MANIFEST):
        signed = accepted(verify_candidates(ARTIFACT, [document], [TRUSTED], NOW, content=content))
        assert signed.signer.identity == SUBJECT


@pytest.mark.parametrize(
    ("identity", "matches"),
    [
        (Identity(ISSUER, SUBJECT), True),
        (Identity(ISSUER, SUBJECT + "x"), False),
        (Identity(ISSUER + "/", SUBJECT), False),
        (Identity(ISSUER, subject_regexp=r"https://github\.com/acme/.*"), True),
        (
            Identity(ISSUER, subject_regexp=r"^https://github\.com/acme/[^/]+/\.github/workflows/release\.yaml@.*$"),
            True,
        ),
        (Identity(ISSUER, subject_regexp=r"github\.com/acme"), False),
        (Identity(ISSUER, subject_regexp=r"https://github\.com/acme"), False),
        (Identity("https://evil.test", subject_regexp=r".*"), False),
    ],
)
def test_identities_match_whole_names_of_one_issuer(identity, matches):
    """Exactly, or by a pattern that covers the whole name, anchored or not; the issuer always exactly."""
    evidence = verify(bundle(SIGNED), by_identity(ROOT, identity))
    assert bool(evidence.signed) == matches
    if not matches:
        assert refused(evidence).step == "identity"
        assert SUBJECT in refused(evidence).reason


def test_any_of_several_identities_may_have_signed():
    """Several matchers are alternatives: neither do they fail always, nor does one make another's issuer do."""
    accepted(verify(bundle(SIGNED), by_identity(ROOT, Identity(ISSUER, "x"), Identity(ISSUER, SUBJECT))))
    crossed = by_identity(ROOT, Identity("https://other.test", SUBJECT), Identity(ISSUER, "someone-else"))
    assert refused(verify(bundle(SIGNED), crossed)).step == "identity"


@pytest.mark.parametrize(
    "identity",
    [
        Identity("", SUBJECT),
        Identity(ISSUER),
        Identity(ISSUER, SUBJECT, ".*"),
        Identity(ISSUER, subject_regexp="("),
        Identity(ISSUER, subject_regexp="a(?=b)"),
        Identity(ISSUER, subject_regexp="x" * 2000),
    ],
)
def test_an_identity_that_says_too_little_is_an_error_of_the_configuration(identity):
    """No issuer, no subject, two kinds of subject, a pattern that is none (or not RE2's): never "anybody"."""
    with pytest.raises(ConfigError, match="authority identities"):
        verify(bundle(SIGNED), by_identity(ROOT, identity))


def test_names_of_every_kind():
    """Mail addresses and Fulcio's user names; one name only, and none of another kind."""
    user = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7"), b"\x0c\x05a!b.c")
    other = x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x0c\x05a!b.c")
    uri = x509.UniformResourceIdentifier(SUBJECT)
    mail = by_identity(ROOT, Identity(ISSUER, "dev@acme.test"))
    accepted(verify(by_leaf(STACK.leaf(KEY, names=[x509.RFC822Name("dev@acme.test")])), mail))
    named = by_identity(ROOT, Identity(ISSUER, "a!b.c"), Identity(ISSUER, SUBJECT))
    accepted(verify(by_leaf(STACK.leaf(KEY, names=[user])), named))
    for names in ([uri, uri], [uri, x509.RFC822Name("a@b.c")], [x509.DNSName("acme.test")], [other]):
        assert refused(verify(by_leaf(STACK.leaf(KEY, names=names)), named)).step == "certificate"


def test_whoever_else_signed_is_refused():
    """Another key than the certificate's, another authority's certificate, one that is not for code, a garbled one."""
    stranger, foreign = p256(), Stack()
    assert refused(verify(by_leaf(LEAF, stranger), TRUSTED)).step == "signature"
    assert refused(verify(by_leaf(foreign.leaf(KEY)), TRUSTED)).step == "certificate"
    server = STACK.leaf(KEY, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    assert refused(verify(by_leaf(server), TRUSTED)).step == "certificate"
    for raw in (b"", b"\x30\x00", b"x" * 100, KEY.private_numbers().private_value.to_bytes(32, "big")):
        document = deepcopy(SIGNED)
        document["verificationMaterial"]["certificate"]["rawBytes"] = b64(raw)
        assert not verify(bundle(document), TRUSTED).signed
    rejected = refused(verify(bundle(SIGNED), by_key(p256(), root=ROOT)))
    assert (rejected.step, rejected.reason) == ("identity", "it is signed by an identity, and only keys are trusted")


def test_the_certificates_own_log_must_have_it():
    """Exactly one signed certificate timestamp, by a log of the root, over this certificate."""
    assert refused(verify(by_leaf(STACK.leaf(KEY, scts=0)), TRUSTED)).step == "certificate"
    assert refused(verify(by_leaf(STACK.leaf(KEY, ct_key=p256())), TRUSTED)).step == "certificate-log"
    root = json.loads(ROOT)
    others = json.loads(Stack().root())["ctlogs"]
    for listed in ([], others):
        root["ctlogs"] = listed
        assert refused(verify(bundle(SIGNED), by_identity(json.dumps(root).encode()))).step == "trust-root"
    root["ctlogs"] = others + json.loads(ROOT)["ctlogs"]
    accepted(verify(bundle(SIGNED), by_identity(json.dumps(root).encode())))


def test_the_certificate_must_have_been_valid_when_it_signed():
    """By the log's time and by every time stamp: one outside of the ten minutes is one too many."""
    late = NOW + timedelta(minutes=10)
    for logged_at, stamped_at in ((late, None), (NOW, late), (late, NOW)):
        document = STACK.envelope(statement(DIGEST), KEY, certificate=LEAF, at=logged_at)
        if stamped_at:
            signature = document["dsseEnvelope"]["signatures"][0]["sig"]
            stamp = STACK.tsa.stamp(base64.b64decode(signature), stamped_at)
            stamps = {"rfc3161Timestamps": [{"signedTimestamp": b64(stamp)}]}
            document["verificationMaterial"]["timestampVerificationData"] = stamps
        rejected = refused(verify(bundle(document), TRUSTED, now=NOW + DAY))
        assert rejected.step == "certificate"
        assert "was not valid at" in rejected.reason


def test_the_authoritys_own_certificate_must_have_been_valid_too():
    """Though the trusted root lists it as an anchor."""
    expired = Stack(ca_until=NOW - SECOND)
    document = expired.envelope(statement(DIGEST), KEY, certificate=expired.leaf(KEY))
    rejected = refused(verify(bundle(document), by_identity(expired.root())))
    assert rejected.step == "certificate"
    expiring = Stack(ca_until=NOW + SECOND)
    document = expiring.envelope(statement(DIGEST), KEY, certificate=expiring.leaf(KEY), at=NOW + 60 * SECOND)
    stamp = expiring.tsa.stamp(base64.b64decode(document["dsseEnvelope"]["signatures"][0]["sig"]), NOW)
    stamps = {"rfc3161Timestamps": [{"signedTimestamp": b64(stamp)}]}
    document["verificationMaterial"]["timestampVerificationData"] = stamps
    rejected = refused(verify(bundle(document), by_identity(expiring.root())))
    assert rejected.step == "certificate", "at one of two times it was valid"


def test_a_certificate_that_says_two_things_is_refused():
    """Two issuers; a key of a kind that is not accepted; several signed timestamps, each of them right."""
    for leaf, key, step in (
        (STACK.leaf(KEY, issuer_v1="https://other.test"), KEY, "certificate"),
        (STACK.leaf(CURVE), CURVE, "certificate"),
        (STACK.leaf(KEY, scts=2), KEY, "certificate-log"),
    ):
        assert refused(verify(by_leaf(leaf, key), TRUSTED)).step == step


@pytest.mark.parametrize(
    ("der", "text"),
    [
        (b"\x0c\x01a", "a"),
        (b"\x0c\x81\x81" + b"a" * 129, "a" * 129),
        (b"\x0c\x82\x01\x00" + b"a" * 256, "a" * 256),
        (b"", None),
        (b"\x0c", None),
        (b"\x16\x01a", None),
        (b"\x0c\x02a", None),
        (b"\x0c\x01ab", None),
        (b"\x0c\x83\x00\x00\x01a", None),
        (b"\x0c\x01\xff", None),
    ],
)
def test_names_in_der_are_read_to_the_letter(der, text):
    """Fulcio's extensions: a UTF8String of exactly the length that it says."""
    if text is None:
        with pytest.raises(ValueError):
            certificates._utf8(der)
    else:
        assert certificates._utf8(der) == text


@pytest.mark.parametrize("part", ["log", "ca", "ct"])
def test_everything_in_the_trusted_root_counts_within_its_window(part):
    """A log, an authority, a certificate log that the root ended before the signature, or began after: refused."""
    for window in ((NOW + SECOND, None), (NOW - DAY, NOW - SECOND)):
        rejected = refused(verify(bundle(SIGNED), by_identity(STACK.root(**{part: window}))))
        assert rejected.step == "trust-root"
        assert "counts from" in rejected.reason
    accepted(verify(bundle(SIGNED), by_identity(STACK.root(**{part: (NOW, NOW)}))))


def test_authorities_of_one_name_are_told_apart_by_their_keys():
    """A root may list several of the same name; the one that issued counts, within its own window."""
    decoy, root = Stack(), json.loads(ROOT)
    namesakes = json.loads(decoy.root())["certificateAuthorities"]
    root["certificateAuthorities"] = namesakes + root["certificateAuthorities"]
    accepted(verify(bundle(SIGNED), by_identity(json.dumps(root).encode())))
    ended = json.loads(STACK.root(ca=(NOW - DAY, NOW - SECOND)))
    ended["certificateAuthorities"] += namesakes
    assert refused(verify(bundle(SIGNED), by_identity(json.dumps(ended).encode()))).step == "trust-root"


def test_a_time_stamp_alone_is_a_level_to_be_asked_for():
    """By name; and its window counts."""
    stamped = by_leaf(LEAF, logged=False, stamped=True)
    rejected = refused(verify(stamped, TRUSTED))
    assert rejected.step == "level"
    assert "only a time stamp" in rejected.reason
    assert "allowTsaOnly" in rejected.remedy
    for levels in (Levels(allow_tsa_only=True), Levels(allow_no_log=True)):
        signed = accepted(verify(stamped, by_identity(ROOT, levels=levels), now=NOW + 9 * DAY))
        assert (signed.level, signed.time, signed.log) == ("tsa", NOW, None)
    window = STACK.root(tsa=(NOW - DAY, NOW - SECOND))
    assert refused(verify(stamped, by_identity(window, levels=Levels(allow_tsa_only=True)))).step == "trust-root"


def test_no_log_at_all_is_a_level_to_be_asked_for():
    """Then nothing but the certificate vouches for the time: it must be valid now."""
    bare = by_leaf(LEAF, logged=False)
    rejected = refused(verify(bare, TRUSTED))
    assert rejected.step == "level"
    assert "nothing proves when" in rejected.reason
    assert "allowNoLog" in rejected.remedy
    assert refused(verify(bare, by_identity(ROOT, levels=Levels(allow_tsa_only=True)))).step == "level"
    lenient = by_identity(ROOT, levels=Levels(allow_no_log=True))
    signed = accepted(verify(bare, lenient))
    assert (signed.level, signed.time) == ("none", None)
    assert refused(verify(bare, lenient, now=NOW + timedelta(minutes=10))).step == "certificate"


def test_an_instance_without_certificate_logs_is_a_level_too():
    """Its certificates have no signed timestamp. Asked for by name it is accepted, if the root names no such log."""
    unlogged = by_leaf(STACK.leaf(KEY, scts=0), logged=False, stamped=True)
    root = json.dumps(json.loads(ROOT) | {"ctlogs": []}).encode()
    for levels in (Levels(allow_tsa_only=True), Levels(allow_no_log=True)):
        assert accepted(verify(unlogged, by_identity(root, levels=levels))).level == "tsa"
        assert refused(verify(unlogged, by_identity(ROOT, levels=levels))).step == "certificate"
    assert refused(verify(by_leaf(STACK.leaf(KEY, scts=0)), by_identity(root))).step == "certificate"


def test_a_root_with_certificate_logs_of_unknown_kinds_has_some():
    """That their keys are not known here does not make it one of an instance without: the signed timestamp is needed."""
    document = json.loads(ROOT)
    document["ctlogs"][0]["publicKey"]["keyDetails"] = "ML_DSA_65"
    root = by_identity(json.dumps(document).encode(), levels=Levels(allow_tsa_only=True))
    unlogged = by_leaf(STACK.leaf(KEY, scts=0), logged=False, stamped=True)
    assert refused(verify(unlogged, root)).step == "certificate"
    assert refused(verify(by_leaf(LEAF, logged=False, stamped=True), root)).step == "trust-root"


def test_a_log_entry_without_any_time_is_not_enough():
    """As of Rekor's second version: a time stamp has to come with it."""
    assert refused(verify(by_leaf(LEAF, promised=False), TRUSTED)).step == "timestamp"
    signed = accepted(verify(by_leaf(LEAF, promised=False, stamped=True), TRUSTED))
    assert (signed.level, signed.time) == ("log", NOW)


def by_second(kind, recorded=LEAF):
    """A bundle with an entry of Rekor's second version, which records this signer; and with a time stamp."""
    document = STACK.envelope(statement(DIGEST), KEY, certificate=LEAF, logged=False, stamped=True)
    signature = base64.b64decode(document["dsseEnvelope"]["signatures"][0]["sig"])
    content = statement(DIGEST) if kind == "dsse" else pae(statement(DIGEST))
    entry = STACK.second.add(second_body(content, signature, recorded, kind), (kind, "0.0.2"), at=None)
    document["verificationMaterial"]["tlogEntries"] = [entry]
    return document


@pytest.mark.parametrize("kind", ["hashedrekord", "dsse"])
def test_entries_of_rekors_second_version(kind):
    """With a time stamp, for it says no time itself; of the kind dsse only here, for sigstore-python does not know it."""
    signed = accepted(verify(bundle(by_second(kind)), TRUSTED))
    assert (signed.level, signed.time, signed.log.origin) == ("log", NOW, "https://log2.rekor.test")
    for other in (STACK.leaf(KEY), KEY):
        assert refused(verify(bundle(by_second(kind, other)), TRUSTED)).step == "log-entry"


def test_before_v03_a_bundle_has_a_chain():
    """Its first certificate is the signer's; v0.3 has that one and no chain."""
    chained = deepcopy(SIGNED)
    material = chained["verificationMaterial"]
    material["x509CertificateChain"] = {"certificates": [material.pop("certificate")]}
    assert refused(verify(bundle(chained), TRUSTED)).step == "format"
    for version in ("0.1", "0.2"):
        chained["mediaType"] = f"application/vnd.dev.sigstore.bundle+json;version={version}"
        assert accepted(verify(bundle(chained), TRUSTED)).signer.identity == SUBJECT
    material["x509CertificateChain"] = {"certificates": []}
    assert refused(verify(bundle(chained), TRUSTED)).step == "format"


def test_sigstore_python_is_asked_as_well(monkeypatch):
    """What it refuses is refused, in its words; whatever it raises becomes a refusal."""

    class Grumpy:
        def verify_dsse(self, *_arguments):
            raise KeyError("not today")

        verify_artifact = verify_dsse

    monkeypatch.setattr(sigstore_python, "_verifier", lambda _root: Grumpy())
    for document in (SIGNED, STACK.message(MANIFEST, KEY, certificate=LEAF), by_second("hashedrekord")):
        rejected = refused(verify(bundle(document), TRUSTED))
        assert rejected.step == "sigstore"
        assert "not today" in rejected.reason


def test_sigstore_python_must_speak_of_the_same_payload_and_certificate():
    """Two readers of one bundle that see different things are an attack."""
    material, question, root = read_bundle(bundle(SIGNED), ARTIFACT), Question(ARTIFACT, NOW), read_root(ROOT)
    check_with_sigstore(material, question, root)
    other = STACK.leaf(KEY).public_bytes(serialization.Encoding.DER)
    for name, value in (("payload", b"{}"), ("certificate", other)):
        with pytest.raises(RefusedError) as raised:
            check_with_sigstore(msgspec.structs.replace(material, **{name: value}), question, root)
        assert raised.value.step == "sigstore"


@pytest.mark.parametrize(("name", "length"), [("sha256", 32), ("sha512", 64)])
def test_sigstore_python_is_handed_the_artifact_or_its_digest(monkeypatch, name, length):
    """The artifact itself where it is at hand; else the digest, as what it is a digest of."""
    heard = []

    class Listening:
        def verify_artifact(self, artifact, *_others):
            heard.append(artifact)

    monkeypatch.setattr(sigstore_python, "_verifier", lambda _root: Listening())
    material = read_bundle(bundle(STACK.message(MANIFEST, KEY, certificate=LEAF)), ARTIFACT)
    artifact = msgspec.structs.replace(ARTIFACT, digest=f"{name}:{'ab' * length}")
    check_with_sigstore(material, Question(artifact, NOW), read_root(ROOT))
    check_with_sigstore(material, Question(artifact, NOW, MANIFEST), read_root(ROOT))
    assert heard[0].digest == bytes.fromhex("ab" * length)
    assert heard[0].algorithm.name == f"SHA2_{length * 8}"
    assert heard[1] == MANIFEST


def test_what_sigstore_python_logs_goes_nowhere():
    """Not to standard error either, where Python would put it for want of a handler."""
    assert any(isinstance(one, logging.NullHandler) for one in logging.getLogger("sigstore").handlers)


def test_cosigns_legacy_format_by_identity():
    """The certificate and the log's promise are annotations; there is no proof of inclusion, so only ours looks at it."""
    payload = simple_signing()
    signature = sign(KEY, payload)
    certificate = LEAF.public_bytes(serialization.Encoding.PEM).decode()
    logged = legacy_logged(STACK, payload, signature, LEAF)
    signed = accepted(verify(legacy(payload, signature, certificate=certificate, bundle=logged), TRUSTED))
    assert (signed.level, signed.time, signed.signer.identity) == ("log", NOW, SUBJECT)
    bare = legacy(payload, signature, certificate=certificate)
    assert refused(verify(bare, TRUSTED)).step == "level"
    accepted(verify(bare, by_identity(ROOT, levels=Levels(allow_no_log=True))))
    stamp = json.dumps({"SignedRFC3161Timestamp": b64(STACK.tsa.stamp(signature, NOW))})
    stamped = legacy(payload, signature, certificate=certificate, rfc3161timestamp=stamp)
    assert accepted(verify(stamped, by_identity(ROOT, levels=Levels(allow_tsa_only=True)))).level == "tsa"


def test_cosigns_legacy_attestations_stamp_the_whole_envelope():
    """Their time stamps are over the layer, not over the signature."""
    levels = by_identity(ROOT, levels=Levels(allow_tsa_only=True))
    certificate = LEAF.public_bytes(serialization.Encoding.PEM).decode()
    bare = attestation(statement(DIGEST, "https://slsa.dev/provenance/v1"), KEY, certificate=certificate)
    stamp = json.dumps({"SignedRFC3161Timestamp": b64(STACK.tsa.stamp(bare.payload, NOW))})
    annotations = {**bare.annotations, "dev.sigstore.cosign/rfc3161timestamp": stamp}
    signed = accepted(verify(msgspec.structs.replace(bare, annotations=annotations), levels))
    assert (signed.level, signed.predicate_type) == ("tsa", "https://slsa.dev/provenance/v1")


def test_preparing_reads_what_verifying_would():
    """An authority that cannot be used is found when it is loaded."""
    prepare([TRUSTED, by_key(KEY)])
    with pytest.raises(ConfigError):
        prepare([by_identity(b"{}")])
