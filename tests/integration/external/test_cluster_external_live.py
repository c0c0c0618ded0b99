"""`govgate controller` makes ExternalSecrets of ClusterExternalSecrets, against a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.api import Api, ApiError
from support.cluster import wait_for
from support.external_site import EXTERNAL, SECONDS, Site

Json = dict[str, Any]
CLUSTER = ("external-secrets.io/v1", "ClusterExternalSecret")
ESO_OF_NAMESPACES = "externalsecrets.external-secrets.io/ces-"
ESO = "externalsecrets.external-secrets.io/clusterexternalsecret-cleanup"
pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]


class Places:
    """Namespaces with a label of the test's own, and a ClusterExternalSecret about them."""

    def __init__(self, site: Site) -> None:
        self.site, self.api = site, site.api
        self.name = f"all-of-{site.namespace}"
        self.made: list[Json] = []

    def namespace(self, suffix: str, **metadata: Any) -> str:
        name = f"{self.site.namespace}-{suffix}"
        labels = {"test": self.site.namespace}
        meta = {"name": name, "labels": labels, **metadata}
        self.made.append(self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}))
        return name

    def cluster(self, *, finalizers: list[str] | None = None, **spec: Any) -> Json:
        inner = self.site.external(store_kind="ClusterSecretStore")["spec"]
        whole = {
            "externalSecretSpec": inner,
            "externalSecretName": "db",
            "namespaceSelectors": [{"matchLabels": {"test": self.site.namespace}}],
            **spec,
        }
        meta = {"name": self.name, "finalizers": finalizers or []}
        return self.api.create({"apiVersion": CLUSTER[0], "kind": CLUSTER[1], "metadata": meta, "spec": whole})

    def status(self) -> Json:
        found: Json = self.api.get(*CLUSTER, "", self.name).get("status") or {}
        return found

    def external(self, namespace: str, name: str = "db") -> Json | None:
        try:
            return self.api.get(*EXTERNAL, namespace, name)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    def wait_status(self, ready: str, *provisioned: str) -> None:
        """Until it says that it is in these namespaces."""

        def said() -> bool:
            status = self.status()
            conditions = [one["status"] for one in status.get("conditions") or [] if one["type"] == "Ready"]
            return conditions == [ready] and status.get("provisionedNamespaces", []) == sorted(provisioned)

        wait_for(said, seconds=SECONDS)


@pytest.fixture
def places(site: Site) -> Iterator[Places]:
    """With a ClusterSecretStore that is govgate's."""
    site.store(kind="ClusterSecretStore")
    made = Places(site)
    yield made
    api: Api = site.api
    api.delete({"apiVersion": CLUSTER[0], "kind": CLUSTER[1], "metadata": {"name": made.name}}, missing_ok=True)
    # Without its store nothing is read any more, whatever of it is still there: nothing collects garbage here.
    for suffix in ("", "-theirs"):
        meta = {"name": f"store-of-{site.namespace}{suffix}"}
        api.delete({"apiVersion": CLUSTER[0], "kind": "ClusterSecretStore", "metadata": meta}, missing_ok=True)
    for one in made.made:
        api.delete_collection(*EXTERNAL, one["metadata"]["name"])
        api.delete(one, missing_ok=True)


def test_from_one_to_secrets_in_many_namespaces(places: Places) -> None:
    """In each that is selected, filled from the store; another one when it is labelled, none where the label is taken away."""
    first, second = places.namespace("a"), places.namespace("b")
    places.site.put("db", password="one")
    made = places.cluster()
    places.wait_status("True", first, second)
    external = places.external(first)
    assert external is not None
    assert [one["uid"] for one in external["metadata"]["ownerReferences"]] == [made["metadata"]["uid"]]
    wait_for(lambda: bool(Site(places.api, second, places.site.bao).values()), seconds=SECONDS)
    third = places.namespace("c")
    places.wait_status("True", first, second, third)
    places.api.patch(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": first}}, {"metadata": {"labels": {"test": None}}}
    )
    places.wait_status("True", second, third)
    wait_for(lambda: places.external(first) is None, seconds=SECONDS)


def test_changes_are_carried_out_and_drift_is_healed(places: Places) -> None:
    """Of its spec and name in all namespaces; what somebody changed in one, or deleted, is as it was."""
    name = places.namespace("a")
    made = places.cluster()
    places.wait_status("True", name)
    found = places.external(name)
    assert found is not None
    places.api.patch(found, {"spec": {"refreshInterval": "7s"}})
    wait_for(
        lambda: "refreshInterval" not in (places.external(name) or {"spec": {"refreshInterval": 1}})["spec"],
        seconds=SECONDS,
    )
    places.api.delete(found)
    wait_for(lambda: places.external(name) is not None, seconds=SECONDS)
    places.api.patch(made, {"spec": {"externalSecretName": "other", "externalSecretMetadata": {"labels": {"x": "y"}}}})
    wait_for(lambda: places.external(name, "other") is not None and places.external(name) is None, seconds=SECONDS)
    other = places.external(name, "other")
    assert other is not None
    assert other["metadata"]["labels"] == {"x": "y"}


def test_one_that_is_not_its_own_stays(places: Places) -> None:
    """It is told of, and is taken when whoever made it has deleted it."""
    name = places.namespace("a")
    own = places.site.external() | {"metadata": {"name": "db", "namespace": name, "labels": {"mine": "1"}}}
    created = places.api.create(own)
    places.cluster()
    places.wait_status("False")
    failed = places.status()["failedNamespaces"]
    assert failed == [{"namespace": name, "reason": "there is an ExternalSecret db already, which is not its own"}]
    found = places.external(name)
    assert found is not None
    assert found["metadata"]["uid"] == created["metadata"]["uid"]
    assert found["spec"] == created["spec"]
    places.api.delete(created)
    places.wait_status("True", name)


def test_one_that_is_wrong_says_so(places: Places) -> None:
    """Before anything is made."""
    name = places.namespace("a")
    places.cluster(refreshTime="soon")
    places.wait_status("False")
    assert "spec.refreshTime" in places.status()["conditions"][0]["message"]
    assert places.external(name) is None


def test_what_is_another_controllers_is_left_to_it(places: Places) -> None:
    """Whose store does not say that it is govgate's; from when it does on, it is."""
    name = places.namespace("a")
    ours = Places(places.site)
    ours.name = f"{places.name}-ours"
    places.site.store_name += "-theirs"
    places.site.store(kind="ClusterSecretStore", controller="another")
    places.cluster()
    places.site.store_name = places.site.store_name.removesuffix("-theirs")
    made = ours.cluster(externalSecretName="ours")
    ours.wait_status("True", name)
    assert places.status() == {}
    assert places.external(name) is None
    places.site.store_name += "-theirs"
    places.site.store(kind="ClusterSecretStore")
    places.wait_status("True", name)
    places.api.delete(made)


def test_what_eso_left_does_not_hold_up_a_deletion(places: Places) -> None:
    """Its finalizers of the object and of the namespaces are taken away when the object is deleted."""
    left = f"{ESO_OF_NAMESPACES}{places.name}"
    name = places.namespace("a", finalizers=[left, "example.com/mine"])
    made = places.cluster(finalizers=[ESO])
    places.wait_status("True", name)
    places.api.delete(made)

    def gone() -> bool:
        try:
            places.api.get(*CLUSTER, "", places.name)
        except ApiError as error:
            return error.code == 404
        return False

    wait_for(gone, seconds=SECONDS)
    namespace = places.api.get("v1", "Namespace", "", name)
    assert namespace["metadata"]["finalizers"] == ["example.com/mine"]
    places.api.patch(namespace, {"metadata": {"finalizers": None}})
