"""Certificates: rotation under load, bad ones, and clients that must show one."""

from __future__ import annotations

import asyncio
import http.client
import ssl

import pytest
from cryptography.hazmat.primitives import serialization
from support.gateway import JSON, Answer, Gateway, Hammer, eventually, review
from support.pki import Authority


def served_serial(server: Gateway) -> str:
    connection = server.connect()
    connection.connect()
    try:
        return str(connection.sock.getpeercert()["serialNumber"])
    finally:
        connection.close()


async def test_rotation_under_load(gateway) -> None:
    """Certificates swapped by a mount again and again, good and bad, lose no request; good ones are served."""
    server: Gateway = gateway(settings={"workers": 2}).start()
    kept = server.connect()
    kept.connect()
    kept_socket = kept.sock
    async with Hammer(server) as clients:
        for _ in range(4):
            before = await asyncio.to_thread(served_serial, server)
            server.certificates.put(*server.authority.issue(days=30))
            await asyncio.to_thread(eventually, lambda old=before: served_serial(server) != old)
            certificate, _ = server.authority.issue()
            server.certificates.put(certificate, b"not a key")
            await asyncio.sleep(0.3)
    assert clients.lost == []
    assert not clients.refused
    assert clients.asked_to_leave == 0
    kept.request("POST", "/v1/validate", review(), JSON)
    assert kept.getresponse().status == 200
    assert kept.sock is kept_socket
    kept.close()
    assert server.metric("govgate_tls_reloads_total") == 4
    assert server.metric("govgate_tls_reload_failures_total") == 4


def bad_pairs() -> dict[str, tuple[bytes, bytes]]:
    authority = Authority("somebody else")
    certificate, key = authority.issue()
    _, other_key = authority.issue()
    expired = authority.issue(days=-0.5)
    encrypted = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    return {
        "another key": (certificate, other_key),
        "no key": (certificate, b""),
        "no certificate": (b"", key),
        "cut short": (certificate[:-80], key),
        "expired": expired,
        "encrypted key": (certificate, encrypted),
    }


def test_a_bad_certificate_changes_nothing(gateway) -> None:
    """A new pair that cannot be served is reported without its key and counted once; the old one is served on."""
    server: Gateway = gateway().start()
    serial = served_serial(server)
    for number, (name, (certificate, key)) in enumerate(bad_pairs().items(), 1):
        server.certificates.put(certificate, key)
        eventually(lambda expected=number: server.metric("govgate_tls_reload_failures_total") == expected)
        assert served_serial(server) == serial, name
        assert server.ask(review()).status == 200
        ready = server.health("/readyz?verbose")
        assert ready.status == 200
        assert "[!]tls ok, but: " in ready.text
        assert server.metric("govgate_tls_in_force") == 0
    server.certificates.put(*server.authority.issue(days=30))
    eventually(lambda: served_serial(server) != serial)
    assert "[+]tls ok" in server.health("/readyz?verbose").text
    log = server.log.read_text()
    assert "PRIVATE" not in log
    assert len(server.events("certificate not reloaded")) == len(bad_pairs())


def test_the_expiry_is_exported(gateway) -> None:
    """The gauge tells when the served certificate expires, and the readiness page warns when that is soon."""
    server: Gateway = gateway()
    certificate, key = server.authority.issue(days=1)
    server.certificates.put(certificate, key)
    server.start()
    expiry = server.metric("govgate_tls_certificate_expiry_timestamp_seconds")
    connection = server.connect()
    connection.connect()
    assert ssl.cert_time_to_seconds(connection.sock.getpeercert()["notAfter"]) == expiry
    connection.close()
    assert "[!]tls ok, but: the certificate expires in 2" in server.health("/readyz?verbose").text


def test_old_tls_is_refused(gateway) -> None:
    """A client that speaks TLS 1.1 at most gets no connection; the same client with TLS 1.2 does."""
    server: Gateway = gateway().start()
    context = server.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert ask_with(server, context) == 200
    context = server.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        server.connect(context).connect()


def ask_with(server: Gateway, context: ssl.SSLContext) -> int:
    """The status, or 0 if the connection is closed."""
    connection = server.connect(context)
    try:
        connection.request("POST", "/v1/validate", review(), JSON)
        return Answer(connection.getresponse()).status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def test_client_certificates(gateway) -> None:
    """With a client authority, only its certificates with an allowed name are served; a new authority takes over."""
    server: Gateway = gateway()
    first, second = Authority("clients"), Authority("clients of tomorrow")
    authority_file = server.folder / "clients.crt"
    authority_file.write_bytes(first.pem)
    server.settings["tls"] = {"clientCaFile": str(authority_file), "clientNames": ["kube-apiserver"]}
    server.write_config()
    server.start()

    def client(authority: Authority | None, name: str = "kube-apiserver") -> ssl.SSLContext:
        context = server.context()
        if authority is not None:
            context.load_cert_chain(*authority.issue_to(server.folder, "client", name))
        return context

    assert ask_with(server, client(first)) == 200
    assert ask_with(server, client(None)) == 0
    assert ask_with(server, client(second)) == 0
    assert ask_with(server, client(first, "someone-else")) == 0
    assert server.metric('govgate_connections_refused_total{reason="client-name"}') == 1

    new = authority_file.with_suffix(".new")
    new.write_bytes(second.pem)
    new.replace(authority_file)
    eventually(lambda: ask_with(server, client(second)) == 200)
    assert ask_with(server, client(first)) == 0
