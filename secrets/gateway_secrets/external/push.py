"""The PushSecret: what of a Secret is stored where, what is taken away again, and what it says of that. Pure.

Source: ``apis/externalsecrets/v1alpha1/pushsecret_types.go`` and ``pkg/controllers/pushsecret`` of ESO. What it says and is not done here
is refused as a whole: half of what was asked for is not pushed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from gateway.core.durations import parse_duration
from gateway_secrets.external.errors import SpecError, UnsupportedError
from gateway_secrets.external.record import refreshed
from gateway_secrets.external.spec import GROUP, Json, StoreRef, without_nulls
from gateway_secrets.external.store import CLUSTER_STORE, Selector
from gateway_secrets.stores.model import Reference
from gateway_secrets.stores.values import go_json

KIND = "PushSecret"
API_VERSION = f"{GROUP}/v1alpha1"
FINALIZER = "pushsecret.externalsecrets.io/finalizer"
READY = "Ready"
MAX_PUSHES = 1_000


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    pass


class PushStore(_Part, frozen=True):
    """``secretStoreRefs[]``: by name, or all of a kind that have labels."""

    name: str = ""
    kind: Literal["SecretStore", "ClusterSecretStore"] = "SecretStore"
    label_selector: Selector | None = None


class RemoteRef(_Part, frozen=True):
    """Where to; without ``property``, the whole."""

    remote_key: str
    property: str = ""


class Match(_Part, frozen=True):
    """Which key of the Secret; without one, all of them as a JSON object."""

    remote_ref: RemoteRef
    secret_key: str = ""


class PushData(_Part, frozen=True):
    """``data[]``."""

    match: Match
    metadata: Any = None
    conversion_strategy: Literal["None", "ReverseUnicode"] = "None"


class SourceSecret(_Part, frozen=True):
    """``selector.secret``."""

    name: str = ""
    selector: Any = None


class PushSelector(_Part, frozen=True):
    """``selector``."""

    secret: SourceSecret | None = None
    generator_ref: Any = None


class PushSpec(_Part, frozen=True):
    """``spec``."""

    secret_store_refs: tuple[PushStore, ...]
    selector: PushSelector
    refresh_interval: str = "1h"
    update_policy: Literal["Replace", "IfNotExists"] = "Replace"
    deletion_policy: Literal["Delete", "None"] = "None"
    data: tuple[PushData, ...] = ()
    data_to: Any = None
    template: Any = None

    def interval_seconds(self) -> float | None:
        """Between two pushes; None: there is none without a change.

        Raises:
            ValueError: it is no duration.
        """
        seconds = parse_duration(self.refresh_interval)
        return seconds if seconds > 0 else None


class Push(msgspec.Struct, frozen=True):
    """One value to be stored. It is in no ``repr``."""

    entry: PushData
    value: bytes

    @property
    def reference(self) -> Reference:
        """Where to."""
        return reference_of(self.entry)

    def __repr__(self) -> str:
        return f"Push({self.reference.key!r})"


def push_of(document: Json) -> PushSpec:
    """What a PushSecret says.

    Raises:
        SpecError: it is none; UnsupportedError: it says what is not done here.
    """
    try:
        spec = msgspec.convert(without_nulls(document.get("spec") or {}), PushSpec)
        spec.interval_seconds()
    except (msgspec.ValidationError, ValueError) as error:
        raise SpecError(f"spec: {str(error)[:200]}") from None
    source = spec.selector.secret
    undone = {
        "spec.selector.generatorRef": spec.selector.generator_ref,
        "spec.selector.secret.selector": source.selector if source is not None else None,
        "spec.dataTo": spec.data_to,
        "spec.template": spec.template,
        **{f"spec.data[{at}].metadata": one.metadata for at, one in enumerate(spec.data)},
    }
    for field, value in undone.items():
        if value is not None:
            raise UnsupportedError(f"{field}: is not done here: leave it out, or leave this PushSecret to ESO")
    for at, one in enumerate(spec.data):
        if one.conversion_strategy != "None":
            raise UnsupportedError(f"spec.data[{at}].conversionStrategy: ReverseUnicode is not done here")
    if source is None or not source.name:
        raise SpecError("spec.selector.secret.name: names no Secret")
    if len(spec.data) > MAX_PUSHES:
        raise SpecError(f"spec.data: more than {MAX_PUSHES}")
    if any(one.label_selector is None and not one.name for one in spec.secret_store_refs):
        raise SpecError("spec.secretStoreRefs: name a store, or labels of stores")
    return spec


def pushes_of(spec: PushSpec, data: Mapping[str, bytes]) -> list[Push]:
    """What is to be stored, of what the Secret holds.

    Raises:
        SpecError: a key is not there, or not all of them can be in a JSON object.
    """
    found = []
    for at, entry in enumerate(spec.data):
        key = entry.match.secret_key
        if key and key not in data:
            raise SpecError(f"spec.data[{at}].match.secretKey: the Secret has no key {key!r}")
        try:
            texts = {name: value.decode() for name, value in sorted(data.items())} if not key else {}
        except UnicodeDecodeError:
            raise SpecError(f"spec.data[{at}]: the Secret holds what is not UTF-8: push it key by key") from None
        found.append(Push(entry, data[key] if key else go_json(texts, html=False)))
    return found


def stores_of(spec: PushSpec, labelled: Mapping[StoreRef, Mapping[str, str]]) -> list[StoreRef]:
    """The stores that are meant, each once. ``labelled``: those that may be used, with their labels."""
    found: list[StoreRef] = []
    for one in spec.secret_store_refs:
        if one.label_selector is None:
            found.append(StoreRef(one.name, one.kind))
        else:
            selector = one.label_selector
            found += sorted(
                (ref for ref, labels in labelled.items() if ref.kind == one.kind and selector.selects(labels)),
                key=str,
            )
    return list(dict.fromkeys(found))


def reference_of(entry: PushData) -> Reference:
    """Where an entry is stored."""
    ref = entry.match.remote_ref
    return Reference(ref.remote_key, ref.property)


def name_of(entry: PushData) -> str:
    """What an entry is called in ``syncedPushSecrets``."""
    ref = entry.match.remote_ref
    return f"{ref.remote_key}/{ref.property}" if ref.property else ref.remote_key


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


def outdated(before: Synced, spec: PushSpec | None, stores: Sequence[StoreRef]) -> list[tuple[StoreRef, PushData]]:
    """What was stored and shall not be any more. No ``spec``: all of it."""
    entries = spec.data if spec is not None else ()
    wanted = {(store_name(ref), name_of(entry)) for ref in stores for entry in entries}
    found = []
    for store, stored in sorted(before.items()):
        kind, _, name = store.partition("/")
        if kind not in ("SecretStore", CLUSTER_STORE):
            continue
        ref = StoreRef(name, "ClusterSecretStore" if kind == CLUSTER_STORE else "SecretStore")
        found += [(ref, entry) for named, entry in sorted(stored.items()) if (store, named) not in wanted]
    return found


def status_of(status: Json, problem: str, synced: Synced, version: str, now: datetime) -> Json:
    """The status that it shall have. ``problem``: why it is not ready; empty if it is."""
    condition: Json = {
        "type": READY,
        "status": "False" if problem else "True",
        "reason": "Errored" if problem else "Synced",
        "message": problem[:1000] or "PushSecret synced successfully",
    }
    conditions = [one for one in status.get("conditions") or [] if isinstance(one, dict)]
    former = next((one for one in conditions if one.get("type") == READY), {})
    turned = former.get("status") != condition["status"]
    condition["lastTransitionTime"] = refreshed(now) if turned else former.get("lastTransitionTime") or refreshed(now)
    shall = {**status, "conditions": [*(one for one in conditions if one.get("type") != READY), condition]}
    shall["syncedPushSecrets"] = {
        store: {name: _entry(entry) for name, entry in sorted(entries.items())}
        for store, entries in sorted(synced.items())
    }
    if not problem:
        shall |= {"refreshTime": refreshed(now), "syncedResourceVersion": version}
    return shall


def _entry(entry: PushData) -> Json:
    ref = entry.match.remote_ref
    match: Json = {"remoteRef": {"remoteKey": ref.remote_key, **({"property": ref.property} if ref.property else {})}}
    if entry.match.secret_key:
        match["secretKey"] = entry.match.secret_key
    return {"match": match, "conversionStrategy": entry.conversion_strategy}
