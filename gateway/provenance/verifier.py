"""Artifacts against trust policies: one verification for all who ask about the same digest at the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.core.errors import ConfigError
from gateway.provenance.cache import ALL_SECONDS, CacheKey, EvidenceCache, Held
from gateway.provenance.collecting import Collected, Growing, Wanted, collect
from gateway.provenance.evidence import Artifact, Evidence
from gateway.provenance.flights import Flights
from gateway.provenance.meter import Meter, NoMeter, Outcome
from gateway.provenance.oci.errors import RegistryError
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.source import Found, Source
from gateway.provenance.trust.evaluate import Assessment, evaluate, questions
from gateway.provenance.trust.predicates import Answers, Predicates, compile_predicates
from gateway.provenance.trust.reading import Trust

_NOTHING = msgspec.Raw(b"null")
Clock = Callable[[], datetime]


class ReadyTrust:
    """A policy with its Rego compiled."""

    def __init__(self, trust: Trust, predicates: Predicates) -> None:
        self.trust = trust
        self._predicates = predicates

    async def assess(self, evidence: Evidence, asked_before: Answers | None = None) -> Assessment:
        """What the policy says about evidence. ``asked_before``: what its Rego said about the same artifact's statements, to
        be added to.
        """
        asked = questions(self.trust, evidence)
        answers = asked_before if asked_before is not None else {}
        return evaluate(self.trust, evidence, await self._predicates.ask(evidence, asked, answers) if asked else {})

    def close(self) -> None:
        """Let go of the Rego."""
        self._predicates.close()


async def make_ready(trust: Trust, *, trial: bool) -> ReadyTrust:
    """Check everything that a policy says, so that no request finds out. ``trial``: see :func:`compile_predicates`.

    Raises:
        ConfigError: a key, a trusted root or a module cannot be used.
    """
    from gateway.provenance.signatures import prepare  # noqa: PLC0415 - 12 MiB that only a policy needs

    try:
        await asyncio.to_thread(prepare, trust.authorities)
    except ConfigError as error:
        raise ConfigError(f"{trust.source}: TrustPolicy {trust.name}: {error}") from None
    return ReadyTrust(trust, await compile_predicates(trust, trial=trial))


class Target(msgspec.Struct, frozen=True):
    """One artifact: where it is read from, its repository's name, its digest; its manifest if that was read already.

    ``who``: by whose credentials; what one may see is no answer for another.
    """

    source: Source
    repository: str
    digest: str
    found: Found | None = None
    who: str = ""


class Result(msgspec.Struct, frozen=True):
    """What one policy says about one artifact, and the evidence it says it by."""

    trust: Trust
    assessment: Assessment
    evidence: Evidence


class Verifier:
    """Holds the evidence. For one event loop; concurrent use is what it is for."""

    def __init__(
        self, cache: EvidenceCache, clock: Clock, *, limits: Limits | None = None, meter: Meter | None = None
    ) -> None:
        self._meter = meter or NoMeter()
        self._cache = cache
        self._clock = clock
        self._limits = limits or Limits()
        self._flights: Flights[CacheKey, Held] = Flights()

    async def judge(self, target: Target, policies: Sequence[ReadyTrust]) -> list[Result]:
        """What each policy says.

        Raises:
            RegistryError: something could not be read: there is no verdict.
        """
        return [await self._judge(target, ready) for ready in policies]

    async def close(self) -> None:
        """Give up what is under way."""
        await self._flights.close()

    async def _judge(self, target: Target, ready: ReadyTrust) -> Result:
        key = CacheKey(target.repository, target.digest, ready.trust.digest, target.who)

        def look() -> Coroutine[Any, Any, Held]:
            return self._look(key, target, ready)

        held = self._cache.get(key)
        self._meter.cached("miss" if held is None else "hit")
        if held is None:
            held = await self._flights.join(key, look)
        assessment, evidence = await _assess(held, ready)
        if not held.complete and not assessment.satisfied:
            # Kept when there was enough; it no longer is: look at everything.
            held = await self._flights.join(key, look)
            assessment, evidence = await _assess(held, ready)
        return Result(ready.trust, assessment, evidence)

    async def _look(self, key: CacheKey, target: Target, ready: ReadyTrust) -> Held:
        began = time.monotonic()
        held, outcome = await self._looked(key, target, ready)
        self._meter.verified(outcome, time.monotonic() - began)
        return held

    async def _looked(self, key: CacheKey, target: Target, ready: ReadyTrust) -> tuple[Held, Outcome]:
        now, trust = self._clock(), ready.trust
        evidence = Evidence(Artifact(target.digest))
        said = Assessment(trust.name)
        growing, answers = Growing(trust.authorities, now), Answers()

        async def enough(collected: Collected) -> bool:
            nonlocal evidence, said
            evidence = await asyncio.to_thread(growing.of, collected)
            said = await ready.assess(evidence, answers)
            return said.satisfied

        try:
            collected = await collect(
                target.source,
                target.digest,
                Wanted.by([trust]),
                limits=self._limits,
                enough=enough,
                found=target.found,
            )
        except RegistryError as error:
            return self._cache.keep_error(key, error), error.kind
        evidence = msgspec.structs.replace(evidence, complete=collected.whole)
        if trust.needs_all:
            said = await ready.assess(evidence, answers)
        kept = needed(evidence, trust)
        boundary = trust.boundary(now, evidence.signed)
        # From here on, not from when it was begun: looking took a while.
        at_most = (boundary - self._clock()).total_seconds() if boundary is not None else None
        if trust.needs_all:
            at_most = min(ALL_SECONDS, at_most) if at_most is not None else ALL_SECONDS
        held = self._cache.keep(key, kept, satisfied=said.satisfied, complete=collected.complete, at_most=at_most)
        return held, "satisfied" if said.satisfied else "undecided" if said.undecided else "refused"


def needed(evidence: Evidence, trust: Trust) -> Evidence:
    """The evidence without the predicates that no rule of the policy is asked about: a bill of materials is large."""
    asked = {attestation.predicate_type for attestation in trust.policy.attestations if attestation.rego}
    slim = tuple(
        one if one.predicate_type in asked else msgspec.structs.replace(one, predicate=_NOTHING)
        for one in evidence.signed
    )
    return msgspec.structs.replace(evidence, signed=slim)


async def _assess(held: Held, ready: ReadyTrust) -> tuple[Assessment, Evidence]:
    if held.evidence is None:
        if held.error is None:
            raise AssertionError
        # Another one of the same: what is raised again and again would collect tracebacks.
        raise type(held.error)(str(held.error))
    return await ready.assess(held.evidence), held.evidence


def new_cache(*, entries: int, seconds: float, meter: Meter | None = None) -> EvidenceCache:
    """A cache by the clock of this machine that never goes back."""
    return EvidenceCache(entries=entries, seconds=seconds, clock=time.monotonic, meter=meter)
