"""Everything that speaks to registries on behalf of admission: one for each worker."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.config.provenance import Provenance
from gateway.provenance.cache import EvidenceCache
from gateway.provenance.flights import Flights
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.credentials import Anonymous, Chain, Keychain, read_docker_config
from gateway.provenance.oci.hosts import Hosts
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.reference import Reference
from gateway.provenance.oci.registry import Registry
from gateway.provenance.oci.source import Found
from gateway.provenance.verifier import Clock, ReadyTrust, Result, Target, Verifier, new_cache


def now_utc() -> datetime:
    """The time."""
    return datetime.now(UTC)


class Gate:
    """Resolves tags and verifies artifacts, within the configured budget for each. For one event loop."""

    def __init__(
        self,
        settings: Provenance,
        *,
        clock: Clock = now_utc,
        cache: EvidenceCache | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Raises ConfigError where a file that the settings name cannot be used."""
        self._settings = settings
        self._registry = Registry(Hosts(settings.registries), limits)
        self._keychain: Keychain = read_docker_config(settings.docker_config) if settings.docker_config else Anonymous()
        kept = cache or new_cache(entries=settings.cache_entries, seconds=settings.cache_seconds)
        self._verifier = Verifier(kept, clock, limits=limits)
        self._resolving: Flights[tuple[str, str], Found] = Flights()

    async def judge(
        self, reference: Reference, policies: Sequence[ReadyTrust], *, keychain: Keychain | None = None, who: str = ""
    ) -> tuple[str, list[Result]]:
        """The digest that a reference stands for, resolved once, and what each policy says about the artifact.

        Args:
            reference: with a tag or a digest.
            policies: those that are about it.
            keychain: what is asked for credentials before the gateway's own.
            who: names that keychain; what one may see is no answer for another.

        Raises:
            RegistryError: something could not be read: there is no verdict.
        """
        settings = self._settings
        budget = Budget(seconds=settings.timeout_seconds, requests=settings.max_requests)
        chain = Chain((keychain, self._keychain)) if keychain is not None else self._keychain
        repository = self._registry.repository(reference, budget, chain)
        found: Found | None = None
        digest = reference.digest
        if not digest:

            def resolve() -> Coroutine[Any, Any, Found]:
                return repository.manifest(reference.tag)

            found = await self._resolving.join((str(reference), who), resolve)
            digest = found.digest
        target = Target(repository, reference.name, digest, found, who)
        return digest, await self._verifier.judge(target, policies)

    def checks(self) -> dict[str, bool | str]:
        """Nothing has to be there before the first request."""
        return {}

    async def close(self) -> None:
        """Give up what is under way, and close all connections."""
        await self._resolving.close()
        await self._verifier.close()
        await self._registry.close()
