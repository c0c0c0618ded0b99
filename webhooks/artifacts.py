"""The provenance guard over many objects that nobody asks about: manifests in files, or what stands in a cluster.

Each is judged as the request that would create it, and what is said is joined to what the rules say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.config.model import Config
from gateway.core.errors import UndecidedError
from gateway.core.finding import Action, Finding, Resource, finding_id
from gateway.core.guard import Indeterminate, Judged, OnError
from gateway.core.subject import Subject
from gateway.kube import KubeClient
from gateway.provenance.gate import Gate
from gateway.provenance.meter import Meter
from gateway.provenance.trust.findings import GUARD
from policies.ruleset import Outcome, Undecided
from webhooks.access import ClusterAccess, access_of
from webhooks.charts import ChartSource, ClusterCharts, chart_source
from webhooks.provenance import ProvenanceGuard
from webhooks.provenance_findings import RULES, UNDECIDED
from webhooks.sources.fetch import Fetch
from webhooks.sources.flux import SOURCES
from webhooks.trust import ClusterTrust, ConfiguredTrust, cluster_trust, configured_trust, unconnected_trust

_AT_A_TIME = 8


class FileCharts:
    """The HelmRepositories among the files."""

    def __init__(self) -> None:
        self._sources: dict[tuple[str, str], ChartSource] = {}

    def learn(self, subjects: Sequence[Subject]) -> None:
        """Remember those among the objects."""
        for subject in subjects:
            if subject.kind.group == SOURCES and subject.kind.kind == "HelmRepository":
                self._sources[subject.namespace, subject.name] = chart_source(subject.object)

    def source(self, namespace: str, name: str) -> ChartSource | None:
        """The HelmRepository.

        Raises:
            UndecidedError: it is not among the files.
        """
        try:
            return self._sources[namespace, name]
        except KeyError:
            raise UndecidedError(f"HelmRepository {namespace}/{name} is not among the files") from None

    def charts(self, namespace: str, name: str) -> list[Fetch]:  # noqa: ARG002 - the protocol's
        """None: the HelmReleases among the files are judged themselves."""
        return []

    def checks(self) -> dict[str, bool | str]:
        """Nothing is read from elsewhere."""
        return {}

    async def close(self) -> None:
        """Nothing is open."""


class Artifacts:
    """Judges what objects fetch. Made by :func:`artifacts_in_files` or :func:`artifacts_in_cluster`."""

    def __init__(
        self,
        config: Config,
        trust: ConfiguredTrust | ClusterTrust,
        charts: FileCharts | ClusterCharts,
        access: ClusterAccess | None = None,
        meter: Meter | None = None,
    ) -> None:
        settings = config.provenance
        self._trust = trust
        self._gate = Gate(settings, meter=meter)
        self._charts = charts
        exempt = (*settings.exempt_namespaces, config.cluster.own_namespace)
        self._guard = ProvenanceGuard(trust, self._gate, settings, exempt=exempt, charts=charts, access=access)

    @property
    def digest(self) -> str:
        """Of everything that the policies say; empty if there are none."""
        return self._trust.digest

    def about(self, subject: Subject) -> bool:
        """Whether anything may be fetched because of objects of the subject's type, and somebody says what is trusted."""
        return self._guard.concerns(subject)

    def checks(self) -> dict[str, bool | str]:
        """Named checks: True if it holds, else why not."""
        return self._trust.checks() | self._charts.checks()

    async def join(self, subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes, each with what the guard says about its object."""
        if isinstance(self._charts, FileCharts):
            self._charts.learn(subjects)
        room = asyncio.Semaphore(_AT_A_TIME)

        async def one(subject: Subject, outcome: Outcome) -> Outcome:
            if not self._guard.concerns(subject):
                return outcome
            async with room:
                return await self._joined(subject, outcome)

        return await asyncio.gather(*map(one, subjects, outcomes))

    def start(self) -> None:
        """Begin to watch the cluster's policies."""
        if isinstance(self._trust, ClusterTrust):
            self._trust.start()

    async def close(self) -> None:
        """Stop what is watched, close all connections."""
        await self._gate.close()
        await self._charts.close()
        await self._trust.close()

    async def _joined(self, subject: Subject, outcome: Outcome) -> Outcome:
        try:
            said = await self._guard.judge(subject)
        except UndecidedError as error:
            return outcome.joined(undecided=(Undecided(GUARD, str(error), unknown=True),))
        if isinstance(said, Judged):
            return outcome.joined(findings=said.findings, judged=1)
        if not isinstance(said, Indeterminate):
            return outcome
        if said.on_error is OnError.DENY:
            return outcome.joined(findings=said.findings, undecided=(Undecided(GUARD, said.reason),), judged=1)
        # The policies only warn, or record: so does a doubt.
        action = Action.WARN if said.on_error is OnError.WARN else Action.AUDIT
        return outcome.joined(findings=(*said.findings, _doubt(subject, said.reason, action)), judged=1)


async def artifacts_in_cluster(config: Config, client: KubeClient, *, meter: Meter | None = None) -> Artifacts:
    """What judges what stands in a cluster, by its TrustPolicies too; they are watched once it is started. ``meter``
    counts.

    Raises:
        ConfigError: a trust policy of the configuration cannot be used.
    """
    charts = ClusterCharts(client)
    configured = await configured_trust(config.provenance)
    trust = cluster_trust(config, client, configured, charts.start)
    return Artifacts(config, trust, charts, access_of(config, client), meter)


async def artifacts_in_files(config: Config) -> Artifacts:
    """What judges what files name.

    Raises:
        ConfigError: a trust policy cannot be used.
    """
    policies = [*await configured_trust(config.provenance), *unconnected_trust(config.provenance)]
    return Artifacts(config, ConfiguredTrust(policies), FileCharts())


def _doubt(subject: Subject, reason: str, action: Action) -> Finding:
    about = Resource(subject.kind.api_version, subject.kind.kind, subject.object_namespace, subject.name)
    identity = finding_id(UNDECIDED, about, "")
    return Finding(
        identity, UNDECIDED, RULES[UNDECIDED].severity, action, GUARD, about, "", f"could not decide: {reason}", ""
    )
