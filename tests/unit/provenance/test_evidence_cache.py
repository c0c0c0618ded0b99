"""Evidence that is kept, and for how long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import IO, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.signing import NotationSigner
from support.sigstack import NOW

from gateway.config.provenance import Attestation, Notation, TrustAuthority, TrustedKey, TrustPolicy
from gateway.core.canonical import sha256_digest
from gateway.provenance.cache import ERROR_SECONDS, REFUSED_SECONDS, CacheKey, EvidenceCache
from gateway.provenance.evidence import Artifact, Evidence, Signed, Signer
from gateway.provenance.flights import Flights
from gateway.provenance.oci.candidates import NOTATION
from gateway.provenance.oci.errors import (
    MalformedError,
    NotFoundError,
    RegistryError,
    ThrottledError,
    TooLargeError,
    UnauthorisedError,
    UnreachableError,
)
from gateway.provenance.oci.manifest import OCI_MANIFEST, Descriptor, parse_manifest
from gateway.provenance.oci.source import Found
from gateway.provenance.trust.reading import read_policy
from gateway.provenance.verifier import Target, Verifier, make_ready, needed

IMAGE = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/x", "digest": sha256_digest(b"{}"), "size": 2},
        "layers": [],
    }
).encode()
EVIDENCE = Evidence(Artifact("sha256:" + "0" * 64))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def cache(entries: int = 10, seconds: float = 3600) -> tuple[EvidenceCache, Clock]:
    clock = Clock()
    return EvidenceCache(entries=entries, seconds=seconds, clock=clock), clock


def key(number: int = 0, **parts: str) -> CacheKey:
    return CacheKey(parts.get("repository", "r"), f"d{number}", parts.get("trust", "t"), parts.get("who", ""))


def test_evidence_is_kept_while_it_may_be() -> None:
    """As long as configured; refused, for seconds; and never past a change of a key's validity."""
    for satisfied, at_most, expected in ((True, None, 3600), (False, None, REFUSED_SECONDS), (True, 60.0, 60)):
        held, clock = cache()
        held.keep(key(), EVIDENCE, satisfied=satisfied, complete=True, at_most=at_most)
        clock.now = expected - 0.01
        assert held.get(key()) is not None
        clock.now = expected
        assert held.get(key()) is None
        assert len(held) == 0


@pytest.mark.parametrize(
    "error", [UnreachableError, UnauthorisedError, ThrottledError, NotFoundError, MalformedError, TooLargeError]
)
def test_a_failure_is_kept_shortly_as_what_it_is(error: type[RegistryError]) -> None:
    """By its class; and it stays a failure."""
    held, clock = cache()
    held.keep_error(key(), error("x"))
    found = held.get(key())
    assert found is not None
    assert type(found.error) is error
    assert found.evidence is None
    clock.now = ERROR_SECONDS[error.kind]
    assert held.get(key()) is None
    assert ERROR_SECONDS[error.kind] <= 30


def test_everything_that_may_decide_is_in_the_key() -> None:
    """Another repository, digest, policy or reader: another answer."""
    held, _ = cache()
    held.keep(key(), EVIDENCE, satisfied=True, complete=True, at_most=None)
    for other in (key(1), key(repository="x"), key(trust="x"), key(who="x")):
        assert held.get(other) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=30))
def test_there_are_never_more_than_allowed(steps: list[tuple[bool, int]]) -> None:
    """And what was used last is there."""
    held, _ = cache(entries=3)
    for put, number in steps:
        if put:
            held.keep(key(number), EVIDENCE, satisfied=True, complete=True, at_most=None)
            assert held.get(key(number)) is not None
        else:
            held.get(key(number))
        assert len(held) <= 3


def test_large_predicates_are_kept_within_bounds() -> None:
    """By bytes; and one that no rule is asked about is not kept at all."""
    clock = Clock()
    held = EvidenceCache(entries=100, seconds=60, clock=clock, max_bytes=1000)

    def large(size: int) -> Evidence:
        said = msgspec.Raw(b'"' + b"x" * size + b'"')
        one = Signed("a", "sigstore-bundle", Signer(key="k"), None, "none", None, "t", said, "s", "m")
        return Evidence(EVIDENCE.artifact, (one,))

    for number in range(10):
        held.keep(key(number), large(300), satisfied=True, complete=True, at_most=None)
    assert len(held) == 3
    assert held.get(key(9)) is not None
    held.keep(key(10), large(2000), satisfied=True, complete=True, at_most=None)
    assert held.get(key(10)) is None
    authority = TrustAuthority("a", keys=(TrustedKey(pem="P"),))
    for rego, kept in (("package p", True), ("", False)):
        wanted = (Attestation("t", rego=rego),)
        policy = TrustPolicy(repositories=("**",), authorities=(authority,), attestations=wanted, name="p")
        (one,) = needed(large(5), read_policy(policy, source="test")).signed
        assert (bytes(one.predicate) != b"null") is kept


class OneSignature:
    """A repository with an image and its Notation signature; ``asked``: how often for the list of what refers to it."""

    def __init__(self, signature: bytes) -> None:
        config = {"mediaType": NOTATION, "digest": sha256_digest(b"{}"), "size": 2}
        layer = {"mediaType": "application/jose+json", "digest": sha256_digest(signature), "size": len(signature)}
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}
        self._manifest = json.dumps(document).encode()
        self._signature = signature
        self.asked = 0

    async def manifest(self, reference: str) -> Found:
        body = IMAGE if reference == sha256_digest(IMAGE) else self._manifest
        if reference != sha256_digest(body):
            raise NotFoundError(reference)
        return Found(reference, body, parse_manifest(body, what="it"))

    async def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        self.asked += 1
        return (Descriptor(OCI_MANIFEST, sha256_digest(self._manifest), len(self._manifest), NOTATION),)

    async def blob(self, descriptor: Descriptor, sink: IO[bytes], *, limit: int, what: str) -> None:
        sink.write(self._signature)


async def test_evidence_is_not_kept_beyond_what_it_holds_for() -> None:
    """A signature that expires in five minutes is looked at again after them, though the cache would keep it an hour."""
    signer, clock, now = NotationSigner(), Clock(), [NOW]
    target = {"digest": sha256_digest(IMAGE), "size": len(IMAGE), "mediaType": OCI_MANIFEST}
    expiry = (NOW + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
    critical = ["io.cncf.notary.signingScheme", "io.cncf.notary.expiry"]
    source = OneSignature(signer.sign(target=target, crit=critical, expiry=expiry).payload)
    authority = TrustAuthority("n", notation=Notation(pem=signer.anchors))
    policy = TrustPolicy(repositories=("**",), authorities=(authority,), name="p")
    ready = await make_ready(read_policy(policy, source="test"), trial=False)
    verifier = Verifier(EvidenceCache(entries=10, seconds=3600, clock=clock), lambda: now[0])
    for minutes, satisfied, asked in ((0, True, 1), (4, True, 1), (6, False, 2)):
        clock.now, now[0] = minutes * 60.0, NOW + timedelta(minutes=minutes)
        (result,) = await verifier.judge(Target(source, "r.corp/app", sha256_digest(IMAGE)), [ready])
        assert (result.assessment.satisfied, source.asked) == (satisfied, asked)
    await verifier.close()
    ready.close()


async def test_a_hit_is_judged_by_every_rule_and_serves_nothing_unverified() -> None:
    """What is kept is evidence: a signature that is not right stays none, and a policy that wants more wants it each time."""
    signer = NotationSigner()
    target = {"digest": sha256_digest(IMAGE), "size": len(IMAGE), "mediaType": OCI_MANIFEST}
    right = signer.sign(target=target).payload
    envelope = json.loads(right)
    wrong = json.dumps({**envelope, "signature": "A" * len(envelope["signature"])}).encode()
    authority = TrustAuthority("n", notation=Notation(pem=signer.anchors))
    simple = TrustPolicy(repositories=("**",), authorities=(authority,), name="p")
    more = TrustPolicy(repositories=("**",), authorities=(authority,), attestations=(Attestation("t"),), name="p")
    for payload, policy, verified, satisfied in (
        (right, simple, 1, True),
        (right, more, 1, False),
        (wrong, simple, 0, False),
    ):
        source, clock = OneSignature(payload), Clock()
        ready = await make_ready(read_policy(policy, source="test"), trial=False)
        verifier = Verifier(EvidenceCache(entries=10, seconds=3600, clock=clock), lambda: NOW)
        for _ in range(3):
            (result,) = await verifier.judge(Target(source, "r.corp/app", sha256_digest(IMAGE)), [ready])
            assert result.assessment.satisfied == satisfied
            assert (len(result.evidence.signed), len(result.evidence.rejected)) == (verified, 1 - verified)
        asked, clock.now = source.asked, REFUSED_SECONDS - 1
        await verifier.judge(Target(source, "r.corp/app", sha256_digest(IMAGE)), [ready])
        assert source.asked == asked, "the answers were kept ones"
        await verifier.close()
        ready.close()


def flights() -> tuple[Flights[str, int], list[int], Callable[[], Coroutine[Any, Any, int]]]:
    asked: list[int] = []

    async def look() -> int:
        asked.append(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return len(asked)

    return Flights(), asked, look


async def test_who_asks_meanwhile_gets_the_same_answer() -> None:
    """And who asks afterwards, a new one."""
    under_way, asked, look = flights()
    assert await asyncio.gather(*(under_way.join("k", look) for _ in range(100))) == [1] * 100
    assert await under_way.join("k", look) == 2
    assert len(asked) == 2


async def test_whoever_gives_up_does_not_end_it_for_the_others() -> None:
    """A cancelled review is one review."""
    under_way, asked, look = flights()
    first = asyncio.create_task(under_way.join("k", look))
    second = asyncio.create_task(under_way.join("k", look))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1
    assert len(asked) == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_failure_nobody_waits_for_is_no_noise() -> None:
    """It was meant for somebody whose deadline passed."""

    async def fail() -> int:
        await asyncio.sleep(0)
        raise UnreachableError("x")

    under_way: Flights[str, int] = Flights()
    waiting = asyncio.create_task(under_way.join("k", fail))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0.01)
    with pytest.raises(UnreachableError):
        await under_way.join("k", fail)
    await under_way.close()
