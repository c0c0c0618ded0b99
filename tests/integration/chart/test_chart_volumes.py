"""Larger volumes for the audit logs, by the commands of docs/operations.md, on a real API server."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.api import Api, ApiError
from support.charts import ROOT as REPOSITORY
from support.charts import of_kind, rendered
from support.cluster import Cluster, wait_for
from support.tools import tool
from support.users import ROOT

pytestmark = pytest.mark.servers
Json = dict[str, Any]


def script() -> str:
    """The commands, but for the upgrade by Helm."""
    page = (REPOSITORY / "docs/operations.md").read_text()
    block = page[page.index("**A larger volume.**") :].partition("```sh\n")[2].partition("```")[0]
    return re.sub(r"^helm upgrade .*\n", "", block, flags=re.MULTILINE)


def test_a_volume_is_made_larger(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """Claims grow, the StatefulSet is replaced by one with larger claims; before, the change is refused."""
    api = cluster.api(ROOT)
    grows = f"grows-{namespace}"
    storage: Json = {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": grows},
        "provisioner": "tests.example", "allowVolumeExpansion": True,
    }  # fmt: skip
    api.create(storage)
    first = api.create(workload(namespace, grows, "8Gi"))
    claims = [bound(api, namespace, number, first["spec"]["volumeClaimTemplates"][0]["spec"]) for number in range(3)]
    with pytest.raises(ApiError, match="updates to statefulset spec"):
        api.apply(workload(namespace, grows, "20Gi"), manager="tests")
    environment = {
        "PATH": f"{Path(tool('kubectl')).parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(cluster.kubeconfig(ROOT)), "HOME": str(tmp_path),
    }  # fmt: skip
    # What ends the deletion may not run here: kubectl would wait for it.
    text = script().replace("govgate-system", namespace).replace("--cascade=orphan", "--cascade=orphan --wait=false")
    done = subprocess.run(
        ["sh", "-eu", "-c", text], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    wait_for(lambda: orphaned(api, namespace), seconds=60)
    api.create(workload(namespace, grows, "20Gi"))
    for claim in claims:
        grown = api.get("v1", "PersistentVolumeClaim", namespace, claim["metadata"]["name"])
        assert grown["spec"]["resources"]["requests"]["storage"] == "20Gi"
        api.delete({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": claim["spec"]["volumeName"]}})
    api.delete(storage)


def workload(namespace: str, storage_class: str, size: str) -> Json:
    """The StatefulSet of the chart, without replicas: nobody runs them here."""
    values = f"webhook.persistence.storageClass={storage_class},webhook.persistence.size={size}"
    made = of_kind(rendered("--set", values, namespace=namespace), "StatefulSet")
    return {**made, "spec": {**made["spec"], "replicas": 0}}


def bound(api: Api, namespace: str, number: int, spec: Json) -> Json:
    """The claim of a replica with its volume, as they are when all controllers of a cluster have done their part."""
    name, volume = f"state-govgate-{number}", f"{namespace}-{number}"
    claim = api.create({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": namespace},
        "spec": {**spec, "volumeName": volume},
    })  # fmt: skip
    reference = {"kind": "PersistentVolumeClaim", "namespace": namespace, "name": name, "uid": claim["metadata"]["uid"]}
    api.create({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": volume},
        "spec": {
            "capacity": {"storage": "8Gi"}, "accessModes": spec["accessModes"], "claimRef": reference,
            "storageClassName": spec["storageClassName"], "hostPath": {"path": "/nowhere"},
        },
    })  # fmt: skip
    status = {"status": {"phase": "Bound", "capacity": {"storage": "8Gi"}, "accessModes": spec["accessModes"]}}
    return api.patch(claim, status, subresource="status")


def orphaned(api: Api, namespace: str) -> bool:
    """Whether the StatefulSet is gone; the garbage collector's part is done here, if none runs."""
    try:
        left = api.get("apps/v1", "StatefulSet", namespace, "govgate")
        api.patch(left, {"metadata": {"finalizers": None}})
    except ApiError as error:
        return error.code == 404
    return False
