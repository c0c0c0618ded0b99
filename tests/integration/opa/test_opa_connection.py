"""Who is spoken to, and who speaks: certificates, tokens, a Unix socket, against a real OPA that asks for them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.opa import OpaProcess
from support.pki import Authority

from gateway.config.opa import Opa
from gateway.core.errors import ConfigError, GovgateError
from policies.engine import Failed, Module, Value
from policies.opa_server import OpaServer
from policies.remote.rules import RemoteRules

pytestmark = pytest.mark.servers

RULES = [Module("p.rego", "package p\n\nq := 1\n")]
TOKEN, OTHER = "correct-horse", "battery-staple"
# What docs/policy.md says that the gateway needs, and nothing else.
AUTHORIZATION = f"""package system.authz

default allow := false

allow if {{
	input.identity == "{TOKEN}"
	permitted
}}

permitted if {{
	input.method in {{"PUT", "GET", "DELETE"}}
	array.slice(input.path, 0, 3) == ["v1", "policies", "govgate"]
}}

permitted if {{
	input.method in {{"PUT", "PATCH", "DELETE"}}
	array.slice(input.path, 0, 2) == ["v1", "data"]
	startswith(input.path[2], "govgate_")
}}

permitted if {{
	input.method == "POST"
	input.path in [["v1", "data", "govgate_leases"], ["v1", "query"]]
}}
"""
SECONDS = 30.0


@contextlib.asynccontextmanager
async def handed(opa: Opa) -> AsyncIterator[RemoteRules]:
    rules = await OpaServer(opa).load(RULES, ["data.p.q"], {})
    try:
        yield rules
    finally:
        await rules.close()


class Guarded:
    """An OPA that wants a certificate of its authority and the right token, and a configuration that has both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority()
        (folder / "ca.crt").write_bytes(self.authority.pem)
        server, server_key = self.authority.issue_to(folder, "server")
        client, client_key = self.authority.issue_to(folder, "client", "govgate")
        (folder / "authz.rego").write_text(AUTHORIZATION)
        self.token = folder / "token"
        self.token.write_text(TOKEN + "\n")
        self.process = OpaProcess(
            folder, "--tls-cert-file", str(server), "--tls-private-key-file", str(server_key),
            "--authentication=token", "--authorization=basic", str(folder / "authz.rego"), tls=True,
        )  # fmt: skip
        self.opa = Opa(
            url=self.process.url,
            ca_file=str(folder / "ca.crt"),
            cert_file=str(client),
            key_file=str(client_key),
            token_file=str(self.token),
        )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    guarded = Guarded(tmp_path_factory.mktemp("guarded"))
    guarded.process.start()
    yield guarded
    guarded.process.kill()


async def refusal(opa: Opa) -> str:
    with pytest.raises(GovgateError) as caught:
        await OpaServer(opa).load(RULES, ["data.p.q"], {})
    assert TOKEN not in str(caught.value)
    assert OTHER not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_the_right_authority_and_token_are_let_in(guarded: Guarded) -> None:
    """With a private authority, and the token of a file, rules are handed over and asked."""
    async with handed(guarded.opa) as rules:
        await rules.put_data(["inventory", "x"], 1)
        assert await rules.ask(b"{}", [0], timeout_seconds=SECONDS) == [Value(1)]
        assert rules.problem == ""


async def test_a_server_of_another_authority_is_told_nothing(guarded: Guarded, tmp_path: Path) -> None:
    """A certificate that the configured authority did not issue, or the system does not know, ends it."""
    (tmp_path / "other.crt").write_bytes(Authority("somebody else").pem)
    for authority in (str(tmp_path / "other.crt"), ""):
        opa = msgspec.structs.replace(guarded.opa, ca_file=authority)
        assert "certificate is not accepted" in await refusal(opa)


async def test_a_wrong_token_decides_nothing(guarded: Guarded, tmp_path: Path) -> None:
    """OPA's 401 is a failure that says so, without the token."""
    (tmp_path / "token").write_text(OTHER)
    for token in (str(tmp_path / "token"), ""):
        assert "HTTP 401" in await refusal(msgspec.structs.replace(guarded.opa, token_file=token))


async def test_a_token_that_changes_is_used_soon(guarded: Guarded) -> None:
    """A new token is used within about a second; while its file is no good the old one goes on, and that is told."""
    async with handed(msgspec.structs.replace(guarded.opa, breaker_seconds=0.1)) as rules:

        async def becomes(good: bool, problem: str) -> bool:
            for _ in range(200):
                [answer] = await rules.ask(b"{}", [0], timeout_seconds=SECONDS)
                if isinstance(answer, Value) == good and problem in rules.problem:
                    return True
                await asyncio.sleep(0.05)
            return False

        try:
            guarded.token.write_text(" \n")
            assert await becomes(True, "holds no token")
            guarded.token.write_text(OTHER)
            assert await becomes(False, "")
        finally:
            guarded.token.write_text(TOKEN)
        # The breaker may be open by now; it closes by itself.
        assert await becomes(True, "")


async def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    """An OPA that wants to know who asks is shown the certificate; without one nothing is decided."""
    guarded = Guarded(tmp_path)
    arguments = [
        "--tls-cert-file", str(tmp_path / "server.crt"), "--tls-private-key-file", str(tmp_path / "server.key"),
        "--tls-ca-cert-file", str(tmp_path / "ca.crt"), "--authentication=tls",
    ]  # fmt: skip
    process = OpaProcess(tmp_path, *arguments, tls=True)
    try:
        process.start()
        opa = msgspec.structs.replace(guarded.opa, url=process.url, token_file="")
        async with handed(opa) as rules:
            assert await rules.ask(b"{}", [0], timeout_seconds=SECONDS) == [Value(1)]
        await refusal(msgspec.structs.replace(opa, cert_file="", key_file=""))
    finally:
        process.kill()


async def test_a_unix_socket_is_a_way_too(tmp_path: Path) -> None:
    """An OPA beside the gateway is asked by its socket."""
    process = OpaProcess(tmp_path, unix=True)
    try:
        process.start()
        async with handed(Opa(url=process.url)) as rules:
            assert await rules.ask(b"{}", [0], timeout_seconds=SECONDS) == [Value(1)]
            process.kill()
            [answer] = await rules.ask(b"{}", [0], timeout_seconds=SECONDS)
            assert isinstance(answer, Failed)
            assert answer.code == "unreachable"
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("field", "content"),
    [("ca_file", None), ("ca_file", b"none"), ("cert_file", b"none"), ("token_file", None), ("token_file", b"\xff"), ("token_file", b"a\nb")],
)  # fmt: skip
async def test_files_that_are_no_good_are_named(field: str, content: bytes | None, tmp_path: Path) -> None:
    """Each is an error of the configuration, with the field and the file, and nothing of what is in it."""
    authority = Authority()
    certificate, key = authority.issue_to(tmp_path, "client")
    wrong = tmp_path / "wrong"
    if content is not None:
        wrong.write_bytes(content)
    files: dict[str, Any] = {"cert_file": str(certificate), "key_file": str(key), field: str(wrong)}

    with pytest.raises(ConfigError) as caught:
        await OpaServer(Opa(url="https://127.0.0.1:1", **files)).load(RULES, ["data.p.q"], {})

    assert str(wrong) in str(caught.value)
    assert str(caught.value).startswith("policy.opa.")
