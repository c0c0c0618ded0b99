"""The guards that a configuration asks for, with the caches they need, as one thing that can be swapped."""

from __future__ import annotations

from gateway import __version__
from gateway.config.model import Config
from gateway.core.guard import Guard
from gateway.core.subject import Json, Subject
from gateway.core.verdict import Verdict
from gateway.kube import connect
from policies.embedded import EmbeddedOpa
from policies.loading import load_rules, no_rules
from policies.ruleset import RuleSet
from policies.surroundings import ADMISSION, Surroundings
from webhooks.answer import refusal
from webhooks.drift.caches import ClusterFacts
from webhooks.drift.facts import Facts, NoFacts
from webhooks.drift.guard import DriftGuard, Lookup
from webhooks.drift.ownership import Policy
from webhooks.drift.reconcilers.argocd import Argo
from webhooks.drift.reconcilers.base import Reconciler
from webhooks.drift.reconcilers.flux import Flux
from webhooks.judge import Judge
from webhooks.policy import PolicyGuard
from webhooks.surroundings import ClusterSurroundings


class Assembly:
    """A judge and what it was built from."""

    def __init__(
        self,
        judge: Judge,
        facts: ClusterFacts | None = None,
        rules: RuleSet | None = None,
        surroundings: ClusterSurroundings | None = None,
    ) -> None:
        self.judge = judge
        self._facts = facts
        self._rules = rules
        self._surroundings = surroundings

    def ready(self) -> dict[str, bool | str]:
        """Named checks: True if it holds, else why it does not."""
        checks: dict[str, bool | str] = {"rules": True}
        for part in (self._facts, self._surroundings):
            checks |= part.checks() if part is not None else {}
        return checks

    def overrunning(self) -> int:
        """Evaluations of rules that were answered at their deadline and still run."""
        return self._rules.overrunning() if self._rules is not None else 0

    def message(self, verdict: Verdict, subject: Subject) -> str:
        """What the person who asked is told about a refusal; empty if the request was allowed."""
        return refusal(verdict, subject)

    async def close(self) -> None:
        """Stop the caches, let go of the rules."""
        if self._surroundings is not None:
            await self._surroundings.close()
        if self._facts is not None:
            await self._facts.close()
        if self._rules is not None:
            await self._rules.close()


async def assemble(config: Config) -> Assembly:
    """Build everything that decides. Caches begin to fill; :meth:`Assembly.ready` tells when they are.

    Raises:
        ConfigError: the configuration asks for something that cannot be had.
        RulesError: a rule is wrong.
        UndecidedError: the engine that evaluates rules is not there.
        ClusterError: the credentials for the cluster are missing or not usable.
    """
    rules = (
        None
        if no_rules(config.policy)
        else await load_rules(config.policy, EmbeddedOpa(hosts=config.policy.hosts, trial=True))
    )
    client = await connect(config.cluster)
    facts = None if client is None else ClusterFacts(client, config.drift)
    guards: list[Guard] = [
        drift_guard(config, NoFacts(), _no_cluster) if facts is None else drift_guard(config, facts, facts.scaled)
    ]
    surroundings = None
    if rules is not None:
        surroundings = None if client is None else ClusterSurroundings(client, rules, config.policy.inventory)
        guards.append(policy_guard(config, rules, surroundings or ADMISSION))
    if surroundings is not None:
        surroundings.start()
    if facts is not None:
        facts.start()
    digest = rules.digest if rules is not None else ""
    return Assembly(Judge(config, guards, version=f"{__version__} {digest}"), facts, rules, surroundings)


def policy_guard(config: Config, rules: RuleSet, surroundings: Surroundings) -> PolicyGuard:
    """The policy guard for these rules."""
    return PolicyGuard(
        rules,
        surroundings,
        on_error=config.policy.on_error,
        exempt=(*config.policy.exempt_namespaces, config.cluster.own_namespace),
        timeout_seconds=config.policy.timeout_seconds,
        max_findings=config.server.limits.findings,
    )


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
