"""Fixtures that all tests share: a real Kubernetes control plane, one for the session, a namespace for each test."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from support.cluster import Cluster
from support.crds import ARGO_CD, FLUX
from support.users import ROOT

_namespaces = count(1)

# A run says something about the code, not about luck: the same examples each time, enough of them for every run.
# `make search` looks for new ones. A slow machine must not fail a property: the time it takes says nothing.
_SLOW = [HealthCheck.too_slow]
settings.register_profile("quick", max_examples=40, deadline=None, derandomize=True, suppress_health_check=_SLOW)
settings.register_profile("search", max_examples=1_000, deadline=None, suppress_health_check=_SLOW)
settings.load_profile("quick")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses the cluster needs the servers, and runs where the others do: there is one cluster a run."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("servers")
            item.add_marker(pytest.mark.xdist_group("cluster"))


def pytest_collection_finish() -> None:
    """What the imports made stays: it need not be looked through after each test."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test that used the cluster shows the ends of its servers' logs."""
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(cluster, Cluster):
        report.sections.append(("servers", cluster.logs()))
    return report


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """etcd and kube-apiserver, with the CRDs of Flux and Argo CD, and everybody of support.users."""
    control_plane = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        control_plane.start()
        control_plane.install((*FLUX, *ARGO_CD))
        yield control_plane
    finally:
        control_plane.stop()


@pytest.fixture(scope="session")
def controllers(cluster: Cluster) -> Cluster:
    """The same cluster, with kube-controller-manager: garbage collection, namespace deletion, finished Jobs."""
    cluster.start_controllers()
    return cluster


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace for this test alone."""
    item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"test-{next(_namespaces)}"}}
    root = cluster.api(ROOT)
    root.create(item)
    yield item["metadata"]["name"]
    root.delete(item, missing_ok=True)
