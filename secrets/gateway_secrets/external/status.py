"""What the ExternalSecret says of itself, with ESO's fields, types and reasons; and when it is to be read again. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from gateway_secrets.external.record import refreshed
from gateway_secrets.external.spec import ExternalSecret, Json
from gateway_secrets.external.target import Decision, Reason

MAX_MESSAGE = 1_000
READY = "Ready"


def synced_version(external: ExternalSecret) -> str:
    """``syncedResourceVersion``: its generation, and a digest of its labels and annotations, as ESO writes it."""
    return version_of(external.generation, external.annotations, external.labels)


def version_of(generation: int, annotations: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """``syncedResourceVersion`` of an object that has these."""
    text = f"{{annotations:{_go_map(annotations)} labels:{_go_map(labels)}}}"
    return f"{generation}-{hashlib.sha3_224(text.encode()).hexdigest()}"


def status_of(
    external: ExternalSecret, document: Json, decision: Decision, now: datetime, *, read: bool
) -> Json | None:
    """The status that it shall have; None if it has it already. ``read``: its values were read, just now."""
    status: Json = document.get("status") or {}
    former = ready_of(status)
    good = decision.reason is not Reason.ERROR
    condition = {
        "type": READY,
        "status": "True" if good else "False",
        "reason": decision.reason.value,
        "message": decision.message[:MAX_MESSAGE],
    }
    same = all(former.get(name) == value for name, value in condition.items())
    if same and not (good and read):
        return None
    turned = former.get("status") != condition["status"]
    condition["lastTransitionTime"] = refreshed(now) if turned else former.get("lastTransitionTime") or refreshed(now)
    others = [one for one in status.get("conditions") or [] if one.get("type") != READY]
    wanted = {**status, "conditions": [*others, condition]}
    if good and read:
        wanted |= {"refreshTime": refreshed(now), "syncedResourceVersion": synced_version(external)}
        if decision.reason is Reason.SYNCED and external.spec.target.creation_policy != "None":
            wanted["binding"] = {"name": external.target_name}
    return wanted if wanted != status else None


def ready_of(status: Json) -> Json:
    """The condition Ready; empty if there is none."""
    conditions = status.get("conditions")
    for one in conditions if isinstance(conditions, list) else ():
        if isinstance(one, dict) and one.get("type") == READY:
            return one
    return {}


class Wanted(msgspec.Struct, frozen=True):
    """Whether values have to be read. ``why``: ``first``, ``changed``, ``due``, or ``no`` where they need not."""

    why: Literal["first", "changed", "due", "no"]


def read_needed(external: ExternalSecret, status: Json, now: datetime, due: datetime | None) -> Wanted:
    """Whether an object is to be read, by its refresh policy, if its Secret is as it was written.

    ``due``: the end of the refresh window in which it was read last; None: there is none.
    """
    synced, at = status.get("syncedResourceVersion"), read_at(status)
    policy = external.spec.refresh_policy
    if not synced or at is None:
        return Wanted("first")
    if policy == "CreatedOnce":
        return Wanted("no")
    if policy != "OnChange" and external.spec.interval_seconds() <= 0:
        return Wanted("no")
    if synced != synced_version(external):
        return Wanted("changed")
    if policy == "OnChange":
        return Wanted("no")
    # A time that is to come was written by another clock.
    return Wanted("due" if due is None or due <= now or at > now else "no")


def read_at(status: Json) -> datetime | None:
    """When it was read last; None if that is not known."""
    try:
        return datetime.fromisoformat(str(status.get("refreshTime"))).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _go_map(pairs: Mapping[str, str]) -> str:
    """As Go prints a map with ``%+v``: by key."""
    return "map[" + " ".join(f"{key}:{value}" for key, value in sorted(pairs.items())) + "]"
