"""Which writes of volumes the registration leaves out, told by the API server's own CEL."""

from __future__ import annotations

from typing import Any

import pytest
from support.api import Api, ApiError
from support.cluster import Cluster, wait_for
from support.users import GARBAGE_COLLECTOR, ROOT

from gateway.server.registration_conditions import own_volumes

pytestmark = pytest.mark.servers
Json = dict[str, Any]
POLICY = "admissionregistration.k8s.io/v1"


def volume(name: str, claim: str) -> Json:
    reference = {"claimRef": {"kind": "PersistentVolumeClaim", "namespace": claim, "name": "state"}} if claim else {}
    spec = {"capacity": {"storage": "8Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/nowhere"}}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec | reference}


def sent(api: Api, write: Any, *given: Any) -> bool:
    """Whether the webhook would be asked: here, a policy with its condition refuses what would be."""
    try:
        getattr(api, write)(*given)
    except ApiError as error:
        if "would be asked" not in str(error):
            raise
        return True
    return False


def test_volumes_are_left_out_as_they_are_made_and_bound(cluster: Cluster, namespace: str) -> None:
    """Nobody gets anything else past the guards by naming a claim of govgate's, neither at once nor in two writes."""
    api, controller = cluster.api(ROOT), cluster.api(GARBAGE_COLLECTOR)
    other, own = volume(f"{namespace}-other", "shop"), volume(f"{namespace}-own", namespace)
    free = volume(f"{namespace}-free", "")
    for one in (other, free):
        api.create(one)
    mine = {"name": "mine", "expression": f"object.metadata.name.startsWith('{namespace}-')"}
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["persistentvolumes"],
        "operations": ["CREATE", "UPDATE"],
    }
    policy: Json = {
        "apiVersion": POLICY, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": namespace},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]}, "failurePolicy": "Fail",
            "matchConditions": [mine, {"name": "not-own-volumes", "expression": own_volumes(namespace)}],
            "validations": [{"expression": "false", "message": "would be asked"}],
        },
    }  # fmt: skip
    binding: Json = {
        "apiVersion": POLICY, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": namespace},
        "spec": {"policyName": namespace, "validationActions": ["Deny"]},
    }  # fmt: skip
    api.create(policy)
    api.create(binding)
    try:
        touched = {"metadata": {"annotations": {"touched": "by"}}}
        wait_for(lambda: sent(api, "patch", other, touched), seconds=60)
        claimed = {"spec": {"claimRef": own["spec"]["claimRef"]}}
        assert sent(api, "patch", free, claimed)
        assert sent(api, "patch", free, claimed | touched)
        assert not sent(api, "create", own)
        for patch in (touched, {"metadata": {"labels": {"a": "b"}}}, {"spec": {"capacity": {"storage": "9Gi"}}}):
            assert sent(api, "patch", own, patch)
        assert sent(api, "patch", own, {"spec": {"claimRef": {"namespace": "shop"}}})
        assert not sent(api, "patch", own, {"metadata": {"finalizers": ["attacher.example/a"]}})
        assert not sent(controller, "patch", free, claimed | touched)
        assert sent(controller, "patch", other, touched)
    finally:
        api.delete(binding)
        api.delete(policy)
        for one in (other, free, own):
            api.patch(one, {"metadata": {"finalizers": None}}) if one is own else None
            api.delete(one, missing_ok=True)
