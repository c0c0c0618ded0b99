"""Registries that only a wildcard of a policy matches: whoever writes a Pod could name any host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.processes import free_port
from support.registries import FaultyRegistry, respond
from support.signing import p256, pem

from gateway.config.provenance import Provenance, RegistrySettings, TrustAuthority, TrustedKey, TrustPolicy
from gateway.provenance.gate import Gate
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.errors import UnreachableError
from gateway.provenance.oci.hosts import Hosts
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.reference import Reference, parse_reference
from gateway.provenance.oci.registry import Registry
from gateway.provenance.trust.reading import read_policy
from gateway.provenance.verifier import make_ready

DIGEST = "sha256:" + "0" * 64
QUICK = Limits(backoff_seconds=0.01)
NOBODY = "is not reached at a public address, and no policy names it"


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[Any]]]:
    """A service inside: its port, and whoever connected."""
    seen: list[Any] = []

    def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


async def failure(reference: str, *repositories: str, hosts: tuple[str, ...] = ()) -> str:
    """Why an image cannot be judged by a policy about these repositories."""
    authority = TrustAuthority("a", keys=(TrustedKey(pem=pem(p256())),))
    policy = TrustPolicy(repositories=repositories, authorities=(authority,), name="p")
    ready = await make_ready(read_policy(policy, source="test"), trial=False)
    gate = Gate(Provenance(registries=(RegistrySettings(hosts),) if hosts else (), timeout_seconds=30), limits=QUICK)
    try:
        with pytest.raises(UnreachableError) as caught:
            await gate.judge(parse_reference(reference), [ready])
    finally:
        await gate.close()
        ready.close()
    return str(caught.value)


async def test_nothing_inside_is_connected_to() -> None:
    """And the message is the same whether somebody listens there, nobody does, or there is no such place."""
    async with listening() as (port, seen):
        closed = free_port()
        for name, at in (("127.0.0.1", port), ("127.0.0.1", closed), ("localhost", port), ("10.1.2.3", 5000)):
            text = await failure(f"{name}:{at}/acme/app@{DIGEST}", "**")
            assert text.startswith(f"referrers of {name}:{at}/acme/app@{DIGEST}: {name} {NOBODY}: if it is to be asked")
        assert seen == []


async def test_what_is_named_is_connected_to() -> None:
    """By a policy, by another policy's wildcard it is not; or by the configuration."""
    async with listening() as (port, seen):
        host = f"127.0.0.1:{port}"
        reference = f"{host}/acme/app@{DIGEST}"
        assert NOBODY in await failure(reference, "127.0.0.1*/**")
        assert not seen
        assert NOBODY not in await failure(reference, "**", f"{host}/**")
        assert seen
        seen.clear()
        assert NOBODY not in await failure(reference, "**", hosts=(host,))
        assert seen


@pytest.mark.parametrize("status", [307, 401])
async def test_nobody_leads_a_look_up_inside(status: int) -> None:
    """Neither by a redirect, nor by the name of a token server: where a look-up may go is the look-up's own."""
    async with listening() as (port, seen), FaultyRegistry().serve() as registry:
        where = f"http://127.0.0.1:{port}/x"
        answer = respond(status, Location=where, WWW_Authenticate=f'Bearer realm="{where}"')
        registry.faults = [("manifests", answer)]
        inside = (registry.host, f"127.0.0.1:{port}")
        settings = [RegistrySettings(inside, plain_http=True, token_hosts=(f"127.0.0.1:{port}",))]
        client = Registry(Hosts(settings), QUICK)
        try:
            for zone, connected in (("public", False), ("anywhere", True)):
                budget = Budget(seconds=20, requests=20, zone=zone)  # type: ignore[arg-type]
                with pytest.raises(UnreachableError):
                    await client.repository(Reference(registry.host, "a/b", "v1"), budget).manifest("v1")
                assert bool(seen) is connected
                assert bool(registry.requests) is connected
        finally:
            await client.close()


async def test_a_proxy_knows_whom_it_may_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is inside, and asked all the same; but not for an address that is inside."""
    async with listening() as (port, seen):
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        assert NOBODY not in await failure(f"registry.example.com/acme/app@{DIGEST}", "**")
        assert seen
        seen.clear()
        assert NOBODY in await failure(f"10.1.2.3/acme/app@{DIGEST}", "**")
        assert not seen
