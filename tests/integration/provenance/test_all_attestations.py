"""A policy that all attestations of a type must satisfy: no scan found anything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.registries import FaultyRegistry
from support.signing import p256, pem
from support.sigstack import Stack, statement

from gateway.config.provenance import (
    Attestation,
    Provenance,
    RegistrySettings,
    TrustAuthority,
    TrustedKey,
    TrustPolicy,
)
from gateway.provenance.cache import ALL_SECONDS, EvidenceCache
from gateway.provenance.gate import Gate
from gateway.provenance.oci.errors import TooLargeError
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.reference import Reference
from gateway.provenance.trust.evaluate import Assessment
from gateway.provenance.trust.reading import read_policy
from gateway.provenance.verifier import make_ready

pytestmark = pytest.mark.native
SCAN = "https://example.com/scan/v1"
REGO = "package scan\nallow if count(input.predicate.found) == 0"
CLEAN: list[str] = []


class Scanned:
    """An artifact in a registry, signed, with attestations by the same key."""

    def __init__(self, registry: FaultyRegistry) -> None:
        self.registry = registry
        self.digest = registry.add_artifact("v1")
        self.key, self.stack = p256(), Stack()
        self._add(statement(self.digest), self.key)

    def _add(self, payload: bytes, key: Any) -> None:
        document = self.stack.envelope(payload, key, logged=False)
        self.registry.add_referrer(self.digest, json.dumps(document).encode())

    def attest(self, found: list[str], number: int = 0, *, key: Any = None) -> None:
        self._add(statement(self.digest, SCAN, {"found": found, "number": number}), key or self.key)

    async def judged(self, *, match: Any = "all", limits: Limits | None = None) -> Assessment:
        async with self.judging(match=match, limits=limits) as judge:
            return await judge()

    @asynccontextmanager
    async def judging(
        self, *, match: Any = "all", limits: Limits | None = None, cache: EvidenceCache | None = None
    ) -> AsyncIterator[Callable[[], Awaitable[Assessment]]]:
        authority = TrustAuthority("a", keys=(TrustedKey(pem=pem(self.key)),))
        policy = TrustPolicy(
            repositories=(f"{self.registry.host}/**",),
            authorities=(authority,),
            attestations=(Attestation(SCAN, rego=REGO, match=match),),
            name="p",
        )
        ready = await make_ready(read_policy(policy, source="test"), trial=False)
        plain = (RegistrySettings((self.registry.host,), plain_http=True),)
        gate = Gate(Provenance(registries=plain, max_requests=500, timeout_seconds=30), limits=limits, cache=cache)

        async def judge() -> Assessment:
            (verdict,) = await gate.judge(Reference(self.registry.host, "acme/app", digest=self.digest), [ready])
            return verdict.results[0].assessment

        try:
            yield judge
        finally:
            await gate.close()
            ready.close()


@pytest.fixture
async def scanned() -> AsyncIterator[Scanned]:
    async with FaultyRegistry().serve() as registry:
        yield Scanned(registry)


async def test_one_that_is_refused_denies_wherever_it_is_in_the_list(scanned: Scanned) -> None:
    """Also beyond what would have been enough; where one accepted is enough, nobody looks so far."""
    for number in range(20):
        scanned.attest(CLEAN, number)
    assert (await scanned.judged()).satisfied
    scanned.attest(["CVE-2026-1"])
    (problem,) = (await scanned.judged()).problems
    assert "1 of 21 attestations" in problem.message
    assert (await scanned.judged(match="any")).satisfied


async def test_there_must_be_one(scanned: Scanned) -> None:
    """Of none, all satisfy anything."""
    (problem,) = (await scanned.judged()).problems
    assert "there is none" in problem.message


async def test_a_strangers_word_does_not_count(scanned: Scanned) -> None:
    """Whoever may only push cannot deny, and cannot attest."""
    scanned.attest(["CVE-2026-1"], key=p256())
    assert (await scanned.judged()).problems
    scanned.attest(CLEAN)
    assert (await scanned.judged()).satisfied


async def test_one_that_cannot_be_read_leaves_it_undecided(scanned: Scanned) -> None:
    """It may be the one that would be refused; a policy that needs only one does not mind."""
    scanned.attest(CLEAN)
    lost = scanned.registry.add_referrer(scanned.digest, b"x" * 100)
    del scanned.registry.manifests[lost]
    assert "may be more" in (await scanned.judged()).undecided
    assert (await scanned.judged(match="any")).satisfied


async def test_more_than_is_read_is_no_verdict(scanned: Scanned) -> None:
    """Nor is it one where the list is longer than the bound."""
    for number in range(12):
        scanned.attest(CLEAN, number)
    with pytest.raises(TooLargeError):
        await scanned.judged(limits=Limits(candidates=10))
    assert (await scanned.judged(match="any", limits=Limits(candidates=10))).satisfied


async def test_a_new_one_is_seen_soon(scanned: Scanned) -> None:
    """What is kept says that there are no others: it is believed for a minute; that there is one, for as long as configured."""
    scanned.attest(CLEAN)
    for match, kept_after in (("all", False), ("any", True)):
        now = [0.0]
        cache = EvidenceCache(entries=10, seconds=3_600, clock=lambda now=now: now[0])
        async with scanned.judging(match=match, cache=cache) as judge:
            assert (await judge()).satisfied
            asked = len(scanned.registry.requests)
            for seconds, kept in ((ALL_SECONDS - 1, True), (ALL_SECONDS, kept_after)):
                now[0] = seconds
                assert (await judge()).satisfied
                assert (len(scanned.registry.requests) == asked) is kept
