"""Sigstore bundles by key: envelopes and signatures of the artifact itself, and what comes with them."""

from __future__ import annotations

import base64
import hashlib
import json
from copy import deepcopy
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from support.signing import (
    ARTIFACT,
    DIGEST,
    MANIFEST,
    OTHER,
    accepted,
    bundle,
    by_identity,
    by_key,
    p256,
    refused,
    verify,
)
from support.sigstack import COSIGN_SIGN, NOW, Stack, b64, dsse_body, pae, second_body, sign, spki, statement

from gateway.provenance.evidence import Artifact, Levels
from gateway.provenance.signatures import verify_candidates

STACK = Stack()
ROOT = STACK.root()
KEY = p256()
TRUSTED = by_key(KEY, root=ROOT)
SIGNED = STACK.envelope(statement(DIGEST), KEY)
STAMPED = STACK.envelope(statement(DIGEST), KEY, logged=False, stamped=True)
V01 = "application/vnd.dev.sigstore.bundle+json;version=0.1"
V02 = "application/vnd.dev.sigstore.bundle+json;version=0.2"


def changed(document, *path, to):
    """A copy with one value replaced; ``to`` may be a function of the old one. DEL leaves it out."""
    copy = deepcopy(document)
    place = copy
    for step in path[:-1]:
        place = place[step]
    if to is DEL:
        del place[path[-1]]
    else:
        place[path[-1]] = to(place[path[-1]]) if callable(to) else to
    return copy


DEL = object()
ENTRY = ("verificationMaterial", "tlogEntries", 0)
PROOF = (*ENTRY, "inclusionProof")


def flip(text):
    """Base64 with the last byte of the content changed."""
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return b64(bytes(data))


def test_an_envelope_says_who_signed_what_and_when():
    """Key, time and log entry are in the evidence, and what the statement says."""
    signed = accepted(verify(bundle(SIGNED), TRUSTED))
    assert signed.signer.key == f"sha256:{hashlib.sha256(spki(KEY)).hexdigest()}"
    assert signed.time == NOW
    assert signed.level == "log"
    assert (signed.log.origin, signed.log.kind) == ("https://rekor.test", "dsse 0.0.1")
    assert signed.predicate_type == COSIGN_SIGN
    assert signed.is_signature
    assert signed.annotations == {"team": "web"}
    assert signed.source == "sha256:bundle"


@pytest.mark.parametrize("media_type", [V01, V02, "application/vnd.dev.sigstore.bundle+json;version=0.3"])
def test_older_versions_of_bundles_verify(media_type):
    """v0.1, v0.2 and the first spelling of v0.3."""
    accepted(verify(bundle(changed(SIGNED, "mediaType", to=media_type)), TRUSTED))


def test_in_v01_the_logs_promise_is_enough():
    """Its bundles may carry no proof, or one without a checkpoint; later ones must carry both."""
    without = changed(SIGNED, *PROOF, to=DEL)
    assert refused(verify(bundle(without), TRUSTED)).step == "log-proof"
    accepted(verify(bundle(changed(without, "mediaType", to=V01)), TRUSTED))
    bare = changed(SIGNED, *PROOF, "checkpoint", to=DEL)
    assert refused(verify(bundle(bare), TRUSTED)).step == "log-checkpoint"
    accepted(verify(bundle(changed(bare, "mediaType", to=V01)), TRUSTED))
    neither = changed(changed(without, "mediaType", to=V01), *ENTRY, "inclusionPromise", to=DEL)
    assert refused(verify(bundle(neither), TRUSTED)).step == "log-entry"


def test_a_proof_without_a_promise_proves_no_time():
    """The integrated time is signed in the promise only."""
    signed = accepted(verify(bundle(changed(SIGNED, *ENTRY, "inclusionPromise", to=DEL)), TRUSTED))
    assert signed.level == "log"
    assert signed.time is None


WRONG = {
    "the envelope's payload": ("subject", ("dsseEnvelope", "payload"), lambda _: b64(statement(OTHER))),
    "the envelope's signature": ("signature", ("dsseEnvelope", "signatures", 0, "sig"), flip),
    "the envelope's type": ("payload-type", ("dsseEnvelope", "payloadType"), "application/json"),
    "no signature": ("format", ("dsseEnvelope", "signatures"), []),
    "an empty signature": ("format", ("dsseEnvelope", "signatures", 0, "sig"), ""),
    "two signatures": ("format", ("dsseEnvelope", "signatures"), lambda old: old * 2),
    "the bundle's type": ("media-type", ("mediaType",), "application/vnd.dev.sigstore.bundle.v9+json"),
    "two contents": ("format", ("messageSignature",), {"signature": "AAAA"}),
    "no content": ("format", ("dsseEnvelope",), DEL),
    "no signer": ("format", ("verificationMaterial", "publicKey"), DEL),
    "two signers": ("format", ("verificationMaterial", "certificate"), {"rawBytes": "AAAA"}),
    "another log": ("trust-root", (*ENTRY, "logId", "keyId"), flip),
    "the entry's kind": ("log-entry", (*ENTRY, "kindVersion", "kind"), "hashedrekord"),
    "the entry's version": ("log-entry", (*ENTRY, "kindVersion", "version"), "0.0.2"),
    "the entry's body": ("log-entry", (*ENTRY, "canonicalizedBody"), flip),
    "the entry's index": ("log-promise", (*ENTRY, "logIndex"), "1"),
    "the entry's time": ("log-promise", (*ENTRY, "integratedTime"), lambda old: str(int(old) + 1)),
    "a time that no log has": ("log-promise", (*ENTRY, "integratedTime"), str(2**60)),
    "the promise": ("log-promise", (*ENTRY, "inclusionPromise", "signedEntryTimestamp"), flip),
    "the proof's index": ("log-proof", (*PROOF, "logIndex"), "4"),
    "an index beyond the tree": ("log-proof", (*PROOF, "logIndex"), "900"),
    "the tree's size": ("log-proof", (*PROOF, "treeSize"), "500"),
    "the tree's root": ("log-proof", (*PROOF, "rootHash"), flip),
    "a hash of the proof": ("log-proof", (*PROOF, "hashes", 0), flip),
    "one hash less": ("log-proof", (*PROOF, "hashes"), lambda old: old[1:]),
    "one hash more": ("log-proof", (*PROOF, "hashes"), lambda old: [*old, old[0]]),
    "too many hashes": ("size", (*PROOF, "hashes"), lambda old: old * 40),
    "too many entries": ("size", ("verificationMaterial", "tlogEntries"), lambda old: old * 9),
    "the checkpoint's text": ("log-checkpoint", (*PROOF, "checkpoint", "envelope"), lambda old: "x" + old),
    "no checkpoint": ("log-checkpoint", (*PROOF, "checkpoint", "envelope"), ""),
    "an unsigned checkpoint": (
        "log-checkpoint",
        (*PROOF, "checkpoint", "envelope"),
        lambda old: old.replace("\u2014 rekor.test ", "\u2014 rekor.test AAAA"),
    ),
}


@pytest.mark.parametrize("what", list(WRONG))
def test_each_part_that_is_wrong_is_refused_at_its_step(what):
    """Whatever is there must be right; the refusal names the step that failed."""
    step, path, to = WRONG[what]
    if path[-1] not in ("messageSignature", "certificate"):
        document = changed(SIGNED, *path, to=to)
    else:
        document = deepcopy(SIGNED)
        (document if len(path) == 1 else document[path[0]])[path[-1]] = to
    assert refused(verify(bundle(document), TRUSTED)).step == step


def test_a_checkpoint_of_another_tree_is_refused():
    """A log's right signature on another tree's root does not make a proof right; nor one of another size."""
    place = (*PROOF, "checkpoint", "envelope")
    other = STACK.envelope(statement(DIGEST), KEY)["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]
    assert refused(verify(bundle(changed(SIGNED, *place, to=other["checkpoint"]["envelope"])), TRUSTED)).step == (
        "log-checkpoint"
    )
    proof = SIGNED["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]
    for size, root in ((int(proof["treeSize"]), other["rootHash"]), (int(proof["treeSize"]) + 1, proof["rootHash"])):
        text = f"rekor.test\n{size}\n{root}\n"
        signature = b64(STACK.log.id[:4] + sign(STACK.log.key, text.encode()))
        note = f"{text}\n\u2014 rekor.test {signature}\n"
        assert refused(verify(bundle(changed(SIGNED, *place, to=note)), TRUSTED)).step == "log-checkpoint"


def test_a_checkpoint_is_signed_by_the_key_that_it_names():
    """By the first bytes of the log's id, and another log may have signed it as well."""
    place = (*PROOF, "checkpoint", "envelope")
    text, _, line = SIGNED["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"][
        "envelope"
    ].rpartition(" ")
    raw = base64.b64decode(line)
    misnamed = f"{text} {b64(bytes([raw[0] ^ 1]) + raw[1:])}\n"
    rejected = refused(verify(bundle(changed(SIGNED, *place, to=misnamed)), TRUSTED))
    assert (rejected.step, rejected.reason) == ("log-checkpoint", "the checkpoint is not signed by the log")
    witnessed = f"{text} {line}\u2014 witness.test {b64(b'1234' + raw[4:])}\n"
    accepted(verify(bundle(changed(SIGNED, *place, to=witnessed)), TRUSTED))


def promised_at(seconds):
    """The signed envelope with an entry that the log promises for that time."""
    entry = deepcopy(SIGNED["verificationMaterial"]["tlogEntries"][0])
    promised = {
        "body": entry["canonicalizedBody"],
        "integratedTime": seconds,
        "logID": STACK.log.id.hex(),
        "logIndex": int(entry["logIndex"]),
    }
    signature = sign(STACK.log.key, json.dumps(promised, sort_keys=True, separators=(",", ":")).encode())
    entry["integratedTime"] = str(seconds)
    entry["inclusionPromise"] = {"signedEntryTimestamp": b64(signature)}
    return bundle(changed(SIGNED, *ENTRY, to=entry))


def test_a_log_that_promises_beyond_the_calendar_is_refused():
    """However rightly it signs that."""
    assert "beyond the calendar" in refused(verify(promised_at(2**50), TRUSTED)).reason


def test_a_log_that_promises_without_a_time_proves_none():
    """Its 0 is no time, and not the year 1970."""
    signed = accepted(verify(promised_at(0), TRUSTED))
    assert (signed.level, signed.time) == ("log", None)


def test_an_entry_about_another_signature_is_refused():
    """CVE-2022-36056: the entry is in the log, and it is of another signature, payload or signer."""
    signature = base64.b64decode(SIGNED["dsseEnvelope"]["signatures"][0]["sig"])
    payload, other = statement(DIGEST), p256()
    for body in (
        dsse_body(payload, sign(KEY, pae(payload)), KEY),
        dsse_body(statement(OTHER), signature, KEY),
        dsse_body(payload, signature, other),
        {"kind": "dsse", "apiVersion": "0.0.1", "spec": {}},
    ):
        entry = STACK.log.add(body, ("dsse", "0.0.1"))
        rejected = refused(verify(bundle(changed(SIGNED, *ENTRY, to=entry)), TRUSTED))
        assert rejected.step == "log-entry"


def test_each_of_several_entries_must_be_right():
    """One right entry does not make up for a wrong one."""
    wrong = changed(SIGNED, *ENTRY, "logIndex", to="1")["verificationMaterial"]["tlogEntries"]
    place = ("verificationMaterial", "tlogEntries")
    accepted(verify(bundle(changed(SIGNED, *place, to=lambda old: old * 2)), TRUSTED))
    assert refused(verify(bundle(changed(SIGNED, *place, to=lambda old: old + wrong)), TRUSTED)).step == "log-promise"


def test_a_logs_key_counts_within_its_window():
    """A log whose key the trusted root ended before the entry was made proves nothing."""
    for start, end in ((NOW + timedelta(days=1), None), (NOW - timedelta(days=9), NOW - timedelta(seconds=1))):
        authority = by_key(KEY, root=STACK.root(log=(start, end)))
        assert refused(verify(bundle(SIGNED), authority)).step == "trust-root"
    accepted(verify(bundle(SIGNED), by_key(KEY, root=STACK.root(log=(NOW, NOW)))))


def test_of_a_log_that_is_listed_twice_the_period_counts_that_holds_the_time():
    """As of one whose key was retired and taken up again; whichever is listed first."""
    ended, current = (
        json.loads(STACK.root(log=(NOW - timedelta(days=9), NOW + timedelta(days=days)))) for days in (-1, 1)
    )
    for first, second in ((ended, current), (current, ended)):
        root = json.dumps({**first, "tlogs": first["tlogs"] + second["tlogs"]}).encode()
        assert accepted(verify(bundle(SIGNED), by_key(KEY, root=root))).time == NOW
    root = json.dumps({**ended, "tlogs": ended["tlogs"] * 2}).encode()
    assert refused(verify(bundle(SIGNED), by_key(KEY, root=root))).step == "trust-root"


def test_a_time_stamp_proves_when():
    """Of the right signature, by an authority of the root, within its window; one that is there must be right."""
    signed = accepted(verify(bundle(STAMPED), TRUSTED))
    assert (signed.level, signed.time, signed.log) == ("tsa", NOW, None)
    place = ("verificationMaterial", "timestampVerificationData", "rfc3161Timestamps", 0, "signedTimestamp")
    for to in (flip, b64(STACK.tsa.stamp(b"something else", NOW)), b64(Stack().tsa.stamp(b"x", NOW)), "AAAA"):
        assert refused(verify(bundle(changed(STAMPED, *place, to=to)), TRUSTED)).step == "timestamp"
    late = by_key(KEY, root=STACK.root(tsa=(NOW + timedelta(seconds=1), None)))
    assert refused(verify(bundle(STAMPED), late)).step == "trust-root"
    borrowed = json.loads(STACK.root(tsa=(NOW - timedelta(days=9), NOW - timedelta(days=1))))
    borrowed["timestampAuthorities"] += json.loads(Stack().root())["timestampAuthorities"]
    authority = by_key(KEY, root=json.dumps(borrowed).encode())
    assert refused(verify(bundle(STAMPED), authority)).step == "trust-root", "another authority's window does not count"
    many = changed(STAMPED, *place[:-2], to=lambda old: old * 9)
    assert refused(verify(bundle(many), TRUSTED)).step == "size"


@pytest.mark.parametrize("options", [{}, {"logged": False, "stamped": True}])
def test_a_proven_time_is_not_in_the_future(options):
    """Whoever says so is wrong, or compromised; clocks may differ by some minutes."""
    document = STACK.envelope(statement(DIGEST), KEY, **options)
    authority = by_key(KEY, root=STACK.root())
    assert accepted(verify(bundle(document), authority, now=NOW - timedelta(minutes=5))).time == NOW
    rejected = refused(verify(bundle(document), authority, now=NOW - timedelta(minutes=5, seconds=1)))
    assert rejected.step == "timestamp"
    assert "2025-06-01T12:00:00+00:00" in rejected.reason
    assert "clock" in rejected.remedy


def test_a_root_without_what_is_needed_refuses():
    """A log entry by a log, or a stamp by an authority, that the trusted root does not have."""
    root = json.loads(ROOT)
    root["tlogs"] = root["timestampAuthorities"] = []
    bare = by_key(KEY, root=json.dumps(root).encode())
    assert refused(verify(bundle(SIGNED), bare)).step == "trust-root"
    assert refused(verify(bundle(STAMPED), bare)).step == "trust-root"


def test_without_a_root_it_is_the_public_good_instances():
    """Which does not know the log of these tests; a bundle with nothing to check does not need it."""
    authority = by_key(KEY)
    assert refused(verify(bundle(SIGNED), authority)).step == "trust-root"
    accepted(verify(bundle(STACK.envelope(statement(DIGEST), KEY, logged=False)), authority))


def test_the_hint_is_no_more_than_a_hint():
    """A wrong or foreign hint does not hide the key that signed, and a right one does not make another's signature good."""
    place = ("verificationMaterial", "publicKey", "hint")
    accepted(verify(bundle(changed(SIGNED, *place, to="my-kms-key")), TRUSTED))
    stranger = STACK.envelope(statement(DIGEST), p256())
    hint = SIGNED["verificationMaterial"]["publicKey"]["hint"]
    rejected = refused(verify(bundle(changed(stranger, *place, to=hint)), TRUSTED))
    assert rejected.step == "signature"
    assert "which the bundle names" in rejected.reason
    assert "does not hash by sha256" in rejected.remedy
    edwards = ed25519.Ed25519PrivateKey.generate()
    garbled = STACK.envelope(statement(DIGEST), edwards, logged=False)
    garbled["dsseEnvelope"]["signatures"][0]["sig"] = b64(edwards.sign(b"x"))
    assert refused(verify(bundle(garbled), by_key(edwards))).remedy == "sign again"
    nobodys = refused(verify(bundle(changed(stranger, *place, to="their-kms-key")), TRUSTED)).reason
    assert "none of the trusted keys made the signature (the bundle names their-kms-key); trusted: sha256:" in nobodys
    unhinted = refused(verify(bundle(changed(stranger, *place, to="")), TRUSTED)).reason
    assert "made the signature; trusted: sha256:" in unhinted


@pytest.mark.parametrize(("kind", "content"), [("hashedrekord", pae(statement(DIGEST))), ("dsse", statement(DIGEST))])
def test_entries_of_rekors_second_version(kind, content):
    """hashedrekord 0.0.2 records what the signature is over, dsse 0.0.2 the payload; both the signature and the key."""
    envelope = STACK.envelope(statement(DIGEST), KEY, logged=False)
    signature = base64.b64decode(envelope["dsseEnvelope"]["signatures"][0]["sig"])

    def logged(content, signature, key):
        entry = STACK.second.add(second_body(content, signature, key, kind), (kind, "0.0.2"), at=None)
        return bundle(_with(envelope, entry))

    signed = accepted(verify(logged(content, signature, KEY), TRUSTED))
    assert (signed.level, signed.time) == ("log", None)
    assert (signed.log.origin, signed.log.kind) == ("https://log2.rekor.test", f"{kind} 0.0.2")
    for wrong in ((b"other", signature, KEY), (content, sign(KEY, b"x"), KEY), (content, signature, p256())):
        assert refused(verify(logged(*wrong), TRUSTED)).step == "log-entry"


def _with(document, entry):
    copy = deepcopy(document)
    copy["verificationMaterial"]["tlogEntries"] = [entry]
    return copy


def test_entries_of_the_kind_intoto():
    """0.0.1 records the whole envelope by its hash, 0.0.2 the signature, encoded twice; both the payload and the key."""
    payload = statement(DIGEST)
    signature = sign(KEY, pae(payload))
    public = b64(spki(KEY, Encoding.PEM))
    payload_hash = {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}
    content = {
        "hash": {"algorithm": "sha256", "value": "0" * 64},
        "payloadHash": payload_hash,
        "envelope": {
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": b64(b64(signature).encode()), "publicKey": public}],
        },
    }
    envelope = STACK.envelope(payload, KEY, logged=False)
    envelope["dsseEnvelope"]["signatures"][0]["sig"] = b64(signature)

    def with_entry(content):
        body = {"kind": "intoto", "apiVersion": "0.0.2", "spec": {"content": content}}
        envelope["verificationMaterial"]["tlogEntries"] = [STACK.log.add(body, ("intoto", "0.0.2"))]
        return bundle(envelope)

    assert accepted(verify(with_entry(content), TRUSTED)).log.kind == "intoto 0.0.2"
    for wrong in (
        {**content, "payloadHash": {**payload_hash, "value": "0" * 64}},
        {**content, "envelope": None},
        changed(content, "envelope", "signatures", 0, "sig", to=b64(b64(b"x").encode())),
        changed(content, "envelope", "signatures", 0, "sig", to=b64(b"\xff")),
        changed(content, "envelope", "signatures", to=lambda old: old * 2),
    ):
        assert refused(verify(with_entry(wrong), TRUSTED)).step == "log-entry"


def _blob(content, key, authority, **options):
    document = STACK.message(MANIFEST, key, **options)
    return verify_candidates(ARTIFACT, [bundle(document)], [authority], NOW, content=content)


def test_a_signature_of_the_artifact_itself():
    """By its digest alone, or by its bytes; what is logged must be about it."""
    for content in (None, MANIFEST):
        assert accepted(_blob(content, KEY, TRUSTED)).level == "log"
        assert accepted(_blob(content, KEY, TRUSTED, logged=False)).level == "none"
    empty = changed(STACK.message(MANIFEST, KEY), "messageSignature", "signature", to="")
    assert refused(verify(bundle(empty), TRUSTED)).step == "format"
    unknown = changed(STACK.message(MANIFEST, KEY), "messageSignature", "messageDigest", "algorithm", to="MD5")
    assert refused(verify(bundle(unknown), TRUSTED)).step == "algorithm"
    other = Artifact(OTHER)
    assert refused(verify(bundle(STACK.message(MANIFEST, KEY)), TRUSTED, artifact=other)).step == "subject"
    unnamed = changed(STACK.message(MANIFEST, KEY), "messageSignature", "messageDigest", to=DEL)
    assert refused(verify(bundle(unnamed), TRUSTED, artifact=other)).step == "signature"
    accepted(verify(bundle(unnamed), TRUSTED))


@pytest.mark.parametrize(("name", "algorithm"), [("SHA2_384", "sha384"), ("SHA2_512", "sha512")])
def test_a_digest_by_another_hash_says_nothing_about_the_artifact(name, algorithm):
    """As of keys that hash by it: it is of a known kind, and cannot be compared with the artifact's own."""
    document = STACK.message(MANIFEST, KEY)
    told = {"algorithm": name, "digest": b64(hashlib.new(algorithm, b"something").digest())}
    accepted(verify(bundle(changed(document, "messageSignature", "messageDigest", to=told)), TRUSTED))


def test_keys_that_need_more_than_the_digest_say_so():
    """Ed25519 signs the bytes, P-384 another digest: with the digest alone it is refused, with the bytes verified."""
    for key in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1())):
        signature = key.sign(MANIFEST, *([ec.ECDSA(SHA384())] * hasattr(key, "curve")))
        document = STACK.message(MANIFEST, KEY, logged=False)
        document["messageSignature"] = {"signature": b64(signature), "messageDigest": {}}
        authority = by_key(key)
        rejected = refused(verify(bundle(document), authority))
        assert rejected.step == "algorithm"
        assert ("a digest by sha384" if hasattr(key, "curve") else "all of its bytes") in rejected.reason
        accepted(verify_candidates(ARTIFACT, [bundle(document)], [authority], NOW, content=MANIFEST))


def test_an_authority_of_identities_does_not_trust_keys():
    """And a level that asks for a log holds for keys in bundles."""
    assert refused(verify(bundle(SIGNED), by_identity(ROOT))).step == "key"
    bare = bundle(STACK.envelope(statement(DIGEST), KEY, logged=False))
    rejected = refused(verify(bare, by_key(KEY, levels=Levels(require_log=True))))
    assert rejected.step == "level"
    assert "requireLog" in rejected.remedy
    accepted(verify(bundle(SIGNED), by_key(KEY, root=ROOT, levels=Levels(require_log=True))))
