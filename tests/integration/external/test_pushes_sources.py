"""What PushSecrets push besides the one Secret that they name: Secrets by their labels, and what generators make."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from support.cluster import wait_for
from support.controller import ControllerProcess
from support.external_site import SECONDS, Site
from support.leaks import leaks

Json = dict[str, Any]
PUSH = ("external-secrets.io/v1alpha1", "PushSecret")
GENERATORS = "generators.external-secrets.io/v1alpha1"
LABELS = {"selector": {"matchLabels": {"push": "yes"}}}
pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]


def secret(site: Site, name: str, labels: Json, **data: str) -> Json:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name, "namespace": site.namespace, "labels": labels}
    made: Json = site.api.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}, manager="tests"
    )
    return made


def push(site: Site, selector: Json, **spec: Any) -> Json:
    """A PushSecret of what is selected; each key goes to a place of its name."""
    rewrite = [{"regexp": {"source": "^", "target": f"{site.namespace}/"}}]
    whole = {
        "secretStoreRefs": [{"name": site.store_name}], "selector": selector, "refreshInterval": "1s",
        "deletionPolicy": "Delete", "dataTo": [{"storeRef": {"name": site.store_name}, "rewrite": rewrite}], **spec,
    }  # fmt: skip
    metadata = {"name": "out", "namespace": site.namespace}
    made: Json = site.api.create({"apiVersion": PUSH[0], "kind": PUSH[1], "metadata": metadata, "spec": whole})
    return made


def generator(site: Site, kind: str, /, **spec: Any) -> Json:
    metadata = {"name": f"g-of-{site.namespace}"} | (
        {} if kind == "ClusterGenerator" else {"namespace": site.namespace}
    )
    made: Json = site.api.create({"apiVersion": GENERATORS, "kind": kind, "metadata": metadata, "spec": spec})
    return made


def ready(site: Site) -> Json:
    status = site.api.get(*PUSH, site.namespace, "out").get("status") or {}
    return next((one for one in status.get("conditions") or [] if one["type"] == "Ready"), {})


def wait_ready(site: Site) -> Json:
    wait_for(lambda: ready(site).get("status") == "True", seconds=SECONDS)
    found: Json = site.api.get(*PUSH, site.namespace, "out")["status"]
    return found


def stored(site: Site, path: str) -> Any:
    return site.bao.data(f"{site.namespace}/{path}")


def test_secrets_by_their_labels(site: Site) -> None:
    """Those that bear them at a look; what one of them leaves that bears them no more is taken away."""
    secret(site, "one", {"push": "yes"}, a='{"x": 1}')
    two = secret(site, "two", {"push": "yes"}, b='{"y": 2}')
    secret(site, "three", {}, c='{"z": 3}')
    push(site, {"secret": LABELS})
    wait_for(lambda: (stored(site, "a"), stored(site, "b")) == ({"x": 1}, {"y": 2}), seconds=SECONDS)
    assert stored(site, "c") is None
    wait_ready(site)
    site.api.apply(two | {"metadata": two["metadata"] | {"labels": {}, "managedFields": None}}, manager="tests")
    wait_for(lambda: stored(site, "b") is None, seconds=SECONDS)
    assert stored(site, "a") == {"x": 1}


def test_no_secret_has_the_labels(site: Site) -> None:
    """That is no failure, as in ESO; it is told all the same."""
    push(site, {"secret": LABELS})
    wait_ready(site)
    assert "nothing is stored: no Secret has these labels" in ready(site)["message"]


def test_two_secrets_in_one_place(site: Site) -> None:
    """Nothing is pushed: which of them won would be chance."""
    for name in ("one", "two"):
        secret(site, name, {"push": "yes"}, a='{"x": 1}')
    push(site, {"secret": LABELS})
    told = "of the Secrets one and two, both are to be stored as"
    wait_for(lambda: told in ready(site).get("message", ""), seconds=SECONDS)
    assert stored(site, "a") is None


def entries(site: Site, key: str) -> Json:
    ref = {"remoteKey": f"{site.namespace}/made", "property": "p"}
    return {"dataTo": None, "data": [{"match": {"secretKey": key, "remoteRef": ref}}]}


def test_what_a_generator_makes(site: Site, running: ControllerProcess) -> None:
    """It is pushed as it was made, anew when the PushSecret changes, and not when a store does; and it is shown nowhere."""
    generator(site, "Password", length=24)
    made = push(
        site, {"generatorRef": {"kind": "Password", "name": f"g-of-{site.namespace}"}},
        **entries(site, "password"), refreshInterval="0",
    )  # fmt: skip
    before = wait_ready(site)
    first = stored(site, "made")["p"]
    assert len(first) == 24
    metadata = site.api.get("external-secrets.io/v1", "SecretStore", site.namespace, site.store_name)
    site.api.patch(metadata, {"spec": {"refreshInterval": 60}})
    other = site.api.create({
        "apiVersion": PUSH[0], "kind": PUSH[1], "metadata": {"name": "later", "namespace": site.namespace},
        "spec": made["spec"] | {"selector": {"secret": {"name": "missing"}}},
    })  # fmt: skip
    wait_for(
        lambda: "conditions" in (site.api.get(*PUSH, site.namespace, "later").get("status") or {}), seconds=SECONDS
    )
    site.api.delete(other)
    assert (stored(site, "made")["p"], site.api.get(*PUSH, site.namespace, "out")["status"]) == (first, before)
    site.api.patch(made, {"metadata": {"annotations": {"force-sync": "1"}}})
    wait_for(lambda: stored(site, "made")["p"] != first, seconds=SECONDS)
    said = running.log.read_text() + str(wait_ready(site)) + running.get("/metrics")[1]
    assert leaks(said, [first, stored(site, "made")["p"]]) == []


def test_what_a_generator_makes_each_time(site: Site) -> None:
    """By a ClusterGenerator: each interval another one; with IfNotExists what is there stays."""
    one = generator(site, "ClusterGenerator", kind="UUID", generator={"uuidSpec": {}})
    try:
        ref = {"generatorRef": {"kind": "ClusterGenerator", "name": one["metadata"]["name"]}}
        made = push(site, ref, **entries(site, "uuid"))
        wait_ready(site)
        first = stored(site, "made")["p"]
        wait_for(lambda: stored(site, "made")["p"] != first, seconds=SECONDS)
        site.api.patch(made, {"spec": {"updatePolicy": "IfNotExists"}})
        version = site.api.get(*PUSH, site.namespace, "out")["metadata"]["generation"]

        def refreshed() -> str:
            status = site.api.get(*PUSH, site.namespace, "out")["status"]
            seen = str(status["syncedResourceVersion"]).startswith(f"{version}-")
            return str(status["refreshTime"]) if seen else ""

        wait_for(lambda: refreshed() != "", seconds=SECONDS)
        kept, then = stored(site, "made"), refreshed()
        wait_for(lambda: refreshed() not in ("", then), seconds=SECONDS)
        assert stored(site, "made") == kept
    finally:
        site.api.delete(one)


def test_what_vault_makes_is_not_pushed(site: Site) -> None:
    """Nothing would renew its lease; also where a ClusterGenerator hides it."""
    spec = {"kind": "VaultDynamicSecret", "generator": {"vaultDynamicSecretSpec": {"controller": "govgate"}}}
    one = generator(site, "ClusterGenerator", **spec)
    try:
        ref = {"generatorRef": {"kind": "ClusterGenerator", "name": one["metadata"]["name"]}}
        push(site, ref, **entries(site, "x"))
        wait_for(lambda: "ends with its lease" in ready(site).get("message", ""), seconds=SECONDS)
    finally:
        site.api.delete(one)
