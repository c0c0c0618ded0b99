"""The guard of the grants themselves: who may ask, approve, revoke, count. Nobody edits one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from gateway.config.breakglass import BreakGlass
from gateway.core.errors import ClusterError, ConfigError, UndecidedError
from gateway.core.finding import Finding, finding_id
from gateway.core.guard import Judged, OnError, Outcome
from gateway.core.subject import Subject
from gateway.kube import KubeClient
from webhooks.breakglass.clock import Clocks, Moment
from webhooks.breakglass.grant import GROUP, KIND, RESOURCE, Grant, read_grant
from webhooks.breakglass.known import GOVERNED, GUARD, RULES
from webhooks.breakglass.noted import NAME, Notes
from webhooks.breakglass.record import is_loss, way_out
from webhooks.breakglass.rules import verbs, violations
from webhooks.breakglass.told import about_of, newly_approved, place_of, told
from webhooks.breakglass.writer import APPROVE, REQUEST, Violation, Writer
from webhooks.permission import may

Outstanding = Callable[[Grant], Awaitable[Sequence[Finding]]]
"""What was changed under a grant and is not in Git.

Raises:
    ClusterError: an object cannot be read.
    UndecidedError: one is not what an API server writes.
"""
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
    """Judges who writes what into a BreakGlass. Without a cluster it cannot be told who may.

    ``outstanding``: tells whether the record of a grant may go. ``notes``: where approvals are noted; None where what is
    judged does not happen.
    """

    name = GUARD

    def __init__(
        self,
        client: KubeClient | None,
        clock: Clocks,
        settings: BreakGlass,
        *,
        outstanding: Outstanding | None = None,
        notes: Notes | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._settings = settings
        self._outstanding = outstanding
        self._notes = notes
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
            UndecidedError: the cluster could not be asked what time it is, what the user may do, who this gateway is, or
                whether Git agrees; or an approval could not be noted.
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
        now = await self._now()
        writer = await self._writer(subject, old, new)
        loss = old is not None and writer.may_approve and is_loss(old, new, now)
        outstanding = await self._not_in_git(old) if old is not None and loss else ()
        found = violations(old, new, writer, now, self._settings, outstanding=outstanding)
        if found:
            return Judged(self.name, _what(old, new), tuple(self._finding(subject, violation) for violation in found))
        if new is not None and newly_approved(old, new) and not subject.dry_run:
            await self._note(new, now)
        return Judged(self.name, _what(old, new), told(subject, old, new))

    async def _now(self) -> Moment:
        try:
            return await self._clock.read()
        except ClusterError as error:
            raise UndecidedError(str(error)) from None

    async def _not_in_git(self, old: Grant) -> tuple[str, ...]:
        if self._outstanding is None:
            raise UndecidedError("whether Git agrees with what was changed is not known without a connection")
        try:
            found = await self._outstanding(old)
        except ClusterError as error:
            raise UndecidedError(
                f"whether Git agrees with what was changed cannot be told: {error}. {way_out(old)}"
            ) from None
        about = ((one.resource, one.field) for one in found)
        return tuple(f"{one.kind} {place_of(one.namespace, one.name)} {field}".strip() for one, field in about)

    async def _note(self, new: Grant, now: Moment) -> None:
        if self._notes is None:
            return
        try:
            await self._notes.write(new, now)
        except ClusterError as error:
            raise UndecidedError(
                f"the approval could not be noted in the ConfigMap {NAME} of govgate's namespace, and would not hold: {error}"
            ) from None

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
        about = about_of(subject)
        return Finding(
            id=finding_id(GOVERNED, about, violation.field),
            rule=GOVERNED,
            severity=RULES[GOVERNED].severity,
            action=RULES[GOVERNED].action,
            guard=self.name,
            resource=about,
            field=violation.field,
            message=violation.text,
            remedy="",
        )


def _counts(old: Grant, new: Grant) -> bool:
    """Whether something is written that only a gateway may."""
    before, after = old.status, new.status
    return (before.used, before.uses, before.expired) != (after.used, after.uses, after.expired)


def _what(old: Grant | None, new: Grant | None) -> str:
    if old is None:
        return "asked for"
    if new is None:
        return "deleted"
    before, after = old.status, new.status
    changes = (
        ("approved", before.approval != after.approval),
        ("revoked", before.revoked != after.revoked),
        ("used", before.used != after.used),
        ("used: another guard of the same write", before.uses != after.uses),
        ("acknowledged", before.acknowledged != after.acknowledged),
        ("expired", before.expired != after.expired),
    )
    return next((what for what, changed in changes if changed), "unchanged")
