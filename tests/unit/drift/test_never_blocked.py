"""What is never blocked, each with its counterpart: another actor, another field or another kind is."""

from __future__ import annotations

import pytest
from support.reviews import ADMIN, HUMAN, LABEL_FIELDS, at, broken, changed, entry, judged, managed_object, subject

from gateway.core.subject import GroupVersionKind, UserInfo

KUBE_SYSTEM = "system:serviceaccount:kube-system:"
CONTROLLER_MANAGER = UserInfo(username="system:kube-controller-manager")
DEPLOYMENT = managed_object(
    {"replicas": 1, "paused": False},
    entry("kustomize-controller", {"f:metadata": LABEL_FIELDS, "f:spec": {"f:replicas": {}, "f:paused": {}}}),
)
JOB = GroupVersionKind("batch", "v1", "Job")


def controller(name: str) -> UserInfo:
    """A controller of the controller manager, with its own service account."""
    return UserInfo(username=KUBE_SYSTEM + name)


@pytest.mark.parametrize("name", ["status", "eviction", "binding", "finalize", "token"])
def test_housekeeping_subresources_are_not_judged(name: str) -> None:
    """A request to such a subresource is none of the guard's business, whatever it writes."""
    new = changed(DEPLOYMENT, at("spec.replicas", 9))
    decided = judged(subject("UPDATE", old=DEPLOYMENT, new=new, subresource=name))
    assert not decided.applicable
    assert broken(decided) == {}


@pytest.mark.parametrize("name", ["", "ephemeralcontainers", "resize", "statusx", "Status"])
def test_other_subresources_are_judged(name: str) -> None:
    """A subresource that writes the spec is an update like any other."""
    new = changed(DEPLOYMENT, at("spec.replicas", 9))
    assert broken(judged(subject("UPDATE", old=DEPLOYMENT, new=new, subresource=name)))


@pytest.mark.parametrize(
    ("group", "kind"),
    [
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
    ],
)
def test_housekeeping_kinds_are_not_judged(group: str, kind: str) -> None:
    """Leases, Events, nodes and reviews pass even with a reconciler's labels; the same kind of another group does not."""
    for operation in ("UPDATE", "DELETE"):
        asked = subject(operation, old=DEPLOYMENT, new=DEPLOYMENT, kind=GroupVersionKind(group, "v1", kind))
        assert not judged(asked).applicable
        assert judged(
            subject(operation, old=DEPLOYMENT, new=DEPLOYMENT, kind=GroupVersionKind("example.com", "v1", kind))
        ).applicable


def test_connections_are_not_judged() -> None:
    """``kubectl exec`` and port-forward change no object."""
    assert not judged(subject("CONNECT", old=DEPLOYMENT, subresource="exec")).applicable


@pytest.mark.parametrize(
    "name",
    [KUBE_SYSTEM + "namespace-controller", KUBE_SYSTEM + "generic-garbage-collector", CONTROLLER_MANAGER.username],
)
def test_collectors_delete(name: str) -> None:
    """Namespace deletion and garbage collection go through; the same actor's update of a declared field does not."""
    assert broken(judged(subject("DELETE", old=DEPLOYMENT, user=UserInfo(username=name)))) == {}
    new = changed(DEPLOYMENT, at("spec.replicas", 9))
    assert broken(judged(subject("UPDATE", old=DEPLOYMENT, new=new, user=UserInfo(username=name))))


@pytest.mark.parametrize(
    "name",
    [
        KUBE_SYSTEM + "generic-garbage-collector2",
        "x" + KUBE_SYSTEM + "generic-garbage-collector",
        KUBE_SYSTEM + "deployment-controller",
        KUBE_SYSTEM + "ttl-after-finished-controller",
        "system:serviceaccount:kube-systems:generic-garbage-collector",
        "generic-garbage-collector",
        "system:kube-controller-managers",
        KUBE_SYSTEM.upper() + "namespace-controller",
        "",
    ],
)
def test_others_of_kube_system_do_not_delete(name: str) -> None:
    """The exemption is of exact user names: no prefix, no suffix, not all of kube-system."""
    assert broken(judged(subject("DELETE", old=DEPLOYMENT, user=UserInfo(username=name)))) == {"": "drift/deleted"}


def test_masters_are_no_exemption() -> None:
    """An administrator of the cluster changes Git, too."""
    assert broken(judged(subject("DELETE", old=DEPLOYMENT, user=ADMIN))) == {"": "drift/deleted"}
    new = changed(DEPLOYMENT, at("spec.replicas", 9))
    assert broken(judged(subject("UPDATE", old=DEPLOYMENT, new=new, user=ADMIN))) == {
        "spec.replicas": "drift/owned-field"
    }


def test_finished_jobs_are_cleaned_up() -> None:
    """The TTL controller deletes Jobs, of the batch group, and deletes nothing else."""
    ttl = controller("ttl-after-finished-controller")
    assert broken(judged(subject("DELETE", old=DEPLOYMENT, user=ttl, kind=JOB))) == {}
    for kind in (GroupVersionKind("example.com", "v1", "Job"), GroupVersionKind("batch", "v1", "CronJob")):
        assert broken(judged(subject("DELETE", old=DEPLOYMENT, user=ttl, kind=kind)))


@pytest.mark.parametrize("operation", ["UPDATE", "DELETE"])
def test_what_is_terminating_is_let_go(operation: str) -> None:
    """An object that is being deleted may be changed and deleted by anybody: only finalizers hold it."""
    old = changed(DEPLOYMENT, at("metadata.deletionTimestamp", "2026-01-01T00:00:00Z"))
    new = changed(old, at("spec.replicas", 9)) if operation == "UPDATE" else None
    assert judged(subject(operation, old=old, new=new)).reason == "already terminating"


def test_a_new_object_that_calls_itself_terminating_is_judged() -> None:
    """On CREATE the timestamp is the client's own."""
    new = changed(DEPLOYMENT, at("metadata.deletionTimestamp", "2026-01-01T00:00:00Z"))
    assert broken(judged(subject("CREATE", new=new))) == {"": "drift/claimed"}


@pytest.mark.parametrize(
    "patch",
    [
        at("metadata.finalizers", ["a/b"]),
        at("metadata.ownerReferences", [{"kind": "A", "name": "a", "uid": "1", "controller": True}]),
        at("metadata.resourceVersion", "2"),
        {},
    ],
)
def test_bookkeeping_of_metadata_passes(patch: dict) -> None:
    """Finalizers, ownerReferences, a storage migration's empty write: none of it is what Git declares."""
    new = changed(DEPLOYMENT, patch)
    assert judged(subject("UPDATE", old=DEPLOYMENT, new=new)).reason == "no declared field changes"


def test_rollout_restart_passes() -> None:
    """``kubectl rollout restart`` writes an annotation that Git does not declare."""
    stamp = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    new = changed(DEPLOYMENT, at("spec.template.metadata.annotations", stamp))
    assert broken(judged(subject("UPDATE", old=DEPLOYMENT, new=new))) == {}


# name: (actor, group, kind, a spec that the reconciler declares, what the writer may do to it, what it may not)
CLUSTER_ROLE = ("rbac.authorization.k8s.io", "ClusterRole")
WRITERS: dict[str, tuple[str, str, str, dict, dict, dict]] = {
    "clusterrole-aggregation": (
        KUBE_SYSTEM + "clusterrole-aggregation-controller", *CLUSTER_ROLE,
        {"rules": [], "aggregationRule": {"clusterRoleSelectors": []}},
        {"rules": [{"verbs": ["get"]}]}, {"aggregationRule": {"clusterRoleSelectors": [{}]}},
    ),
    "pv-binder claim": (
        KUBE_SYSTEM + "persistent-volume-binder", "", "PersistentVolumeClaim",
        {"spec": {"volumeName": "", "storageClassName": "a"}},
        at("spec.volumeName", "pv-1"), at("spec.storageClassName", "b"),
    ),
    "pv-binder volume": (
        KUBE_SYSTEM + "persistent-volume-binder", "", "PersistentVolume",
        {"spec": {"claimRef": {"name": "a"}, "capacity": {"storage": "1Gi"}}},
        at("spec.claimRef.name", "b"), at("spec.capacity.storage", "9Gi"),
    ),
    "ca-injector conversion": (
        "system:serviceaccount:cert-manager:cert-manager-cainjector", "apiextensions.k8s.io", "CustomResourceDefinition",
        {"spec": {"conversion": {"webhook": {"clientConfig": {"caBundle": "", "url": "a"}}}}},
        at("spec.conversion.webhook.clientConfig.caBundle", "x"), at("spec.conversion.webhook.clientConfig.url", "b"),
    ),
    "ca-injector service": (
        "system:serviceaccount:cert-manager:cert-manager-cainjector", "apiregistration.k8s.io", "APIService",
        {"spec": {"caBundle": "", "insecureSkipTLSVerify": False}},
        at("spec.caBundle", "x"), at("spec.insecureSkipTLSVerify", True),
    ),
    **{
        f"capm3 {name}": (
            "system:serviceaccount:capm3-system:capm3-manager", "metal3.io", "BareMetalHost",
            {"spec": {name: "a", "bmc": {"address": "a"}, "bootMACAddress": "a", "rootDeviceHints": {"hctl": "a"}}},
            at(f"spec.{name}", "b"), at(f"spec.{other}", "b"),
        )
        for name, other in zip(
            ("image", "customDeploy", "userData", "metaData", "networkData", "automatedCleaningMode", "online", "consumerRef"),
            ("bmc.address", "bootMACAddress", "rootDeviceHints.hctl") * 3,
            strict=False,
        )
    },
    "vpa": (
        KUBE_SYSTEM + "vpa-updater", "", "Pod",
        {"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1"}}, "image": "a"}]}},
        at("spec.containers", [{"name": "a", "resources": {"limits": {"cpu": "2"}}, "image": "a"}]),
        at("spec.containers", [{"name": "a", "resources": {"limits": {"cpu": "1"}}, "image": "b"}]),
    ),
    **{
        f"flagger {kind} {field}": (
            "system:serviceaccount:flagger-system:flagger", group, kind,
            {"spec": {field: 1, "other": 1}}, at(f"spec.{field}", 2), at("spec.other", 2),
        )
        for group, kind, field in (
            ("apps", "Deployment", "replicas"),
            ("apps", "DaemonSet", "selector"),
            ("", "Service", "selector"),
            ("autoscaling", "HorizontalPodAutoscaler", "minReplicas"),
            ("autoscaling", "HorizontalPodAutoscaler", "maxReplicas"),
            ("gateway.networking.k8s.io", "HTTPRoute", "rules"),
            ("networking.istio.io", "VirtualService", "http"),
            ("networking.istio.io", "DestinationRule", "trafficPolicy"),
        )
    },
    "external-secrets": (
        "system:serviceaccount:external-secrets:external-secrets", "", "Secret",
        {"data": {"a": "YQ=="}, "type": "Opaque"}, at("data.a", "Yg=="), {"type": "x"},
    ),
    "endpoints": (KUBE_SYSTEM + "endpoint-controller", "", "Endpoints", {"subsets": [1]}, {"subsets": [2]}, {}),
}  # fmt: skip


def fields_of(value: object) -> dict:
    """FieldsV1 of a value: maps by field, a list of named elements by name, the rest whole."""
    if isinstance(value, dict):
        return {f"f:{key}": fields_of(below) for key, below in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict) and "name" in value[0]:
        return {f'k:{{"name":"{item["name"]}"}}': {".": {}, **fields_of(item)} for item in value}
    return {}


@pytest.mark.parametrize("row", WRITERS)
def test_writers_write_what_is_theirs(row: str) -> None:
    """A writer may change its field of its kinds; not another field, and nobody else may change that one."""
    name, group, kind_name, content, its_own, another = WRITERS[row]
    kind = GroupVersionKind(group, "v1", kind_name)
    fields = {"f:metadata": LABEL_FIELDS, **fields_of(content)}
    old = managed_object({}, entry("kustomize-controller", fields, version=kind.api_version), kind=kind)
    del old["spec"]
    old |= content
    writer = UserInfo(username=name)

    def found(patch: dict, user: UserInfo, about: GroupVersionKind = kind) -> dict:
        return broken(judged(subject("UPDATE", old=old, new=changed(old, patch), user=user, kind=about)))

    assert found(its_own, writer) == {}
    assert found(its_own, HUMAN)
    assert found(its_own, UserInfo(username=name + "x"))
    assert found(its_own, writer, GroupVersionKind("example.com", "v1", kind_name))
    if another:
        assert found(another, writer)


@pytest.mark.parametrize("row", ["clusterrole-aggregation", "pv-binder claim", "endpoints"])
def test_the_controller_manager_writes_for_its_controllers(row: str) -> None:
    """Without credentials of their own, its controllers all ask as the controller manager."""
    _, group, kind_name, content, its_own, _ = WRITERS[row]
    kind = GroupVersionKind(group, "v1", kind_name)
    fields = {"f:metadata": LABEL_FIELDS, **fields_of(content)}
    old = managed_object({}, entry("kustomize-controller", fields, version=kind.api_version), kind=kind) | content
    new = changed(old, its_own)
    assert broken(judged(subject("UPDATE", old=old, new=new, user=CONTROLLER_MANAGER, kind=kind))) == {}


def test_only_aggregated_roles_get_their_rules() -> None:
    """A ClusterRole without an aggregationRule is not the aggregation controller's to fill."""
    kind = GroupVersionKind("rbac.authorization.k8s.io", "v1", "ClusterRole")
    fields = {"f:metadata": LABEL_FIELDS, "f:rules": {}}
    old = managed_object({}, entry("kustomize-controller", fields, version=kind.api_version), kind=kind) | {"rules": []}
    new = changed(old, {"rules": [{"verbs": ["*"]}]})
    user = controller("clusterrole-aggregation-controller")
    assert broken(judged(subject("UPDATE", old=old, new=new, user=user, kind=kind))) == {"rules": "drift/owned-field"}


@pytest.mark.parametrize(
    ("user", "kind", "operations"),
    [
        ("endpoint-controller", "Endpoints", {"CREATE", "DELETE"}),
        ("system:serviceaccount:external-secrets:external-secrets", "Secret", {"CREATE"}),
    ],
)
def test_copied_labels_are_no_claim_of_their_copier(user: str, kind: str, operations: set[str]) -> None:
    """Endpoints carry their Service's labels, a target Secret its ExternalSecret's: their controllers may write them."""
    name = user if ":" in user else KUBE_SYSTEM + user
    about = GroupVersionKind("", "v1", kind)
    item = managed_object({}, entry("kustomize-controller", {"f:metadata": LABEL_FIELDS}, version="v1"), kind=about)
    for operation in ("CREATE", "DELETE"):
        old, new = (None, item) if operation == "CREATE" else (item, None)
        found = broken(judged(subject(operation, old=old, new=new, user=UserInfo(username=name), kind=about)))
        assert (found == {}) is (operation in operations)
        assert broken(judged(subject(operation, old=old, new=new, kind=about)))
