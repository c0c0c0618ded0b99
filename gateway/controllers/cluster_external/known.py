"""What is held of ClusterExternalSecrets, namespaces, ExternalSecrets and stores, and whose a ClusterExternalSecret is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import msgspec

from gateway.controllers.external.claims import Claims
from gateway.controllers.external.held import refs_of, store_key, stranger_of
from gateway.kube import Key, ResourceType
from gateway_secrets.external.cluster import CLUSTER_KIND, ClusterExternal, Place, owner_of
from gateway_secrets.external.spec import API_VERSION, GROUP, KIND, VERSION, StoreRef
from gateway_secrets.external.store import CONTROLLER

Json = dict[str, Any]
CLUSTER_EXTERNAL = ResourceType(GROUP, (VERSION,), "clusterexternalsecrets")
FINALIZER = "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup"
"""ESO's, of a ClusterExternalSecret."""
NAMESPACE_FINALIZER = "externalsecrets.external-secrets.io/ces-"
"""ESO's, of namespaces: then the name of a ClusterExternalSecret."""
Whose = Literal["ours", "others", "mixed", "unknown"]

_decode = msgspec.json.Decoder(Json).decode


class HeldCluster(msgspec.Struct, frozen=True):
    """A ClusterExternalSecret. ``trigger``: of what it does is decided; ``stranger``: who else wrote its status since."""

    text: bytes
    trigger: str
    stores: tuple[StoreRef, ...]
    stranger: str = ""
    stranger_at: str = ""

    @property
    def document(self) -> Json:
        """Decoded: a copy of the reader's own."""
        return _decode(self.text)


class HeldPlace(msgspec.Struct, frozen=True):
    """A namespace. ``finalizers``: those that ESO left for its ClusterExternalSecrets, by these' names."""

    place: Place
    finalizers: tuple[str, ...] = ()


class HeldOne(msgspec.Struct, frozen=True):
    """An ExternalSecret; ``text`` is empty if no ClusterExternalSecret owns it. ``owner``, ``uid``: the one that does."""

    text: bytes
    owner: str = ""
    uid: str = ""

    @property
    def document(self) -> Json:
        """Decoded: a copy of the reader's own."""
        return _decode(self.text)


def held_cluster(document: Json) -> HeldCluster:
    """Of a ClusterExternalSecret."""
    metadata = document["metadata"]
    stranger, at = stranger_of(metadata.pop("managedFields", None))
    trigger = [metadata.get(name) for name in ("generation", "annotations", "deletionTimestamp", "finalizers")]
    spec = document.get("spec")
    inner = spec.get("externalSecretSpec") if isinstance(spec, dict) else None
    return HeldCluster(
        msgspec.json.encode(document | {"apiVersion": API_VERSION, "kind": CLUSTER_KIND}),
        msgspec.json.encode(trigger).decode(),
        tuple(dict.fromkeys(refs_of(inner if isinstance(inner, dict) else {}))),
        stranger,
        at,
    )


def held_place(document: Json) -> HeldPlace:
    """Of a namespace."""
    metadata = document["metadata"]
    place = Place(dict(metadata.get("labels") or {}), bool(metadata.get("deletionTimestamp")))
    # Namespaces have finalizers of objects, and some of their own, in spec, which are not these.
    left = [str(one) for one in metadata.get("finalizers") or []]
    names = [one.removeprefix(NAMESPACE_FINALIZER) for one in left if one.startswith(NAMESPACE_FINALIZER)]
    return HeldPlace(place, tuple(names))


def held_one(document: Json) -> HeldOne:
    """Of an ExternalSecret."""
    metadata = document["metadata"]
    metadata.pop("managedFields", None)
    name, uid = owner_of(metadata)
    if not name:
        return HeldOne(b"")
    document.pop("status", None)
    return HeldOne(msgspec.json.encode(document | {"apiVersion": API_VERSION, "kind": KIND}), name, uid)


def held_controller(document: Json) -> str:
    """Of a store: whose it says that it is."""
    spec = document.get("spec")
    return str(spec.get("controller") or "") if isinstance(spec, dict) else "?"


class Known:
    """What the caches hold. ``own_*``: give all, with their keys."""

    clusters: Callable[[str], HeldCluster | None]
    places: Callable[[], Iterator[tuple[Key, HeldPlace]]]
    externals: Callable[[], Iterator[tuple[Key, HeldOne]]]
    controller: Callable[[StoreRef, Key], str | None]

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    def whose(self, stores: Iterable[StoreRef], namespaces: Iterable[str]) -> Whose:
        """Whose a ClusterExternalSecret is, by its stores as these namespaces see them; stores that are not there say nothing."""
        said = {self._whose(tuple(stores), namespace) for namespace in (*namespaces, "")} - {"unknown"}
        if len(said) > 1:
            return "mixed"
        return said.pop() if said else "unknown"

    def own(self, about: ClusterExternal) -> list[Json]:
        """The ExternalSecrets that are a ClusterExternalSecret's."""
        return [held.document for _, held in self.externals() if about.uid and held.uid == about.uid]

    def present(self, about: ClusterExternal) -> dict[str, Json | None]:
        """By namespace, the ExternalSecrets of the name that its own have; None where it is another's."""
        return {
            key.namespace: held.document if held.owner == about.name else None
            for key, held in self.externals()
            if key.name == about.external_name
        }

    def _whose(self, stores: tuple[StoreRef, ...], namespace: str) -> Whose:
        found = [self.controller(ref, store_key(ref, namespace)) for ref in stores]
        if CONTROLLER in found:
            return "ours"
        if not namespace or (found and all(one is None for one in found)):
            return "unknown"
        handed_over = self._claims.handed_over(namespace) and all(not one for one in found)
        return "ours" if handed_over else "others"
