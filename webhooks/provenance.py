"""The provenance guard: whatever an object will have fetched must be signed as the trust policies say.

What is fetched is found by :mod:`webhooks.sources`, verified by the gate, and put into words by
:mod:`webhooks.provenance_findings`; here they are put together, within the request's deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

import msgspec

from gateway.config.provenance import Provenance
from gateway.core.errors import UndecidedError
from gateway.core.finding import Finding
from gateway.core.guard import Indeterminate, Judged, NotApplicable, OnError, Outcome
from gateway.core.subject import Subject
from gateway.provenance.gate import Reach, Verdict
from gateway.provenance.oci.errors import BadReferenceError, RegistryError
from gateway.provenance.oci.reference import Reference, parse_reference
from gateway.provenance.trust.findings import GUARD
from gateway.provenance.verifier import ReadyTrust
from gateway.provenance.versions import Versions
from webhooks import provenance_findings as put
from webhooks.access import NO_ACCESS, Access
from webhooks.charts import ChartSource, chart_source
from webhooks.provenance_findings import Item, Looked
from webhooks.sources.crossplane import qualified
from webhooks.sources.fetch import Fetch, Repository
from webhooks.sources.find import concerned, fetches, is_new, own_verification
from webhooks.sources.flux import SOURCES

_AT_A_TIME = 8


Waive = Callable[[Sequence[Finding]], list[Finding]]


class Trusting(Protocol):
    """Trust policies in force, which may be others at the next request."""

    def policies(self) -> Sequence[ReadyTrust]:
        """Those in force now."""
        ...


class Verifying(Protocol):
    """Resolves and verifies artifacts."""

    async def judge(
        self,
        reference: Reference,
        policies: Sequence[ReadyTrust],
        reach: Reach | None = None,
        *,
        versions: Versions | None = None,
    ) -> list[Verdict]:
        """See :meth:`gateway.provenance.gate.Gate.judge`."""
        ...


class Charts(Protocol):
    """Where charts come from."""

    def source(self, namespace: str, name: str) -> ChartSource | None:
        """The HelmRepository; None if there is none."""
        ...

    def charts(self, namespace: str, name: str) -> list[Fetch]:
        """What the HelmCharts that name a HelmRepository fetch."""
        ...


Accessing = Callable[[str, Reference, Fetch], Awaitable[Access]]
"""How something is fetched by what is in a namespace; see :class:`webhooks.access.ClusterAccess`.

Raises:
    UndecidedError: that cannot be told.
"""


class ProvenanceGuard:
    """Judges what is fetched. ``charts`` and ``access`` are None where no cluster is connected, or none is read;
    ``waive`` marks the findings that are accepted.
    """

    name = GUARD

    def __init__(
        self,
        trust: Trusting,
        gate: Verifying,
        settings: Provenance,
        *,
        exempt: Sequence[str],
        charts: Charts | None = None,
        access: Accessing | None = None,
        waive: Waive = list,
    ) -> None:
        self._trust = trust
        self._gate = gate
        self._settings = settings
        self._exempt = tuple(exempt)
        self._charts = charts
        self._access = access
        self._waive = waive

    def concerns(self, subject: Subject) -> bool:
        """Whether anything may be fetched because of it, and there is somebody who says what is trusted."""
        if not self._trust.policies() and self._settings.unmatched == "ignore":
            return False
        return concerned(subject) or _is_helm_repository(subject)

    def on_error(self, subject: Subject) -> OnError:  # noqa: ARG002 - what it is about is not known before it is judged
        """As configured, where any policy denies; where all of them only warn or record, no doubt refuses either."""
        return put.fallback(self._settings.on_error, self._trust.policies())

    async def judge(self, subject: Subject) -> Outcome:
        """Judge one request."""
        namespace = subject.governing_namespace
        if namespace and any(fnmatchcase(namespace, pattern) for pattern in self._exempt):
            return NotApplicable(self.name, "exempt namespace")
        items = self._items(subject)
        about = [item for item in items if item.policies or item.doubt]
        unmatched = [item for item in items if item.new and item.reference is not None and not item.policies]
        findings = list(put.unmatched(subject, unmatched, self._settings.unmatched))
        if not about and not findings:
            return NotApplicable(self.name, "no trust policy is about it" if items else "nothing is fetched")
        findings += put.weak(subject, own_verification(subject), about)
        new = [item for item in about if item.new]
        distinct = {(item.reference, item.fetch.versions) for item in new if item.reference is not None}
        if len(distinct) > self._settings.max_artifacts:
            reason = f"{len(distinct)} artifacts are named, more than {self._settings.max_artifacts}"
            return Indeterminate(self.name, reason, self.on_error(subject), tuple(self._waive(findings)))
        room = asyncio.Semaphore(_AT_A_TIME)
        looked = await asyncio.gather(*(self._look(subject, item, room) for item in new))
        findings += [finding for one in looked for finding in one.findings]
        if subject.kind.kind == "OCIRepository":
            findings += put.reconciled(subject, new, looked)
        findings = self._waive(findings)
        doubts = list(dict.fromkeys(one.doubt for one in looked if one.doubt))
        records = list(dict.fromkeys(record for one in looked for record in one.records))
        if doubts:
            # What could not be told apart may be about any policy: then the strictest of all decides.
            doubtful = [
                item.policies or self._trust.policies() for item, one in zip(new, looked, strict=True) if one.doubt
            ]
            on_error = put.fallback(self._settings.on_error, [ready for policies in doubtful for ready in policies])
            return Indeterminate(self.name, "; ".join([*doubts, *records]), on_error, tuple(findings))
        return Judged(self.name, "; ".join(records) or "nothing new is fetched", tuple(findings))

    def _items(self, subject: Subject) -> list[Item]:
        if _is_helm_repository(subject):
            return self._charts_of(subject)
        found = fetches(subject)
        return [self._item(one, new) for one, new in zip(found, is_new(subject, found), strict=True) if not one.later]

    def _charts_of(self, subject: Subject) -> list[Item]:
        """What a HelmRepository changes: where the charts of the HelmCharts that name it come from."""
        source = chart_source(subject.object)
        if not source.url or self._charts is None:
            return []
        new = subject.operation == "CREATE" or source.url != chart_source(subject.old_object).url
        charts = self._charts.charts(subject.namespace, subject.name)
        return [
            self._known(msgspec.structs.replace(source.reached(put.placed(chart, source.url)), field="spec.url"), new)
            for chart in charts
        ]

    def _item(self, fetch: Fetch, new: bool) -> Item:
        if fetch.through is not None:
            return self._chart(fetch, fetch.through, new)
        if fetch.kind == "package":
            whole = qualified(fetch.reference, self._settings.crossplane_registry)
            fetch = msgspec.structs.replace(fetch, reference=whole)
        return self._known(fetch, new)

    def _chart(self, fetch: Fetch, through: Repository, new: bool) -> Item:
        if self._charts is None:
            return Item(
                fetch, new, doubt=f"where HelmRepository {through.namespace}/{through.name} is, is not known here"
            )
        source = self._charts.source(through.namespace, through.name)
        if source is None:
            # Made in any order: what it fetches is judged when Flux makes the HelmChart, and when the repository comes.
            if fetch.field.startswith("spec.chart."):
                return Item(fetch, new=False)
            return Item(fetch, new, doubt=f"HelmRepository {through.namespace}/{through.name} is not there yet")
        if not source.url:
            return Item(fetch, new=False)
        return self._known(source.reached(put.placed(fetch, source.url)), new)

    def _known(self, fetch: Fetch, new: bool) -> Item:
        try:
            reference = parse_reference(fetch.reference)
        except BadReferenceError as error:
            return Item(fetch, new, doubt=f"{fetch.field}: {error}" if self._trust.policies() else "")
        policies = tuple(ready for ready in self._trust.policies() if ready.trust.concerns(reference.name))
        return Item(fetch, new, reference, policies)

    async def _look(self, subject: Subject, item: Item, room: asyncio.Semaphore) -> Looked:
        if item.reference is None or item.doubt:
            return Looked(doubt=item.doubt)
        mutable = put.mutable(subject, item)
        unusable = [ready.trust.unusable for ready in item.policies if ready.trust.unusable]
        usable = [ready for ready in item.policies if not ready.trust.unusable]
        if not usable:
            return Looked(mutable, doubt="; ".join(unusable))
        access = NO_ACCESS
        try:
            async with room:
                namespace = self._beside(subject, item.fetch)
                if self._access is not None and namespace:
                    access = await self._access(namespace, item.reference, item.fetch)
                verdicts = await self._judged(item, item.reference, usable, access)
        except UndecidedError as error:
            return Looked(mutable, doubt=str(error))
        found = [finding for verdict in verdicts for finding in put.results(subject, item, verdict)]
        doubts = unusable + [
            one.assessment.undecided for verdict in verdicts for one in verdict.results if one.assessment.undecided
        ]
        records = tuple(put.record(item, verdict) for verdict in verdicts)
        return Looked((*mutable, *found), records, "; ".join(doubts), verdicts[0].digest)

    def _beside(self, subject: Subject, fetch: Fetch) -> str:
        """The namespace of the Secrets by which something is fetched: they are beside whoever fetches it."""
        if fetch.through is not None:
            return fetch.through.namespace
        return self._settings.crossplane_namespace if fetch.kind == "package" else subject.namespace

    async def _judged(
        self, item: Item, reference: Reference, policies: Sequence[ReadyTrust], access: Access
    ) -> list[Verdict]:
        try:
            return await self._gate.judge(reference, policies, access.reach, versions=item.fetch.versions)
        except RegistryError as error:
            more = await access.after(error)
        return await self._judged(item, reference, policies, more)


def _is_helm_repository(subject: Subject) -> bool:
    return (
        subject.kind.group == SOURCES
        and subject.kind.kind == "HelmRepository"
        and subject.operation in {"CREATE", "UPDATE"}
        and not subject.subresource
    )
