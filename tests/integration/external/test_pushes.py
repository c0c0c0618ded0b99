"""`govgate controller` pushes Secrets into a real OpenBao, as PushSecrets say."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from support.api import ApiError
from support.cluster import wait_for
from support.controller import ControllerProcess
from support.external_site import SECONDS, Site
from support.leaks import leaks
from support.planted import PLANTED

Json = dict[str, Any]
PUSH = ("external-secrets.io/v1alpha1", "PushSecret")
pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]


class Pusher:
    """A Secret, and a PushSecret about it."""

    def __init__(self, site: Site) -> None:
        self.site, self.api = site, site.api
        self.secret("source", a="canary-one", b="canary-two")

    def secret(self, name: str, **data: str) -> None:
        encoded = {key: base64.b64encode(PLANTED.plant(value).encode()).decode() for key, value in data.items()}
        meta = {"name": name, "namespace": self.site.namespace}
        self.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded}, manager="tests")

    def entry(self, key: str, path: str, property_: str = "") -> Json:
        ref = {"remoteKey": f"{self.site.namespace}/{path}", **({"property": property_} if property_ else {})}
        return {"match": {"remoteRef": ref, **({"secretKey": key} if key else {})}}

    def push(self, *data: Json, **spec: Any) -> Json:
        whole = {
            "secretStoreRefs": [{"name": self.site.store_name}],
            "selector": {"secret": {"name": "source"}},
            "refreshInterval": "1s",
            "data": list(data),
            **spec,
        }
        meta = {"name": "out", "namespace": self.site.namespace}
        return self.api.create({"apiVersion": PUSH[0], "kind": PUSH[1], "metadata": meta, "spec": whole})

    def ready(self) -> Json:
        status = self.api.get(*PUSH, self.site.namespace, "out").get("status") or {}
        return next((one for one in status.get("conditions") or [] if one["type"] == "Ready"), {})

    def stored(self, path: str) -> Json | None:
        """What is there, as an ExternalSecret would have it."""
        found = self.site.bao.data(f"{self.site.namespace}/{path}")
        return None if found is None else PLANTED.reveal_all(found)

    def told(self) -> list[str]:
        """The reasons of the Events about PushSecrets, sorted."""
        found = self.api.list("v1", "Event", self.site.namespace)
        return sorted(one["reason"] for one in found if one["involvedObject"]["kind"] == PUSH[1])

    def gone(self) -> bool:
        """Whether the PushSecret is."""
        try:
            self.api.get(*PUSH, self.site.namespace, "out")
        except ApiError as error:
            return error.code == 404
        return False

    def wait_stored(self, path: str, data: Json | None) -> None:
        wait_for(lambda: self.stored(path) == data, seconds=SECONDS)

    def wait_refused(self, text: str) -> None:
        wait_for(lambda: self.ready().get("status") == "False" and text in self.ready()["message"], seconds=SECONDS)
        assert self.ready()["reason"] == "Errored"


def metadata(**spec: Any) -> Json:
    return {"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec}


@pytest.fixture
def pusher(site: Site) -> Iterator[Pusher]:
    """In the test's namespace."""
    made = Pusher(site)
    yield made
    made.api.delete_collection(*PUSH, site.namespace)


def test_what_is_pushed(pusher: Pusher, running: ControllerProcess) -> None:
    """Keys as properties, the whole as an object; what changes in the Secret is pushed anew; nothing is shown."""
    pusher.push(pusher.entry("a", "db", "password"), pusher.entry("b", "db", "user"), pusher.entry("", "whole"))
    pusher.wait_stored("db", {"password": "canary-one", "user": "canary-two"})
    pusher.wait_stored("whole", {"a": "canary-one", "b": "canary-two"})
    wait_for(lambda: pusher.ready().get("reason") == "Synced", seconds=SECONDS)
    pusher.secret("source", a="canary-three", b="canary-two")
    pusher.wait_stored("db", {"password": "canary-three", "user": "canary-two"})
    said = (
        running.log.read_text() + str(pusher.api.get(*PUSH, pusher.site.namespace, "out")) + running.get("/metrics")[1]
    )
    assert leaks(said, ["canary-one", "canary-two", "canary-three"]) == []


def test_what_is_there_already_may_stay(pusher: Pusher) -> None:
    """What govgate did not put there is never written over; with IfNotExists, neither is what it did."""
    pusher.site.put("foreign", password="theirs")
    pusher.push(pusher.entry("a", "foreign", "password"))
    pusher.wait_refused("was not made by pushing")
    assert pusher.stored("foreign") == {"password": "theirs"}
    pusher.api.delete(pusher.api.get(*PUSH, pusher.site.namespace, "out"))
    entry = pusher.entry("a", "foreign", "password")
    made = pusher.push(entry, updatePolicy="IfNotExists", deletionPolicy="Delete")
    wait_for(lambda: pusher.ready().get("status") == "True", seconds=SECONDS)
    pusher.api.delete(made)
    wait_for(pusher.gone, seconds=SECONDS)
    assert pusher.stored("foreign") == {"password": "theirs"}


def test_what_is_taken_away(pusher: Pusher) -> None:
    """With deletionPolicy Delete: what it says no more, and all of it when it is deleted; nothing that it did not push."""
    pusher.site.put("other", password="theirs")
    made = pusher.push(pusher.entry("a", "db", "password"), pusher.entry("b", "db", "user"), deletionPolicy="Delete")
    pusher.wait_stored("db", {"password": "canary-one", "user": "canary-two"})
    wait_for(lambda: pusher.ready().get("status") == "True", seconds=SECONDS)
    pusher.api.patch(made, {"spec": {"data": [pusher.entry("a", "db", "password")]}})
    pusher.wait_stored("db", {"password": "canary-one"})
    wait_for(lambda: pusher.ready().get("status") == "True", seconds=SECONDS)
    pusher.api.delete(made)
    wait_for(pusher.gone, seconds=SECONDS)
    assert pusher.stored("db") is None
    assert pusher.stored("other") == {"password": "theirs"}


def test_what_cannot_be_pushed_says_so(pusher: Pusher) -> None:
    """By the field; nothing of it is pushed."""
    made = pusher.push(pusher.entry("absent", "db", "password"))
    pusher.wait_refused("the Secret has no key 'absent'")
    pusher.api.patch(made, {"spec": {"data": [], "dataTo": [{"storeRef": {"name": "x"}}]}})
    pusher.wait_refused("spec.dataTo[0].storeRef: is none of spec.secretStoreRefs")
    unknown = pusher.entry("a", "db", "password") | {"metadata": metadata(tags={"a": "b"})}
    pusher.api.patch(made, {"spec": {"data": [unknown], "dataTo": None}})
    pusher.wait_refused("metadata.spec: Object contains unknown field `tags`")
    assert pusher.stored("db") is None


def test_keys_that_a_namespace_may_not_write(pusher: Pusher) -> None:
    """The list of keys that it may read holds for writing, too."""
    pusher.site.store(allowed='[{"namespaces": ["*"], "keys": ["elsewhere/**"]}]')
    pusher.push(pusher.entry("a", "db", "password"))
    pusher.wait_refused("may not write")
    assert pusher.stored("db") is None


def test_stores_by_their_labels(pusher: Pusher) -> None:
    """Those that bear them now; a label alone makes a store one of them."""
    site = pusher.site
    pusher.push(pusher.entry("a", "db", "password"), secretStoreRefs=[{"labelSelector": {"matchLabels": {"of": "us"}}}])
    site.api.patch(site.api.get("external-secrets.io/v1", "SecretStore", site.namespace, site.store_name), {
        "metadata": {"labels": {"of": "us"}}
    })  # fmt: skip
    pusher.wait_stored("db", {"password": "canary-one"})


def test_stores_of_two_controllers(pusher: Pusher, running: ControllerProcess) -> None:
    """Nothing is pushed to either: ESO would work on its own store, and each would undo what the other notes."""
    site = pusher.site
    theirs = Site(site.api, site.namespace, site.bao)
    theirs.store_name = "theirs"
    theirs.store(controller="")
    refs = [{"name": site.store_name}, {"name": "theirs"}]
    made = pusher.push(pusher.entry("a", "db", "password"), secretStoreRefs=refs, deletionPolicy="Delete")
    wait_for(lambda: pusher.told() == ["Mixed"], seconds=SECONDS)
    assert f"{site.namespace}/out" in running.get("/readyz?verbose")[1]
    now = pusher.api.get(*PUSH, site.namespace, "out")
    assert (pusher.stored("db"), now.get("status"), now["metadata"].get("finalizers")) == (None, None, None)
    pusher.api.patch(made, {"spec": {"secretStoreRefs": refs[:1]}})
    pusher.wait_stored("db", {"password": "canary-one"})
    wait_for(lambda: pusher.told() == ["Mixed", "Synced"], seconds=SECONDS)


def test_templates_and_many_keys_at_once(pusher: Pusher) -> None:
    """What a template makes is pushed as one object with the rest; keys that are no more are taken away."""
    meta = {"name": "tpl", "namespace": pusher.site.namespace}
    text = '{{ .a }}, {{ upper "loud" }}'
    pusher.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"loud": text}})
    template = {
        "data": {"url": "db://{{ .b }}", "json": '{"x": {{ len "1" }}}'},
        "templateFrom": [{"configMap": {"name": "tpl", "items": [{"key": "loud"}]}}],
    }
    prefix = f"{pusher.site.namespace}/"
    ref = {"name": pusher.site.store_name}
    bundle = {"storeRef": ref, "match": {"regexp": "^(url|loud)$"}, "remoteKey": f"{prefix}all"}
    rewrite = [{"regexp": {"source": "^", "target": prefix}}]
    each = {"storeRef": ref, "match": {"regexp": "^json$"}, "rewrite": rewrite}
    made = pusher.push(template=template, dataTo=[bundle, each], deletionPolicy="Delete")
    pusher.wait_stored("all", {"loud": "canary-one, LOUD", "url": "db://canary-two"})
    pusher.wait_stored("json", {"x": 1})
    wait_for(lambda: pusher.ready().get("status") == "True", seconds=SECONDS)
    pusher.api.patch(made, {"spec": {"dataTo": [bundle]}})
    pusher.wait_stored("json", None)
    pusher.api.delete(made)
    wait_for(pusher.gone, seconds=SECONDS)
    assert pusher.stored("all") is None


def test_custom_metadata(pusher: Pusher) -> None:
    """Merged into what is there, or in its place; never without the mark."""

    def kept() -> Json:
        path = f"{pusher.site.namespace}/db"
        found = pusher.site.bao.root.secrets.kv.v2.read_secret_metadata(path, mount_point="kv")
        custom: Json = found["data"]["custom_metadata"]
        return custom

    mark = {"managed-by": "external-secrets"}
    said = metadata(customMetadata={"team": "a", "managed-by": "me"})
    made = pusher.push(pusher.entry("a", "db", "password") | {"metadata": said})
    pusher.wait_stored("db", {"password": "canary-one"})
    wait_for(lambda: kept() == {"team": "a", **mark}, seconds=SECONDS)
    for policy, shall in (("Merge", {"team": "a", "tier": "1", **mark}), ("Replace", {"tier": "1", **mark})):
        said = metadata(customMetadata={"tier": "1"}, mergePolicy=policy)
        pusher.api.patch(made, {"spec": {"data": [pusher.entry("a", "db", "password") | {"metadata": said}]}})
        wait_for(lambda shall=shall: kept() == shall, seconds=SECONDS)  # type: ignore[misc]
    version = pusher.site.bao.root.secrets.kv.v2.read_secret_metadata(f"{pusher.site.namespace}/db", mount_point="kv")
    assert version["data"]["current_version"] == 1
