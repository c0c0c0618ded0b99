"""Defects seen in other verifiers, each as the attack that it allows."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import msgspec
import pytest
from support.signing import (
    ARTIFACT,
    DIGEST,
    OTHER,
    NotationSigner,
    accepted,
    attestation,
    bundle,
    by_identity,
    by_key,
    jws_candidate,
    legacy,
    notation_certificate,
    p256,
    refused,
    simple_signing,
    verify,
)
from support.sigstack import ISSUER, NOW, SUBJECT, Stack, b64, sign, statement

from gateway.core.errors import ConfigError, UndecidedError
from gateway.provenance.evidence import Artifact, Authority, Evidence, Identity
from gateway.provenance.signatures import verify as module
from gateway.provenance.signatures import verify_candidates
from gateway.provenance.signatures.root import read_root

STACK = Stack()
ROOT = STACK.root()
KEY = p256()
TRUSTED = by_key(KEY, root=ROOT)
SLSA = "https://slsa.dev/provenance/v1"
GOOD = legacy(simple_signing(), sign(KEY, simple_signing()))


def test_an_attestation_without_a_right_signature_is_nothing():
    """Others take attestations from referrers without looking at their signatures."""
    stranger = p256()
    for candidate in (
        bundle(STACK.envelope(statement(DIGEST, SLSA), stranger)),
        attestation(statement(DIGEST, SLSA), stranger),
    ):
        assert refused(verify(candidate, TRUSTED)).step == "signature"


def test_an_attestation_is_never_a_signature():
    """Whoever signs scan results has not signed the release: the predicate's type tells one from the other."""
    for candidate in (bundle(STACK.envelope(statement(DIGEST, SLSA), KEY)), attestation(statement(DIGEST, SLSA), KEY)):
        signed = accepted(verify(candidate, TRUSTED))
        assert not signed.is_signature
        assert signed.predicate_type == SLSA


def _bad_candidates():
    stranger = p256()
    yield bundle(b"\x00" * 50)
    yield bundle(STACK.envelope(statement(DIGEST), stranger))
    yield bundle(STACK.envelope(statement(OTHER), KEY))
    yield legacy(b"{", b"x")
    yield attestation(statement(DIGEST, SLSA), stranger)
    yield NotationSigner().sign()
    yield msgspec.structs.replace(GOOD, format="gpg")


@pytest.mark.parametrize("position", [0, 3, 7])
def test_bad_candidates_do_not_hide_a_good_one(position):
    """One unrelated or broken referrer neither hides a signature nor ends the run: the union is judged."""
    candidates = list(_bad_candidates())
    candidates.insert(position, GOOD)
    evidence = verify_candidates(ARTIFACT, candidates, [TRUSTED], NOW)
    assert [signed.format for signed in evidence.signed] == ["cosign-legacy"]
    assert len(evidence.rejected) == len(candidates) - 1


def test_a_bug_of_ours_does_not_hide_a_good_one(monkeypatch):
    """An exception that nobody thought of is a refusal too, and says that it is one to report."""

    def broken(*_arguments):
        raise ZeroDivisionError

    kind = msgspec.structs.replace(module._KINDS["sigstore-bundle"], read=broken)
    monkeypatch.setitem(module._KINDS, "sigstore-bundle", kind)
    evidence = verify_candidates(ARTIFACT, [bundle(b"{}"), GOOD], [TRUSTED], NOW)
    assert len(evidence.signed) == 1
    assert "please report it" in evidence.rejected[0].reason
    monkeypatch.setattr(module, "verify_keyed", broken)
    evidence = verify_candidates(ARTIFACT, [GOOD], [TRUSTED], NOW)
    assert "please report it" in evidence.rejected[0].reason


def test_a_signature_of_another_artifact_is_refused():
    """Relocation: a right signature, copied to where another artifact's signatures are found."""
    other = simple_signing(OTHER)
    notation = NotationSigner()
    for candidate, authority in (
        (legacy(other, sign(KEY, other)), TRUSTED),
        (attestation(statement(OTHER, SLSA), KEY), TRUSTED),
        (bundle(STACK.envelope(statement(OTHER), KEY)), TRUSTED),
        (bundle(STACK.message(b"another", KEY)), TRUSTED),
        (notation.sign(target={"digest": OTHER}), notation.authority()),
    ):
        rejected = refused(verify(candidate, authority))
        assert rejected.step == "subject"
        assert OTHER in rejected.reason
        assert rejected.authority == "", "it is nobody's terms that it fails"


def test_no_matcher_matches_nobody():
    """Keyless without an identity must not mean anybody."""
    leaf_key = p256()
    signed = bundle(STACK.envelope(statement(DIGEST), leaf_key, certificate=STACK.leaf(leaf_key)))
    with pytest.raises(ConfigError, match="trusts nobody"):
        verify(signed, Authority(name="open", trusted_root=ROOT))
    assert refused(verify(signed, TRUSTED)).step == "identity"
    accepted(verify(signed, by_identity(ROOT, Identity(ISSUER, "nobody"), Identity(ISSUER, SUBJECT))))


def test_every_authority_is_asked():
    """A candidate that one does not accept may be another's; each says why it does not."""
    stranger = by_key(p256(), root=ROOT)
    evidence = verify(GOOD, msgspec.structs.replace(stranger, name="others"), TRUSTED)
    assert [signed.authority for signed in evidence.signed] == ["keys"]
    assert [(rejected.authority, rejected.step) for rejected in evidence.rejected] == [("others", "signature")]


def test_evidence_can_be_saved_and_read_again():
    """As JSON, nothing lost."""
    leaf_key = p256()
    candidates = [
        GOOD,
        *_bad_candidates(),
        bundle(STACK.envelope(statement(DIGEST, SLSA, {"a": [1, None, {"b": 1.5}]}), KEY)),
        bundle(STACK.envelope(statement(DIGEST), leaf_key, certificate=STACK.leaf(leaf_key))),
    ]
    evidence = verify_candidates(ARTIFACT, candidates[:-3] + candidates[-2:], [TRUSTED, by_identity(ROOT)], NOW)
    encoded = msgspec.json.encode(evidence)
    assert msgspec.json.decode(encoded, type=Evidence) == evidence
    assert {"predicateType", "statement", "log"} <= json.loads(encoded)["signed"][0].keys()


def test_what_is_asked_about_must_be_a_digest():
    """Anything else could not be decided; nor can content that is another's, nor a time without a zone."""
    for digest in ("", "sha256:", "sha256:" + "A" * 64, "md5:" + "0" * 32, DIGEST + "\n"):
        with pytest.raises(UndecidedError):
            verify(GOOD, TRUSTED, artifact=Artifact(digest))
    wide = Artifact(f"sha512:{hashlib.sha512(b'x').hexdigest()}")
    for artifact in (ARTIFACT, wide):
        with pytest.raises(UndecidedError):
            verify_candidates(artifact, [], [], NOW, content=b"another")
    assert verify_candidates(wide, [], [], NOW, content=b"x") == Evidence(wide)
    with pytest.raises(UndecidedError):
        verify_candidates(ARTIFACT, [], [], NOW.replace(tzinfo=None))


def test_what_others_wrote_is_shown_short_and_printable():
    """In reasons, which end on terminals and in logs."""
    for name in ("\x1b[2J" * 50, "a" * 5000, "\u202e"):
        document = STACK.envelope(statement(DIGEST), KEY)
        document["mediaType"] = name
        reason = refused(verify(bundle(document), TRUSTED)).reason
        assert reason.isprintable()
        assert len(reason) < 400


@pytest.mark.parametrize("name", ["\x1b[31mVERIFIED\n" * 2, "A" * 900_000])
def test_names_of_fields_and_of_certificates_are_shown_short_and_printable_too(name):
    """Those that a decoder puts into its error, and those of a chain that is not valid any more."""
    signer = NotationSigner()
    envelope = json.loads(signer.sign().payload)
    refusals = [refused(verify(jws_candidate({**envelope, name: 1}), signer.authority()))]
    ending = notation_certificate(name[:64], signer.key, "root", p256(), days=0)
    for chain in ([ending, signer.middle, signer.root], [signer.leaf, ending, signer.root]):
        refusals.append(refused(verify(signer.sign(chain=chain), signer.authority(), now=NOW + timedelta(days=9))))
        refusals.append(refused(verify(signer.sign(chain=chain), signer.authority())))
    for rejected in refusals:
        assert rejected.reason.isprintable()
        assert len(rejected.reason) < 400
    with pytest.raises(ConfigError) as caught:
        read_root(json.dumps({**json.loads(ROOT), "mediaType": name}).encode())
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
    assert b64(b"x") == "eA=="
