"""Who may hold a Lease (coordination.k8s.io/v1): decided from what was observed, and when. Pure.

Clocks of other machines are not trusted: a Lease has run out once it was not seen to change for as long as it says,
measured by this process's own monotonic clock. Source: client-go's leaderelection.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from gateway.core.subject import Json


class LeaseSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The ``spec`` of a Lease. Times are RFC 3339 with microseconds, for people: nothing is decided by them."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Observed(msgspec.Struct, frozen=True):
    """A Lease as it was read. ``changed_at``: monotonic seconds at which it was first seen so."""

    spec: LeaseSpec
    version: str
    changed_at: float


def observe(before: Observed | None, document: Json, now: float) -> Observed:
    """Take note of a Lease. One that has not changed was seen before.

    Raises:
        ValidationError: it has not the form of a Lease.
    """
    spec = msgspec.convert(document.get("spec") or {}, LeaseSpec)
    version = str(document.get("metadata", {}).get("resourceVersion", ""))
    if before is not None and before.spec == spec:
        return Observed(spec, version, before.changed_at)
    return Observed(spec, version, now)


def may_take(observed: Observed, me: str, now: float) -> bool:
    """Whether ``me`` may write its name into the Lease: it holds it, nobody does, or whoever does has let it run out."""
    spec = observed.spec
    if not spec.holder_identity or spec.holder_identity == me:
        return True
    return now >= observed.changed_at + (spec.lease_duration_seconds or 0)


def taken(old: LeaseSpec | None, me: str, seconds: int, now: datetime) -> LeaseSpec:
    """The Lease as ``me`` writes it: acquired, or renewed."""
    time = microtime(now)
    mine = old is not None and old.holder_identity == me
    transitions = (old.lease_transitions or 0) if old is not None else 0
    return LeaseSpec(
        holder_identity=me,
        lease_duration_seconds=seconds,
        acquire_time=old.acquire_time if mine and old is not None else time,
        renew_time=time,
        lease_transitions=transitions if mine or old is None else transitions + 1,
    )


def released(old: LeaseSpec, now: datetime) -> LeaseSpec:
    """The Lease as its holder leaves it: nobody has to wait."""
    return msgspec.structs.replace(
        old, holder_identity="", lease_duration_seconds=1, renew_time=microtime(now), acquire_time=microtime(now)
    )


def lease_document(namespace: str, name: str, spec: LeaseSpec, version: str = "") -> Json:
    """The object. ``version``: it is to be replaced, if it is still this one."""
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if version:
        metadata["resourceVersion"] = version
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": msgspec.to_builtins(spec),
    }


def microtime(now: datetime) -> str:
    """As ``meta/v1`` MicroTime is written."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
