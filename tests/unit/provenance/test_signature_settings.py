"""Keys, anchors and roots in any state: they are read, or are errors of the configuration; no library's exception leaves."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.signing import DER, NotationSigner, p256, pem
from support.sigstack import ISSUER, SUBJECT, Stack, b64

from gateway.core.errors import ConfigError
from gateway.provenance.evidence import Authority, Identity, Key
from gateway.provenance.signatures.authorities import trusted

STACK = Stack()
ROOT = json.loads(STACK.root())
CERTIFICATE = STACK.ca.public_bytes(DER)
ANCHOR = NotationSigner().root.public_bytes(DER)
PEM_KEY = pem(p256())
VERSION = b"\xa0\x03\x02\x01"


def of_version(der: bytes, version: int) -> bytes:
    """The certificate, as if it were of another version."""
    at = der.index(VERSION) + len(VERSION)
    return der[:at] + bytes([version - 1]) + der[at + 1 :]


def by_anchor(der: bytes) -> Authority:
    text = base64.encodebytes(der).decode()
    return Authority("a", notation_anchors=f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n")


def by_root(der: bytes, part: str = "certificateAuthorities") -> Authority:
    listed = [{**ROOT[part][0], "certChain": {"certificates": [{"rawBytes": b64(der)}]}}]
    root = json.dumps({**ROOT, part: listed}).encode()
    return Authority("a", identities=(Identity(ISSUER, SUBJECT),), trusted_root=root)


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        (Authority("a", keys=(Key(PEM_KEY),) * 257), "256 keys"),
        (Authority("a", identities=(Identity(ISSUER, SUBJECT),) * 257), "256 identities"),
        (Authority("a", notation_anchors="x" * (1024 * 1024 + 1)), "1048576 bytes"),
    ],
    ids=["keys", "identities", "anchors"],
)
def test_an_authority_has_bounds(settings, most):
    """They are told, before anything of it is read."""
    with pytest.raises(ConfigError, match=f"authority a: .*more than .*{most}"):
        trusted(settings)


def test_an_authority_may_be_as_large_as_its_bounds():
    """256 keys and as many identities."""
    settings = Authority("a", keys=(Key(PEM_KEY),) * 256, identities=(Identity(ISSUER, SUBJECT),) * 256)
    assert len(trusted(settings).keys) == len(trusted(settings).matchers) == 256


@pytest.mark.parametrize("version", [2, 5, 100])
@pytest.mark.parametrize("part", ["anchor", "certificateAuthorities", "timestampAuthorities"])
def test_a_certificate_of_another_version_is_an_error_of_the_configuration(part, version):
    """The library's InvalidVersion is no ValueError; it is told from none here."""
    der = of_version(ANCHOR if part == "anchor" else CERTIFICATE, version)
    settings = by_anchor(der) if part == "anchor" else by_root(der, part)
    with pytest.raises(ConfigError, match=r"authority a: .*certificate"):
        trusted(settings)


def changed(data: st.DataObject, content: bytes) -> bytes:
    """With up to three bytes changed, left out or doubled."""
    copy = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(copy) - 1))
        copy[at : at + 1] = data.draw(st.binary(max_size=2))
    return bytes(copy)


def read(settings: Authority) -> None:
    with contextlib.suppress(ConfigError):
        trusted(settings)


@given(st.data())
def test_certificates_changed(data):
    """Anchors and roots, changed inside of their encoding."""
    read(by_anchor(changed(data, ANCHOR)))
    read(by_root(changed(data, CERTIFICATE)))


@given(st.data())
def test_pem_changed(data):
    """Anchors and keys, changed in their text."""
    anchor = by_anchor(ANCHOR).notation_anchors.encode()
    read(Authority("a", notation_anchors=changed(data, anchor).decode(errors="surrogateescape")))
    read(Authority("a", keys=(Key(changed(data, PEM_KEY.encode()).decode(errors="surrogateescape")),)))


@given(st.data())
def test_roots_changed(data):
    """In the bytes of their JSON."""
    root = changed(data, STACK.root())
    read(Authority("a", identities=(Identity(ISSUER, SUBJECT),), trusted_root=root))
