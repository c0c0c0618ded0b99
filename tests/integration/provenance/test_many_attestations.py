"""Many large attestations about one artifact, by somebody trusted: what they may take is bounded, at admission and in commands."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from support.registries import FaultyRegistry
from support.signing import p256, pem
from support.sigstack import Stack, statement

from gateway.ci.artifact import gather
from gateway.config.provenance import Attestation, RegistrySettings, TrustAuthority, TrustedKey, TrustPolicy
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.errors import TooLargeError
from gateway.provenance.oci.hosts import Hosts
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.reference import Reference
from gateway.provenance.oci.registry import Registry
from gateway.provenance.trust.reading import read_policy
from gateway.provenance.verifier import make_ready

pytestmark = pytest.mark.native
TYPE = "https://example.com/sbom"


async def test_no_more_bytes_are_read_than_may_be() -> None:
    """What was read counts; that there is more is told only where that is not enough."""
    key, stack = p256(), Stack()
    async with FaultyRegistry().serve() as faulty:
        digest = faulty.add_artifact("v1")
        sizes = []
        for number in range(20):
            payload = statement(digest) if number == 0 else statement(digest, TYPE, {"n": number, "x": [[]] * 5_000})
            sizes.append(len(json.dumps(stack.envelope(payload, key, logged=False)).encode()))
            faulty.add_referrer(digest, json.dumps(stack.envelope(payload, key, logged=False)).encode())
        authority = TrustAuthority("a", keys=(TrustedKey(pem=pem(key)),))
        client = Registry(
            Hosts([RegistrySettings((faulty.host,), plain_http=True)]), Limits(candidates_bytes=sum(sizes[:11]))
        )
        reference = Reference(faulty.host, "acme/app", digest=digest)
        try:
            for wanted, enough in ((5, True), (15, False)):
                rego = f"package p\nallow if input.predicate.n == {wanted}"
                policy = TrustPolicy(
                    repositories=("**",),
                    authorities=(authority,),
                    attestations=(Attestation(TYPE, rego=rego),),
                    name="p",
                )
                ready = await make_ready(read_policy(policy, source="test"), trial=False)
                source = client.repository(reference, Budget(seconds=60, requests=200))
                before = len(faulty.requests)
                try:
                    if enough:
                        saved = await gather(
                            source, reference, digest, [ready], datetime.now(UTC), limits=client.limits
                        )
                        assert len(saved.collected.candidates) == 8
                    else:
                        with pytest.raises(TooLargeError, match="bytes together"):
                            await gather(source, reference, digest, [ready], datetime.now(UTC), limits=client.limits)
                finally:
                    ready.close()
                blobs = [line for line, _ in faulty.requests[before:] if "/blobs/" in line]
                assert len(blobs) <= 11 + 1
        finally:
            await client.close()
