"""Leases of a real API server: one works at a time, and whoever is gone is followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from support.cluster import Cluster
from support.users import NOBODY, ROOT

from gateway.config.controller import Election
from gateway.config.model import Cluster as Connection
from gateway.core.errors import ConfigError
from gateway.kube import KubeClient, connect
from gateway.kube.election import LEASES, Elector

FAST = Election(lease_seconds=1, renew_seconds=0.8, retry_seconds=0.05)


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[KubeClient]:
    made = await connect(Connection(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(ROOT))))
    assert made is not None
    yield made
    await made.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.01)


class Work:
    """Counts how often it was begun, and how many of it run."""

    def __init__(self) -> None:
        self.begun = self.running = 0

    async def __call__(self) -> None:
        self.begun += 1
        self.running += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.running -= 1


async def test_one_works_and_the_next_follows(client: KubeClient, namespace: str) -> None:
    """While the first holds the lease the second waits; when it is let go the second does not wait for its end."""
    slow, work = Election(lease_seconds=600, renew_seconds=5.0, retry_seconds=0.05), Work()
    first, second = (Elector(client, namespace, slow, identity=name) for name in ("first", "second"))
    one = asyncio.create_task(first.run(work))
    await until(lambda: first.leading)
    two = asyncio.create_task(second.run(work))
    await until(lambda: second.holder == "first")
    assert (work.begun, second.leading) == (1, False)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    await until(lambda: second.leading)
    await until(lambda: work.running == 1)
    two.cancel()
    await asyncio.gather(two, return_exceptions=True)
    lease = await client.get(LEASES.path("v1", namespace, slow.name))
    assert lease["spec"].get("holderIdentity", "") == ""
    assert work.running == 0


async def test_whoever_is_killed_is_followed_when_the_lease_has_run_out(client: KubeClient, namespace: str) -> None:
    """Nobody lets it go: it is taken once it was not seen to change for as long as it says."""
    gone = Elector(client, namespace, FAST, identity="gone")
    assert await gone._try()
    work, next_ = Work(), Elector(client, namespace, FAST, identity="next")
    started = asyncio.get_running_loop().time()
    task = asyncio.create_task(next_.run(work))
    await until(lambda: next_.leading)
    assert asyncio.get_running_loop().time() - started >= FAST.lease_seconds
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_work_stops_when_the_lease_is_anothers(client: KubeClient, namespace: str) -> None:
    """Somebody else wrote into it: the work ends at once, and goes on when it is free again."""
    work, elector = Work(), Elector(client, namespace, FAST, identity="us")
    task = asyncio.create_task(elector.run(work))
    await until(lambda: work.running == 1)
    path = LEASES.path("v1", namespace, FAST.name)
    for _ in range(20):  # it renews meanwhile
        lease = await client.get(path)
        lease["spec"]["holderIdentity"] = "them"
        try:
            await client.replace(path, lease)
            break
        except Exception:  # noqa: BLE001, S112 - the version has changed
            continue
    await until(lambda: work.running == 0)
    await until(lambda: work.begun == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_work_stops_when_the_lease_cannot_be_renewed(cluster: Cluster, namespace: str) -> None:
    """Before others may take it, and the reason is told."""
    root, group = cluster.api(ROOT), "rbac.authorization.k8s.io"
    metadata = {"name": "leases", "namespace": namespace}
    rules = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]}]
    root.create({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "leases"},
        "subjects": [{"kind": "User", "name": NOBODY.name, "apiGroup": group}],
    }
    root.create(binding)
    theirs = await connect(Connection(connect="kubeconfig", kubeconfig=str(cluster.kubeconfig(NOBODY))))
    assert theirs is not None
    work, elector = Work(), Elector(theirs, namespace, FAST, identity="us")
    task = asyncio.create_task(elector.run(work))
    await until(lambda: work.running == 1)
    root.delete(binding)
    await until(lambda: work.running == 0)
    assert "forbidden" in elector.problem
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await theirs.close()


async def test_times_that_contradict_each_other(client: KubeClient) -> None:
    """A holder that renews for longer than others wait would work beside another."""
    with pytest.raises(ConfigError, match="retrySeconds < renewSeconds < leaseSeconds"):
        Elector(client, "ns", Election(lease_seconds=5, renew_seconds=5.0))
