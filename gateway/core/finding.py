"""What a rule says about a resource: one finding, the same in a PR, at admission, in a scan and in a replay."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any

import msgspec


class Action(StrEnum):
    """What a finding does to the request: ``deny`` refuses it, ``warn`` tells the client, ``audit`` is recorded only."""

    DENY = "deny"
    WARN = "warn"
    AUDIT = "audit"


class Severity(StrEnum):
    """How much it matters, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class Resource(msgspec.Struct, frozen=True, rename="camel"):
    """The resource a finding is about; ``namespace`` is empty for a cluster-scoped one."""

    api_version: str
    kind: str
    namespace: str
    name: str


class Location(msgspec.Struct, frozen=True):
    """Where in a file; ``line`` counts from 1. Only ``govgate check`` knows it."""

    path: str
    line: int = 1


MAX_FIX_BYTES = 4096


class _Fix(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="op"):
    path: str = ""
    """The field that is changed; empty: the finding's."""

    def __post_init__(self) -> None:
        if len(msgspec.json.encode(self)) > MAX_FIX_BYTES:
            raise ValueError(f"a fix has more than {MAX_FIX_BYTES} bytes")


class SetField(_Fix, frozen=True, tag="set", kw_only=True):
    """The field gets this value; maps above it that are not there are made."""

    value: Any


class RemoveField(_Fix, frozen=True, tag="remove"):
    """The field, or the item of a list, is taken out."""


Fix = SetField | RemoveField
"""How a rule says that what it found is put right: in data, for ``check --fix``."""


class Finding(msgspec.Struct, frozen=True):
    """One statement of one rule. ``field`` is a path such as ``spec.containers[name=api].image``, or empty.

    ``message`` and ``remedy`` are for a person and never hold a secret value. ``exception`` names the grant
    that excepted the finding, if one did. ``fix``: what puts it right, where one thing does; files only. ``would``: what
    it would do if it were enforced, where a mode says that it is not.
    """

    id: str
    rule: str
    severity: Severity
    action: Action
    guard: str
    resource: Resource
    field: str
    message: str
    remedy: str
    location: Location | None = None
    exception: str | None = None
    fix: Fix | msgspec.UnsetType = msgspec.UNSET
    would: Action | msgspec.UnsetType = msgspec.UNSET


def finding_id(rule: str, resource: Resource, field: str) -> str:
    """Digest of rule, resource and field, such as ``f-3b1c0f…`` (16 hex digits).

    The API version is left out, its group kept: the id must survive a client that uses another version.
    """
    group = resource.api_version.rpartition("/")[0]
    parts = (rule, group, resource.kind, resource.namespace, resource.name, field)
    return "f-" + hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
