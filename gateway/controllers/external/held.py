"""What is held of ExternalSecrets, stores, namespaces and Secrets: as JSON text, without what nobody needs."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.controllers.contests import MANAGER
from gateway.kube import Key, ResourceType
from gateway_secrets.external.generators import CLUSTER as CLUSTER_GENERATOR
from gateway_secrets.external.made import FINALIZER
from gateway_secrets.external.record import PREFIX
from gateway_secrets.external.spec import API_VERSION, GROUP, KIND, VERSION, StoreRef, store_ref
from gateway_secrets.external.status import ready_of
from gateway_secrets.external.store import CLUSTER_STORE
from gateway_secrets.external.target import MANAGED_LABEL

Json = dict[str, Any]
EXTERNAL = ResourceType(GROUP, (VERSION,), "externalsecrets")
STORES = ResourceType(GROUP, (VERSION,), "secretstores")
CLUSTER_STORES = ResourceType(GROUP, (VERSION,), "clustersecretstores")
NAMESPACES = ResourceType("", ("v1",), "namespaces")
SECRETS = ResourceType("", ("v1",), "secrets")
CONFIG_MAPS = ResourceType("", ("v1",), "configmaps")
SELECTOR = f"{MANAGED_LABEL}=true"
"""Of the Secrets that are held: govgate's, and those that another controller of ExternalSecrets made."""

_OF_STORES = ("name", "namespace", "uid", "generation", "annotations", "labels")
_decode = msgspec.json.Decoder(Json).decode


class Held(msgspec.Struct, frozen=True):
    """An ExternalSecret. ``trigger``: of what it does is decided. ``generators``: kind and name of each. ``stranger``: who else
    wrote its status after govgate did. ``ours``: nobody did, and govgate did. ``guarded``: it bears govgate's own finalizer.
    """

    text: bytes
    trigger: str
    target: str
    uid: str
    stores: tuple[StoreRef, ...]
    generators: tuple[tuple[str, str], ...]
    ready: bool
    stranger: str = ""
    stranger_at: str = ""
    ours: bool = False
    guarded: bool = False

    def says_as(self, older: Held) -> bool:
        """Whether what is decided of it is as it was: that it bears govgate's finalizer now is govgate's own doing."""
        return self.trigger == older.trigger and self.guarded >= older.guarded

    @property
    def document(self) -> Json:
        """Decoded: a copy of the reader's own."""
        return _decode(self.text)


class HeldSecret(msgspec.Struct, frozen=True):
    """A Secret; ``text`` is empty if it is not govgate's, and nothing of it is kept. ``owner``: the uid of its controller."""

    text: bytes
    version: str
    owner: str = ""

    @property
    def document(self) -> Json | None:
        """Decoded; None if it is not kept."""
        return _decode(self.text) if self.text else None

    def __repr__(self) -> str:
        return f"HeldSecret({self.version})"


def external(document: Json) -> Held:
    """An ExternalSecret. What its stores are is read here leniently: whether it is right is decided later."""
    metadata = document["metadata"]
    managed = metadata.pop("managedFields", None)
    stranger, at = stranger_of(managed)
    spec, status = _mapping(document, "spec"), _mapping(document, "status")
    finalizers = metadata.get("finalizers") or []
    trigger = [metadata.get(name) for name in ("generation", "labels", "annotations", "deletionTimestamp")]
    trigger.append([one for one in finalizers if one != FINALIZER])
    return Held(
        msgspec.json.encode(document | {"apiVersion": API_VERSION, "kind": KIND, "status": status}),
        msgspec.json.encode(trigger).decode(),
        str(_mapping(spec, "target").get("name") or metadata.get("name")),
        str(metadata.get("uid") or ""),
        tuple(dict.fromkeys(refs_of(spec))),
        tuple(dict.fromkeys(_generators(spec))),
        ready_of(status).get("status") == "True",
        stranger,
        at,
        was_ours(managed),
        FINALIZER in finalizers,
    )


def secret(document: Json) -> HeldSecret:
    """A Secret: of one that bears no mark of govgate's, no value is kept."""
    metadata = document["metadata"]
    metadata.pop("managedFields", None)
    version = str(metadata.get("resourceVersion") or "")
    owners = metadata.get("ownerReferences") or []
    owner = next((str(one.get("uid")) for one in owners if one.get("controller") is True), "")
    if not any(name.endswith(f"{PREFIX}/record") for name in metadata.get("annotations") or {}):
        return HeldSecret(b"", version, owner)
    return HeldSecret(msgspec.json.encode(document | {"apiVersion": "v1", "kind": "Secret"}), version, owner)


def store(document: Json) -> Json:
    """A SecretStore or ClusterSecretStore, without what changes with its status."""
    metadata = document["metadata"]
    kept = {name: metadata[name] for name in _OF_STORES if name in metadata}
    kind = "SecretStore" if metadata.get("namespace") else CLUSTER_STORE
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": kept, "spec": document.get("spec")}


def without_labels(document: Json) -> Json:
    """A store, but for its labels."""
    metadata = {name: value for name, value in document["metadata"].items() if name != "labels"}
    return document | {"metadata": metadata}


def labels(document: Json) -> dict[str, str]:
    """Of a namespace, or of a store."""
    return dict(document["metadata"].get("labels") or {})


def stranger_of(managed: Any) -> tuple[str, str]:
    """Who wrote the status of an object after govgate did, and when; empty if nobody did, as far as it is noted."""
    times = _status_times(managed)
    mine = times.pop(MANAGER, "")
    name = max(times, key=lambda name: times[name], default="")
    return (name[:128], times[name]) if mine and name and times[name] > mine else ("", "")


def was_ours(managed: Any) -> bool:
    """Whether govgate wrote the status of an object, and nobody else after it."""
    return MANAGER in _status_times(managed) and not stranger_of(managed)[0]


def _status_times(managed: Any) -> dict[str, str]:
    return {
        str(one.get("manager")): str(one.get("time") or "")
        for one in (managed if isinstance(managed, list) else ())
        if isinstance(one, dict) and one.get("subresource") == "status"
    }


def store_key(ref: StoreRef, namespace: str) -> Key:
    """Of the store that an ExternalSecret of ``namespace`` refers to."""
    return Key("" if ref.kind == CLUSTER_STORE else namespace, ref.name)


def refs_of(spec: Any) -> list[StoreRef]:
    """The stores that a spec names, as far as it can be read."""
    found = [_ref(spec.get("secretStoreRef"))]
    for name, field in (("data", "storeRef"), ("dataFrom", "storeRef")):
        entries = spec.get(name)
        for entry in entries if isinstance(entries, list) else ():
            source = _mapping(entry, "sourceRef") if isinstance(entry, dict) else {}
            found.append(_ref(source.get(field)))
    return [one for one in found if one is not None]


def generator_key(kind: str, name: str, namespace: str) -> Key:
    """Of the generator that an ExternalSecret of ``namespace`` refers to."""
    return Key("" if kind == CLUSTER_GENERATOR else namespace, name)


def _generators(spec: Any) -> list[tuple[str, str]]:
    """Those that a spec names, as far as it can be read."""
    entries = spec.get("dataFrom")
    found = []
    for entry in entries if isinstance(entries, list) else ():
        ref = _mapping(_mapping(entry, "sourceRef"), "generatorRef")
        if isinstance(ref.get("kind"), str) and isinstance(ref.get("name"), str):
            found.append((ref["kind"], ref["name"]))
    return found


def _ref(value: Any) -> StoreRef | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        return None
    return store_ref(value["name"], value.get("kind"))


def _mapping(value: Any, name: str) -> Json:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
