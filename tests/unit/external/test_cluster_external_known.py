"""Which ClusterExternalSecrets a change is of concern to."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry

from gateway.controllers.cluster_external.known import (
    NAMESPACE_FINALIZER,
    HeldCluster,
    HeldOne,
    HeldStore,
    Known,
    held_cluster,
    held_one,
    held_place,
)
from gateway.controllers.cluster_external.loop import Run
from gateway.controllers.external.claims import Claims
from gateway.controllers.metrics import ClusterExternalMetrics
from gateway.kube import Key
from gateway_secrets.external.cluster import cluster_of

OURS = HeldStore("govgate")
ONE, TWO, ODD = Key("", "one"), Key("", "two"), Key("", "odd")


def cluster(name: str, external: str = "", store: str = "vault", **spec: Any) -> dict[str, Any]:
    inner = {"secretStoreRef": {"name": store, "kind": "ClusterSecretStore"}}
    whole = {"externalSecretSpec": inner, "externalSecretName": external, **spec}
    return {"metadata": {"name": name, "uid": f"uid-of-{name}", "generation": 1}, "spec": whole}


def owned(namespace: str, name: str, owner: str, **metadata: Any) -> dict[str, Any]:
    reference = {
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "controller": True,
        "name": owner, "uid": f"uid-of-{owner}",
    }  # fmt: skip
    meta = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}", "ownerReferences": [reference]}
    return {
        "metadata": {**meta, **metadata},
        "spec": {"x": 1},
        "status": {"refreshTime": metadata.get("resourceVersion")},
    }


class Scene:
    """Two that are alike but for their names, and one that cannot be read."""

    def __init__(self) -> None:
        self.known = Known(Claims())
        self.externals: dict[Key, HeldOne] = {}
        self.known.external = self.externals.get
        self.run = Run(self.known, ClusterExternalMetrics(CollectorRegistry()).objects)
        self.clusters: dict[Key, HeldCluster] = {}
        for key, document in (
            (ONE, cluster("one", "db", namespaceSelectors=[{"matchLabels": {"a": "b"}}])),
            (TWO, cluster("two", store="other", namespaces=["web"])),
            (ODD, cluster("odd", namespaces="web")),
        ):
            self.clusters[key] = held_cluster(document)
            self.run.cluster_changed(key, None, self.clusters[key])

    async def queued(self) -> set[Key]:
        """What waits to be looked at; then nothing does."""
        found = set()
        while len(self.run.queue):
            key = await self.run.queue.get()
            self.run.queue.done(key)
            found.add(key)
        return found

    def put(self, document: dict[str, Any]) -> None:
        key = Key(document["metadata"]["namespace"], document["metadata"]["name"])
        old = self.externals.get(key)
        self.externals[key] = held_one(document)
        self.run.external_changed(key, old, self.externals[key])

    def drop(self, key: Key) -> None:
        self.run.external_changed(key, self.externals.pop(key), None)


async def test_an_external_secret_is_of_concern_to_its_owner_and_to_who_wants_its_name() -> None:
    """When it comes, changes or goes; its status is nobody's matter."""
    scene = Scene()
    assert await scene.queued() == {ONE, TWO, ODD}
    scene.put(owned("web", "db", "two"))
    assert await scene.queued() == {ONE, TWO}
    scene.put(owned("web", "db", "two", resourceVersion="2"))
    assert await scene.queued() == set()
    scene.put(owned("web", "db", "two", generation=2))
    assert await scene.queued() == {ONE, TWO}
    scene.put({"metadata": {"name": "free", "namespace": "web"}, "spec": {}})
    assert await scene.queued() == set()
    scene.put(owned("web", "old-name", "one"))
    assert await scene.queued() == {ONE}
    scene.drop(Key("web", "old-name"))
    assert await scene.queued() == {ONE}


def test_own_and_present() -> None:
    """Its own whatever they are called; of its name, others' without what they say; and what is gone is neither."""
    scene = Scene()
    about = cluster_of(cluster("one", "db"))
    scene.put(owned("web", "db", "one"))
    scene.put(owned("api", "db", "two"))
    scene.put(owned("api", "old", "one"))
    scene.put({"metadata": {"name": "db", "namespace": "free"}, "spec": {}})
    names = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in scene.known.own(about)}
    assert names == {("web", "db"), ("api", "old")}
    present = scene.known.present(about)
    assert {name: one is not None for name, one in present.items()} == {"web": True, "api": False, "free": False}
    scene.drop(Key("web", "db"))
    scene.drop(Key("free", "db"))
    assert scene.known.present(about).keys() == {"api"}
    assert len(scene.known.own(about)) == 1


async def test_a_store_is_of_concern_to_who_refers_to_it() -> None:
    """By kind and name."""
    scene = Scene()
    await scene.queued()
    scene.run.store_changed(Key("", "other"), None, OURS)
    assert await scene.queued() == {TWO}
    scene.run.store_changed(Key("", "vault"), HeldStore("eso"), OURS)
    assert await scene.queued() == {ONE, ODD}
    scene.run.store_changed(Key("web", "vault"), None, OURS)
    scene.run.store_changed(Key("", "vault"), OURS, OURS)
    assert await scene.queued() == set()


async def test_a_namespace_is_of_concern_to_who_selects_it() -> None:
    """Or selected it, left something in it, or does not say readably what it selects."""
    scene = Scene()
    await scene.queued()
    plain = held_place({"metadata": {"name": "api"}})
    labelled = held_place({"metadata": {"name": "api", "labels": {"a": "b"}}})
    scene.run.place_changed(Key("", "api"), None, plain)
    assert await scene.queued() == {ODD}
    scene.run.place_changed(Key("", "api"), plain, labelled)
    assert await scene.queued() == {ONE, ODD}
    scene.run.place_changed(Key("", "api"), labelled, plain)
    assert await scene.queued() == {ONE, ODD}
    scene.run.place_changed(Key("", "web"), None, plain)
    assert await scene.queued() == {TWO, ODD}
    left = held_place({"metadata": {"name": "api", "finalizers": [f"{NAMESPACE_FINALIZER}two"]}})
    scene.run.place_changed(Key("", "api"), plain, left)
    assert await scene.queued() == {TWO, ODD}
    scene.run.cluster_changed(ODD, scene.clusters[ODD], None)
    scene.run.place_changed(Key("", "api"), left, plain)
    assert await scene.queued() == {TWO}
