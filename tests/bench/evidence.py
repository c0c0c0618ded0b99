"""Admission of an artifact whose evidence is kept, and of one that is new to a hundred at once."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from pathlib import Path
from typing import Any

from support.registries import FaultyRegistry
from support.signing import p256, pem
from support.sigstack import Stack, statement

from gateway.config.provenance import Provenance, RegistrySettings, TrustAuthority, TrustedKey, TrustPolicy
from gateway.provenance.gate import Gate
from gateway.provenance.oci.reference import Reference
from gateway.provenance.trust.reading import read_policy
from gateway.provenance.verifier import make_ready

ROUNDS = 2_000


def measure(_folder: Path) -> dict[str, Any]:
    """Microseconds for each artifact, evidence kept; requests for a hundred admissions of a new digest."""
    return asyncio.run(_measure())


def rows(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Each figure beside its goal."""
    warm = results["warm_us"]
    return [
        ("an artifact, its evidence kept, median", f"{warm['p50']:.0f} µs (p99 {warm['p99']:.0f} µs)", "≤ 200 µs"),
        ("requests of 100 admissions, new digest", str(results["cold_requests_of_100"]), "3"),
    ]


async def _measure() -> dict[str, Any]:
    key, stack = p256(), Stack()
    async with FaultyRegistry().serve() as registry:
        digest = registry.add_artifact("v1")
        document = stack.envelope(statement(digest), key, logged=False)
        registry.add_referrer(digest, json.dumps(document).encode())
        authority = TrustAuthority("a", keys=(TrustedKey(pem=pem(key)),))
        policy = TrustPolicy(repositories=(f"{registry.host}/**",), authorities=(authority,), name="p")
        ready = await make_ready(read_policy(policy, source="bench"), trial=False)
        gate = Gate(Provenance(registries=(RegistrySettings((registry.host,), plain_http=True),)))
        reference = Reference(registry.host, "acme/app", digest=digest)
        try:
            results = await asyncio.gather(*(gate.judge(reference, [ready]) for _ in range(100)))
            if not all(result.assessment.satisfied for (verdict,) in results for result in verdict.results):
                raise RuntimeError("the artifact does not verify")
            cold = len(registry.requests)
            gc.disable()
            times = []
            for _ in range(ROUNDS):
                started = time.perf_counter_ns()
                await gate.judge(reference, [ready])
                times.append(time.perf_counter_ns() - started)
            gc.enable()
        finally:
            await gate.close()
            ready.close()
    times.sort()
    warm = {"p50": times[ROUNDS // 2] / 1000, "p99": times[ROUNDS * 99 // 100] / 1000}
    return {"warm_us": warm, "cold_requests_of_100": cold}
