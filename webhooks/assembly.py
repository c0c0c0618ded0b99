"""The guards that a configuration asks for, with the caches they need, as one thing that can be swapped."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Protocol

import msgspec

from gateway import __version__
from gateway.config.model import Config
from gateway.core.errors import ConfigError
from gateway.core.finding import Action, Finding
from gateway.core.guard import Guard
from gateway.core.subject import Json, Subject
from gateway.core.verdict import Verdict
from gateway.kube import KubeClient, connect
from gateway.provenance.gate import Gate
from gateway.provenance.meter import Meter
from policies.engine import Engine
from policies.engines import engine_of
from policies.gatekeeper.constraint import WEBHOOK
from policies.loading import load_rules, no_rules
from policies.registry_bundles import check_pinned
from policies.ruleset import RuleSet
from policies.sources import CLUSTER_GATEKEEPER
from policies.surroundings import ADMISSION, Surroundings
from policies.waivers import now_utc
from webhooks.access import ClusterAccess, access_of
from webhooks.answer import refusal
from webhooks.breakglass.clock import Clocks
from webhooks.breakglass.cluster import ClusterGrants
from webhooks.breakglass.grant import RESOURCE, Grant
from webhooks.breakglass.guard import BreakGlassGuard
from webhooks.breakglass.noted import Notes
from webhooks.breakglass.report import open_under
from webhooks.charts import ClusterCharts
from webhooks.constraints import ClusterConstraints
from webhooks.drift.caches import ClusterFacts
from webhooks.drift.facts import Facts, NoFacts, Opened, nothing_opened
from webhooks.drift.guard import DriftGuard, Lookup
from webhooks.drift.ownership import Policy
from webhooks.judge import Judge
from webhooks.late import LateAudit, Tell
from webhooks.policy import Judging, PolicyGuard, Waive
from webhooks.provenance import ProvenanceGuard
from webhooks.secret_objects import ClusterSecrets, OtherSecrets, SecretObjects, needs_namespaces, no_secrets
from webhooks.secrets import SecretsGuard
from webhooks.surroundings import ClusterSurroundings
from webhooks.trust import (
    ClusterTrust,
    ConfiguredTrust,
    cluster_trust,
    configured_trust,
    references_of,
    unconnected_trust,
)
from webhooks.trust_guard import TrustPolicyGuard
from webhooks.waivers import ClusterWaivers, WaiverGuard


class Part(Protocol):
    """A cache of the cluster that a guard reads."""

    def checks(self) -> dict[str, bool | str]:
        """Named checks: True if it holds, else why it does not."""
        ...

    async def close(self) -> None:
        """Stop."""
        ...


class Assembly:
    """A judge and what it was built from. ``parts`` are closed last to first."""

    def __init__(
        self,
        judge: Judge,
        parts: Sequence[Part] = (),
        *,
        rules: RuleSet | None = None,
        constraints: ClusterConstraints | None = None,
        trust: ConfiguredTrust | ClusterTrust | None = None,
        late: LateAudit | None = None,
        grants: ClusterGrants | None = None,
    ) -> None:
        self.judge = judge
        self._grants = grants
        self._late = late
        self._parts = tuple(parts)
        self._rules = rules
        self._constraints = constraints
        self._trust = trust

    def ready(self) -> dict[str, bool | str]:
        """Named checks: True if it holds, else why it does not."""
        checks: dict[str, bool | str] = {"rules": True}
        for part in self._parts:
            checks |= part.checks()
        return checks

    def warnings(self) -> dict[str, str]:
        """What somebody should look at, while all checks hold: rules and policies not in force, or not to be asked."""
        problem = self._rules.problem if self._rules is not None else ""
        found = {"opa": problem} if problem else {}
        for part in (self._constraints, self._trust, self._grants):
            found |= part.warnings() if part is not None else {}
        return found

    def overrunning(self) -> int:
        """Evaluations of rules that were answered at their deadline and still run."""
        return max((rules.overrunning() for rules in (self._rules, self._constraints) if rules is not None), default=0)

    def message(self, verdict: Verdict, subject: Subject) -> str:
        """What the person who asked is told about a refusal; empty if the request was allowed."""
        return refusal(verdict, subject, glass=self._grants is not None)

    def afterwards(self, subject: Subject, tell: Tell) -> bool:
        """What is to be asked about a request that was answered; ``tell`` records it. False: there was no room."""
        return self._late is None or self._late.offer(subject, tell)

    async def close(self) -> None:
        """Stop the caches, let go of the rules."""
        if self._late is not None:
            await self._late.close()
        for part in reversed(self._parts):
            await part.close()
        if self._rules is not None:
            await self._rules.close()


async def assemble(
    config: Config, *, patient: bool = False, meter: Meter | None = None, counting: bool = False
) -> Assembly:
    """Build everything that decides. Caches begin to fill; :meth:`Assembly.ready` tells when they are.

    ``patient``: an engine that is not there yet is waited for. ``meter`` counts what provenance does. ``counting``: what is
    judged happens, so that uses of break-glass grants are counted.

    Raises:
        ConfigError: the configuration asks for something that cannot be had.
        RulesError: a rule is wrong.
        UndecidedError: the engine that evaluates rules is not there.
        ClusterError: the credentials for the cluster are missing or not usable.
    """
    engine = engine_of(config.policy, trial=True, patient=patient)
    rules = await rules_in_files(config, engine)
    configured, gate = await configured_trust(config.provenance), Gate(config.provenance, meter=meter)
    client = await connect(config.cluster)
    if client is None:
        if CLUSTER_GATEKEEPER in config.policy.sources:
            raise ConfigError(f"policy.sources: {CLUSTER_GATEKEEPER}: no cluster is connected (cluster.connect)")
        guards: list[Guard] = [drift_guard(config, NoFacts(), _no_cluster)]
        if rules is not None:
            guards += [policy_guard(config, [rules], ADMISSION), waiver_guard(config, None)]
        guards += [secrets_guard(config), BreakGlassGuard(None, Clocks(now_utc, None), config.break_glass)]
        alone = ConfiguredTrust([*configured, *unconnected_trust(config.provenance)])
        guards += [provenance_guard(config, alone, gate), TrustPolicyGuard(config.provenance.on_error)]
        judge = _judge(config, guards, rules, None, alone)
        return Assembly(judge, [alone, gate], rules=rules, trust=alone, late=_late(config, rules, ADMISSION))
    facts = ClusterFacts(client, config.drift)
    guards, grants = _drift_with_grants(config, client, facts, counting=counting)
    parts: list[Part] = [facts, *([grants] if grants is not None else [])]
    constraints, late = None, None
    waive: Waive = list
    surroundings = ClusterSurroundings(client, config.policy.inventory)
    judging = bool(config.policy.sources) or rules is not None
    if judging or needs_namespaces(config.secrets):
        surroundings.start()
        parts.append(surroundings)
    if judging:
        if rules is not None:
            await surroundings.feed(rules)
        if CLUSTER_GATEKEEPER in config.policy.sources:
            constraints = ClusterConstraints(client, config.policy, engine, surroundings)
            constraints.start()
            parts.append(constraints)
        in_force = [part for part in (rules, constraints) if part is not None]
        waivers = ClusterWaivers(client, now_utc)
        waivers.start()
        parts.append(waivers)
        guards += [policy_guard(config, in_force, surroundings, waivers.apply), waiver_guard(config, client)]
        waive = waivers.apply
        late = _late(config, rules, surroundings, waive)
    guards.append(secrets_guard(config, surroundings, ClusterSecrets(client), waive))
    charts = ClusterCharts(client)
    trust = cluster_trust(config, client, configured, charts.start)
    parts += [trust, charts, gate]
    guards += [
        provenance_guard(config, trust, gate, charts=charts, access=access_of(config, client), waive=waive),
        TrustPolicyGuard(config.provenance.on_error, references_of(config, client)),
    ]
    trust.start()
    facts.start()
    judge = _judge(config, guards, rules, constraints, trust, grants=grants)
    return Assembly(judge, parts, rules=rules, constraints=constraints, trust=trust, late=late, grants=grants)


def _drift_with_grants(
    config: Config, client: KubeClient, facts: ClusterFacts, *, counting: bool
) -> tuple[list[Guard], ClusterGrants | None]:
    """The drift guard, the guard of grants, and the grants, which are watched from now on; None if none are to hold."""
    clock, grants = Clocks(now_utc, partial(client.date, RESOURCE.path(RESOURCE.versions[0]), {"limit": "1"})), None
    notes = Notes(client, config.cluster.own_namespace)
    if config.break_glass.enabled:
        grants = ClusterGrants(client, clock, notes, most=config.server.limits.findings, counting=counting)
        grants.start()
    drift = drift_guard(config, facts, facts.scaled, grants.opened if grants is not None else nothing_opened)

    async def outstanding(grant: Grant) -> Sequence[Finding]:
        return await open_under(client, grant, drift.managers)

    guard = BreakGlassGuard(
        client, clock, config.break_glass, outstanding=outstanding, notes=notes if counting else None
    )
    return [drift, guard], grants


def _late(config: Config, rules: RuleSet | None, surroundings: Surroundings, waive: Waive = list) -> LateAudit | None:
    if rules is None or not rules.has_late:
        return None
    exempt = (*config.policy.exempt_namespaces, config.cluster.own_namespace)
    return LateAudit(rules, surroundings, exempt=exempt, waive=waive)


def _judge(
    config: Config,
    guards: Sequence[Guard],
    rules: RuleSet | None,
    constraints: ClusterConstraints | None,
    trust: ConfiguredTrust | ClusterTrust,
    *,
    grants: ClusterGrants | None = None,
) -> Judge:
    digest = rules.digest if rules is not None else ""
    changing = [part for part in (constraints, trust) if part is not None]

    def version() -> str:
        return " ".join((__version__, digest, *(part.digest for part in changing)))

    return Judge(config, guards, version=version, grants=grants)


async def rules_in_files(config: Config, engine: Engine, *, point: str = WEBHOOK) -> RuleSet | None:
    """The rules that lie in files and registries, None if there are to be none. ``point``: Gatekeeper's enforcement point."""
    policy, provenance = config.policy, config.provenance
    check_pinned(policy.sources)
    files = tuple(name for name in policy.sources if name != CLUSTER_GATEKEEPER)
    if len(files) == len(policy.sources):
        return None if no_rules(policy) else await load_rules(policy, engine, point=point, provenance=provenance)
    if not files and not policy.opa.decisions:
        return None
    given = msgspec.structs.replace(policy, sources=files)
    return await load_rules(given, engine, alone=False, point=point, provenance=provenance)


def policy_guard(
    config: Config, rules: Sequence[Judging], surroundings: Surroundings, waive: Waive = list
) -> PolicyGuard:
    """The policy guard for these rules."""
    return PolicyGuard(
        rules,
        surroundings,
        on_error=config.policy.on_error,
        exempt=(*config.policy.exempt_namespaces, config.cluster.own_namespace),
        timeout_seconds=config.policy.timeout_seconds,
        max_findings=config.server.limits.findings,
        waive=waive,
    )


def secrets_guard(
    config: Config, around: Surroundings = ADMISSION, others: OtherSecrets = no_secrets, waive: Waive = list
) -> SecretsGuard:
    """The secrets guard. ``others``: tells whose a Secret is that is there."""
    settings = config.secrets
    return SecretsGuard(
        None if settings.detect == "off" else Action(settings.detect),
        SecretObjects(config, around, others, admitted=True),
        exempt=(*settings.exempt_namespaces, config.cluster.own_namespace),
        on_error=settings.on_error,
        max_findings=config.server.limits.findings,
        waive=waive,
    )


def provenance_guard(
    config: Config,
    trust: ConfiguredTrust | ClusterTrust,
    gate: Gate,
    *,
    charts: ClusterCharts | None = None,
    access: ClusterAccess | None = None,
    waive: Waive = list,
) -> ProvenanceGuard:
    """The provenance guard for these policies."""
    exempt = (*config.provenance.exempt_namespaces, config.cluster.own_namespace)
    return ProvenanceGuard(trust, gate, config.provenance, exempt=exempt, charts=charts, access=access, waive=waive)


def waiver_guard(config: Config, client: KubeClient | None) -> WaiverGuard:
    """The guard of what is written into waivers."""
    longest = timedelta(days=config.policy.waivers.max_days)
    return WaiverGuard(client, now_utc, max_lifetime=longest, on_error=config.policy.on_error)


def drift_guard(config: Config, facts: Facts, lookup: Lookup, opened: Opened = nothing_opened) -> DriftGuard:
    """The drift guard with every reconciler that is looked at."""
    limit = config.server.limits.findings
    return DriftGuard(Policy(config.drift), facts, lookup, max_findings=limit, opened=opened)


def field_managers(config: Config) -> frozenset[str]:
    """Under which names the reconcilers write that the drift guard knows."""
    return drift_guard(config, NoFacts(), _no_cluster).managers


async def _no_cluster(_subject: Subject) -> Json | None:
    return None
