"""What judges objects as they stand in a cluster, outside of any request: the rules, context and waivers of admission.

Each object is judged as the request that would create it. Who made it is not known: a rule that looks at that is
undecided here.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence

import msgspec

from gateway.config.model import Config
from gateway.core.errors import ClusterError
from gateway.core.subject import Json, Subject
from gateway.kube import KubeClient
from gateway.provenance.meter import Meter
from policies.engines import engine_of
from policies.gatekeeper.constraint import AUDIT
from policies.rule import NAMESPACE, USER, Asked, RuleInfo
from policies.ruleset import Outcome, RuleSet
from policies.sources import CLUSTER_GATEKEEPER
from policies.surroundings import Surroundings, surrounded
from policies.waivers import now_utc
from webhooks.artifacts import Artifacts, artifacts_in_cluster
from webhooks.assembly import Part, field_managers, rules_in_files
from webhooks.breakglass.standing import Changes
from webhooks.constraints import ClusterConstraints
from webhooks.policy import exempted
from webhooks.surroundings import ClusterSurroundings
from webhooks.waivers import ClusterWaivers

_POLL_SECONDS = 0.05
_REFUSED = "403 "
"""How a cache's problem begins that no waiting mends."""


class Standing:
    """The rules in force for objects of a cluster, with the caches that they need. Made by :func:`assemble_standing`."""

    def __init__(
        self,
        config: Config,
        *,
        rules: RuleSet | None,
        constraints: ClusterConstraints | None,
        surroundings: ClusterSurroundings,
        waivers: ClusterWaivers,
        artifacts: Artifacts,
        changes: Changes,
    ) -> None:
        decides = (config.policy, config.provenance, config.cluster.own_namespace)
        self._settings = msgspec.json.encode(decides, order="deterministic").decode()
        self._rules = rules
        self._constraints = constraints
        self._around = _NobodyAsks(surroundings)
        self._waivers = waivers
        self._artifacts = artifacts
        self._changes = changes
        parts = (surroundings, constraints, waivers, artifacts, changes)
        self._parts: list[Part] = [part for part in parts if part is not None]
        self._exempt = (*config.policy.exempt_namespaces, config.cluster.own_namespace)
        self._timeout_seconds = config.policy.timeout_seconds

    @property
    def digest(self) -> str:
        """Of all that decides: the rules in force, those of the cluster as they are now, and what is set of them."""
        material = [part.digest for part in (self._rules, self._constraints, self._artifacts) if part is not None]
        material.append(self._settings)
        return "sha256:" + hashlib.sha256("\0".join(material).encode()).hexdigest()

    @property
    def infos(self) -> dict[str, RuleInfo]:
        """The rules in force, by id."""
        parts = [part for part in (self._rules, self._constraints) if part is not None]
        return {info.id: info for part in parts for info in part.infos}

    def about(self, subject: Subject) -> bool:
        """Whether any rule may be about objects of the subject's type: else they need not be read."""
        parts = (self._rules, self._constraints, self._artifacts, self._changes)
        return any(part.about(subject) for part in parts if part is not None)

    def exempt(self, subject: Subject) -> bool:
        """Whether the object is in a namespace that is not judged."""
        return exempted(subject.governing_namespace, self._exempt)

    async def judge(self, subjects: Sequence[Subject]) -> list[Outcome]:
        """What the rules say about each object, the trust policies about what it fetches, and what was changed of it under a grant; waived findings name the waiver.

        Raises:
            UndecidedError: the engine is not there.
        """
        asked = [await self._asked(subject) for subject in subjects]
        outcomes = [Outcome() for _ in asked]
        for part in (self._rules, self._constraints):
            if part is None:
                continue
            found = await part.judge_all(asked, timeout_seconds=self._timeout_seconds)
            for index, more in enumerate(found):
                outcomes[index] = outcomes[index].joined(
                    findings=more.findings, undecided=more.undecided, judged=more.judged
                )
        outcomes = await self._artifacts.join(subjects, outcomes)
        outcomes = await self._changes.join(subjects, outcomes)
        return [Outcome(tuple(self._waivers.apply(one.findings)), one.undecided, one.judged) for one in outcomes]

    def overrunning(self) -> int:
        """Evaluations that were answered at their deadline and still run in this process."""
        return max((part.overrunning() for part in (self._rules, self._constraints) if part is not None), default=0)

    def checks(self) -> dict[str, bool | str]:
        """Named checks: True if it holds, else why not. Until all hold, a judgement would not be whole."""
        checks: dict[str, bool | str] = {"rules": (self._rules.problem if self._rules is not None else "") or True}
        for part in self._parts:
            checks |= part.checks()
        return checks

    async def synced(self, seconds: float) -> None:
        """Wait until all checks hold.

        Raises:
            ClusterError: they do not within ``seconds``; says what is missing.
        """
        deadline = time.monotonic() + seconds
        while True:
            lacking = {name: why for name, why in self.checks().items() if why is not True}
            if not lacking:
                return
            refused = any(str(why).startswith(_REFUSED) for why in lacking.values())
            if refused or time.monotonic() >= deadline:
                raise ClusterError("not read: " + "; ".join(f"{name}: {why}" for name, why in lacking.items()))
            await asyncio.sleep(_POLL_SECONDS)

    async def close(self) -> None:
        """Stop the caches, let go of the rules."""
        for part in reversed(self._parts):
            await part.close()
        if self._rules is not None:
            await self._rules.close()

    async def _asked(self, subject: Subject) -> Asked:
        asked = surrounded(subject, self._around)
        if NAMESPACE not in asked.known:
            namespace = await self._around.look(subject.object_namespace)
            if namespace is not None:
                return Asked(subject, namespace, asked.known | {NAMESPACE})
        return asked


async def assemble_standing(config: Config, client: KubeClient, *, meter: Meter | None = None) -> Standing:
    """Load the rules that a configuration asks for, and begin to read what they need of the cluster. ``meter`` counts what
    provenance does.

    Raises:
        ConfigError: a source cannot be read.
        RulesError: a rule is wrong.
        UndecidedError: the engine that evaluates rules is not there.
    """
    engine = engine_of(config.policy, trial=True)
    rules = await rules_in_files(config, engine, point=AUDIT)
    artifacts = await artifacts_in_cluster(config, client, meter=meter)
    surroundings = ClusterSurroundings(client, config.policy.inventory)
    surroundings.start()
    if rules is not None:
        await surroundings.feed(rules)
    constraints = None
    if CLUSTER_GATEKEEPER in config.policy.sources:
        constraints = ClusterConstraints(client, config.policy, engine, surroundings, point=AUDIT)
        constraints.start()
    waivers = ClusterWaivers(client, now_utc)
    waivers.start()
    artifacts.start()
    changes = Changes(client, field_managers(config))
    changes.start()
    return Standing(
        config,
        rules=rules,
        constraints=constraints,
        surroundings=surroundings,
        waivers=waivers,
        artifacts=artifacts,
        changes=changes,
    )


class _NobodyAsks:
    """The surroundings of a cluster, where there is no request: who asks is not known."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    @property
    def known(self) -> frozenset[str]:
        return self._around.known - {USER}

    def namespace(self, name: str) -> Json | None:
        return self._around.namespace(name)

    async def look(self, name: str) -> Json | None:
        return await self._around.look(name)
