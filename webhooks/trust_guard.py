"""Who may write trust policies, and which: one that could not be used is refused when it is written."""

from __future__ import annotations

from gateway.core.errors import ConfigError
from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway.core.guard import Judged, OnError, Outcome
from gateway.core.known_rule import KnownRule
from gateway.core.subject import Subject
from gateway.provenance.trust.places import Place, places
from gateway.provenance.trust.predicates import compile_predicates
from gateway.provenance.trust.reading import GROUP, KIND, Trust, policy_of, read_object
from gateway.provenance.verifier import make_ready
from webhooks.trust_references import References

RULE = KnownRule("provenance/trust-policy", "A TrustPolicy can be used", Severity.HIGH, Action.DENY, (KIND,))


class TrustPolicyGuard:
    """A TrustPolicy that could not be used is refused when it is written, not found out when it should protect.

    What it refers to may come later, as GitOps makes objects in any order: that it is not there yet is a warning.
    """

    name = "trust-policy"

    def __init__(self, on_error: OnError, references: References | None = None) -> None:
        self._on_error = on_error
        self._references = references

    def concerns(self, subject: Subject) -> bool:
        """Whether a TrustPolicy is written."""
        return (
            subject.kind.group == GROUP
            and subject.kind.kind == KIND
            and subject.operation in {"CREATE", "UPDATE"}
            and not subject.subresource
        )

    def on_error(self, subject: Subject) -> OnError:  # noqa: ARG002 - the protocol's
        """As configured."""
        return self._on_error

    async def judge(self, subject: Subject) -> Outcome:
        """Read it as it would be read to be used."""
        try:
            missing = await self._read(subject)
        except ConfigError as error:
            return Judged(self.name, "cannot be used", (self._finding(subject, Action.DENY, str(error)),))
        if missing:
            message = f"{missing}: what the policy is about is undecided until it can be read"
            return Judged(self.name, "cannot be used yet", (self._finding(subject, Action.WARN, message),))
        return Judged(self.name, "can be used")

    async def _read(self, subject: Subject) -> str:
        """Why it cannot be used yet; empty if it can.

        Raises:
            ConfigError: it never could.
        """
        named = places(policy_of(subject.object, source="request"))
        if not named or self._references is None:
            missing = f"{min(map(str, named))}: no cluster is connected" if named else ""
            return await _tried(read_object(subject.object, source="request", refer=_unread), missing)
        unread: list[str] = []
        references = self._references.beside()
        await references.read(named)

        def refer(place: Place) -> bytes:
            references.check_allowed(place)
            try:
                return references.of_cluster(place)
            except ConfigError as error:
                unread.append(str(error))
                return _unread(place)

        return await _tried(read_object(subject.object, source="request", refer=refer), "; ".join(unread))

    def _finding(self, subject: Subject, action: Action, message: str) -> Finding:
        about = Resource(subject.kind.api_version, KIND, "", subject.name)
        identity = finding_id(RULE.id, about, "spec")
        return Finding(identity, RULE.id, RULE.severity, action, self.name, about, "spec", message, "")


def _unread(_place: Place) -> bytes:
    return b"unread"


async def _tried(trust: Trust, missing: str) -> str:
    """Everything of it is tried that is there."""
    if missing:
        (await compile_predicates(trust, trial=True)).close()
    else:
        (await make_ready(trust, trial=True)).close()
    return missing
