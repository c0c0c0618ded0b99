"""Secrets, SealedSecrets and ExternalSecrets in files, judged as at admission: with what a captured context tells."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.ci.context import Snapshot
from gateway.config.model import Config
from gateway.core.errors import UndecidedError
from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway.core.guard import OnError
from gateway.core.known_rule import KnownRule
from gateway.core.subject import Json, Subject
from gateway_secrets.detect.findings import GUARD
from policies.ruleset import Outcome, Undecided
from policies.surroundings import Surroundings
from webhooks.policy import exempted
from webhooks.secret_objects import OtherSecrets, SecretObjects, no_secrets, said_of

CAPTURED = "v1/Secret"
"""The type of objects that a context holds, without their values, for what is said of ExternalSecrets."""
UNDECIDED = KnownRule(
    "secrets/undecided", "Rules about Secrets that only warn, or record, could be decided", Severity.MEDIUM, Action.WARN
)


class SecretsInFiles:
    """What the secrets guard says about objects in files, beside what rules say."""

    def __init__(self, config: Config, around: Surroundings, snapshot: Snapshot | None) -> None:
        self._objects = SecretObjects(config, around, _others(snapshot), admitted=False)
        self._exempt = (*config.secrets.exempt_namespaces, config.cluster.own_namespace)
        self._on_error = config.secrets.on_error

    async def join(self, subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes of the rules, each joined by what is said here about the same object."""
        return [await self._joined(subject, outcome) for subject, outcome in zip(subjects, outcomes, strict=True)]

    async def _joined(self, subject: Subject, outcome: Outcome) -> Outcome:
        if not self._objects.concerns(subject) or exempted(subject.governing_namespace, self._exempt):
            return outcome
        said = await said_of(self._objects, subject)
        if not said.undecided:
            return outcome.joined(findings=said.findings, judged=1)
        if self._on_error is OnError.DENY:
            return outcome.joined(undecided=(Undecided(GUARD, said.undecided, unknown=True),), judged=1)
        action = Action.WARN if self._on_error is OnError.WARN else Action.AUDIT
        return outcome.joined(findings=(_doubt(subject, said.undecided, action),), judged=1)


def _others(snapshot: Snapshot | None) -> OtherSecrets:
    """The Secrets of a context, if it holds them."""
    if snapshot is None or CAPTURED not in snapshot.inventory.kinds:
        return no_secrets
    by_namespace = snapshot.inventory.objects.get("namespace") or {}

    async def look(namespace: str, name: str) -> Json | None:
        if not namespace:
            raise UndecidedError("it is not known in which namespace the ExternalSecret is to be")
        found: Json | None = ((by_namespace.get(namespace) or {}).get("v1") or {}).get("Secret", {}).get(name)
        return found

    return look


def _doubt(subject: Subject, reason: str, action: Action) -> Finding:
    about = Resource(subject.kind.api_version, subject.kind.kind, subject.object_namespace, subject.name)
    identity, said = finding_id(UNDECIDED.id, about, ""), f"could not decide: {reason}"
    return Finding(identity, UNDECIDED.id, UNDECIDED.severity, action, GUARD, about, "", said, "")
