"""The guard of the grants themselves: who may ask, approve, revoke, count. Nobody edits one."""

from __future__ import annotations

from gateway.config.breakglass import BreakGlass
from gateway.core.errors import ClusterError, ConfigError, UndecidedError
from gateway.core.finding import Action, Finding, Resource, Severity, finding_id
from gateway.core.guard import Judged, OnError, Outcome
from gateway.core.subject import Subject
from gateway.kube import KubeClient
from webhooks.breakglass.clock import Forward
from webhooks.breakglass.grant import GROUP, KIND, RESOURCE, Grant, read_grant
from webhooks.breakglass.rules import APPROVE, REQUEST, Violation, Writer, verbs, violations
from webhooks.permission import may

GUARD = "break-glass"
RULE, SELF_APPROVED = "break-glass/governed", "break-glass/self-approved"
_WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_DISABLED = "break-glass is switched off here (breakGlass.enabled)"


async def own_name(client: KubeClient) -> str:
    """The user that a client is to the API server.

    Raises:
        ClusterError: it does not say.
    """
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await client.create(_WHO_AM_I, review)
    status = answer.get("status")
    user = status.get("userInfo") if isinstance(status, dict) else None
    name = user.get("username") if isinstance(user, dict) else None
    if not isinstance(name, str) or not name:
        raise ClusterError(f"{_WHO_AM_I}: the answer names nobody")
    return name


class BreakGlassGuard:
    """Judges who writes what into a BreakGlass. Without a cluster it cannot be told who may."""

    name = GUARD

    def __init__(self, client: KubeClient | None, clock: Forward, settings: BreakGlass) -> None:
        self._client = client
        self._clock = clock
        self._settings = settings
        self._me = ""

    def concerns(self, subject: Subject) -> bool:
        """Whether a grant is written, or deleted."""
        return subject.kind.group == GROUP and subject.kind.kind == KIND

    def on_error(self, subject: Subject) -> OnError:  # noqa: ARG002 - the protocol's
        """As configured, whatever the request."""
        return self._settings.on_error

    async def judge(self, subject: Subject) -> Outcome:
        """Judge one request.

        Raises:
            UndecidedError: the cluster could not be asked what the user may do, or who this gateway is.
        """
        try:
            new = read_grant(subject.object) if subject.operation != "DELETE" else None
        except ConfigError as error:
            return Judged(self.name, "not a grant that can hold", (self._finding(subject, Violation("", str(error))),))
        try:
            old = read_grant(subject.old_object) if subject.operation != "CREATE" else None
        except ConfigError:
            # It never held: nothing is lost with it.
            return Judged(self.name, "was no grant")
        if new is not None and not self._settings.enabled and (old is None or new.status.uses != old.status.uses):
            return Judged(self.name, "switched off", (self._finding(subject, Violation("", _DISABLED)),))
        writer = await self._writer(subject, old, new)
        found = violations(old, new, writer, self._clock(), self._settings)
        findings = tuple(self._finding(subject, violation) for violation in found)
        if old is not None and new is not None and not findings and _self_approved(old, new):
            findings = (self._alarm(subject, new),)
        return Judged(self.name, _what(old, new), findings)

    async def _writer(self, subject: Subject, old: Grant | None, new: Grant | None) -> Writer:
        user = subject.user
        needed = verbs(old, new, user.username)
        about = new or old
        places = about.spec.scope.places if about is not None else ()
        counts = old is not None and new is not None and _counts(old, new)
        return Writer(
            user.username,
            frozenset(user.groups),
            may_request=REQUEST in needed and await self._may(subject, REQUEST, places),
            may_approve=APPROVE in needed and await self._may(subject, APPROVE, places),
            gateway=counts and user.username == await self._own_name(),
        )

    async def _may(self, subject: Subject, verb: str, places: tuple[str, ...]) -> bool:
        """Whether the user holds the verb in all of the places."""
        client = self._connected()
        for place in places:
            attributes = {"group": GROUP, "resource": RESOURCE.plural, "verb": verb, "name": subject.name}
            attributes |= {"namespace": place} if place else {}
            if not await may(client, subject.user, attributes, what=f"{verb} break-glass"):
                return False
        return True

    async def _own_name(self) -> str:
        if not self._me:
            try:
                self._me = await own_name(self._connected())
            except ClusterError as error:
                raise UndecidedError(f"the cluster does not say who this gateway is: {error}") from None
        return self._me

    def _connected(self) -> KubeClient:
        if self._client is None:
            raise UndecidedError("who may write grants is not known without a connection to the cluster")
        return self._client

    def _finding(self, subject: Subject, violation: Violation) -> Finding:
        about = _about(subject)
        return Finding(
            id=finding_id(RULE, about, violation.field),
            rule=RULE,
            severity=Severity.HIGH,
            action=Action.DENY,
            guard=self.name,
            resource=about,
            field=violation.field,
            message=violation.text,
            remedy="",
        )

    def _alarm(self, subject: Subject, new: Grant) -> Finding:
        about = _about(subject)
        return Finding(
            id=finding_id(SELF_APPROVED, about, "status.approval"),
            rule=SELF_APPROVED,
            severity=Severity.CRITICAL,
            action=Action.WARN,
            guard=self.name,
            resource=about,
            field="status.approval",
            message=f"approved by {new.spec.requested_by}, who asked for it: an emergency ({new.spec.ticket})",
            remedy="Somebody else should look at it now: govgate break-glass list.",
        )


def _about(subject: Subject) -> Resource:
    return Resource(subject.kind.api_version, subject.kind.kind, subject.namespace, subject.name)


def _counts(old: Grant, new: Grant) -> bool:
    """Whether something is written that only a gateway may."""
    before, after = old.status, new.status
    return (before.used, before.uses, before.expired) != (after.used, after.uses, after.expired)


def _self_approved(old: Grant, new: Grant) -> bool:
    approval = new.status.approval
    return approval is not None and approval != old.status.approval and approval.emergency


def _what(old: Grant | None, new: Grant | None) -> str:
    if old is None:
        return "asked for"
    if new is None:
        return "deleted"
    if new.status.approval != old.status.approval:
        return "approved"
    if new.status.revoked != old.status.revoked:
        return "revoked"
    if new.status.used != old.status.used:
        return "used"
    return "expired" if new.status.expired != old.status.expired else "unchanged"
