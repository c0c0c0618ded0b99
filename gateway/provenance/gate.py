"""Everything that speaks to registries on behalf of admission: one for each worker."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from gateway.config.provenance import Provenance
from gateway.provenance.cache import EvidenceCache
from gateway.provenance.flights import Flights
from gateway.provenance.meter import Meter
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.credentials import Anonymous, Chain, Keychain, read_docker_config
from gateway.provenance.oci.hosts import Hosts
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.reference import Reference
from gateway.provenance.oci.registry import Registry, Repository
from gateway.provenance.oci.source import Found
from gateway.provenance.oci.tls import Material
from gateway.provenance.oci.zone import Zone
from gateway.provenance.verifier import Clock, ReadyTrust, Result, Target, Verifier, new_cache
from gateway.provenance.versions import Versions, resolve


def now_utc() -> datetime:
    """The time."""
    return datetime.now(UTC)


class Reach(msgspec.Struct, frozen=True):
    """How the judged object has its artifact fetched.

    ``keychain``: what is asked for credentials before the gateway's own. ``tls``: see :meth:`Hosts.tls`. ``who`` names
    both; what one may see is no answer for another.
    """

    keychain: Keychain | None = None
    tls: Material = Material()
    who: str = ""


class Verdict(NamedTuple):
    """What each policy says about the artifact that a reference stands for now."""

    reference: Reference
    digest: str
    results: list[Result]


class Gate:
    """Resolves tags and verifies artifacts, within the configured budget for each. For one event loop."""

    def __init__(
        self,
        settings: Provenance,
        *,
        clock: Clock = now_utc,
        cache: EvidenceCache | None = None,
        limits: Limits | None = None,
        zone: Zone = "public",
        meter: Meter | None = None,
    ) -> None:
        """``zone``: of registries that neither a policy nor the settings name.

        Raises ConfigError where a file that the settings name cannot be used.
        """
        self._zone: Zone = zone
        self._settings = settings
        self._registry = Registry(Hosts(settings.registries), limits, meter)
        self._keychain: Keychain = read_docker_config(settings.docker_config) if settings.docker_config else Anonymous()
        if cache is None:
            cache = new_cache(entries=settings.cache_entries, seconds=settings.cache_seconds, meter=meter)
        self._verifier = Verifier(cache, clock, limits=limits, meter=meter)
        self._resolving: Flights[tuple[str, str], Found] = Flights()
        self._listing: Flights[tuple[str, str], tuple[str, ...]] = Flights()

    async def judge(
        self,
        reference: Reference,
        policies: Sequence[ReadyTrust],
        reach: Reach | None = None,
        *,
        versions: Versions | None = None,
    ) -> list[Verdict]:
        """What each policy says about the artifact that a reference stands for, resolved once.

        Args:
            reference: with a tag or a digest.
            policies: those that are about it.
            reach: what the judged object names to be fetched by.
            versions: the range whose newest version is meant instead of the tag: several tags may stand for that.

        Raises:
            RegistryError: something could not be read: there is no verdict.
            UndecidedError: the range cannot be resolved.
        """
        settings = self._settings
        hosts = self._registry.transport.hosts
        names = hosts.names(reference.registry)
        named = hosts.knows(reference.registry) or any(ready.trust.names(one) for ready in policies for one in names)
        zone = "anywhere" if named else self._zone
        budget = Budget(seconds=settings.timeout_seconds, requests=settings.max_requests, zone=zone)
        reach = reach or Reach()
        repository = self._registry.repository(reference, budget, self._chain(reach), reach.tls)
        if versions is None:
            return [await self._judge(repository, reference, policies, reach.who)]
        tags = await self._listing.join((self._name(reference), reach.who), repository.tags)
        chosen = await asyncio.to_thread(resolve, versions, tags, where=reference.name)
        return [
            await self._judge(repository, Reference(reference.registry, reference.repository, tag), policies, reach.who)
            for tag in chosen
        ]

    async def _judge(
        self, repository: Repository, reference: Reference, policies: Sequence[ReadyTrust], who: str
    ) -> Verdict:
        name = self._name(reference)
        found: Found | None = None
        digest = reference.digest
        if not digest:

            def resolve() -> Coroutine[Any, Any, Found]:
                return repository.manifest(reference.tag)

            found = await self._resolving.join((f"{name}:{reference.tag}", who), resolve)
            digest = found.digest
        target = Target(repository, name, digest, found, who)
        return Verdict(reference, digest, await self._verifier.judge(target, policies))

    def _name(self, reference: Reference) -> str:
        return f"{self._registry.transport.hosts.name(reference.registry)}/{reference.repository}"

    def _chain(self, reach: Reach) -> Keychain:
        # The gateway's own credentials are not for whoever a certificate of the object's choice vouches for.
        own = Anonymous() if reach.tls.ca else self._keychain
        return Chain((reach.keychain, own)) if reach.keychain is not None else own

    def checks(self) -> dict[str, bool | str]:
        """Nothing has to be there before the first request."""
        return {}

    async def close(self) -> None:
        """Give up what is under way, and close all connections."""
        await self._listing.close()
        await self._resolving.close()
        await self._verifier.close()
        await self._registry.close()
