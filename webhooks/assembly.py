"""The guards that a configuration asks for, with the caches they need, as one thing that can be swapped."""

from __future__ import annotations

from gateway import __version__
from gateway.config.model import Config
from gateway.core.subject import Json, Subject
from gateway.core.verdict import Verdict
from gateway.kube import connect
from webhooks.answer import refusal
from webhooks.drift.caches import ClusterFacts
from webhooks.drift.facts import Facts, NoFacts
from webhooks.drift.guard import DriftGuard, Lookup
from webhooks.drift.ownership import Policy
from webhooks.drift.reconcilers.argocd import Argo
from webhooks.drift.reconcilers.base import Reconciler
from webhooks.drift.reconcilers.flux import Flux
from webhooks.judge import Judge


class Assembly:
    """A judge and what it was built from."""

    def __init__(self, judge: Judge, facts: ClusterFacts | None = None) -> None:
        self.judge = judge
        self._facts = facts

    def ready(self) -> dict[str, bool | str]:
        """Named checks: True if it holds, else why it does not."""
        return {"rules": True, **(self._facts.checks() if self._facts is not None else {})}

    def message(self, verdict: Verdict, subject: Subject) -> str:
        """What the person who asked is told about a refusal; empty if the request was allowed."""
        return refusal(verdict, subject)

    async def close(self) -> None:
        """Stop the caches."""
        if self._facts is not None:
            await self._facts.close()


async def assemble(config: Config) -> Assembly:
    """Build everything that decides. Caches begin to fill; :meth:`Assembly.ready` tells when they are.

    Raises:
        ConfigError: the configuration asks for something that cannot be had.
        ClusterError: the credentials for the cluster are missing or not usable.
    """
    client = await connect(config.cluster)
    if client is None:
        return Assembly(Judge(config, (drift_guard(config, NoFacts(), _no_cluster),), version=__version__))
    facts = ClusterFacts(client, config.drift)
    facts.start()
    return Assembly(Judge(config, (drift_guard(config, facts, facts.scaled),), version=__version__), facts)


def drift_guard(config: Config, facts: Facts, lookup: Lookup) -> DriftGuard:
    """The drift guard with every reconciler it knows."""
    drift = config.drift
    reconcilers: tuple[Reconciler, ...] = (
        Flux(drift.flux_kustomization),
        Flux(drift.flux_helm_release),
        Argo(drift.argo_cd),
    )
    return DriftGuard(Policy(drift, reconcilers), facts, lookup, max_findings=config.server.limits.findings)


async def _no_cluster(_subject: Subject) -> Json | None:
    return None
