"""Certificates, private keys and the registry of clusters."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from support.sealing import NOW, certificate, certificate_pem, key_pem, key_secret, private_key

from gateway_secrets.sealed.addresses import controller_url, shown
from gateway_secrets.sealed.certificate import parse_certificate, refuse_expired, warning
from gateway_secrets.sealed.errors import CertificateError, InputError, KeyFileError, RemoteError
from gateway_secrets.sealed.keys import key_of_secret, read_keys, unique
from gateway_secrets.sealed.registry import entry_of, load, read_registry

A, B = private_key("a"), private_key("b")
PKCS8, PKCS1 = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL
LIST = {"apiVersion": "v1", "kind": "List", "items": [key_secret("a"), key_secret("b")]}
NAME = x509.Name([])


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (key_pem("a"), [A]),
        (key_pem("a", PKCS8) + key_pem("b"), [A, B]),
        (certificate_pem("a") + key_pem("a"), [A]),
        (json.dumps(key_secret("a")).encode(), [A]),
        (yaml.safe_dump(LIST).encode(), [A, B]),
        (yaml.safe_dump_all([key_secret("a"), key_secret("b")]).encode(), [A, B]),
        (yaml.safe_dump(key_secret("a") | {"data": {}, "stringData": {"tls.key": key_pem("b").decode()}}).encode(), [B]),
    ],
    ids=["pkcs1", "pkcs8 and another", "with its certificate", "secret in json", "list", "documents", "stringData"],
)  # fmt: skip
def test_keys_are_read_in_the_forms_there_are(data: bytes, keys: list[Any]) -> None:
    """PEM, and the controller's Secrets as kubectl writes them."""
    assert [key.public_key() for key in read_keys(data, source="k")] == [key.public_key() for key in keys]


SMALL = ec.generate_private_key(ec.SECP256R1())
LOCKED = A.private_bytes(Encoding.PEM, PKCS8, BestAvailableEncryption(b"pw"))
BROKEN = key_pem("a")[:100] + key_pem("a")[200:]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "holds no private key"),
        (b"hello: [", "neither a private key in PEM form nor Secrets"),
        (b"hello: world", "without a tls.key"),
        (certificate_pem(), "neither a private key|something that is no Secret|holds no private key"),
        (SMALL.private_bytes(Encoding.PEM, PKCS8, NoEncryption()), "no RSA key"),
        (LOCKED, "has a passphrase"),
        (BROKEN, "cannot be read"),
        (json.dumps(key_secret() | {"data": {"tls.key": "AAAA"}}).encode(), "no private key in PEM form"),
        (json.dumps(key_secret() | {"data": {"tls.key": 1}}).encode(), "without a tls.key"),
    ],
)  # fmt: skip
def test_what_holds_no_key_is_refused(data: bytes, said: str) -> None:
    """With what it is instead, and nothing of what it holds."""
    with pytest.raises(KeyFileError, match=said) as raised:
        read_keys(data, source="k.pem")
    assert str(raised.value).startswith("k.pem: ")
    assert "MII" not in str(raised.value)


def test_each_key_is_tried_once() -> None:
    """Backups overlap."""
    assert unique([A, B, A]) == unique([A, B]) != [A]
    assert len(unique(read_keys(key_pem("a") * 3, source=""))) == 1


def test_a_key_secret_has_key_and_certificate() -> None:
    """As the controller writes it."""
    key, found = key_of_secret(key_secret("a"), source="s")
    assert (key.public_key(), found.fingerprint) == (A.public_key(), certificate("a").fingerprint)
    with pytest.raises(KeyFileError, match="no certificate"):
        key_of_secret(key_secret("a") | {"data": {"tls.key": key_secret("a")["data"]["tls.key"]}}, source="s")


def signed(key: Any) -> bytes:
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def small_rsa() -> Any:
    return generate_private_key(65537, 1024)  # noqa: S505 - what must be refused


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "holds no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no certificate"),
        (certificate_pem()[:-200], "holds no certificate"),
        (signed(SMALL), "needs an RSA key"),
        (signed(small_rsa()), "of at least 2048 bits"),
        (key_pem(), "holds a private key"),
    ],
)
def test_what_is_no_certificate_to_seal_with_is_refused(data: bytes, said: str) -> None:
    """With the reason."""
    with pytest.raises(CertificateError, match=said):
        parse_certificate(data, source="c.pem")


def test_the_first_certificate_counts() -> None:
    """As for kubeseal: the newest one is first."""
    found = parse_certificate(certificate_pem("b") + certificate_pem("a"), source="c")
    assert found.fingerprint == certificate("b").fingerprint


def test_an_expired_certificate_is_refused() -> None:
    """Also one whose cluster's registry says so; one that expires soon is warned about."""
    good, old = certificate("a", 20), certificate("a", -1)
    with pytest.raises(CertificateError, match="c: expired on 2026-11-25"):
        refuse_expired(old, source="c", now=NOW)
    with pytest.raises(CertificateError, match="expired on 2026-11-20"):
        refuse_expired(good, source="c", now=NOW, until=datetime(2026, 11, 20, tzinfo=UTC))
    refuse_expired(good, source="c", now=NOW)
    assert warning(good, source="c", now=NOW, days=30) == "c: expires on 2026-12-16, in 20 days"
    assert warning(good, source="c", now=NOW, days=10) is None
    assert "is a clock wrong" in str(warning(good, source="c", now=NOW - timedelta(days=90), days=0))


CLUSTERS = f"""
clusters:
- {{name: prod, certificate: certs/prod.pem, expires: "2030-01-01", namespaces: [web, api]}}
- {{name: dev, certificate: certs/dev.pem, fingerprint: "{certificate("b").fingerprint.upper()}"}}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "prod.pem").write_bytes(certificate_pem("a"))
    (tmp_path / "certs" / "dev.pem").write_bytes(certificate_pem("b"))
    path = tmp_path / "clusters.yaml"
    path.write_text(CLUSTERS)
    return path


async def test_a_registry_names_clusters(registry: Path) -> None:
    """Certificates are found from its own folder; some or all of its clusters are taken."""
    prod, dev = await load(read_registry(registry))
    assert (prod.entry.name, prod.certificate.fingerprint) == ("prod", certificate("a").fingerprint)
    assert prod.entry.until == datetime(2030, 1, 1, 23, 59, 59, 999999, UTC)
    assert (prod.entry.namespaces, dev.entry.until) == (("web", "api"), None)
    assert [entry.name for entry in read_registry(registry, ["dev"])] == ["dev"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clusters: [{name: a}]", "missing required field `certificate`"),
        ("clusters: [{name: a, certificate: x, namspaces: [b]}]", "unknown field `namspaces`"),
        ("clusters: [{name: a/b, certificate: x}]", "matching regex"),
        ("clusters: [{name: a, certificate: x}, {name: a, certificate: z}]", "a name is there twice"),
        ("clusters: [{name: a, certificate: x, expires: soon}]", "Invalid RFC3339|Expected"),
        ("a: 1\n---\nb: 1", "must be one document"),
    ],
)
def test_a_registry_is_strict(registry: Path, text: str, said: str) -> None:
    """A misspelt field is no field."""
    registry.write_text(text)
    with pytest.raises(InputError, match=said):
        read_registry(registry)


def test_an_unknown_cluster_is_refused(registry: Path) -> None:
    """And the known ones are said."""
    with pytest.raises(InputError, match=r"has no cluster prd \(it has prod, dev\)"):
        read_registry(registry, ["prd"])


async def test_another_certificate_than_the_pinned_one_is_refused(registry: Path) -> None:
    """Whoever answers at the address: secrets are sealed for the cluster that is meant."""
    registry.with_name("certs").joinpath("dev.pem").write_bytes(certificate_pem("a"))
    with pytest.raises(CertificateError, match="is not the certificate that the registry pins for dev"):
        await load(read_registry(registry))


def test_certificates_named_by_themselves_name_their_cluster() -> None:
    """By the file's name, or the host's."""
    assert entry_of("certs/prod-eu.pem").name == "prod-eu"
    assert entry_of("https://user:pw@sealed.example.com:8080/v1/cert.pem").name == "sealed.example.com"


async def test_a_certificate_that_came_in_the_clear_is_doubtful(registry: Path) -> None:
    """Unless it is pinned, or came from this machine, as by kubectl port-forward."""
    (prod,) = await load(read_registry(registry, ["prod"]))
    for url, fingerprint, doubtful in (
        ("http://sealed.example.com/v1/cert.pem", "", True),
        ("http://sealed.example.com/v1/cert.pem", certificate("a").fingerprint, False),
        ("https://sealed.example.com/v1/cert.pem", "", False),
        ("http://localhost:8080", "", False),
    ):
        entry = msgspec.structs.replace(prod.entry, certificate=url, fingerprint=fingerprint)
        assert bool(msgspec.structs.replace(prod, entry=entry).doubtful) is doubtful


def test_addresses() -> None:
    """Of a controller behind a path, or as its certificate's; shown without what may be secret."""
    assert controller_url("http://h:1/x/", "/v1/verify") == "http://h:1/x/v1/verify"
    assert controller_url("http://h:1/v1/cert.pem", "/v1/cert.pem") == "http://h:1/v1/cert.pem"
    assert shown("https://user:pw@h:1/x?token=y#z") == "https://h:1/x"
    with pytest.raises(RemoteError, match="no http or https address"):
        controller_url("ftp://h", "/v1/verify")
