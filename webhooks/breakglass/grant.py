"""BreakGlass: what somebody may change for a while although a guard refuses it. Pure: what a grant covers, and whether it holds.

``spec`` is what is asked for, and never changes. ``status`` holds the approval of exactly that spec, each use, and the end.
Who may write what: :mod:`webhooks.breakglass.rules`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.core.errors import ConfigError
from gateway.core.finding import Finding
from gateway.core.subject import Json, UserInfo
from gateway.kube import ResourceType
from policies.builtin import kind_matches
from webhooks.breakglass.person import among, machine, same

GROUP, KIND = "govgate.dev", "BreakGlass"
API_VERSION = f"{GROUP}/v1alpha1"
RESOURCE = ResourceType(GROUP, ("v1alpha1",), "breakglasses")
EVERYWHERE = "*"

Operation = Literal["CREATE", "UPDATE", "DELETE"]
GuardName = Literal["drift", "policy", "provenance", "secrets"]
State = Literal["pending", "active", "used-up", "expired", "revoked", "deleted"]
MAX_USES = 50
"""Of one grant, whatever is configured: each is kept in its status."""

_Text = Annotated[str, Meta(min_length=1, max_length=1_000)]
_Globs = Annotated[tuple[str, ...], Meta(min_length=1)]


class _Part(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Scope(_Part, frozen=True, omit_defaults=True):
    """Which changes of which objects.

    ``namespaces``: names, or ``*`` alone for all objects; none of them: objects in no namespace. ``kinds`` are
    ``group/Kind`` (the core group without one); ``names`` and ``fields``, as findings name them, are globs.
    """

    kinds: _Globs
    names: _Globs
    namespaces: tuple[str, ...] = ()
    fields: _Globs = ("*",)
    operations: Annotated[tuple[Operation, ...], Meta(min_length=1)] = ("UPDATE",)
    guards: Annotated[tuple[GuardName, ...], Meta(min_length=1)] = ("drift",)

    @property
    def places(self) -> tuple[str, ...]:
        """Where somebody must be allowed to ask for it, and to approve: namespaces; empty: the whole cluster."""
        return ("",) if not self.namespaces or EVERYWHERE in self.namespaces else self.namespaces


class Spec(_Part, frozen=True, omit_defaults=True):
    """Who may change what, why, until when and how often. ``users`` and ``groups``: people who may use it."""

    scope: Scope
    reason: _Text
    ticket: _Text
    requested_by: _Text
    expires: datetime
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    max_uses: Annotated[int, Meta(ge=1, le=MAX_USES)] = 1


class Approval(_Part, frozen=True, omit_defaults=True):
    """By whom, of which spec (its digest). ``emergency``: by whoever asked, where the configuration allows that."""

    approver: str
    spec_digest: str
    emergency: bool = False


class Target(_Part, frozen=True, omit_defaults=True):
    """The object that was changed, whatever version it was asked for in."""

    kind: str
    name: str
    api_version: str
    namespace: str = ""


class Changed(_Part, frozen=True, omit_defaults=True):
    """A field that was changed; empty: all of the object. Digests of its value, where that is no secret, never the value."""

    field: str = ""
    before: str = ""
    after: str = ""


class Use(_Part, frozen=True, omit_defaults=True):
    """One write that was let through. ``id``: the uid of the first request about it; ``origin``: see
    :func:`webhooks.breakglass.once.origin_of`.
    """

    id: str
    time: datetime
    user: str
    operation: Operation
    object: Target
    fields: tuple[Changed, ...] = ()
    origin: str = ""


class Revoked(_Part, frozen=True, omit_defaults=True):
    """By whom a grant was ended before its time."""

    by: str


class Acknowledged(_Part, frozen=True, omit_defaults=True):
    """By whom, and why, it was taken note that what was changed is not in Git: then the record may go."""

    by: str
    reason: _Text


class Status(_Part, frozen=True, omit_defaults=True):
    """What became of it. ``expired``: it was seen to have expired, which no clock takes back."""

    approval: Approval | None = None
    revoked: Revoked | None = None
    expired: bool = False
    used: int = 0
    uses: tuple[Use, ...] = ()
    acknowledged: Acknowledged | None = None


class Grant(msgspec.Struct, frozen=True):
    """One BreakGlass. ``version``: its resourceVersion, by which a use is counted once. ``deleted``: finalizers alone keep it."""

    name: str
    uid: str
    version: str
    spec: Spec
    status: Status = Status()
    deleted: bool = False

    @property
    def id(self) -> str:
        """As findings name it."""
        return f"breakglass/{self.name}"

    def state(self, now: datetime) -> State:
        """Whether it holds at ``now`` (``active``), else why not."""
        status = self.status
        if status.revoked is not None:
            return "revoked"
        if self.deleted:
            return "deleted"
        if status.expired or self.spec.expires <= now:
            return "expired"
        if not self.approved:
            return "pending"
        return "used-up" if status.used >= self.spec.max_uses else "active"

    @property
    def approved(self) -> bool:
        """Whether this very spec was approved, by somebody else or as an emergency."""
        approval, spec = self.status.approval, self.spec
        if approval is None or approval.spec_digest != spec_digest(spec):
            return False
        if approval.emergency:
            return approval.approver == spec.requested_by
        second = approval.approver and not machine(approval.approver)
        return bool(second) and not among(approval.approver, (spec.requested_by, *spec.users))

    def lets(self, user: UserInfo) -> bool:
        """Whether it is for this user; whoever approved it for others may have joined their group since."""
        approval = self.status.approval
        if approval is not None and not approval.emergency and same(approval.approver, user.username):
            return False
        return user.username in self.spec.users or not set(self.spec.groups).isdisjoint(user.groups)

    def covers(self, finding: Finding, operation: str) -> bool:
        """Whether the finding is one that this grant is about, whatever its state."""
        about, scope = finding.resource, self.spec.scope
        group = about.api_version.rpartition("/")[0]
        return (
            finding.guard in scope.guards
            and operation in scope.operations
            and _placed(scope.namespaces, about.namespace)
            and any(kind_matches(kind, group, about.kind) for kind in scope.kinds)
            and _any(scope.names, about.name)
            and _any(scope.fields, finding.field)
        )


def spec_digest(spec: Spec) -> str:
    """What an approval names."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(spec, order="deterministic")).hexdigest()


def read_grant(document: Json) -> Grant:
    """The grant that a BreakGlass states.

    Raises:
        ConfigError: it is not one that can hold; says what is wrong.
    """
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    try:
        spec = msgspec.convert(document.get("spec"), Spec)
        status = msgspec.convert(document.get("status") or {}, Status)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{KIND}: {error}") from None
    times = (spec.expires, *(use.time for use in status.uses))
    if any(time.tzinfo is None for time in times):
        raise ConfigError(f"{KIND}: a time has no time zone")
    if EVERYWHERE in spec.scope.namespaces and len(spec.scope.namespaces) > 1:
        raise ConfigError(f"{KIND}: spec.scope.namespaces: {EVERYWHERE} stands alone")
    if not spec.users and not spec.groups:
        raise ConfigError(f"{KIND}: spec: names neither users nor groups")
    name, uid, version = (str(metadata.get(key) or "") for key in ("name", "uid", "resourceVersion"))
    return Grant(name, uid, version, spec, status, deleted=bool(metadata.get("deletionTimestamp")))


def _placed(namespaces: tuple[str, ...], namespace: str) -> bool:
    if EVERYWHERE in namespaces:
        return True
    return namespace in namespaces if namespace else not namespaces


def _any(patterns: Iterable[str], text: str) -> bool:
    return any(_glob(pattern).fullmatch(text) for pattern in patterns)


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` alone: the brackets of a field path are no character class."""
    steps = {"*": ".*", "?": "."}
    return re.compile("".join(steps.get(c) or re.escape(c) for c in pattern), re.DOTALL)
