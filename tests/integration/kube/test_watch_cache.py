"""The watch cache against a real API server, in all the weather that a cluster has."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager, contextmanager

import pytest
from support.cluster import Cluster
from support.crds import Crd
from support.users import ALICE, KUSTOMIZE_CONTROLLER, NOBODY, ROOT

from gateway.config.model import Cluster as ClusterConfig
from gateway.kube import ApiError, CacheLimits, Key, ResourceType, WatchCache, connect

CONFIG_MAPS = ResourceType("", ("v1",), "configmaps")
QUICK = CacheLimits(probe_seconds=0.3, confirm_seconds=0.3, backoff_seconds=0.05, max_backoff_seconds=0.5)


def _config_map(namespace, name, value="1"):
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": value}}


def _value(document):
    return document["data"]["value"]


async def until(condition, *, seconds=15.0):
    """Until the condition holds; the test fails if it never does."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - caches are polled by their readers
            await asyncio.sleep(0.02)


@asynccontextmanager
async def client_of(cluster, user=ALICE):
    client = await connect(ClusterConfig(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(user))))
    assert client is not None
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def cache_of(cluster, resource, reduce=_value, *, user=ALICE, limits=QUICK, on_change=None):
    """A cache that runs until the end of the context."""
    async with client_of(cluster, user) as client:
        cache = WatchCache(client, resource, reduce, on_change=on_change, limits=limits)
        cache.start()
        try:
            yield cache
        finally:
            await cache.close()


@contextmanager
def crd_installed(cluster, crd):
    cluster.install([crd])
    try:
        yield
    finally:
        cluster.api(ROOT).delete(crd.manifest(), missing_ok=True)


async def test_changes_are_seen(cluster: Cluster, namespace):
    """What was there is read, what is added, changed and deleted follows, and each change is reported once."""
    api, changes = cluster.api(ALICE), []

    def note(key, old, new):
        if key.namespace == namespace:
            changes.append((key.name, old, new))

    first = api.create(_config_map(namespace, "first"))
    async with cache_of(cluster, CONFIG_MAPS, lambda d: d.get("data", {}).get("value"), on_change=note) as cache:
        await until(lambda: cache.synced)
        assert cache.get(namespace, "first") == "1"
        api.create(_config_map(namespace, "second"))
        api.patch(first, {"data": {"value": "2"}})
        await until(lambda: cache.get(namespace, "second") and cache.get(namespace, "first") == "2")
        api.delete(first)
        await until(lambda: cache.get(namespace, "first") is None)
        assert [key.name for key, _ in cache.items() if key.namespace == namespace] == ["second"]
        assert cache.age_seconds < 5
        assert cache.problem == ""
    assert changes == [("first", None, "1"), ("second", None, "1"), ("first", "1", "2"), ("first", "2", None)]


async def test_long_lists_come_in_pages(cluster: Cluster, namespace):
    """A list of more objects than a page holds is read whole."""
    names = {f"item-{number}" for number in range(7)}
    for name in names:
        cluster.api(ALICE).create(_config_map(namespace, name))
    limits = CacheLimits(page_objects=3)
    async with cache_of(cluster, CONFIG_MAPS, lambda _: None, limits=limits) as cache:
        await until(lambda: cache.synced)
        assert {key.name for key, _ in cache.items() if key.namespace == namespace} == names


async def test_more_objects_than_allowed_are_not_held(cluster: Cluster, namespace):
    """Past its bound the cache holds nothing, is not synced, and says why."""
    for number in range(3):
        cluster.api(ALICE).create(_config_map(namespace, f"item-{number}"))
    limits = CacheLimits(max_objects=2, backoff_seconds=0.05)
    async with cache_of(cluster, CONFIG_MAPS, lambda _: None, limits=limits) as cache:
        await until(lambda: "more than 2 objects" in cache.problem)
        assert (cache.synced, len(cache)) == (False, 0)


async def test_one_misshapen_object_does_not_cost_the_others(cluster: Cluster, namespace):
    """An object that cannot be reduced is left out and counted; once it is good again it is there."""
    api = cluster.api(ALICE)
    bad = api.create({**_config_map(namespace, "bad"), "data": {}})
    api.create(_config_map(namespace, "good"))
    async with cache_of(cluster, CONFIG_MAPS) as cache:
        await until(lambda: cache.synced)
        assert (cache.get(namespace, "good"), cache.get(namespace, "bad")) == ("1", None)
        unreadable = cache.unreadable
        assert unreadable >= 1
        api.patch(bad, {"data": {"value": "2"}})
        await until(lambda: cache.get(namespace, "bad") == "2")
        assert cache.unreadable == unreadable - 1


async def test_a_resource_type_may_come_and_go(cluster: Cluster, namespace):
    """A missing CRD is an empty cache, synced; installed later it fills; removed, the cache is empty again."""
    crd = Crd(f"{namespace}.example.com", "Thing", "things", ("v1",))
    item = {"apiVersion": f"{crd.group}/v1", "kind": "Thing", "metadata": {"name": "x", "namespace": namespace}}
    resource = ResourceType(crd.group, ("v1",), crd.plural)
    async with cache_of(cluster, resource, lambda d: d["metadata"]["name"]) as cache:
        await until(lambda: cache.synced)
        assert (cache.absent, len(cache), cache.problem) == (True, 0, "")
        with crd_installed(cluster, crd):
            cluster.api(ALICE).create(item)
            await until(lambda: cache.get(namespace, "x") == "x")
            assert not cache.absent
        await until(lambda: cache.absent and len(cache) == 0)
        assert cache.synced


@pytest.mark.parametrize(
    ("understood", "chosen"), [(("v2", "v1"), "v1"), (("v1beta1", "v1"), "v1beta1"), (("v3", "v2"), None)]
)
async def test_the_best_served_version_is_chosen(cluster: Cluster, namespace, understood, chosen):
    """Of the versions that the reader understands the first that is served is read; with none it is as good as absent."""
    crd = Crd(f"{namespace}.example.com", "Thing", "things", ("v1", "v1beta1"))
    item = {"apiVersion": f"{crd.group}/v1", "kind": "Thing", "metadata": {"name": "x", "namespace": namespace}}
    with crd_installed(cluster, crd):
        cluster.api(ALICE).create(item)
        resource = ResourceType(crd.group, understood, crd.plural)
        async with cache_of(cluster, resource, lambda d: d["apiVersion"]) as cache:
            await until(lambda: cache.synced)
            assert cache.get(namespace, "x") == (f"{crd.group}/{chosen}" if chosen else None)
            assert cache.absent is (chosen is None)


async def test_a_killed_api_server_is_survived(cluster: Cluster, namespace):
    """While the API server is away what was read stays readable and the problem shows; afterwards changes follow."""
    cluster.api(ALICE).create(_config_map(namespace, "first"))
    async with cache_of(cluster, CONFIG_MAPS) as cache:
        await until(lambda: cache.synced and not cache.problem)
        await asyncio.to_thread(cluster.kill_apiserver)
        try:
            await until(lambda: cache.problem)
            assert (cache.synced, cache.get(namespace, "first")) == (True, "1")
        finally:
            cluster.start_apiserver()
        cluster.api(ALICE).create(_config_map(namespace, "second"))
        await until(lambda: cache.get(namespace, "second") == "1")
        assert (cache.problem, cache.get(namespace, "first")) == ("", "1")


async def test_a_history_that_is_gone_is_read_anew(cluster: Cluster, namespace):
    """After a compaction the watch cannot go on (410): a new list brings what was missed, deletions too."""
    api, deleted = cluster.api(ALICE), []
    first = api.create(_config_map(namespace, "first"))

    def note(key, old, new):
        if new is None:
            deleted.append(key)

    async with cache_of(cluster, CONFIG_MAPS, on_change=note) as cache:
        await until(lambda: cache.get(namespace, "first"))
        await cache.close()
        api.delete(first)
        api.create(_config_map(namespace, "second"))
        await asyncio.to_thread(cluster.kill_apiserver)
        cluster.compact()
        cluster.start_apiserver()
        cache.start()
        await until(lambda: cache.get(namespace, "second") == "1")
        assert cache.get(namespace, "first") is None
        assert Key(namespace, "first") in deleted


async def test_who_may_not_read_is_told_why(cluster: Cluster, namespace):
    """Without the right to list, the cache is not synced and says so; given the right, it fills by itself."""
    async with cache_of(cluster, CONFIG_MAPS, lambda _: True, user=NOBODY) as cache:
        await until(lambda: "403" in cache.problem)
        assert not cache.synced
        assert NOBODY.name in cache.problem
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": f"{namespace}-nobody"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": NOBODY.name}],
        }
        made = cluster.api(ROOT).create(binding)
        try:
            await until(lambda: cache.synced)
            assert cache.problem == ""
        finally:
            cluster.api(ROOT).delete(made)


async def test_a_silent_api_server_is_noticed(cluster: Cluster, namespace):
    """A server that is there but says nothing is taken for dead; when it speaks again the cache goes on."""
    limits = CacheLimits(silence_seconds=1.0, backoff_seconds=0.05, max_backoff_seconds=0.2)
    cluster.api(ALICE).create(_config_map(namespace, "first"))
    async with cache_of(cluster, CONFIG_MAPS, limits=limits) as cache:
        await until(lambda: cache.synced)
        os.kill(cluster.apiserver.pid, signal.SIGSTOP)
        try:
            await until(lambda: "timed out" in cache.problem)
        finally:
            os.kill(cluster.apiserver.pid, signal.SIGCONT)
        cluster.api(ALICE).create(_config_map(namespace, "second"))
        await until(lambda: cache.get(namespace, "second"))


async def test_watches_are_renewed(cluster: Cluster, namespace):
    """A watch that the server ends after its time is taken up again where it ended, without a new list."""
    seen = []
    limits = CacheLimits(watch_seconds=1, backoff_seconds=0.05)
    async with cache_of(cluster, CONFIG_MAPS, seen.append, limits=limits) as cache:
        await until(lambda: cache.synced)
        listed = len(seen)
        await asyncio.sleep(2.5)
        cluster.api(ALICE).create(_config_map(namespace, "late"))
        await until(lambda: len(seen) > listed)
        assert len(seen) == listed + 1
        assert cache.problem == ""


async def test_one_object_can_be_got(cluster: Cluster, namespace):
    """A single object comes as raw JSON; one that is not there is a 404 with the API's own reason."""
    cluster.api(ALICE).create(_config_map(namespace, "first"))
    async with client_of(cluster) as client:
        document = await client.get(CONFIG_MAPS.path("v1", namespace, "first"))
        assert document["data"] == {"value": "1"}
        with pytest.raises(ApiError, match="404 NotFound"):
            await client.get(CONFIG_MAPS.path("v1", namespace, "none"))


async def test_a_service_account_is_used_inside_a_pod(cluster: Cluster, namespace, tmp_path, monkeypatch):
    """With the environment and the mounted token of a pod, `auto` connects as the pod's service account."""
    (tmp_path / "ca.crt").symlink_to(cluster.ca_file)
    (tmp_path / "token").write_text(KUSTOMIZE_CONTROLLER.token)
    host, port = cluster.url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    client = await connect(ClusterConfig(), service_account=tmp_path)
    assert client is not None
    assert (await client.get(CONFIG_MAPS.path("v1", namespace)))["kind"] == "ConfigMapList"
    await client.close()
