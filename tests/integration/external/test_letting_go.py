"""What govgate keeps and lets go of when stores go, or were never there: nothing that is deleted hangs, and nothing is silent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

import pytest
from support.api import ApiError
from support.cluster import Cluster, wait_for
from support.controller import ControllerProcess
from support.external_site import EXTERNAL, SECONDS, Site
from support.users import GOVGATE, ROOT

from gateway.config.model import Cluster as Settings
from gateway.controllers.external import held
from gateway.controllers.external.bringing import Tools
from gateway.controllers.external.claims import Claims
from gateway.controllers.external.dynamic import Dynamics
from gateway.controllers.external.generators import Generators
from gateway.controllers.external.known import Known
from gateway.controllers.external.looks import Outcome
from gateway.controllers.external.reading import Sources
from gateway.controllers.external.sessions import Sessions
from gateway.controllers.external.shared import Shared
from gateway.controllers.external.stores import Bounds, Stores
from gateway.controllers.external.worker import Worker
from gateway.kube import Key, connect
from gateway.kube.pace import Pacer
from gateway.native.templates import Renderer
from gateway_secrets.stores.credentials import KubeCredentials

Json = dict[str, Any]
STORE = (EXTERNAL[0], "SecretStore")
PUSH = ("external-secrets.io/v1alpha1", "PushSecret")
ESO_FINALIZER = "externalsecrets.external-secrets.io/externalsecret-cleanup"
pytestmark = [pytest.mark.native, pytest.mark.usefixtures("running")]


def without_store(site: Site) -> None:
    """The store is deleted."""
    site.api.delete(site.api.get(*STORE, site.namespace, site.store_name))


def gone(site: Site, kind: tuple[str, str], name: str) -> bool:
    try:
        site.api.get(*kind, site.namespace, name)
    except ApiError as error:
        return error.code == 404
    return False


def push(site: Site, *properties: str) -> Json:
    """A Secret that is pushed, and taken away again with its PushSecret."""
    refs = [{"remoteKey": f"{site.namespace}/out", "property": one} for one in properties]
    site.api.create({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "source", "namespace": site.namespace},
        "stringData": {"a": "one"},
    })  # fmt: skip
    made: Json = site.api.create({
        "apiVersion": PUSH[0], "kind": PUSH[1], "metadata": {"name": "out", "namespace": site.namespace},
        "spec": {
            "secretStoreRefs": [{"name": site.store_name}], "selector": {"secret": {"name": "source"}},
            "deletionPolicy": "Delete",
            "data": [{"match": {"secretKey": "a", "remoteRef": one}} for one in refs],
        },
    })  # fmt: skip
    return made


def push_ready(site: Site) -> Json:
    status = site.api.get(*PUSH, site.namespace, "out").get("status") or {}
    return next((one for one in status.get("conditions") or [] if one["type"] == "Ready"), {})


def events_of(site: Site, kind: str) -> list[Json]:
    return [one for one in site.api.list("v1", "Event", site.namespace) if one["involvedObject"]["kind"] == kind]


def test_an_external_secret_whose_store_went_first_can_be_deleted(site: Site) -> None:
    """As in a namespace that is deleted: what ESO left on it holds nothing up, though no store says any more whose it is."""
    site.put("db", password="one")
    one = site.external()
    one["metadata"]["finalizers"] = [ESO_FINALIZER]
    made = site.api.create(one)
    site.wait_values(password="one")
    without_store(site)
    site.api.delete(made)
    wait_for(lambda: gone(site, EXTERNAL, "db"), seconds=SECONDS)


def test_what_another_controller_runs_keeps_its_finalizer(site: Site) -> None:
    """Also when the store goes: it wrote the status last."""
    site.store(controller="")
    one = site.external()
    one["metadata"]["finalizers"] = [ESO_FINALIZER]
    made = site.api.create(one)
    condition = {"type": "Ready", "status": "True", "reason": "SecretSynced", "message": "by another"}
    site.api.replace(made | {"status": {"conditions": [condition]}}, manager="external-secrets", subresource="status")
    without_store(site)
    site.api.delete(made)
    ours = Site(site.api, site.namespace, site.bao)
    ours.store_name = f"{site.store_name}-ours"
    ours.store()
    site.put("db", password="one")
    for name in ("later", "last"):
        ours.create(name)
        ours.wait_values(name, password="one")
    assert site.api.get(*EXTERNAL, site.namespace, "db")["metadata"]["finalizers"] == [ESO_FINALIZER]
    site.api.patch(made, {"metadata": {"finalizers": None}})


def test_a_store_that_goes_is_told_of(site: Site) -> None:
    """So is a name that no store has. The Secret stays; with the store all is well again."""
    site.put("db", password="one")
    made = site.create()
    site.wait_values(password="one")
    without_store(site)
    site.wait_refused(f"SecretStore {site.store_name} does not exist")
    assert site.values() == {"password": "one"}
    site.store()
    site.wait_values(password="one")
    site.api.patch(made, {"spec": {"secretStoreRef": {"name": "misspelt"}}})
    site.wait_refused("SecretStore misspelt does not exist")


class Nowhere:
    """Nothing is read, so there is nothing to put on record."""

    async def note(self, detail: Any, kind: str = "") -> None:
        raise AssertionError("nothing is read")


async def test_a_name_that_no_store_has_and_nobody_tells_of(site: Site, cluster: Cluster) -> None:
    """After a minute in which nobody else said so, govgate does; before that it may be another's."""
    one = site.external("misspelt")
    one["spec"]["secretStoreRef"] = {"name": "nobodys"}
    made = datetime.fromisoformat(site.api.create(one)["metadata"]["creationTimestamp"]).timestamp()
    key = Key(site.namespace, "misspelt")
    client = await connect(Settings(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(GOVGATE))))
    assert client is not None
    known = Known(Claims())
    known.externals = lambda key: held.external(site.api.get(*EXTERNAL, *key))
    credentials, pace = KubeCredentials(client), Pacer(100.0, 100)
    shared, stores = Shared(0, 0), Stores(credentials, Bounds(1.0))
    dynamics = Dynamics(client, Sessions(client, credentials), Nowhere(), pace, key=b"k" * 32, actor="tests")
    sources = Sources(known, stores, shared, Nowhere(), "tests", Generators(dynamics, known.claims))
    now = [made]
    with closing(Renderer()) as renderer:
        worker = Worker(Tools(client, sources, renderer, b"k" * 32, pace, now=lambda: now[0]))
        early = await worker.sync(key, 0.0)
        assert (early.outcome, site.ready("misspelt")) == (Outcome.UNCLAIMED, {})
        assert early.again_in is not None
        now[0] += early.again_in
        assert (await worker.sync(key, 0.0)).outcome is Outcome.REFUSED
    site.wait_refused("SecretStore nobodys does not exist", "misspelt")
    await dynamics.close()
    await stores.close()
    await client.close()


def test_a_push_whose_store_went_first_can_be_deleted(site: Site) -> None:
    """What it stored stays where it is, and an Event says so."""
    made = push(site, "p")
    wait_for(lambda: push_ready(site).get("status") == "True", seconds=SECONDS)
    without_store(site)
    wait_for(lambda: "does not exist" in push_ready(site).get("message", ""), seconds=SECONDS)
    site.api.delete(made)
    wait_for(lambda: gone(site, PUSH, "out"), seconds=SECONDS)
    assert site.bao.data(f"{site.namespace}/out") == {"p": "one"}
    told = {one["reason"]: one["message"] for one in events_of(site, "PushSecret")}
    assert told.keys() == {"Synced", "Errored", "NotRemoved"}
    assert f"SecretStore {site.store_name}, which is gone: {site.namespace}/out/p" in told["NotRemoved"]


def test_a_push_in_a_namespace_that_is_deleted_credentials_first(
    cluster: Cluster, site: Site, running: ControllerProcess
) -> None:
    """What the store logs in with does not come back: the namespace is not held up for it, and the log says what stays where."""
    ending = Site(site.api, f"{site.namespace}-ending", site.bao)
    whole = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ending.namespace}}
    site.api.create(whole)
    ending.store()
    made = push(ending, "a", "b")
    wait_for(lambda: push_ready(ending).get("status") == "True", seconds=SECONDS)
    site.api.delete(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token", "namespace": ending.namespace}}
    )
    site.api.patch(ending.api.get(*STORE, ending.namespace, ending.store_name), {"spec": {"refreshInterval": 60}})
    wait_for(lambda: "token" in push_ready(ending).get("message", ""), seconds=SECONDS)
    site.api.delete(whole)
    site.api.delete(made)
    wait_for(lambda: gone(ending, PUSH, "out"), seconds=SECONDS)
    (told,) = [
        one["problem"] for one in running.events("PushSecret let go") if one["object"].startswith(ending.namespace)
    ]
    assert f"{ending.namespace}/out/a; " in told
    assert f"{ending.namespace}/out/b" in told


@contextmanager
def without_rights(cluster: Cluster, resource: str) -> Iterator[None]:
    """Govgate may not touch these objects while this lasts."""
    api = cluster.api(ROOT)
    role = api.get("rbac.authorization.k8s.io/v1", "ClusterRole", "", "govgate-controller-external")
    rules = [
        rule | {"resources": [one for one in rule["resources"] if one != resource]}
        for rule in role["rules"]
        if rule["resources"] != [resource]
    ]
    api.patch(role, {"rules": rules})
    try:
        yield
    finally:
        api.patch(role, {"rules": role["rules"]})


def test_what_the_api_server_refuses_is_told(site: Site, cluster: Cluster) -> None:
    """In the condition, by what could not be read; when it may be read it goes on."""
    site.put("db", password="one")
    made = site.create()
    site.wait_values(password="one")
    meta = {"name": "texts", "namespace": site.namespace}
    site.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"t": "password: x"}})
    template = {
        "templateFrom": [{"configMap": {"name": "texts", "items": [{"key": "t", "templateAs": "KeysAndValues"}]}}]
    }
    with without_rights(cluster, "configmaps"):
        site.api.patch(made, {"spec": {"target": {"template": template}}})
        site.wait_refused("spec.target.template.templateFrom: ConfigMap texts: 403 Forbidden")
        assert site.values() == {"password": "one"}
    site.wait_values(password="x")
