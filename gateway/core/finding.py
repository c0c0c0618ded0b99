"""What a rule says about a resource: one finding, the same in a PR, at admission, in a scan and in a replay."""

from __future__ import annotations

import hashlib
from enum import StrEnum

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


class Finding(msgspec.Struct, frozen=True):
    """One statement of one rule. ``field`` is a path such as ``spec.containers[name=api].image``, or empty.

    ``message`` and ``remedy`` are for a person and never hold a secret value. ``exception`` names the grant
    that excepted the finding, if one did.
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


def finding_id(rule: str, resource: Resource, field: str) -> str:
    """Digest of rule, resource and field, such as ``f-3b1c0f…`` (16 hex digits).

    The API version is left out, its group kept: the id must survive a client that uses another version.
    """
    group = resource.api_version.rpartition("/")[0]
    parts = (rule, group, resource.kind, resource.namespace, resource.name, field)
    return "f-" + hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
