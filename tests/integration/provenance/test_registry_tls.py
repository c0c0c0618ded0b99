"""Registries that want to see a client's certificate."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from support.pki import Authority
from support.registries import FaultyRegistry

from gateway.config.provenance import RegistrySettings
from gateway.core.errors import ConfigError
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.credentials import Credential, Given
from gateway.provenance.oci.errors import MalformedError, UnreachableError
from gateway.provenance.oci.hosts import Hosts
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.reference import Reference
from gateway.provenance.oci.registry import Registry
from gateway.provenance.oci.tls import Material

AUTHORITY = Authority()


def demanding(folder: Path, *, certificate: bool = True) -> ssl.SSLContext:
    """A server's TLS that asks its clients for a certificate, and insists unless told otherwise."""
    (folder / "ca.crt").write_bytes(AUTHORITY.pem)
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.crt"))
    found.load_cert_chain(*AUTHORITY.issue_to(folder, "server"))
    found.verify_mode = ssl.CERT_REQUIRED if certificate else ssl.CERT_OPTIONAL
    return found


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[FaultyRegistry]:
    async with FaultyRegistry().serve(demanding(tmp_path)) as found:
        found.add_artifact("v1")
        yield found


def settings(folder: Path, host: str, *, client: str = "client") -> RegistrySettings:
    files = AUTHORITY.issue_to(folder, client, client) if client else ("", "")
    return RegistrySettings((host,), ca_file=str(folder / "ca.crt"), cert_file=str(files[0]), key_file=str(files[1]))


async def read(hosts: list[RegistrySettings], host: str, *, tls: Material | None = None, password: str = "") -> None:
    client = Registry(Hosts(hosts), Limits(attempts=1))
    keychain = Given(host, Credential("robot", password)) if password else None
    try:
        budget = Budget(seconds=60, requests=50)
        await client.repository(Reference(host, "a/b", "v1"), budget, keychain, tls).manifest("v1")
    finally:
        await client.close()


async def test_the_certificate_of_the_settings_is_shown(registry: FaultyRegistry, tmp_path: Path) -> None:
    """To the registry, and to the token server that is its own; without one there is no connection."""
    registry.token, registry.password = "t0ken", "pw"
    await read([settings(tmp_path, registry.host)], registry.host, password="pw")
    assert registry.counts["GET /token"] == 1
    assert set(registry.shown) == {"client"}
    with pytest.raises(UnreachableError):
        await read([settings(tmp_path, registry.host, client="")], registry.host)


async def test_what_the_object_names_goes_before_the_settings(registry: FaultyRegistry, tmp_path: Path) -> None:
    """And with an authority of its own, the gateway's certificate is not shown to whoever that vouches for."""
    own = Material(AUTHORITY.pem, *AUTHORITY.issue("tenant"))
    await read([], registry.host, tls=own)
    await read([settings(tmp_path, registry.host)], registry.host, tls=own)
    assert set(registry.shown) == {"tenant"}
    with pytest.raises(UnreachableError):
        await read([settings(tmp_path, registry.host)], registry.host, tls=Material(AUTHORITY.pem))
    with pytest.raises(UnreachableError, match="TLS"):
        await read([], registry.host, tls=Material(Authority().pem, own.certificate, own.key))


@pytest.mark.parametrize("by_object", [False, True])
async def test_wherever_it_redirects_to_no_certificate_is_shown(tmp_path: Path, by_object: bool) -> None:
    """Not even that of the settings for there: a registry could have the gateway ask for what it may not read itself."""
    async with (
        FaultyRegistry().serve(demanding(tmp_path, certificate=False)) as other,
        FaultyRegistry().serve(demanding(tmp_path)) as registry,
    ):
        other.add_artifact("v1")

        async def away(_request: web.Request) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(f"https://{other.host}/v2/a/b/manifests/v1")

        registry.faults = [("manifests", away)]
        own = Material(AUTHORITY.pem, *AUTHORITY.issue("tenant")) if by_object else None
        await read(
            [settings(tmp_path, registry.host), settings(tmp_path, other.host, client="away")], registry.host, tls=own
        )
        assert registry.shown == ["tenant" if by_object else "client"]
        assert other.shown == [""]


async def test_a_token_is_not_sent_over_other_certificates(registry: FaultyRegistry, tmp_path: Path) -> None:
    """It may have come from somebody else's server; each asks for its own."""
    registry.token = "t0ken"
    client = Registry(Hosts([settings(tmp_path, registry.host)]), Limits(attempts=1))
    try:
        for tls in (None, Material(AUTHORITY.pem, *AUTHORITY.issue("tenant")), None):
            budget = Budget(seconds=60, requests=50)
            await client.repository(Reference(registry.host, "a/b", "v1"), budget, None, tls).manifest("v1")
    finally:
        await client.close()
    assert registry.counts["GET /token"] == 2


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """Another key, a key with a passphrase, half of a pair; nothing of them is told."""
    certificate, key = AUTHORITY.issue_to(tmp_path, "client")
    _, other = AUTHORITY.issue_to(tmp_path, "other")
    locked = tmp_path / "locked.key"
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"open-sesame")
    locked.write_bytes(private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    for found in (other, locked, certificate):
        with pytest.raises(ConfigError, match=r"client\.crt, .*: no client certificate") as caught:
            Hosts([RegistrySettings(("r.corp",), cert_file=str(certificate), key_file=str(found))])
        assert "PRIVATE" not in str(caught.value)
    with pytest.raises(ConfigError, match="belong together"):
        Hosts([RegistrySettings(("r.corp",), cert_file=str(certificate))])


async def test_a_bad_material_of_an_object_is_an_error_of_the_registry(registry: FaultyRegistry) -> None:
    """There is no verdict, and no other way is taken."""
    secret = b"-----BEGIN PRIVATE KEY-----\nopen-sesame\n-----END PRIVATE KEY-----\n"
    for tls in (Material(b"garbage"), Material(b"", AUTHORITY.pem, secret), Material(b"", AUTHORITY.pem)):
        with pytest.raises(MalformedError) as caught:
            await read([], registry.host, tls=tls)
        assert "sesame" not in str(caught.value)
        assert "sesame" not in repr(tls)
    assert not registry.requests
