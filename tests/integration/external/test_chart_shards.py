"""The chart's rights, with which several controllers share the ExternalSecrets out; what is granted in the cluster is real."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.charts import of_kind, rendered
from support.cluster import Cluster, wait_for
from support.controller import ControllerProcess
from support.external_site import NEVER, SECONDS, Site
from support.users import BOUNDED, ROOT

from gateway.controllers.external.shards import Shard

pytestmark = [pytest.mark.native, pytest.mark.servers]
Json = dict[str, Any]
HOME = BOUNDED.name.split(":")[2]
RIGHTS = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


@pytest.fixture
def processes(cluster: Cluster, site: Site, tmp_path: Path) -> Iterator[list[ControllerProcess]]:
    """Two controllers, not started, with the configuration and the rights that the chart gives them, and no others."""
    objects = rendered(
        "--set", f"config.controller.external.namespaces={{{site.namespace}}},config.controller.external.shards=2",
        "--set", f"config.controller.scan.enabled=false,serviceAccount.controller={BOUNDED.program}",
        "--set", "tls.mode=cert-manager",
        release="shards", namespace=HOME,
    )  # fmt: skip
    assert of_kind(objects, "StatefulSet", "-controller")["spec"]["replicas"] == 2
    api = cluster.api(ROOT)
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}, manager="tests")
    rights = [one for one in objects if one["kind"] in RIGHTS and "-controller" in one["metadata"]["name"]]
    for one in rights:
        api.apply(one, manager="tests")
    config = yaml.safe_load(of_kind(objects, "ConfigMap", "-govgate")["data"]["config.yaml"])
    del config["server"], config["audit"]
    config["cluster"] |= {"connect": "kubeconfig", "kubeconfig": str(cluster.kubeconfig(BOUNDED))}
    made = []
    for index in range(2):  # as StatefulSets' Pods are called; the host of the tests is not
        external = {**config["controller"]["external"], "shard": index}
        own = {**config, "controller": {**config["controller"], "external": external}}
        made.append(ControllerProcess(tmp_path / str(index), **own))
    yield made
    for process in made:
        process.kill()
    for one in rights:
        api.delete(one, missing_ok=True)


def test_the_chart_gives_each_shard_what_it_needs(
    site: Site, cluster: Cluster, processes: list[ControllerProcess]
) -> None:
    """Each holds a Lease of its own, and the one whose namespace it is brings an object in sync: nothing is forbidden."""
    site.put("db", password="one")
    site.store(controller="")  # claimed by its namespace: `external.enabled` is not set
    for process in processes:
        process.start()
    site.create(refreshInterval=NEVER)
    site.wait_values(password="one")
    api = cluster.api(ROOT)

    def held() -> set[str]:
        leases = [one for one in api.list("coordination.k8s.io/v1", "Lease", HOME) if one["spec"].get("holderIdentity")]
        return {one["metadata"]["name"].removeprefix("shards-govgate-controller") for one in leases}

    wait_for(lambda: held() >= {"", "-external-0", "-external-1"}, seconds=SECONDS)
    (mine,) = [index for index in range(2) if Shard(index, 2).has(site.namespace)]
    reads = [process.metric("govgate_external_store_reads_total") for process in processes]
    assert reads == [float(index == mine) for index in range(2)]
    logged = [line for process in processes for line in process.log.read_text().splitlines()]
    # In a namespace of other tests that is just going away nothing may be written, whoever it is.
    assert not [line for line in logged if "forbidden" in line and "is being terminated" not in line]
