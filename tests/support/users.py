"""Who acts in the tests' cluster: people, reconcilers, and Kubernetes' own controllers."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class User(NamedTuple):
    """A user that the API server authenticates by a static token. A password is not worth one here."""

    name: str
    groups: tuple[str, ...]

    @property
    def token(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def program(self) -> str:
        """What a service account's own program calls itself as a field manager."""
        return self.name.rpartition(":")[2]

    @property
    def uid(self) -> str:
        """Shaped as a UID, and the same in every run."""
        digits = hashlib.sha256(b"uid:" + self.name.encode()).hexdigest()
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"

    @property
    def token_line(self) -> str:
        """Its line of the API server's ``--token-auth-file``."""
        return f'{self.token},{self.name},{self.uid},"{",".join(self.groups)}"'


def service_account(namespace: str, name: str) -> User:
    """As ``system:serviceaccount:<namespace>:<name>``, in the groups that a real one is in."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


ALICE = User("alice@example.com", ("developers",))
BOB = User("bob@example.com", ("developers",))
ROOT = User("root@example.com", ("system:masters",))
NOBODY = User("nobody@example.com", ())
KUBELET = User("system:node:node-1", ("system:nodes",))
TENANT = service_account("tenants", "team-a")
KUSTOMIZE_CONTROLLER = service_account("flux-system", "kustomize-controller")
HELM_CONTROLLER = service_account("flux-system", "helm-controller")
ARGO_CONTROLLER = service_account("argocd", "argocd-application-controller")
ARGO_SERVER = service_account("argocd", "argocd-server")
AUTOSCALER = service_account("kube-system", "horizontal-pod-autoscaler")
CLUSTER_AUTOSCALER = service_account("kube-system", "cluster-autoscaler")
DEPLOYMENT_CONTROLLER = service_account("kube-system", "deployment-controller")
GARBAGE_COLLECTOR = service_account("kube-system", "generic-garbage-collector")
NAMESPACE_CONTROLLER = service_account("kube-system", "namespace-controller")
ENDPOINT_SLICE_CONTROLLER = service_account("kube-system", "endpointslice-controller")
JOB_CLEANER = service_account("kube-system", "ttl-after-finished-controller")
ROLE_AGGREGATOR = service_account("kube-system", "clusterrole-aggregation-controller")
ROOT_RECONCILER = service_account("config-management-system", "root-reconciler")
CROSSPLANE = service_account("crossplane-system", "crossplane")
CERT_INJECTOR = service_account("cert-manager", "cert-manager-cainjector")
ROOT_RECONCILER = service_account("config-management-system", "root-reconciler")
NAMESPACE_RECONCILER = service_account("config-management-system", "ns-reconciler-tenants")
CROSSPLANE = service_account("crossplane-system", "crossplane")
CROSSPLANE_PROVIDER = service_account("crossplane-system", "provider-aws-0123abcd")
FLEET_AGENT = service_account("cattle-fleet-system", "fleet-agent")
KARGO = service_account("kargo", "kargo-controller")
CAPM3 = service_account("capm3-system", "capm3-manager")
GOVGATE = service_account("govgate-system", "govgate")
BOUNDED = service_account("govgate-system", "bounded")
"""A gateway's account that has no rights but those of one test's."""
KUBE_OVN = service_account("tenants", "ovn")
"""A network driver that is not installed in kube-system."""
CILIUM = User("system:serviceaccount:kube-system:cilium", ("system:serviceaccounts:kube-system", "developers"))
CONTROLLER_MANAGER = User("system:kube-controller-manager", ())

USERS = tuple(value for value in list(globals().values()) if isinstance(value, User))

ADMIN_GROUPS = (
    "developers",
    "system:serviceaccounts:argocd",
    "system:serviceaccounts:cert-manager",
    "system:serviceaccounts:config-management-system",
    "system:serviceaccounts:crossplane-system",
    "system:serviceaccounts:flux-system",
    "system:serviceaccounts:tenants",
)
"""Groups that are bound to cluster-admin: what they may not do is then the gateway's answer, never RBAC's."""
