"""What is counted: requests by what became of them, look-ups by outcome, and how often evidence was there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry
from support.registries import FaultyRegistry, respond
from support.signing import p256, pem
from support.sigstack import Stack, statement

from gateway.config.provenance import Provenance, RegistrySettings, TrustAuthority, TrustedKey, TrustPolicy
from gateway.provenance.gate import Gate
from gateway.provenance.metrics import ProvenanceMetrics
from gateway.provenance.oci.errors import RegistryError
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.reference import Reference
from gateway.provenance.trust.reading import read_policy
from gateway.provenance.verifier import ReadyTrust, make_ready


class Counted:
    """A gate that counts, and one policy."""

    def __init__(self, faulty: FaultyRegistry, gate: Gate, ready: ReadyTrust, registry: CollectorRegistry) -> None:
        self.faulty = faulty
        self._gate = gate
        self._ready = ready
        self._registry = registry

    async def judge(self, digest: str, times: int = 1) -> None:
        reference = Reference(self.faulty.host, "acme/app", digest=digest)
        await asyncio.gather(
            *(self._gate.judge(reference, [self._ready]) for _ in range(times)), return_exceptions=times > 1
        )

    def value(self, name: str, **labels: str) -> float:
        found = self._registry.get_sample_value(f"govgate_provenance_{name}", labels)
        assert found is not None
        return found


KEY = p256()


@asynccontextmanager
async def _counted(entries: int) -> AsyncIterator[Counted]:
    registry = CollectorRegistry()
    async with FaultyRegistry().serve() as faulty:
        authority = TrustAuthority("a", keys=(TrustedKey(pem=pem(KEY)),))
        policy = TrustPolicy(repositories=(f"{faulty.host}/**",), authorities=(authority,), name="p")
        ready = await make_ready(read_policy(policy, source="test"), trial=False)
        plain = (RegistrySettings((faulty.host,), plain_http=True),)
        settings = Provenance(registries=plain, cache_entries=entries, timeout_seconds=30)
        gate = Gate(settings, meter=ProvenanceMetrics(registry), limits=Limits(backoff_seconds=0.01))
        try:
            yield Counted(faulty, gate, ready, registry)
        finally:
            await gate.close()
            ready.close()


@pytest.fixture
async def counted() -> AsyncIterator[Counted]:
    async with _counted(entries=2) as found:
        yield found


def signed(faulty: FaultyRegistry, tag: str) -> str:
    digest = faulty.add_artifact(tag, files={"a": tag.encode()})
    document = Stack().envelope(statement(digest), KEY, logged=False)
    faulty.add_referrer(digest, json.dumps(document).encode())
    return digest


async def test_a_look_up_is_counted_once(counted: Counted) -> None:
    """With its requests and its seconds, whoever waits for it; those after it are hits."""
    digest = signed(counted.faulty, "v1")
    await counted.judge(digest, times=10)
    assert counted.value("verifications_total", outcome="satisfied") == 1
    assert counted.value("verification_seconds_count") == 1
    assert counted.value("registry_requests_total", result="ok") == len(counted.faulty.requests) == 3
    assert counted.value("cache_events_total", event="miss") == 10
    await counted.judge(digest)
    assert counted.value("cache_events_total", event="hit") == 1


async def test_what_is_refused_is_counted_so(counted: Counted) -> None:
    """An unsigned artifact is no error; that its older tags are not there is what it costs to find out."""
    await counted.judge(counted.faulty.add_artifact("v1"))
    assert counted.value("verifications_total", outcome="refused") == 1
    assert counted.value("registry_requests_total", result="not-found") == 2


@pytest.mark.parametrize(
    ("status", "kind", "requests"),
    [
        (500, "unreachable", 3),
        (401, "unauthorised", 1),
        (403, "unauthorised", 1),
        (429, "throttled", 3),
        (418, "malformed", 1),
    ],
)
async def test_errors_are_counted_by_class(counted: Counted, status: int, kind: str, requests: int) -> None:
    """Of each request, and of the look-up that they end."""
    digest = signed(counted.faulty, "v1")
    counted.faulty.faults = [("referrers", respond(status))]
    with pytest.raises(RegistryError):
        await counted.judge(digest)
    assert counted.value("verifications_total", outcome=kind) == 1
    assert counted.value("registry_requests_total", result=kind) == requests


async def test_evidence_that_goes_for_other_evidence_is_counted(counted: Counted) -> None:
    """The bound is on entries here."""
    for tag in ("v1", "v2", "v3"):
        await counted.judge(signed(counted.faulty, tag))
    assert counted.value("cache_events_total", event="eviction") == 1
