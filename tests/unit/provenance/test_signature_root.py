"""Trusted roots: read once, or refused as configuration; and the trees that logs are made of."""

from __future__ import annotations

import importlib.resources
import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from support.sigstack import Stack, _path, _tree, b64, spki

from gateway.core.errors import ConfigError
from gateway.provenance.signatures.merkle import leaf_hash, root_from_proof
from gateway.provenance.signatures.root import Window, read_root

ROOT = json.loads(Stack().root())


def test_the_public_good_instances_root_comes_with_the_package():
    """With both versions of its log, two authorities, and a time-stamp authority; no network, no sigstore import."""
    root = read_root(b"")
    assert "https://rekor.sigstore.dev" in [log.url for log in root.logs]
    assert len(root.authorities) >= 2
    assert root.certificate_logs
    assert root.timestamp_authorities
    assert not root.authorities[0].window.holds(datetime(2023, 1, 1, tzinfo=UTC))


def _changed(**changes):
    return json.dumps({**ROOT, **changes}).encode()


LOG = ROOT["tlogs"][0]
RSA_KEY = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    ("details", "key", "hash_name"),
    [
        ("PKIX_ECDSA_P256_SHA_256", ec.generate_private_key(ec.SECP256R1()), "sha256"),
        ("PKIX_ECDSA_P384_SHA_384", ec.generate_private_key(ec.SECP384R1()), "sha384"),
        ("PKIX_ECDSA_P521_SHA_512", ec.generate_private_key(ec.SECP521R1()), "sha512"),
        ("PKIX_ED25519", ed25519.Ed25519PrivateKey.generate(), ""),
        ("PKCS1_RSA_PKCS1V5", RSA_KEY, "sha256"),
        ("PKIX_RSA_PKCS1V15_2048_SHA256", RSA_KEY, "sha256"),
        ("PKIX_RSA_PKCS1V15_3072_SHA256", RSA_KEY, "sha256"),
        ("PKIX_RSA_PKCS1V15_4096_SHA256", RSA_KEY, "sha256"),
    ],
)
def test_a_logs_key_hashes_as_its_details_say(details, key, hash_name):
    """Every kind that logs sign with; one of a kind to come is passed over, and the others count."""
    named = {**LOG["publicKey"], "rawBytes": b64(spki(key)), "keyDetails": details}
    (log,) = read_root(_changed(tlogs=[{**LOG, "publicKey": named}])).logs
    assert log.key.hash == hash_name
    later = {**LOG, "publicKey": {**named, "keyDetails": "PKIX_ML_DSA_65"}}
    assert len(read_root(_changed(tlogs=[LOG, later])).logs) == 1


def test_a_root_has_a_size():
    """More is not even decoded."""
    with pytest.raises(ConfigError, match="more than 1048576 bytes"):
        read_root(json.dumps(ROOT).encode() + b" " * 1024 * 1024)


def test_a_window_is_told():
    """From when to when, or for ever."""
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    assert str(Window(start)) == "2024-01-01T00:00:00+00:00 on"
    assert str(Window(start, end)) == "2024-01-01T00:00:00+00:00 to 2025-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b" " * (1024 * 1024 + 1),
        _changed(mediaType="application/vnd.dev.sigstore.trustedroot+json;version=9"),
        _changed(tlogs=[{**LOG, "publicKey": {**LOG["publicKey"], "rawBytes": "AAAA"}}]),
        _changed(tlogs=[{**LOG, "publicKey": {**LOG["publicKey"], "validFor": {}}}]),
        _changed(tlogs=[{**LOG, "publicKey": {**LOG["publicKey"], "validFor": {"start": "2020-01-01T00:00:00"}}}]),
        _changed(
            certificateAuthorities=[{"certChain": {"certificates": []}, "validFor": {"start": "2020-01-01T00:00:00Z"}}]
        ),
        _changed(
            certificateAuthorities=[
                {"certChain": {"certificates": [{"rawBytes": "AAAA"}]}, "validFor": {"start": "2020-01-01T00:00:00Z"}}
            ]
        ),
    ],
)
def test_a_root_that_cannot_be_used_is_an_error_of_the_configuration(data):
    """Malformed, unknown, with keys or certificates that are none, or with windows that do not say when they begin."""
    with pytest.raises(ConfigError, match="trusted root"):
        read_root(data)


def test_a_log_with_a_key_of_an_unknown_kind_is_no_log():
    """It is as if it were not listed: roots of the future have some, and their other logs count."""
    unknown = {**LOG, "publicKey": {**LOG["publicKey"], "keyDetails": "ML_DSA_65"}}
    assert [log.url for log in read_root(_changed(tlogs=[unknown, LOG])).logs] == ["https://rekor.test"]


def test_the_staging_instances_root_can_be_read():
    """It has keys of kinds that the public-good one does not have any more."""
    store = importlib.resources.files("sigstore") / "_store" / quote("https://tuf-repo-cdn.sigstage.dev", safe="")
    root = read_root((store / "trusted_root.json").read_bytes())
    assert len(root.certificate_logs) > 2


@given(st.integers(1, 70), st.data())
def test_proofs_of_every_leaf_lead_to_the_root(size, data):
    """And none does for another leaf, place or size."""
    leaves = [leaf_hash(bytes([number])) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path, root = _path(index, leaves), _tree(leaves)
    assert root_from_proof(leaves[index], index, size, path) == root
    other = data.draw(st.integers(-2, size + 2))
    if other != index:
        assert root_from_proof(leaves[index], other, size, path) != root
    assert root_from_proof(leaf_hash(b"other"), index, size, path) != root
    assert root_from_proof(leaves[index], index, size, [*path, root]) is None
    if path:
        assert root_from_proof(leaves[index], index, size, path[:-1]) is None
