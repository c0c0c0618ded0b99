"""What is held of ClusterExternalSecrets or ClusterPushSecrets, of namespaces, of what they make, and of stores; and whose one is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from gateway.controllers.external.claims import Claims, Whose, agreed
from gateway.controllers.external.held import EXTERNAL, labels, refs_of, store_key, stranger_of
from gateway.controllers.external.known import Index, controller_of
from gateway.controllers.external.push_held import stores_meant
from gateway.controllers.external.push_status import PUSHES
from gateway.kube import Key, ResourceType
from gateway_secrets.external.cluster import (
    OF_EXTERNALS,
    OF_PUSHES,
    ClusterExternal,
    ClusterKind,
    ClusterPushSpec,
    ClusterSpec,
    Place,
    cluster_of,
    owner_of,
)
from gateway_secrets.external.push_spec import PushStore
from gateway_secrets.external.spec import GROUP, VERSION, StoreRef
from gateway_secrets.external.store import CONTROLLER

Json = dict[str, Any]
CLUSTER_EXTERNAL = ResourceType(GROUP, (VERSION,), "clusterexternalsecrets")
FINALIZER = "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup"
"""ESO's, of a ClusterExternalSecret."""
NAMESPACE_FINALIZER = "externalsecrets.external-secrets.io/ces-"
"""ESO's, of namespaces: then the name of a ClusterExternalSecret."""

_decode = msgspec.json.Decoder(Json).decode


class Twin(msgspec.Struct, frozen=True):
    """A kind that makes objects of another one, and where both are. The finalizers are ESO's; empty: it has none."""

    of: ClusterKind
    cluster: ResourceType
    made: ResourceType
    version: str
    finalizer: str = ""
    namespace_finalizer: str = ""


EXTERNALS = Twin(OF_EXTERNALS, CLUSTER_EXTERNAL, EXTERNAL, VERSION, FINALIZER, NAMESPACE_FINALIZER)
PUSH_TWIN = Twin(OF_PUSHES, ResourceType(GROUP, ("v1alpha1",), "clusterpushsecrets"), PUSHES, "v1alpha1")


class HeldStore(msgspec.Struct, frozen=True):
    """A store: whose it says that it is, and its labels."""

    controller: str
    labels: dict[str, str] = {}


class HeldCluster(msgspec.Struct, frozen=True):
    """One that makes objects. ``trigger``: of what it does is decided; ``stores``: that these name, and ``chosen`` by labels;
    ``stranger``: who else wrote its status since; ``external``: what they are called; ``spec``: which namespaces it selects,
    None if that cannot be read.
    """

    text: bytes
    trigger: str
    stores: tuple[StoreRef, ...]
    stranger: str = ""
    stranger_at: str = ""
    uid: str = ""
    external: str = ""
    spec: ClusterSpec | ClusterPushSpec | None = None
    chosen: tuple[PushStore, ...] = ()

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


def held_store(document: Json) -> HeldStore:
    """Of a SecretStore or ClusterSecretStore."""
    return HeldStore(controller_of(document), labels(document))


def held_cluster(document: Json, twin: Twin = EXTERNALS) -> HeldCluster:
    """Of a ClusterExternalSecret, or its twin."""
    metadata = document["metadata"]
    stranger, at = stranger_of(metadata.pop("managedFields", None))
    trigger = [metadata.get(name) for name in ("generation", "annotations", "deletionTimestamp", "finalizers")]
    spec = document.get("spec")
    inner = spec.get(f"{twin.of.prefix}Spec") if isinstance(spec, dict) else None
    inner = inner if isinstance(inner, dict) else {}
    named, chosen = stores_meant(inner) if twin.of is OF_PUSHES else (tuple(dict.fromkeys(refs_of(inner))), ())
    return HeldCluster(
        msgspec.json.encode(document | {"apiVersion": twin.of.api_version, "kind": twin.of.kind}),
        msgspec.json.encode(trigger).decode(),
        named,
        stranger,
        at,
        str(metadata.get("uid") or ""),
        str((spec.get(f"{twin.of.prefix}Name") if isinstance(spec, dict) else "") or metadata.get("name")),
        _spec(document, twin.of),
        chosen,
    )


def held_place(document: Json, twin: Twin = EXTERNALS) -> HeldPlace:
    """Of a namespace."""
    metadata = document["metadata"]
    place = Place(dict(metadata.get("labels") or {}), bool(metadata.get("deletionTimestamp")))
    # Namespaces have finalizers of objects, and some of their own, in spec, which are not these.
    prefix = twin.namespace_finalizer
    left = [str(one) for one in metadata.get("finalizers") or []] if prefix else []
    names = [one.removeprefix(prefix) for one in left if one.startswith(prefix)]
    return HeldPlace(place, tuple(names))


def held_one(document: Json, twin: Twin = EXTERNALS) -> HeldOne:
    """Of an ExternalSecret, or what its twin makes."""
    metadata = document["metadata"]
    metadata.pop("managedFields", None)
    name, uid = owner_of(metadata, twin.of.kind)
    if not name:
        return HeldOne(b"")
    document.pop("status", None)
    trigger = [
        metadata.get(name)
        for name in ("uid", "generation", "labels", "annotations", "ownerReferences", "deletionTimestamp")
    ]
    whole = document | {"apiVersion": twin.of.api_version, "kind": twin.of.made}
    return HeldOne(msgspec.json.encode(whole), name, uid, msgspec.json.encode(trigger).decode())


class Known:
    """What the caches hold, and which of it belongs together. ``places`` gives all, with their keys."""

    clusters: Callable[[str], HeldCluster | None]
    places: Callable[[], Iterator[tuple[Key, HeldPlace]]]
    external: Callable[[Key], HeldOne | None]
    store: Callable[[StoreRef, Key], HeldStore | None]
    stores: Callable[[], Iterator[tuple[Key, HeldStore]]]

    def __init__(self, claims: Claims, twin: Twin = EXTERNALS) -> None:
        self._claims = claims
        self.twin = twin
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

    def of_store(self, key: Key, *held: HeldStore | None) -> frozenset[Key]:
        """Those that refer to a store, in whatever namespace, or choose it as it was or as it is; those of the cluster have none."""
        ref = _ref(key)
        chosen = (
            key
            for key, one in self._read.items()
            if any(store.means(ref, found.labels) for store in one.chosen for found in held if found is not None)
        )
        return self._clusters["store", ref].union(chosen)

    def of_place(self, name: str, *held: HeldPlace | None) -> list[Key]:
        """The ClusterExternalSecrets that a namespace is of concern to, as it was and as it is."""
        places = [one for one in held if one is not None]
        return [
            key for key, one in self._read.items() if any(_concerns(key.name, one, name, place) for place in places)
        ]

    def whose(self, held: HeldCluster, namespaces: Iterable[str]) -> Whose:
        """Whose one is, by its stores as these namespaces see them; stores that are not there say nothing."""
        of = self._whose_push if self.twin.of is OF_PUSHES else self._whose
        return agreed(of(held, namespace) for namespace in (*namespaces, ""))

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

    def _whose_push(self, held: HeldCluster, namespace: str) -> Whose:
        near = (
            [(_ref(key), one) for key, one in self.stores() if key.namespace in ("", namespace)] if held.chosen else []
        )
        chosen = [ref for ref, one in near if any(store.means(ref, one.labels) for store in held.chosen)]
        refs = dict.fromkeys((*held.stores, *chosen))
        return self._claims.pushes((self._controller(ref, namespace) for ref in refs), namespace)

    def _controller(self, ref: StoreRef, namespace: str) -> str | None:
        found = self.store(ref, store_key(ref, namespace))
        return found.controller if found is not None else None

    def _whose(self, held: HeldCluster, namespace: str) -> Whose:
        found = [self._controller(ref, namespace) for ref in held.stores]
        if CONTROLLER in found:
            return "ours"
        if not namespace or (found and all(one is None for one in found)):
            return "unknown"
        handed_over = self._claims.handed_over(namespace) and all(not one for one in found)
        return "ours" if handed_over else "others"


def _concerns(cluster: str, held: HeldCluster, name: str, place: HeldPlace) -> bool:
    return held.spec is None or held.spec.selects(name, place.place.labels) or cluster in place.finalizers


def _ref(key: Key) -> StoreRef:
    return StoreRef(key.name, "SecretStore" if key.namespace else "ClusterSecretStore")


def _spec(document: Json, of: ClusterKind) -> ClusterSpec | ClusterPushSpec | None:
    try:
        return cluster_of(document, of).spec
    except msgspec.ValidationError:
        return None


def _marks_of_cluster(held: HeldCluster | None) -> list[tuple[str, object]]:
    if held is None:
        return []
    return [("uid", held.uid), ("external", held.external), *(("store", ref) for ref in held.stores)]
