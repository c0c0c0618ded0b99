"""The secrets guard: credentials in plain text in what is admitted, and whether Secrets come as they are to come.

A Secret itself is plain text by the time it is admitted, whoever made it: of its values the detector says nothing here, in
files everything. Who may write one is for :mod:`webhooks.secret_objects` to say.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.core.finding import Action, Finding, Resource
from gateway.core.guard import Indeterminate, Judged, NotApplicable, OnError, Outcome
from gateway.core.subject import Json, Subject
from gateway_secrets.detect import in_object, may_hold
from gateway_secrets.detect.findings import GUARD, finding_of, object_remedy
from gateway_secrets.detect.kinds import KUBERNETES_SECRET
from webhooks.policy import Waive, exempted
from webhooks.secret_objects import SecretObjects, said_of

_ORDER = (Action.DENY, Action.WARN, Action.AUDIT)


def plaintext(subject: Subject, most: Action, *, file: bool) -> list[Finding]:
    """The findings about one object. ``most``: what they do at most. ``file``: it is one in a file, which others read.

    What the object held before the request is recorded, and neither denied nor warned of: it would hold up who repairs
    something else.
    """
    if not may_hold(subject.raw_object):
        return []
    before = _keys(subject.old_object) if subject.raw_old_object else frozenset()
    about = Resource(subject.kind.api_version, subject.kind.kind, subject.object_namespace, subject.name)
    findings = []
    for hit in in_object(_named(subject, subject.object)):
        if hit.kind == KUBERNETES_SECRET and not file and "metadata.annotations" not in hit.field:
            continue
        found = finding_of(hit, about, hit.field, object_remedy(hit.kind))
        limit = Action.AUDIT if (hit.kind, hit.field) in before else most
        action = max(found.action, limit, key=_ORDER.index)
        findings.append(msgspec.structs.replace(found, action=action))
    return findings


class SecretsGuard:
    """Judges what is created or changed. ``most``: what a finding in plain text does at most; None: none is looked for.
    ``exempt``: globs of namespaces. ``waive``: marks the findings that are accepted.
    """

    name = GUARD

    def __init__(
        self,
        most: Action | None,
        objects: SecretObjects,
        *,
        exempt: Sequence[str],
        on_error: OnError,
        max_findings: int,
        waive: Waive = list,
    ) -> None:
        self._most = most
        self._objects = objects
        self._exempt = tuple(exempt)
        self._on_error = on_error
        self._max_findings = max_findings
        self._waive = waive

    def concerns(self, subject: Subject) -> bool:
        """What has an object; scales, statuses and the like have none of their own."""
        if subject.operation not in {"CREATE", "UPDATE"} or subject.subresource or not subject.raw_object:
            return False
        return self._most is not None or self._objects.concerns(subject)

    def on_error(self, subject: Subject) -> OnError:  # noqa: ARG002 - the protocol's
        """As configured, whatever the request."""
        return self._on_error

    async def judge(self, subject: Subject) -> Outcome:
        """Judge one request: all is in it, but for what is known of its namespace, and of a Secret that would be written."""
        if exempted(subject.governing_namespace, self._exempt):
            return NotApplicable(self.name, "exempt namespace")
        found = plaintext(subject, self._most, file=False) if self._most is not None else []
        said = await said_of(self._objects, subject)
        findings = tuple(self._waive([*found, *said.findings])[: self._max_findings])
        if said.undecided:
            return Indeterminate(self.name, said.undecided, self._on_error, findings)
        return Judged(self.name, f"{len(found) + len(said.findings)} findings", findings)


def _keys(document: Json) -> frozenset[tuple[str, str]]:
    return frozenset((hit.kind, hit.field) for hit in in_object(document))


def _named(subject: Subject, document: Json) -> Json:
    """The object as it is read by its kind: the request's, should the two differ."""
    return {**document, "apiVersion": subject.kind.api_version, "kind": subject.kind.kind}
