"""Which requests are not sent at all: CEL that the API server evaluates itself, so that it holds while govgate is down.

Each condition is there because a cluster must be able to start Pods, govgate's own among them, while nobody answers; or
because what it keeps away is a cluster's heartbeat, which no Git declares. The chart states the same
(``_conditions.tpl``), and a test compares the two.
Sources: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ (matchConditions);
for :data:`POD_OBJECTS` the ClusterRoles of the agents that write them, each named there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from webhooks.sources.find import API_GROUPS

_KUBE_SYSTEM = "system:serviceaccount:kube-system:"
_SYSTEM_USER = (
    "has(request.userInfo.username) && "
    f"(request.userInfo.username.startsWith('{_KUBE_SYSTEM}') || "
    "request.userInfo.username == 'system:kube-controller-manager')"
)
_IN_KUBE_SYSTEM = "has(request.namespace) && request.namespace == 'kube-system'"
_NODE = "has(request.userInfo.groups) && 'system:nodes' in request.userInfo.groups"
_TYPE = "request.resource.resource + '.' + request.resource.group"


class PodObjects(msgspec.Struct, frozen=True):
    """What a node's agent writes for each new Pod: ``resources`` of ``groups``. ``what``: for people.

    Types by name, and no whole group: the same groups hold network policies and pools of addresses, which Git declares.
    ``accounts``: of types whose objects Git may declare too, the service accounts of the driver, by name: their writes alone,
    and those of kube-system's accounts, are not asked about. Empty for state that nobody declares.
    """

    what: str
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    accounts: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """As CustomResourceDefinitions are named."""
        return tuple(f"{resource}.{group}" for group in self.groups for resource in self.resources)


POD_OBJECTS = (
    # calico ``manifests/calico.yaml``; the second group since its v3 API can be served by CRDs. calico-node states its
    # version in the clusterinformation when it starts.
    PodObjects(
        "addresses of Pods (Calico)",
        ("crd.projectcalico.org", "projectcalico.org"),
        ("blockaffinities", "clusterinformations", "ipamblocks", "ipamhandles"),
    ),
    # cilium ``install/kubernetes/cilium/templates/cilium-{agent,operator}/clusterrole.yaml``
    PodObjects(
        "identities and addresses of Pods (Cilium)",
        ("cilium.io",),
        ("ciliumendpoints", "ciliumendpointslices", "ciliumidentities"),
    ),
    # docs.cilium.io "CRD-Backed": the addresses of a node may be configured by whoever administers it
    PodObjects("addresses of nodes (Cilium)", ("cilium.io",), ("ciliumnodes",), ("cilium", "cilium-operator")),
    # amazon-vpc-resource-controller-k8s ``controllers/crds``, amazon-network-policy-controller-k8s
    PodObjects("interfaces of nodes (Amazon VPC CNI)", ("vpcresources.k8s.aws",), ("cninodes",)),
    PodObjects(
        "network policies as nodes enforce them (Amazon VPC CNI)", ("networking.k8s.aws",), ("policyendpoints",)
    ),
    # azure-container-networking ``crd/nodenetworkconfig``
    PodObjects("addresses of nodes (Azure CNI)", ("acn.azure.com",), ("nodenetworkconfigs",)),
    # kube-ovn ``pkg/controller/ip.go``: an IP for each Pod, and those that somebody made to reserve them (handleAddReservedIP);
    # ``charts/kube-ovn-v2/templates/{rbac/ovn-sa,agent/agent-serviceaccount}.yaml``
    PodObjects("addresses of Pods (Kube-OVN)", ("kubeovn.io",), ("ips",), ("kube-ovn-cni", "ovn")),
    # whereabouts ``doc/crds/daemonset-install.yaml``
    PodObjects(
        "addresses of Pods (Whereabouts)",
        ("whereabouts.cni.cncf.io",),
        ("ippools", "nodeslicepools", "overlappingrangeipreservations"),
    ),
    # terway ``pkg/apis/network.alibabacloud.com``
    PodObjects(
        "interfaces of Pods (Terway)",
        ("network.alibabacloud.com",),
        ("networkinterfaces", "noderuntimes", "nodes", "podenis"),
    ),
    # topolvm ``docs/design.md``: in no namespace, one for each volume
    PodObjects("volumes of claims (TopoLVM)", ("topolvm.io",), ("logicalvolumes",)),
)
"""No Pod gets an address, an identity or its volume without; they are in no namespace, or in the Pod's."""


_DRIVEN = tuple(one for one in POD_OBJECTS if one.accounts)


def _of_driver(one: PodObjects) -> str:
    """A write of such an object by an account of the driver's, in whatever namespace it is installed: who makes an account
    of that name still needs the right to write these, which are in no namespace.
    """
    named = f"request.userInfo.username.matches('^system:serviceaccount:[a-z0-9-]+:({'|'.join(one.accounts)})$')"
    return f"(has(request.userInfo.username) && {_TYPE} in {list(one.names)} && {named})"


CONDITIONS = {
    # What beats, reports or asks: never declared in Git, and most of a cluster's writes.
    "not-leases": "!(request.resource.group == 'coordination.k8s.io' && request.resource.resource == 'leases')",
    "not-events": "!(request.resource.resource == 'events' && request.resource.group in ['', 'events.k8s.io'])",
    "not-nodes": "!(request.resource.group == '' && request.resource.resource == 'nodes')",
    "not-reviews": "!(request.resource.group in ['authentication.k8s.io', 'authorization.k8s.io'])",
    # The API server writes roles and its own endpoints when it starts, and is not ready before.
    "not-apiserver": "!(has(request.userInfo.username) && request.userInfo.username == 'system:apiserver')",
    # A node joins, and a volume is attached, without asking: or a cluster could not start again from nothing.
    "not-node-bootstrap": (
        "!(request.resource.group == 'certificates.k8s.io' && "
        "request.resource.resource == 'certificatesigningrequests') && "
        "!(request.resource.group == 'storage.k8s.io' && "
        "request.resource.resource in ['csinodes', 'csistoragecapacities', 'volumeattachments'])"
    ),
    "not-endpoints-churn": (
        "!(request.resource.resource in ['endpoints', 'endpointslices'] && "
        f"request.resource.group in ['', 'discovery.k8s.io'] && {_SYSTEM_USER})"
    ),
    # The network's own Pods must be able to start while govgate, which needs the network, cannot answer.
    "not-system-pods": (
        "!(request.resource.group == '' && request.resource.resource == 'pods' && "
        f"{_IN_KUBE_SYSTEM} && (({_SYSTEM_USER}) || ({_NODE})))"
    ),
    # And so must all others get what their nodes' agents write for them: govgate's own Pods are among them.
    "not-pod-objects": (
        f"!({_TYPE} in {sorted(name for one in POD_OBJECTS for name in one.names if not one.accounts)})"
    ),
    # What Git may declare too is let through for those alone who write it for Pods.
    "not-driver-objects": (
        f"!({_TYPE} in {sorted(name for one in _DRIVEN for name in one.names)} && "
        f"(({_SYSTEM_USER}) || {' || '.join(map(_of_driver, _DRIVEN))}))"
    ),
}
"""CEL, by name: a request is sent only if all hold. ``namespace`` and parts of ``userInfo`` may be absent."""

EXCLUDED = "not-excluded-groups"
_EXCLUDED = re.compile(r"!\(request\.resource\.group in \[('[a-z0-9.-]+'(?:, ?'[a-z0-9.-]+')*)\]\)")
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_GROUP = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_MAX_GROUP_CHARS = 253


def own_volumes(namespace: str) -> str:
    """The volumes of claims of the gateway's own namespace, as they are made, bound and attached: it cannot start without.

    Anybody may make one, which no other claim can use. What is one already may be written by anybody who leaves its spec, labels and
    annotations as they are (an attacher's finalizer); else Kubernetes' own controllers alone may, who bind it.
    """
    made = "oldObject == null"
    kept = " && ".join(["oldObject.spec == object.spec", _unchanged("labels"), _unchanged("annotations")])
    return (
        "!(request.resource.group == '' && request.resource.resource == 'persistentvolumes' && object != null && "
        f"has(object.spec.claimRef) && has(object.spec.claimRef.namespace) && object.spec.claimRef.namespace == '{namespace}' && "
        f"({made} || ({_SYSTEM_USER}) || ({kept})))"
    )


def _unchanged(name: str) -> str:
    old, new = f"oldObject.metadata.{name}", f"object.metadata.{name}"
    return f"has({old}) == has({new}) && (!has({new}) || {old} == {new})"


def excluded(groups: Sequence[str]) -> dict[str, str]:
    """The condition that keeps these API groups away as well, by its name; none for no groups."""
    listed = ", ".join(f"'{group}'" for group in groups)
    return {EXCLUDED: f"!(request.resource.group in [{listed}])"} if groups else {}


def may_be_excluded(group: str) -> bool:
    """Whether a whole API group may be left out: not Kubernetes' own without a dot (core, ``apps``, ``batch``), of which
    workloads are made, nor govgate's, whose waivers and grants it must see.
    """
    return len(group) <= _MAX_GROUP_CHARS and group != "govgate.dev" and _GROUP.fullmatch(group) is not None


def excluded_by(expression: str) -> tuple[str, ...]:
    """The groups that such a condition keeps away; none where it is another expression, or names what it may not."""
    found = _EXCLUDED.fullmatch(expression)
    groups = tuple(part.strip(" '") for part in found.group(1).split(",")) if found else ()
    return groups if all(map(may_be_excluded, groups)) else ()


_FETCHING = sorted(API_GROUPS | {"govgate.dev"})
PROVENANCE_CONDITION = {"fetches": f"request.resource.group in {_FETCHING}"}
"""For a webhook that asks about provenance alone."""
