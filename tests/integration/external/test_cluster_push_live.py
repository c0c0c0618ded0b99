"""`govgate controller` makes PushSecrets of ClusterPushSecrets, which push, against a real API server and a real OpenBao."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.api import ApiError
from support.cluster import wait_for
from support.external_site import SECONDS, Site

Json = dict[str, Any]
STORES, V1, ALPHA = "ClusterSecretStore", "external-secrets.io/v1", "external-secrets.io/v1alpha1"
PUSH, CLUSTER = (ALPHA, "PushSecret"), (ALPHA, "ClusterPushSecret")
pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]


class Places:
    """Namespaces with a Secret each, and a ClusterPushSecret about those with a label of the test's own."""

    def __init__(self, site: Site) -> None:
        self.site, self.api = site, site.api
        self.name = f"push-of-{site.namespace}"
        self.made: list[Json] = []

    def namespace(self, suffix: str, *, labelled: bool = True) -> str:
        name = f"{self.site.namespace}-{suffix}"
        labels = {"test": self.site.namespace} if labelled else {}
        self.made.append(
            self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        )
        metadata = {"name": "source", "namespace": name}
        self.api.create(
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {name: '{"a": "b"}'}}
        )
        return name

    def label(self, name: str, value: str | None) -> None:
        item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.api.patch(item, {"metadata": {"labels": {"test": value}}})

    def cluster(self, *refs: Json, **spec: Any) -> Json:
        """Each Secret has one key, the name of its namespace, and goes below the test's path by that."""
        ref = refs[0] if refs else {"name": self.site.store_name, "kind": STORES}
        rewrite = [{"regexp": {"source": "^", "target": f"{self.site.namespace}/"}}]
        inner = {
            "secretStoreRefs": list(refs) or [ref], "selector": {"secret": {"name": "source"}},
            "deletionPolicy": "Delete", "dataTo": [{"storeRef": ref, "rewrite": rewrite}],
        }  # fmt: skip
        whole = {
            "pushSecretSpec": inner, "pushSecretName": "out", "pushSecretMetadata": {"labels": {"x": "y"}},
            "namespaceSelectors": [{"matchLabels": {"test": self.site.namespace}}], **spec,
        }  # fmt: skip
        made: Json = self.api.create({
            "apiVersion": CLUSTER[0], "kind": CLUSTER[1], "metadata": {"name": self.name}, "spec": whole
        })  # fmt: skip
        return made

    def status(self) -> Json:
        found: Json = self.api.get(*CLUSTER, "", self.name).get("status") or {}
        return found

    def push(self, namespace: str, name: str = "out") -> Json | None:
        try:
            return self.api.get(*PUSH, namespace, name)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    def stored(self, name: str) -> Any:
        return self.site.bao.data(f"{self.site.namespace}/{name}")

    def wait_status(self, ready: str, *provisioned: str) -> None:
        def said() -> bool:
            status = self.status()
            conditions = [one["status"] for one in status.get("conditions") or [] if one["type"] == "Ready"]
            return conditions == [ready] and status.get("provisionedNamespaces", []) == sorted(provisioned)

        wait_for(said, seconds=SECONDS)


@pytest.fixture
def places(site: Site) -> Iterator[Places]:
    """With a ClusterSecretStore that is govgate's."""
    site.store(kind=STORES)
    made = Places(site)
    yield made
    made.api.delete({"apiVersion": CLUSTER[0], "kind": CLUSTER[1], "metadata": {"name": made.name}}, missing_ok=True)
    # Without its store nothing is pushed any more, whatever of it is still there: nothing collects garbage here.
    for suffix in ("", "-theirs"):
        metadata = {"name": f"store-of-{site.namespace}{suffix}"}
        made.api.delete({"apiVersion": V1, "kind": STORES, "metadata": metadata}, missing_ok=True)
    for one in made.made:
        made.api.delete_collection(*PUSH, one["metadata"]["name"])
        made.api.delete(one, missing_ok=True)


def test_from_one_to_what_is_stored_of_many_namespaces(places: Places) -> None:
    """Of each that is selected, as it is labelled and unlabelled: what it stored is taken away with its PushSecret."""
    first, second = places.namespace("a"), places.namespace("b", labelled=False)
    made = places.cluster()
    places.wait_status("True", first)
    wait_for(lambda: places.stored(first) == {"a": "b"}, seconds=SECONDS)
    push = places.push(first)
    assert push is not None
    assert [one["uid"] for one in push["metadata"]["ownerReferences"]] == [made["metadata"]["uid"]]
    assert (push["metadata"]["labels"], places.status()["pushSecretName"]) == ({"x": "y"}, "out")
    places.label(second, places.site.namespace)
    places.label(first, None)
    places.wait_status("True", second)
    wait_for(lambda: (places.push(first), places.stored(first)) == (None, None), seconds=SECONDS)
    wait_for(lambda: places.stored(second) == {"a": "b"}, seconds=SECONDS)


def test_changes_are_carried_out_and_drift_is_healed(places: Places) -> None:
    """Of its spec, in all namespaces; what somebody changed in one is as it was; the finalizer of what it stored stays."""
    name = places.namespace("a")
    made = places.cluster()
    wait_for(lambda: places.stored(name) == {"a": "b"}, seconds=SECONDS)
    push = places.push(name)
    assert push is not None
    places.api.patch(push, {"spec": {"updatePolicy": "IfNotExists"}, "metadata": {"labels": {"x": "z"}}})
    healed = {"x": "y"}
    wait_for(lambda: ((places.push(name) or {})["metadata"].get("labels")) == healed, seconds=SECONDS)
    places.api.patch(made, {"spec": {"pushSecretSpec": {"refreshInterval": "7m"}}})
    wait_for(lambda: (places.push(name) or {})["spec"].get("refreshInterval") == "7m", seconds=SECONDS)
    push = places.push(name)
    assert push is not None
    assert (push["spec"].get("updatePolicy"), len(push["metadata"]["finalizers"])) == (None, 1)
    places.api.patch(made, {"spec": {"pushSecretName": "other"}})
    wait_for(lambda: bool((places.push(name, "other") or {}).get("status")), seconds=SECONDS)
    places.wait_status("True", name)
    assert places.push(name) is None
    wait_for(lambda: places.stored(name) == {"a": "b"}, seconds=SECONDS)


def test_one_that_is_not_its_own_stays(places: Places) -> None:
    """It is told of."""
    name = places.namespace("a")
    spec = {"secretStoreRefs": [{"name": "nobodys"}], "selector": {"secret": {"name": "x"}}}
    own = {"apiVersion": PUSH[0], "kind": PUSH[1], "metadata": {"name": "out", "namespace": name}, "spec": spec}
    places.api.create(own)
    places.cluster()
    places.wait_status("False")
    reason = "there is a PushSecret out already, which is not its own"
    assert places.status()["failedNamespaces"] == [{"namespace": name, "reason": reason}]
    push = places.push(name)
    assert push is not None
    assert push["spec"] == spec


def test_stores_by_labels_say_whose_it_is(places: Places) -> None:
    """Nothing is made while it chooses no store, or another's; with govgate's alone it is."""
    name = places.namespace("a")
    labels = {"of": places.site.namespace}
    places.cluster({"kind": STORES, "labelSelector": {"matchLabels": labels}})
    theirs = Site(places.api, places.site.namespace, places.site.bao)
    theirs.store_name += "-theirs"
    theirs.store(kind=STORES, controller="another")
    other = {"apiVersion": V1, "kind": STORES, "metadata": {"name": theirs.store_name}}
    places.api.patch(other, {"metadata": {"labels": labels}})
    mine = Places(places.site)
    mine.name += "-mine"
    made = mine.cluster(pushSecretName="mine")
    mine.wait_status("True", name)
    assert (places.push(name), places.status()) == (None, {})
    places.api.delete(made)
    places.api.patch(other, {"metadata": {"labels": None}})
    own = {"apiVersion": V1, "kind": STORES, "metadata": {"name": places.site.store_name}}
    places.api.patch(own, {"metadata": {"labels": labels}})
    places.wait_status("True", name)
    wait_for(lambda: places.push(name) is not None, seconds=SECONDS)
