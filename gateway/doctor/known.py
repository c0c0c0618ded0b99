"""What Kubernetes grants itself, which is no news: its controllers, each its own role, and its components. Pure.

Source: ``k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy`` (1.36). A controller that has more than its
own role is told of.
"""

from __future__ import annotations

from gateway.doctor.rbac import Grant, Subject, account_of

_CONTROLLERS = frozenset(
    (
        *("attachdetach-controller", "bootstrap-signer", "certificate-controller", "cloud-provider"),
        *("clusterrole-aggregation-controller", "cronjob-controller", "daemon-set-controller", "deployment-controller"),
        *("device-taint-eviction-controller", "disruption-controller", "endpoint-controller"),
        *("endpointslice-controller", "endpointslicemirroring-controller", "ephemeral-volume-controller"),
        *("expand-controller", "generic-garbage-collector", "horizontal-pod-autoscaler", "job-controller"),
        *("kube-apiserver-serving-clustertrustbundle-publisher", "legacy-service-account-token-cleaner"),
        *("namespace-controller", "node-controller", "persistent-volume-binder", "pod-garbage-collector"),
        *("podcertificaterequestcleaner", "podgroup-protection-controller", "pv-protection-controller"),
        *("pvc-protection-controller", "replicaset-controller", "replication-controller", "resource-claim-controller"),
        *("resourcepoolstatusrequest-controller", "resourcequota-controller", "root-ca-cert-publisher"),
        *("route-controller", "selinux-warning-controller", "service-account-controller", "service-cidrs-controller"),
        *("service-controller", "statefulset-controller", "storage-version-garbage-collector"),
        *("storage-version-migrator-controller", "token-cleaner", "ttl-after-finished-controller", "ttl-controller"),
        *("validatingadmissionpolicy-status-controller", "volumeattributesclass-protection-controller"),
    )
)
_COMPONENTS = {
    Subject("User", "system:kube-controller-manager"): "system:kube-controller-manager",
    Subject("User", "system:kube-scheduler"): "system:kube-scheduler",
    Subject("Group", "system:masters"): "cluster-admin",
}


def kubernetes_own(grant: Grant) -> bool:
    """Whether Kubernetes' own bootstrap grants this."""
    role = grant.role.rpartition(" ")[2].rpartition("/")[2]
    if _COMPONENTS.get(grant.subject) == role:
        return True
    account = account_of(grant.subject.name) if grant.subject.kind == "User" else None
    return (
        account is not None
        and account[0] == "kube-system"
        and account[1] in _CONTROLLERS
        and role == f"system:controller:{account[1]}"
    )
