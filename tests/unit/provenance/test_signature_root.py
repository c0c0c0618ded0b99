"""Trusted roots: read once, or refused as configuration; and the trees that logs are made of."""

from __future__ import annotations

import importlib.resources
import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sigstack import Stack, _path, _tree

from gateway.core.errors import ConfigError
from gateway.provenance.signatures.merkle import leaf_hash, root_from_proof
from gateway.provenance.signatures.root import read_root

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
