"""What is never blocked, whoever manages the object: the cluster's own housekeeping.

Three tables: requests that do not change what Git declares, deletions by the controllers that collect garbage, and
writers that own certain fields of other people's objects. Actors are recognised by user name alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from gateway.config.drift import Actors, Writer
from gateway.core.subject import Subject, UserInfo

_SUBRESOURCES = frozenset(("status", "eviction", "binding", "finalize", "token"))
_KINDS = frozenset(
    (
        ("coordination.k8s.io", "Lease"),
        ("", "Event"),
        ("events.k8s.io", "Event"),
        ("", "Node"),
        ("storage.k8s.io", "CSINode"),
        ("authentication.k8s.io", "TokenReview"),
        ("authentication.k8s.io", "TokenRequest"),
        ("authentication.k8s.io", "SelfSubjectReview"),
        ("authorization.k8s.io", "SubjectAccessReview"),
        ("authorization.k8s.io", "LocalSubjectAccessReview"),
        ("authorization.k8s.io", "SelfSubjectAccessReview"),
        ("authorization.k8s.io", "SelfSubjectRulesReview"),
        ("", "Binding"),
        ("policy", "Eviction"),
    )
)

_CONTROLLER_MANAGER = "system:kube-controller-manager"
_COLLECTORS = frozenset(
    (
        "system:serviceaccount:kube-system:namespace-controller",
        "system:serviceaccount:kube-system:generic-garbage-collector",
        _CONTROLLER_MANAGER,
    )
)
_TTL = "system:serviceaccount:kube-system:ttl-after-finished-controller"
HOUSEKEEPERS = Actors(users=(*sorted(_COLLECTORS), _TTL))
"""Who may delete what is managed: the cluster's own collectors of garbage."""


def _controller(name: str) -> Actors:
    """A controller of the controller manager, with credentials of its own or without."""
    return Actors(users=(f"system:serviceaccount:kube-system:{name}", _CONTROLLER_MANAGER))


BUILT_IN_WRITERS: tuple[Writer, ...] = (
    Writer(
        name="endpoints",  # Endpoints carry their Service's labels, and no ownerReference
        actors=_controller("endpoint-controller"),
        kinds=("Endpoints",),
        fields=("*",),
        operations=("CREATE", "UPDATE", "DELETE"),
    ),
    Writer(
        name="owner-references",  # of owners that are gone, or that are deleted without what they own
        actors=_controller("generic-garbage-collector"),
        kinds=("*",),
        fields=("metadata.ownerReferences",),
    ),
    Writer(
        name="external-secrets",  # a target Secret carries its ExternalSecret's labels; creationPolicy Orphan: no owner
        actors=Actors(users=("system:serviceaccount:external-secrets:external-secrets",)),
        kinds=("Secret",),
        fields=("*",),
        operations=("CREATE",),
    ),
    Writer(
        name="external-secrets-merge",
        actors=Actors(users=("system:serviceaccount:external-secrets:external-secrets",)),
        kinds=("Secret",),
        fields=("data",),
    ),
    Writer(
        name="clusterrole-aggregation",
        actors=_controller("clusterrole-aggregation-controller"),
        kinds=("ClusterRole.rbac.authorization.k8s.io",),
        fields=("rules",),
        requires="aggregationRule",
    ),
    Writer(
        name="pv-binder",
        actors=_controller("persistent-volume-binder"),
        kinds=("PersistentVolumeClaim", "PersistentVolume"),
        fields=(
            "spec.volumeName",
            "spec.claimRef",
            'metadata.annotations["pv.kubernetes.io/bind-completed"]',
            'metadata.annotations["pv.kubernetes.io/bound-by-controller"]',
            'metadata.annotations["volume.kubernetes.io/storage-provisioner"]',
            'metadata.annotations["volume.beta.kubernetes.io/storage-provisioner"]',
        ),
    ),
    Writer(
        name="ca-injector",
        actors=Actors(users=("system:serviceaccount:cert-manager:cert-manager-cainjector",)),
        kinds=("CustomResourceDefinition.apiextensions.k8s.io", "APIService.apiregistration.k8s.io"),
        fields=("spec.conversion.webhook.clientConfig.caBundle", "spec.caBundle"),
    ),
    Writer(
        name="capm3",
        actors=Actors(users=("system:serviceaccount:capm3-system:capm3-manager",)),
        kinds=("BareMetalHost.metal3.io",),
        fields=(
            "spec.image",
            "spec.customDeploy",
            "spec.userData",
            "spec.metaData",
            "spec.networkData",
            "spec.automatedCleaningMode",
            "spec.online",
            "spec.consumerRef",
            'metadata.labels["cluster.x-k8s.io/cluster-name"]',
        ),
    ),
    Writer(
        name="vpa",
        actors=Actors(users=("system:serviceaccount:kube-system:vpa-updater",)),
        kinds=("Pod",),
        fields=(
            "spec.containers[].resources",
            "spec.initContainers[].resources",
            "metadata.annotations.vpaUpdates",
            "metadata.annotations.vpaObservedContainers",
        ),
    ),
    Writer(
        name="flagger",
        actors=Actors(users=("system:serviceaccount:flagger-system:flagger",)),
        kinds=(
            "Deployment.apps",
            "DaemonSet.apps",
            "Service",
            "HorizontalPodAutoscaler.autoscaling",
            "HTTPRoute.gateway.networking.k8s.io",
            "VirtualService.networking.istio.io",
            "DestinationRule.networking.istio.io",
        ),
        fields=(
            "spec.replicas",
            "spec.selector",
            "spec.minReplicas",
            "spec.maxReplicas",
            "spec.rules",
            "spec.http",
            "spec.trafficPolicy",
        ),
    ),
)


def never_judged(subject: Subject) -> str:
    """Why the request is none of the drift guard's business; empty if it is."""
    if subject.operation == "CONNECT":
        return "connect"
    if subject.subresource in _SUBRESOURCES:
        return f"{subject.subresource} subresource"
    if (subject.kind.group, subject.kind.kind) in _KINDS:
        return f"{subject.kind.kind} is never managed"
    return ""


def collects(subject: Subject) -> str:
    """Why this deletion is the cluster's own housekeeping; empty if it is not."""
    user = subject.user.username
    if user in _COLLECTORS:
        return f"deletion by {user.rpartition(':')[2]}"
    if user == _TTL and subject.kind.kind == "Job" and subject.kind.group == "batch":
        return "finished Job deleted by its TTL"
    return ""


def acts(actors: Actors, user: UserInfo) -> bool:
    """Whether the user is one of these actors, by its name or by one of its groups."""
    return user.username in actors.users or (bool(actors.groups) and not set(actors.groups).isdisjoint(user.groups))


def allowances(writers: Iterable[Writer], subject: Subject) -> list[Writer]:
    """The writers whose turn this is: actor, operation, kind and namespace fit."""
    return [
        writer
        for writer in writers
        if acts(writer.actors, subject.user)
        and subject.operation in writer.operations
        and any(_is_kind(kind, subject) for kind in writer.kinds)
        and any(fnmatchcase(subject.governing_namespace, pattern) for pattern in writer.namespaces)
        and _exists(writer.requires, subject)
    ]


def _is_kind(kind: str, subject: Subject) -> bool:
    if kind == "*":
        return True
    name, _, group = kind.partition(".")
    return name == subject.kind.kind and group == subject.kind.group


def _exists(path: str, subject: Subject) -> bool:
    node: object = subject.old_object
    for name in path.split(".") if path else ():
        node = node.get(name) if isinstance(node, dict) else None
    return node is not None
