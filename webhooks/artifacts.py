"""The provenance guard over many objects that nobody asks about: manifests in files, or what stands in a cluster.

Each is judged as the request that would create it, and what is said is joined to what the rules say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.config.model import Config
from gateway.core.errors import UndecidedError
from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway.core.guard import Indeterminate, Judged, OnError
from gateway.core.subject import Subject
from gateway.provenance.gate import Gate
from gateway.provenance.trust.findings import GUARD
from policies.ruleset import Outcome, Undecided
from webhooks.charts import ChartSource, chart_source
from webhooks.provenance import ProvenanceGuard
from webhooks.sources.fetch import Fetch
from webhooks.sources.flux import SOURCES
from webhooks.trust import ConfiguredTrust, configured_trust

UNDECIDED = "provenance/undecided"
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


class Artifacts:
    """Judges what objects fetch by the trust policies of the configuration; made by :func:`artifacts_in_files`."""

    def __init__(self, config: Config, trust: ConfiguredTrust, charts: FileCharts) -> None:
        settings = config.provenance
        self._trust = trust
        self._gate = Gate(settings)
        self._charts = charts
        exempt = (*settings.exempt_namespaces, config.cluster.own_namespace)
        self._guard = ProvenanceGuard(trust, self._gate, settings, exempt=exempt, charts=charts)

    async def join(self, subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes, each with what the guard says about its object."""
        self._charts.learn(subjects)
        room = asyncio.Semaphore(_AT_A_TIME)

        async def one(subject: Subject, outcome: Outcome) -> Outcome:
            if not self._guard.concerns(subject):
                return outcome
            async with room:
                return await self._joined(subject, outcome)

        return await asyncio.gather(*map(one, subjects, outcomes))

    async def close(self) -> None:
        """Close all connections."""
        await self._gate.close()
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


async def artifacts_in_files(config: Config) -> Artifacts:
    """What judges what files name.

    Raises:
        ConfigError: a trust policy cannot be used.
    """
    return Artifacts(config, ConfiguredTrust(await configured_trust(config.provenance)), FileCharts())


def _doubt(subject: Subject, reason: str, action: Action) -> Finding:
    about = Resource(subject.kind.api_version, subject.kind.kind, subject.object_namespace, subject.name)
    identity = finding_id(UNDECIDED, about, "")
    return Finding(identity, UNDECIDED, Severity.MEDIUM, action, GUARD, about, "", f"could not decide: {reason}", "")
