"""What is held of ClusterExternalSecrets, namespaces, ExternalSecrets and stores, and whose a ClusterExternalSecret is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from gateway.controllers.external.claims import Claims, Whose, agreed
from gateway.controllers.external.held import refs_of, store_key, stranger_of
from gateway.controllers.external.known import Index
from gateway.kube import Key, ResourceType
from gateway_secrets.external.cluster import CLUSTER_KIND, ClusterExternal, ClusterSpec, Place, cluster_of, owner_of
from gateway_secrets.external.spec import API_VERSION, GROUP, KIND, VERSION, StoreRef
from gateway_secrets.external.store import CONTROLLER

Json = dict[str, Any]
CLUSTER_EXTERNAL = ResourceType(GROUP, (VERSION,), "clusterexternalsecrets")
FINALIZER = "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup"
"""ESO's, of a ClusterExternalSecret."""
NAMESPACE_FINALIZER = "externalsecrets.external-secrets.io/ces-"
"""ESO's, of namespaces: then the name of a ClusterExternalSecret."""

_decode = msgspec.json.Decoder(Json).decode


class HeldCluster(msgspec.Struct, frozen=True):
    """A ClusterExternalSecret. ``trigger``: of what it does is decided; ``stranger``: who else wrote its status since;
    ``external``: what its ExternalSecrets are called; ``spec``: which namespaces it selects, None if that cannot be read.
    """

    text: bytes
    trigger: str
    stores: tuple[StoreRef, ...]
    stranger: str = ""
    stranger_at: str = ""
    uid: str = ""
    external: str = ""
    spec: ClusterSpec | None = None

    @property
    def document(self) -> Json:
        """Decoded: a copy of the reader's own."""
        return _decode(self.text)


class HeldPlace(msgspec.Struct, frozen=True):
    """A namespace. ``finalizers``: those that ESO left for its ClusterExternalSecrets, by these' names."""

    place: Place
    finalizers: tuple[str, ...] = ()


class HeldOne(msgspec.Struct, frozen=True):
    """An ExternalSecret; ``text`` is empty if no ClusterExternalSecret owns it. ``owner``, ``uid``: the one that does.
    ``trigger``: what it decides about.
    """

    text: bytes
    owner: str = ""
    uid: str = ""
    trigger: str = ""

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
        str(metadata.get("uid") or ""),
        str((spec.get("externalSecretName") if isinstance(spec, dict) else "") or metadata.get("name")),
        _spec(document),
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
    trigger = [
        metadata.get(name)
        for name in ("uid", "generation", "labels", "annotations", "ownerReferences", "deletionTimestamp")
    ]
    whole = document | {"apiVersion": API_VERSION, "kind": KIND}
    return HeldOne(msgspec.json.encode(whole), name, uid, msgspec.json.encode(trigger).decode())


class Known:
    """What the caches hold, and which of it belongs together. ``places`` gives all, with their keys."""

    clusters: Callable[[str], HeldCluster | None]
    places: Callable[[], Iterator[tuple[Key, HeldPlace]]]
    external: Callable[[Key], HeldOne | None]
    controller: Callable[[StoreRef, Key], str | None]

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._by_owner, self._by_name = Index(), Index()
        self._clusters = Index()
        self._read: dict[Key, HeldCluster] = {}

    def cluster_changed(self, key: Key, old: HeldCluster | None, new: HeldCluster | None) -> None:
        """A ClusterExternalSecret came, changed, or went."""
        self._clusters.put(key, _marks_of_cluster(old), _marks_of_cluster(new))
        self._read.pop(key, None)
        if new is not None:
            self._read[key] = new

    def external_changed(self, key: Key, old: HeldOne | None, new: HeldOne | None) -> None:
        """An ExternalSecret did."""
        self._by_name.put(key, [key.name] if old else [], [key.name] if new else [])
        self._by_owner.put(key, *([one.uid] if one and one.uid else [] for one in (old, new)))

    def of_external(self, key: Key, *held: HeldOne | None) -> frozenset[Key]:
        """The ClusterExternalSecrets that an ExternalSecret is of, or in the way of, as it was and as it is."""
        owners = [self._clusters["uid", one.uid] for one in held if one is not None and one.uid]
        return self._clusters["external", key.name].union(*owners)

    def of_store(self, key: Key) -> frozenset[Key]:
        """The ClusterExternalSecrets that refer to a store, in whatever namespace; those of the cluster have none."""
        return self._clusters["store", StoreRef(key.name, "SecretStore" if key.namespace else "ClusterSecretStore")]

    def of_place(self, name: str, *held: HeldPlace | None) -> list[Key]:
        """The ClusterExternalSecrets that a namespace is of concern to, as it was and as it is."""
        places = [one for one in held if one is not None]
        return [
            key for key, one in self._read.items() if any(_concerns(key.name, one, name, place) for place in places)
        ]

    def whose(self, stores: Iterable[StoreRef], namespaces: Iterable[str]) -> Whose:
        """Whose a ClusterExternalSecret is, by its stores as these namespaces see them; stores that are not there say nothing."""
        named = tuple(stores)
        return agreed(self._whose(named, namespace) for namespace in (*namespaces, ""))

    def own(self, about: ClusterExternal) -> list[Json]:
        """The ExternalSecrets that are a ClusterExternalSecret's."""
        found = (self.external(key) for key in self._by_owner[about.uid]) if about.uid else ()
        return [held.document for held in found if held is not None]

    def present(self, about: ClusterExternal) -> dict[str, Json | None]:
        """By namespace, the ExternalSecrets of the name that its own have; None where it is another's."""
        found = ((key.namespace, self.external(key)) for key in self._by_name[about.external_name])
        return {
            namespace: held.document if held.owner == about.name else None
            for namespace, held in found
            if held is not None
        }

    def _whose(self, stores: tuple[StoreRef, ...], namespace: str) -> Whose:
        found = [self.controller(ref, store_key(ref, namespace)) for ref in stores]
        if CONTROLLER in found:
            return "ours"
        if not namespace or (found and all(one is None for one in found)):
            return "unknown"
        handed_over = self._claims.handed_over(namespace) and all(not one for one in found)
        return "ours" if handed_over else "others"


def _concerns(cluster: str, held: HeldCluster, name: str, place: HeldPlace) -> bool:
    return held.spec is None or held.spec.selects(name, place.place.labels) or cluster in place.finalizers


def _spec(document: Json) -> ClusterSpec | None:
    try:
        return cluster_of(document).spec
    except msgspec.ValidationError:
        return None


def _marks_of_cluster(held: HeldCluster | None) -> list[tuple[str, object]]:
    if held is None:
        return []
    return [("uid", held.uid), ("external", held.external), *(("store", ref) for ref in held.stores)]
