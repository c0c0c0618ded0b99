"""PolicyWaivers at admission: those of the cluster in force, and who may write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from gateway.core.errors import ConfigError, UndecidedError
from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway.core.guard import Judged, OnError, Outcome
from gateway.core.known_rule import KnownRule
from gateway.core.subject import Json, Subject
from gateway.kube import KubeClient, ResourceType, WatchCache
from gateway.kube.lists import list_objects
from gateway.kube.resource import served_version
from policies.waiver_rules import APPROVE, REQUEST, Violation, Writer, changes, violations
from policies.waivers import GROUP, KINDS, Waiver, apply_waivers, read_waiver
from webhooks.permission import may

GUARD = "waivers"
RULE = KnownRule(
    "waivers/governed",
    "Waivers are asked for and approved by who may, and for a time",
    Severity.HIGH,
    Action.DENY,
    tuple(sorted(KINDS)),
)
PLURALS = {"PolicyWaiver": "policywaivers", "ClusterPolicyWaiver": "clusterpolicywaivers"}

Clock = Callable[[], datetime]


class ClusterWaivers:
    """The waivers of a connected cluster, as they are now."""

    def __init__(self, client: KubeClient, clock: Clock) -> None:
        self._clock = clock
        self._caches = [
            WatchCache(client, ResourceType(GROUP, ("v1alpha1",), PLURALS[kind]), _reader(kind)) for kind in KINDS
        ]

    def apply(self, findings: Sequence[Finding]) -> list[Finding]:
        """The same findings, each that a waiver in force covers with its name."""
        if not findings:
            return []
        namespaces = {finding.resource.namespace for finding in findings}
        held = [waiver for cache in self._caches for key, waiver in cache.items() if key.namespace in namespaces]
        return apply_waivers(findings, held, self._clock()) if held else list(findings)

    def checks(self) -> dict[str, bool | str]:
        """By type, whether the waivers were read; else why not."""
        return {str(cache.resource): cache.synced or cache.problem for cache in self._caches}

    def start(self) -> None:
        """Begin to list and watch."""
        for cache in self._caches:
            cache.start()

    async def close(self) -> None:
        """Stop."""
        for cache in self._caches:
            await cache.close()


async def list_waivers(client: KubeClient) -> list[Waiver]:
    """The waivers that a cluster holds now; none of a type that it does not have.

    Raises:
        ClusterError: they cannot be read.
        ConfigError: one is wrong.
    """
    found: list[Waiver] = []
    for kind in KINDS:
        resource = ResourceType(GROUP, ("v1alpha1",), PLURALS[kind])
        version = await served_version(client, resource)
        if version is None:
            continue
        found += [_reader(kind)(item) async for item in list_objects(client, resource, version)]
    return found


def _reader(kind: str) -> Callable[[Json], Waiver]:
    return lambda document: read_waiver({**document, "kind": kind}, source="cluster")


class WaiverGuard:
    """Judges who writes what into a waiver. Without a cluster it cannot be told who may."""

    name = GUARD

    def __init__(self, client: KubeClient | None, clock: Clock, *, max_lifetime: timedelta, on_error: OnError) -> None:
        self._client = client
        self._clock = clock
        self._max_lifetime = max_lifetime
        self._on_error = on_error

    def concerns(self, subject: Subject) -> bool:
        """Whether a waiver is written."""
        return subject.kind.group == GROUP and subject.kind.kind in KINDS and subject.operation != "DELETE"

    def on_error(self, subject: Subject) -> OnError:  # noqa: ARG002 - the protocol's
        """As configured, whatever the request."""
        return self._on_error

    async def judge(self, subject: Subject) -> Outcome:
        """Judge one request.

        Raises:
            UndecidedError: the cluster could not be asked what the user may do.
        """
        try:
            new = self._read(subject, subject.object)
            old = self._read(subject, subject.old_object) if subject.operation == "UPDATE" else None
        except ConfigError as error:
            return Judged(self.name, "not a waiver that can hold", (self._finding(subject, Violation("", str(error))),))
        asks, approves = changes(old, new)
        writer = Writer(
            subject.user.username,
            may_request=asks and await self._may(subject, REQUEST),
            may_approve=approves and await self._may(subject, APPROVE),
        )
        found = violations(old, new, writer, self._clock(), max_lifetime=self._max_lifetime)
        findings = tuple(self._finding(subject, violation) for violation in found)
        return Judged(self.name, "approved" if approves else "asked for" if asks else "unchanged", findings)

    def _read(self, subject: Subject, document: Json) -> Waiver:
        metadata = {**(document.get("metadata") or {}), "namespace": subject.namespace}
        return read_waiver({**document, "kind": subject.kind.kind, "metadata": metadata}, source=subject.name)

    def _finding(self, subject: Subject, violation: Violation) -> Finding:
        kind = subject.kind
        about = Resource(kind.api_version, kind.kind, subject.namespace, subject.name)
        return Finding(
            id=finding_id(RULE.id, about, violation.field),
            rule=RULE.id,
            severity=RULE.severity,
            action=RULE.action,
            guard=self.name,
            resource=about,
            field=violation.field,
            message=violation.text,
            remedy="",
        )

    async def _may(self, subject: Subject, verb: str) -> bool:
        """Whether the user holds the verb there, by a SubjectAccessReview.

        Raises:
            UndecidedError: nobody can be asked, or there is no answer.
        """
        if self._client is None:
            raise UndecidedError("who may write waivers is not known without a connection to the cluster")
        attributes = {
            "group": GROUP,
            "resource": PLURALS[subject.kind.kind],
            "verb": verb,
            "name": subject.name,
            **({"namespace": subject.namespace} if subject.namespace else {}),
        }
        return await may(self._client, subject.user, attributes, what=f"{verb} waivers")
