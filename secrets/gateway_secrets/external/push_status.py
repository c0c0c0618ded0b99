"""What a PushSecret says was stored, what of it shall not be any more, and what else it says of itself. Pure.

Source: ``pkg/controllers/pushsecret`` of ESO.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from gateway_secrets.external.push import name_of
from gateway_secrets.external.push_spec import PushData
from gateway_secrets.external.record import refreshed
from gateway_secrets.external.spec import Json, StoreRef, store_ref, without_nulls
from gateway_secrets.external.status import read_at, ready_of, version_of
from gateway_secrets.external.store import CLUSTER_STORE

FINALIZER = "pushsecret.externalsecrets.io/finalizer"
READY = "Ready"

Synced = dict[str, dict[str, PushData]]
"""By store (``kind/name``) and name, what was stored."""


def synced_of(status: Json) -> Synced:
    """What a PushSecret says was stored, as far as it can be read."""
    try:
        return msgspec.convert(without_nulls(status.get("syncedPushSecrets") or {}), Synced)
    except msgspec.ValidationError:
        return {}


def store_name(ref: StoreRef) -> str:
    """What a store is called in ``syncedPushSecrets``."""
    return f"{ref.kind}/{ref.name}"


def noted_stores(status: object) -> list[StoreRef]:
    """The stores that a PushSecret says it stored in, as far as it can be read."""
    return [
        ref for store in synced_of(status if isinstance(status, dict) else {}) if (ref := _store(store)) is not None
    ]


def outdated(before: Synced, wanted: Mapping[StoreRef, Sequence[PushData]]) -> list[tuple[StoreRef, PushData]]:
    """What was stored and shall not be any more. ``wanted``: by store, what shall be."""
    names = {(store_name(ref), name_of(one)) for ref, entries in wanted.items() for one in entries}
    found = []
    for store, stored in sorted(before.items()):
        ref = _store(store)
        if ref is not None:
            found += [(ref, entry) for _, entry in sorted(stored.items()) if (store, name_of(entry)) not in names]
    return found


def noted(status: Json, synced: Synced) -> Json:
    """The status, and in it what is stored, or about to be."""
    return status | {
        "syncedPushSecrets": {
            store: {name: _entry(entry) for name, entry in sorted(entries.items())}
            for store, entries in sorted(synced.items())
        }
    }


def status_of(status: Json, problem: str, synced: Synced, version: str, now: datetime, *, remark: str = "") -> Json:
    """The status that it shall have. ``problem``: why it is not ready; empty if it is. ``remark``: what is told then."""
    condition: Json = {
        "type": READY,
        "status": "False" if problem else "True",
        "reason": "Errored" if problem else "Synced",
        "message": problem[:1000] or "; ".join(filter(None, ("PushSecret synced successfully", remark))),
    }
    conditions = [one for one in status.get("conditions") or [] if isinstance(one, dict)]
    former = next((one for one in conditions if one.get("type") == READY), {})
    turned = former.get("status") != condition["status"]
    condition["lastTransitionTime"] = refreshed(now) if turned else former.get("lastTransitionTime") or refreshed(now)
    shall = noted(status, synced)
    shall["conditions"] = [*(one for one in conditions if one.get("type") != READY), condition]
    if not problem:
        shall |= {"refreshTime": refreshed(now), "syncedResourceVersion": version}
    return shall


def version(document: Json) -> str:
    """``syncedResourceVersion`` of a PushSecret as it is now."""
    metadata = document["metadata"]
    return version_of(
        int(metadata.get("generation") or 0), metadata.get("annotations") or {}, metadata.get("labels") or {}
    )


def due_in(document: Json, interval: float | None, now: float) -> float | None:
    """Seconds until what a generator makes is made anew, 0: it is now; None: when the PushSecret changes.

    As in ESO: when it changed, each ``interval``, and as long as it could not be pushed. ``now``: seconds since the epoch.
    """
    status = document.get("status") or {}
    if ready_of(status).get("status") != "True" or status.get("syncedResourceVersion") != version(document):
        return 0.0
    if interval is None:
        return None
    last = read_at(status)
    return max(0.0, last.timestamp() + interval - now) if last is not None else 0.0


def _store(name: str) -> StoreRef | None:
    """The store that is called so in ``syncedPushSecrets``."""
    kind, _, own = name.partition("/")
    return store_ref(own, kind) if kind in ("SecretStore", CLUSTER_STORE) and own else None


def _entry(entry: PushData) -> Json:
    ref = entry.match.remote_ref
    match: Json = {"remoteRef": {"remoteKey": ref.remote_key, **({"property": ref.property} if ref.property else {})}}
    if entry.match.secret_key:
        match["secretKey"] = entry.match.secret_key
    return {"match": match, "conversionStrategy": entry.conversion_strategy}
