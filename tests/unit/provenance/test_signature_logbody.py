"""Bodies of log entries: of every kind, that each must be about this signature, its payload and its signer."""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from support.signing import ARTIFACT, DIGEST, MANIFEST, bundle, p256
from support.sigstack import Stack, b64, dsse_body, hashed_body, pae, second_body, sign, spki, statement

from gateway.provenance.signatures.bundle import read_bundle
from gateway.provenance.signatures.keys import PublicKey
from gateway.provenance.signatures.logbody import Signed, check_body
from gateway.provenance.signatures.material import Entry
from gateway.provenance.signatures.refusal import RefusedError

STACK = Stack()
KEY, STRANGER = p256(), p256()
LEAF = STACK.leaf(KEY)
PAYLOAD = statement(DIGEST)
ENVELOPE = read_bundle(bundle(STACK.envelope(PAYLOAD, KEY, logged=False)), ARTIFACT)
MESSAGE = read_bundle(bundle(STACK.message(MANIFEST, KEY, logged=False)), ARTIFACT)
PEM = spki(KEY, serialization.Encoding.PEM)


def signed(material, key=KEY):
    return Signed(material, PublicKey(key.public_key()), DIGEST)


def check(body, about):
    """Ask; the step of the refusal, or nothing."""
    entry = Entry(1, b"log", body.get("kind", ""), body.get("apiVersion", ""), 1, json.dumps(body).encode())
    try:
        check_body(entry, about)
    except RefusedError as error:
        return error.step
    return ""


def _intoto(version, material, pem=PEM):
    content = {
        "hash": {"algorithm": "sha256", "value": hashlib.sha256(material.raw).hexdigest()},
        "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(material.payload).hexdigest()},
    }
    spec = {"content": content}
    if version == "0.0.1":
        spec["publicKey"] = b64(pem)
    else:
        one = {"sig": b64(b64(material.signature).encode()), "publicKey": b64(pem)}
        content["envelope"] = {"payloadType": "application/vnd.in-toto+json", "signatures": [one]}
    return {"kind": "intoto", "apiVersion": version, "spec": spec}


RIGHT = {
    "hashedrekord 0.0.1": (MESSAGE, hashed_body(MANIFEST, MESSAGE.signature, KEY)),
    "hashedrekord 0.0.2": (MESSAGE, second_body(MANIFEST, MESSAGE.signature, KEY, "hashedrekord")),
    "hashedrekord 0.0.2 of an envelope": (ENVELOPE, second_body(pae(PAYLOAD), ENVELOPE.signature, KEY, "hashedrekord")),
    "dsse 0.0.1": (ENVELOPE, dsse_body(PAYLOAD, ENVELOPE.signature, KEY)),
    "dsse 0.0.2": (ENVELOPE, second_body(PAYLOAD, ENVELOPE.signature, KEY, "dsse")),
    "intoto 0.0.1": (ENVELOPE, _intoto("0.0.1", ENVELOPE)),
    "intoto 0.0.2": (ENVELOPE, _intoto("0.0.2", ENVELOPE)),
}
OTHER_SIGNATURE = sign(KEY, b"x")
OTHER_PEM = spki(STRANGER, serialization.Encoding.PEM)


def leaves(value, path=()):
    """Every value of the spec that is not a container."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from leaves(item, (*path, at))
    else:
        yield path


# What is recorded for people, or is not ours to compare: the hash of an envelope that Rekor saw, names of algorithms of keys.
NOT_COMPARED = {"envelopeHash", "keyDetails", "payloadType"}


@pytest.mark.parametrize("kind", list(RIGHT))
def test_everything_in_a_body_is_compared(kind):
    """The right one is; with any value of another signature, payload or key, or of nothing, none is."""
    material, body = RIGHT[kind]
    assert check(body, signed(material)) == ""
    for path in leaves(body["spec"]):
        if NOT_COMPARED & set(path) or (kind == "intoto 0.0.2" and path[:2] == ("content", "hash")):
            continue
        for wrong in ("", "sha1", "0" * 64, b64(b"x"), b64(OTHER_SIGNATURE), b64(OTHER_PEM), b64(spki(STRANGER))):
            changed = deepcopy(body)
            place = changed["spec"]
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = wrong
            assert check(changed, signed(material)) == "log-entry", path


@pytest.mark.parametrize("kind", ["dsse 0.0.1", "dsse 0.0.2", "intoto 0.0.2"])
def test_exactly_one_signature_is_recorded(kind):
    """One more, or none, is another envelope's entry."""
    material, body = RIGHT[kind]
    for times in (0, 2):
        changed = deepcopy(body)
        spec = changed["spec"]
        place = spec.get("dsseV002") or (spec["content"]["envelope"] if "content" in spec else spec)
        place["signatures"] *= times
        assert check(changed, signed(material)) == "log-entry"


@pytest.mark.parametrize("kind", list(RIGHT))
def test_a_certificates_entry_records_the_certificate(kind):
    """Not its key; and a key's entry not a certificate."""
    keyed, body = RIGHT[kind]
    material = msgspec.structs.replace(keyed, certificate=LEAF.public_bytes(serialization.Encoding.DER))
    assert check(body, signed(material)) == "log-entry"
    content = MANIFEST if material.message is None else pae(PAYLOAD)
    by_certificate = {
        "hashedrekord 0.0.1": lambda: hashed_body(MANIFEST, material.signature, LEAF),
        "dsse 0.0.1": lambda: dsse_body(PAYLOAD, material.signature, LEAF),
        "dsse 0.0.2": lambda: second_body(PAYLOAD, material.signature, LEAF, "dsse"),
        "intoto 0.0.1": lambda: _intoto("0.0.1", material, LEAF.public_bytes(serialization.Encoding.PEM)),
        "intoto 0.0.2": lambda: _intoto("0.0.2", material, LEAF.public_bytes(serialization.Encoding.PEM)),
    }.get(kind, lambda: second_body(content, material.signature, LEAF, "hashedrekord"))()
    assert check(by_certificate, signed(material)) == ""
    assert check(by_certificate, signed(keyed)) == "log-entry"


def test_kinds_fit_contents():
    """A body of another kind than its entry says, of an unknown kind, or of one that does not record such signatures."""
    for kind, (material, body) in RIGHT.items():
        entry = Entry(1, b"log", "other", body["apiVersion"], 1, json.dumps(body).encode())
        with pytest.raises(RefusedError, match="its body is a"):
            check_body(entry, signed(material))
        other = MESSAGE if material is ENVELOPE else ENVELOPE
        assert check(body, signed(other)) == "log-entry", kind
    assert check({"kind": "rekord", "apiVersion": "0.0.1", "spec": {}}, signed(MESSAGE)) == "log-entry"
    assert check({}, signed(MESSAGE)) == "log-entry"


@pytest.mark.parametrize(
    ("curve", "algorithm", "name"),
    [(ec.SECP384R1(), hashes.SHA384(), "SHA2_384"), (ec.SECP521R1(), hashes.SHA512(), "SHA2_512")],
)
def test_the_second_version_records_the_keys_own_hash(curve, algorithm, name):
    """Of a larger key: SHA-384, SHA-512."""
    key = ec.generate_private_key(curve)
    material = read_bundle(bundle(STACK.envelope(PAYLOAD, key, logged=False, algorithm=algorithm)), ARTIFACT)
    body = second_body(pae(PAYLOAD), material.signature, key, "hashedrekord")
    digest = hashlib.new(algorithm.name, pae(PAYLOAD)).digest()
    body["spec"]["hashedRekordV002"]["data"] = {"algorithm": name, "digest": b64(digest)}
    assert check(body, signed(material, key)) == ""
    body["spec"]["hashedRekordV002"]["data"]["algorithm"] = "SHA2_256"
    assert check(body, signed(material, key)) == "log-entry"
