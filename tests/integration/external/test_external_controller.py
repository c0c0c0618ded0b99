"""`govgate controller` resolves ExternalSecrets, against a real API server and a real OpenBao."""

from __future__ import annotations

import base64
import json
from itertools import count

import pytest
from support.cluster import wait_for
from support.controller import ControllerProcess
from support.external_site import EXTERNAL, NEVER, SECONDS, Site
from support.leaks import leaks
from support.planted import PLANTED, Plain

pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]
READS = "govgate_external_store_reads_total"


def test_from_store_to_secret(site: Site, running: ControllerProcess) -> None:
    """Made with its owner and its origin, and healed without the store when somebody changes or deletes it."""
    site.put("db", password="canary-of-the-test")
    made = site.create(refreshInterval=NEVER)
    site.wait_values(password="canary-of-the-test")
    secret = site.secret()
    assert secret is not None
    assert [one["uid"] for one in secret["metadata"]["ownerReferences"]] == [made["metadata"]["uid"]]
    annotations = secret["metadata"]["annotations"]
    assert annotations["secrets.govgate.dev/key"] == f"{site.namespace}/db"
    assert annotations["secrets.govgate.dev/version"] == "1"
    assert annotations["secrets.govgate.dev/store"] == f"SecretStore {site.store_name}"
    reads = running.metric(READS)
    drift = {"data": {"password": "eA==", "more": "eA=="}, "metadata": {"labels": {"kept": "x"}}}
    site.api.patch(secret, drift)
    site.wait_values(password="canary-of-the-test")
    site.api.delete(secret)
    site.wait_values(password="canary-of-the-test")
    assert running.metric(READS) == reads
    wait_for(lambda: {"Created", "Updated"} <= {one["reason"] for one in site.events()}, seconds=SECONDS)
    said = running.log.read_text() + json.dumps([site.events(), site.ready()]) + running.get("/metrics")[1]
    assert leaks(said, ["canary-of-the-test"]) == []


def test_it_is_read_again_when_its_time_has_come(site: Site) -> None:
    """One read for all that use the path; a version that is new is written, with its number."""
    site.put("db", password="one")
    for number in range(3):
        site.create(f"db-{number}", refreshInterval="1s")
    for number in range(3):
        site.wait_values(f"db-{number}", password="one")
    site.put("db", password="two")
    for number in range(3):
        site.wait_values(f"db-{number}", password="two")
    secret = site.secret("db-0")
    assert secret is not None
    assert secret["metadata"]["annotations"]["secrets.govgate.dev/version"] == "2"


def test_each_of_many_paths_is_read_again_in_its_time(site: Site) -> None:
    """Whichever it is that has changed: what is named first, last, or found by a search, also when there is more of it."""
    paths = ("first", "last", "found/a")
    for path in paths:
        site.put(path, word="one")
    data = [
        {"secretKey": path, "remoteRef": {"key": f"{site.namespace}/{path}", "property": "word"}} for path in paths[:2]
    ]
    search = {"path": f"{site.namespace}/found", "name": {"regexp": "."}}
    rename = {"regexp": {"source": ".*/(.)/?", "target": "$1"}}
    site.create(keys=(), data=data, dataFrom=[{"find": search, "rewrite": [rename]}], refreshInterval="2s")

    def reads(first: str, last: str, *found: str) -> bool:
        values = site.values() or {}
        return (values.get("first"), values.get("last")) == (first, last) and [
            word in values.get(name, "") for name, word in zip("ab", found, strict=False)
        ] == [True] * len(found)

    wait_for(lambda: reads("one", "one", "one"), seconds=SECONDS)
    site.put("last", word="two")
    wait_for(lambda: reads("one", "two", "one"), seconds=SECONDS)
    site.put("found/a", word="three")
    wait_for(lambda: reads("one", "two", "three"), seconds=SECONDS)
    site.put("found/b", word="four")
    wait_for(lambda: reads("one", "two", "three", "four"), seconds=SECONDS)


def test_two_that_want_one_secret(site: Site) -> None:
    """The first has it; the second says whose it is, and has it when the first is gone."""
    site.put("db", password="one")
    site.put("other", password="two")
    site.create()
    site.wait_values(password="one")
    site.create("second", path="other", target={"name": "db", "creationPolicy": "Orphan"})
    site.wait_refused("owned by another ExternalSecret: db", "second")
    assert site.values() == {"password": "one"}
    site.api.delete(site.external())
    if secret := site.secret():  # the collector may have been there
        site.api.delete(secret, missing_ok=True)
    wait_for(lambda: site.values() == {"password": "two"}, seconds=SECONDS)


def test_what_cannot_be_done_keeps_the_old_secret(site: Site) -> None:
    """Whatever is wrong: it is said, and nothing is half done."""
    site.put("db", password="one", user="bob")
    site.create(keys=("password", "user"), refreshInterval="1s")
    site.wait_values(password="one", user="bob")
    before = site.secret()
    for broken, why in (
        ({"password": "two"}, "has no property 'user'"),
        ({"password": "two", "user": "x" * 1_100_000}, "bytes"),
    ):
        site.put("db", **broken)
        site.wait_refused(why)
        assert site.secret() == before
    site.put("db", password="two", user="eve")
    site.wait_values(password="two", user="eve")
    spec = site.external(keys=("password",), target={"template": {"type": "example.com/other"}})["spec"]
    site.api.patch(site.external(), {"spec": spec})
    site.wait_refused("another type")
    assert site.values() == {"password": "two", "user": "eve"}
    site.api.patch(site.external(), {"spec": {"data": []}})
    site.wait_refused("has neither data nor dataFrom")


def test_templates(site: Site) -> None:
    """Go's own, with ESO's functions; one that fails keeps the old Secret, and its message holds no value."""
    site.put("db", user=Plain("bob"), password="canary-of-the-test")
    template = {
        "type": "example.com/dsn",
        "metadata": {"labels": {"for": "{{ .user }}"}},
        "data": {"dsn": "{{ .user }}:{{ .password | b64enc }}"},
        "templateFrom": [{"configMap": {"name": "t", "items": [{"key": "all", "templateAs": "KeysAndValues"}]}}],
    }
    meta = {"name": "t", "namespace": site.namespace}
    data = {"all": "upper: {{ .user | upper }}"}
    site.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    site.create(keys=("user", "password"), refreshInterval="1s", target={"template": template})
    dsn = "bob:" + base64.b64encode(PLANTED.plant("canary-of-the-test").encode()).decode()
    site.wait_values(dsn=dsn, upper="BOB")
    secret = site.secret()
    assert secret is not None
    assert (secret["type"], secret["metadata"]["labels"]["for"]) == ("example.com/dsn", "bob")
    site.api.patch(site.external(), {"spec": {"target": {"template": {"data": {"dsn": "{{ .none }}"}}}}})
    ready = site.wait_refused("spec.target.template.data[dsn]")
    assert leaks(json.dumps([ready, site.events()]), ["canary-of-the-test"]) == []
    assert site.values() == {"dsn": dsn, "upper": "BOB"}


def test_a_store_that_may_not_be_used(site: Site) -> None:
    """By its conditions, or for the key; what is allowed again is read."""
    site.put("db", password="one")
    site.put("own/db", password="mine")
    site.store(kind="ClusterSecretStore", conditions=[{"namespaces": ["another"]}])
    site.create(store_kind="ClusterSecretStore")
    site.wait_refused("by its conditions")
    site.store(kind="ClusterSecretStore", allowed='[{"namespaces":["test-*"],"keys":["{namespace}/own/*"]}]')
    site.wait_refused("no rule of its allowed keys")
    site.create("own", path="own/db", store_kind="ClusterSecretStore")
    site.wait_values("own", password="mine")
    assert site.secret() is None
    site.api.delete({"apiVersion": EXTERNAL[0], "kind": "ClusterSecretStore", "metadata": {"name": site.store_name}})


def test_deletion_policies(site: Site) -> None:
    """A Secret goes with what it was made of, or its keys do, or it stays and the failure is told."""
    root = site.bao.root.secrets.kv.v2
    site.put("db", password="one")
    site.put("gone", password="two")
    ways = ("Retain", "Delete", "Merge")
    for way in ways:
        site.create(
            way.lower(),
            data=[
                {"secretKey": key, "remoteRef": {"key": f"{site.namespace}/{key}", "property": "password"}}
                for key in (("gone",) if way == "Delete" else ("db", "gone"))
            ],
            keys=(),
            refreshInterval="1s",
            target={"deletionPolicy": way},
        )
    site.wait_values("retain", db="one", gone="two")
    site.wait_values("delete", gone="two")
    site.wait_values("merge", db="one", gone="two")
    root.delete_metadata_and_all_versions(path=f"{site.namespace}/gone", mount_point="kv")
    site.wait_refused("gone", "retain")
    site.wait_values("merge", db="one")
    wait_for(
        lambda: site.secret("delete") is None and site.ready("delete")["reason"] == "SecretDeleted", seconds=SECONDS
    )
    assert site.values("retain") == {"db": "one", "gone": "two"}


def test_merging_and_moving(site: Site) -> None:
    """Merge adds to a Secret that is there; a target that is renamed takes the old Secret with it."""
    site.put("db", password="one")
    shared = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shared", "namespace": site.namespace}}
    site.api.create(shared | {"data": {"own": base64.b64encode(b"x").decode()}})
    site.create("adds", target={"name": "shared", "creationPolicy": "Merge"})
    wait_for(lambda: site.values("shared") == {"own": "x", "password": "one"}, seconds=SECONDS)
    site.create()
    site.wait_values(password="one")
    site.api.patch(site.external(), {"spec": {"target": {"name": "moved"}}})
    wait_for(lambda: site.values("moved") == {"password": "one"} and site.secret() is None, seconds=SECONDS)


def test_a_finalizer_of_eso_holds_nothing_up(site: Site) -> None:
    """What govgate took over can be deleted without the other controller."""
    site.put("db", password="one")
    item = site.external()
    item["metadata"]["finalizers"] = ["externalsecrets.external-secrets.io/externalsecret-cleanup", "tests/kept"]
    site.api.create(item)
    site.wait_values(password="one")
    site.api.delete(item)

    def left() -> list[str]:
        return list(site.api.get(*EXTERNAL, site.namespace, "db")["metadata"].get("finalizers") or [])

    wait_for(lambda: left() == ["tests/kept"], seconds=SECONDS)
    site.api.patch(item, {"metadata": {"finalizers": None}})


def test_somebody_else_who_works_on_it_is_told_of(site: Site, running: ControllerProcess) -> None:
    """By who wrote its status after govgate did: two controllers on one object. If that goes on, the object is told, too."""
    site.put("db", password="one")
    site.create()
    site.wait_values(password="one")

    years = count(2000)

    before = running.metric("govgate_external_contested_total")

    def contested() -> bool:
        current = site.api.get(*EXTERNAL, site.namespace, "db")
        current["status"]["refreshTime"] = f"{next(years)}-01-01T00:00:00Z"
        site.api.replace(current, manager="external-secrets", subresource="status")
        return running.metric("govgate_external_contested_total") >= before + 2

    def told() -> bool:
        return [one["reason"] for one in site.events() if "external-secrets writes the status" in one["message"]] == [
            "Contested"
        ]

    wait_for(contested, seconds=SECONDS)
    assert "external-secrets" in running.get("/readyz?verbose")[1]
    wait_for(told, seconds=SECONDS)


def test_a_workload_is_restarted_once(site: Site, running: ControllerProcess) -> None:
    """When what its Secrets hold has changed, for several at once, and not for one that is written with the same content."""
    site.put("db", password="one")
    site.put("other", password="one")
    labels = {"app": "w"}
    container = {
        "name": "c", "image": "i",
        "envFrom": [{"secretRef": {"name": "db"}}, {"secretRef": {"name": "other"}}],
    }  # fmt: skip
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "w", "namespace": site.namespace, "labels": {"secrets.govgate.dev/restart": "true"}},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }  # fmt: skip
    restarts = running.metric("govgate_external_restarts_total")
    site.create(refreshInterval=NEVER)
    site.create("other", path="other", refreshInterval=NEVER)
    site.wait_values("other", password="one")
    site.wait_values(password="one")
    site.api.create(deployment)

    def annotations() -> dict[str, str]:
        found: dict[str, str] = site.api.get("apps/v1", "Deployment", site.namespace, "w")["metadata"].get(
            "annotations", {}
        )
        return found

    seen = "secrets.govgate.dev/secrets-seen"
    wait_for(lambda: seen in annotations(), seconds=SECONDS)
    before = annotations()[seen]
    generation = site.api.get("apps/v1", "Deployment", site.namespace, "w")["metadata"]["generation"]
    site.put("db", password="two")
    site.put("other", password="two")
    sync = {"metadata": {"annotations": {"force-sync": "now"}}}
    site.api.patch(site.external(), sync)
    site.api.patch(site.external("other"), sync)
    site.wait_values(password="two")
    site.wait_values("other", password="two")
    wait_for(lambda: annotations()[seen] != before, seconds=SECONDS)
    wait_for(lambda: running.metric("govgate_external_restarts_total") > restarts, seconds=SECONDS)
    after = site.api.get("apps/v1", "Deployment", site.namespace, "w")
    assert after["spec"]["template"]["metadata"]["annotations"] == {
        "secrets.govgate.dev/restarted-for": annotations()[seen]
    }
    assert after["metadata"]["generation"] > generation
