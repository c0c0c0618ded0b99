"""Whose object it is: markers that are believed, markers that were copied or invented, and inventories."""

from __future__ import annotations

from typing import Any

import pytest
from support.reviews import (
    ARGO,
    FLUX_LABELS,
    LABEL_FIELDS,
    SHOP,
    Known,
    at,
    broken,
    changed,
    entry,
    judged,
    managed_object,
    subject,
)
from support.reviews import (
    owners_found as owners,
)

from gateway.config.drift import ArgoCD, Drift
from gateway.core.subject import GroupVersionKind, UserInfo
from webhooks.drift.facts import ObjectKey, Owner, OwnerRef

TRACKING_ID = "argocd.argoproj.io/tracking-id"
INSTALLATION_ID = "argocd.argoproj.io/installation-id"
INSTANCE = "app.kubernetes.io/instance"
HELM_LABELS = {name.replace("kustomize", "helm"): value for name, value in FLUX_LABELS.items()}
CONTROLLER = [{"kind": "Deployment", "name": "a", "uid": "1", "controller": True}]
SERVICE = GroupVersionKind("", "v1", "Service")
ROLE = GroupVersionKind("rbac.authorization.k8s.io", "v1", "ClusterRole")
NAMESPACE = GroupVersionKind("", "v1", "Namespace")
DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")


def tracked(value: Any, kind: GroupVersionKind = DEPLOYMENT, **metadata: Any) -> dict:
    """An object with this tracking id, written by nobody in particular."""
    return managed_object({}, labels={}, kind=kind, annotations={TRACKING_ID: value}, **metadata)


# Flux


@pytest.mark.parametrize(
    ("labels", "manager", "owner"),
    [
        (FLUX_LABELS, "kustomize-controller", ["flux-kustomization flux-system/apps"]),
        (HELM_LABELS, "helm-controller", ["flux-helmrelease flux-system/apps"]),
        (FLUX_LABELS, "helm-controller", []),
        (HELM_LABELS, "kustomize-controller", []),
        (FLUX_LABELS, "kubectl", []),
        ({}, "kustomize-controller", []),
    ],
)
def test_flux_labels_need_fluxs_hand_in_the_object(labels: dict, manager: str, owner: list[str]) -> None:
    """Labels count where the reconciler owns fields of the object, too: labels are copied, its entries are not."""
    obj = managed_object({}, entry(manager, {"f:spec": {"f:replicas": {}}}), labels=labels)
    assert owners(obj) == owner


def test_what_another_object_controls_only_inherited_the_labels() -> None:
    """A controller's copy is not Flux's, unless Flux itself wrote the label there."""
    spec_only = entry("kustomize-controller", {"f:spec": {"f:replicas": {}}})
    with_label = entry("kustomize-controller", {"f:metadata": LABEL_FIELDS})
    assert owners(managed_object({}, spec_only, ownerReferences=CONTROLLER)) == []
    assert owners(managed_object({}, with_label, ownerReferences=CONTROLLER)) == ["flux-kustomization flux-system/apps"]
    plain = [{**CONTROLLER[0], "controller": False}]
    assert owners(managed_object({}, spec_only, ownerReferences=plain)) == ["flux-kustomization flux-system/apps"]


@pytest.mark.parametrize("missing", list(FLUX_LABELS))
@pytest.mark.parametrize("value", [None, "", 1, ["a"]])
def test_both_flux_labels_are_needed(missing: str, value: Any) -> None:
    """One label without the other names no owner."""
    labels = {**FLUX_LABELS, missing: value}
    assert owners(managed_object({}, entry("kustomize-controller", {"f:metadata": LABEL_FIELDS}), labels=labels)) == []


def test_a_status_entry_of_flux_is_no_proof() -> None:
    """What a reconciler wrote to a subresource says nothing of the object itself."""
    obj = managed_object({}, entry("kustomize-controller", {"f:status": {}}, subresource="status"))
    assert owners(obj) == []


def test_a_new_object_with_flux_labels_claims_flux() -> None:
    """On CREATE there are no managedFields to ask; a copy with a controller claims nothing."""
    assert owners(managed_object({}), "CREATE") == ["flux-kustomization flux-system/apps"]
    assert owners(managed_object({}, labels=HELM_LABELS), "CREATE") == ["flux-helmrelease flux-system/apps"]
    assert owners(managed_object({}, ownerReferences=CONTROLLER), "CREATE") == []
    assert broken(judged(subject("CREATE", new=managed_object({})))) == {"": "drift/claimed"}
    assert broken(judged(subject("CREATE", new=managed_object({}, ownerReferences=CONTROLLER)))) == {}


# Argo CD: tracking id


@pytest.mark.parametrize(
    ("value", "owner"),
    [
        ("shop:apps/Deployment:web/api", ["argocd argocd/shop"]),
        ("team-a_shop:apps/Deployment:web/api", ["argocd team-a/shop"]),
        ("shop:apps/Deployment:web/other", []),
        ("shop:apps/Deployment:other/api", []),
        ("shop:apps/ReplicaSet:web/api", []),
        ("shop:extensions/Deployment:web/api", []),
        ("shop:/Deployment:web/api", []),
        ("shop:apps/Deployment:api", []),
        ("shop:apps/Deployment", []),
        ("shop", []),
        (":apps/Deployment:web/api", []),
        ("", []),
        (None, []),
        (7, []),
        ("a\nb:apps/Deployment:web/api", []),
        ("$(reboot):apps/Deployment:web/api", []),
        ("x; rm -rf ~:apps/Deployment:web/api", []),
    ],
)
def test_a_tracking_id_must_name_the_object_it_stands_on(value: Any, owner: list[str]) -> None:
    """A copied id names another object; an id without a possible Application's name is nobody's."""
    assert owners(tracked(value)) == owner
    assert owners(tracked(value), "CREATE") == owner


def test_the_core_group_has_an_empty_name() -> None:
    """``app:/Service:ns/name`` is how Argo CD writes the core group."""
    obj = tracked("shop:/Service:web/api", SERVICE)
    assert owners(obj, kind=SERVICE) == ["argocd argocd/shop"]
    assert owners(tracked("shop:v1/Service:web/api", SERVICE), kind=SERVICE) == []


def test_a_cluster_scoped_object_carries_the_applications_destination() -> None:
    """There the namespace of the id is not the object's, for it has none; name and kind must still be its own."""
    role = tracked("shop:rbac.authorization.k8s.io/ClusterRole:anything/api", ROLE)
    assert owners(role, kind=ROLE, namespace="") == ["argocd argocd/shop"]
    other = tracked("shop:rbac.authorization.k8s.io/ClusterRole:anything/other", ROLE)
    assert owners(other, kind=ROLE, namespace="") == []


def test_a_namespace_is_cluster_scoped_though_its_requests_name_it() -> None:
    """The API server puts a Namespace's own name into ``request.namespace``."""
    obj = tracked("shop:/Namespace:web/api", NAMESPACE)
    assert owners(obj, kind=NAMESPACE, namespace="api") == ["argocd argocd/shop"]
    asked = subject("DELETE", old=obj, kind=NAMESPACE, namespace="api", name="")
    assert (asked.object_namespace, asked.name, asked.governing_namespace) == ("", "api", "api")


def test_generated_names_count_as_the_objects_own() -> None:
    """With ``generateName`` Argo CD wrote the id before the name was known."""
    for name in ("", "api-"):
        obj = tracked(f"shop:apps/Deployment:web/{name}", generateName="api-")
        assert owners(obj) == ["argocd argocd/shop"]
        assert owners(tracked(f"shop:apps/Deployment:web/{name}")) == []
    assert owners(tracked("shop:apps/Deployment:web/b-", generateName="api-")) == []


def test_a_deletecollection_names_nothing() -> None:
    """Then the name is that of the object as it is."""
    assert owners(tracked("shop:apps/Deployment:web/api"), name="") == ["argocd argocd/shop"]


@pytest.mark.parametrize(("found", "owner"), [("one", ["argocd argocd/shop"]), ("two", []), (None, [])])
def test_installations_are_told_apart(found: str | None, owner: list[str]) -> None:
    """With an installation id, an object of another Argo CD is not ours."""
    obj = tracked("shop:apps/Deployment:web/api")
    if found:
        obj["metadata"]["annotations"][INSTALLATION_ID] = found
    assert owners(obj, config=Drift(argo_cd=ArgoCD(installation_id="one"))) == owner
    assert owners(obj) == ["argocd argocd/shop"]


# Argo CD: label


def labelled(**metadata: Any) -> dict:
    fields = {"f:metadata": {"f:labels": {f"f:{INSTANCE}": {}}}}
    return managed_object({}, entry("argocd-controller", fields), labels={INSTANCE: "shop"}, **metadata)


def test_the_instance_label_counts_where_argo_cd_tracks_by_label() -> None:
    """Helm charts write that label too, so Argo CD must own fields of the object; on CREATE it claims nothing."""
    by_label = Drift(argo_cd=ArgoCD(tracking="label"))
    assert owners(labelled(), config=by_label) == ["argocd argocd/shop"]
    assert owners(labelled()) == []
    assert owners(managed_object({}, entry("helm", {}), labels={INSTANCE: "shop"}), config=by_label) == []
    assert owners(labelled(), "CREATE", config=by_label) == []
    assert owners(tracked("shop:apps/Deployment:web/api"), config=by_label) == []
    assert owners(managed_object({}, labels={INSTANCE: ""}), config=by_label) == []


def test_the_copied_instance_label_is_not_believed() -> None:
    """A controlled object counts only where Argo CD itself wrote the label."""
    by_label = Drift(argo_cd=ArgoCD(tracking="label"))
    copied = managed_object(
        {}, entry("argocd-controller", {"f:spec": {"f:a": {}}}), labels={INSTANCE: "shop"}, ownerReferences=CONTROLLER
    )
    assert owners(copied, config=by_label) == []
    assert owners(labelled(ownerReferences=CONTROLLER), config=by_label) == ["argocd argocd/shop"]


def test_the_instance_labels_key_is_configurable() -> None:
    """Argo CD's ``application.instanceLabelKey``."""
    config = Drift(argo_cd=ArgoCD(tracking="label", instance_label="example.com/app"))
    obj = managed_object({}, entry("argocd-controller", {}), labels={"example.com/app": "shop"})
    assert owners(obj, config=config) == ["argocd argocd/shop"]
    assert owners(labelled(), config=config) == []


@pytest.mark.parametrize(
    ("tracking", "watched"),
    [
        ("annotation", {TRACKING_ID, INSTALLATION_ID}),
        ("label", {INSTANCE}),
        ("annotation+label", {TRACKING_ID, INSTALLATION_ID, INSTANCE}),
    ],
)
def test_the_tracking_metadata_follows_the_method(tracking: Any, watched: set[str]) -> None:
    """What Argo CD finds its objects by may not be changed; what it does not look at is anybody's."""
    annotations = {TRACKING_ID: "shop:apps/Deployment:web/api", INSTALLATION_ID: "x"}
    fields = {"f:spec": {"f:a": {}}}
    old = managed_object({}, entry("argocd-controller", fields), labels={INSTANCE: "shop"}, annotations=annotations)
    config = Drift(argo_cd=ArgoCD(tracking=tracking))
    found = set()
    for place, names in (("annotations", annotations), ("labels", (INSTANCE,))):
        for name in names:
            new = changed(old, {"metadata": {place: {name: None}}})
            rules = broken(judged(subject("UPDATE", old=old, new=new), None, config))
            found |= {name} if "drift/tracking-metadata" in rules.values() else set()
    assert found == watched


# Inventories


def test_an_inventory_survives_stripped_markers() -> None:
    """Without markers, the owner's own list says whose object it is: by group and kind, whatever the version."""
    key = ObjectKey("apps", "Deployment", "web", "api")
    facts = Known({SHOP: Owner()}, inventory={key: (SHOP,)})
    bare = managed_object({}, labels={})
    assert owners(bare, facts=facts) == ["argocd argocd/shop"]
    assert broken(judged(subject("DELETE", old=bare), facts)) == {"": "drift/deleted"}
    assert broken(judged(subject("DELETE", old=bare, user=ARGO), facts)) == {}
    for other in (changed(bare, at("metadata.name", "b")), bare):
        kind = DEPLOYMENT if other is not bare else GroupVersionKind("apps", "v1", "StatefulSet")
        assert owners(other, facts=facts, kind=kind) == []
    assert owners(bare, facts=facts, kind=GroupVersionKind("apps", "v1beta2", "Deployment")) == ["argocd argocd/shop"]


def test_an_inventory_does_not_go_before_markers() -> None:
    """Whoever may write an Application could list another owner's object in it, and would then act for it."""
    key = ObjectKey("apps", "Deployment", "web", "api")
    facts = Known({SHOP: Owner()}, inventory={key: (SHOP,)})
    obj = managed_object({}, entry("kustomize-controller", {"f:metadata": LABEL_FIELDS}))
    assert owners(obj, facts=facts) == ["flux-kustomization flux-system/apps"]


def test_an_inventory_is_no_claim_on_a_new_object() -> None:
    """A person may create again what the reconciler lists: nothing is taken from Git by that."""
    facts = Known({SHOP: Owner()}, inventory={ObjectKey("apps", "Deployment", "web", "api"): (SHOP,)})
    assert owners(managed_object({}, labels={}), "CREATE", facts=facts) == []


def test_an_unknown_reconcilers_inventory_is_left_out() -> None:
    """An owner of a reconciler that is not configured decides nothing."""
    key = ObjectKey("apps", "Deployment", "web", "api")
    facts = Known({}, inventory={key: (OwnerRef("other", "a", "b"),)})
    assert owners(managed_object({}, labels={}), facts=facts) == []


def test_a_namespace_is_listed_without_a_namespace() -> None:
    """Inventories list cluster-scoped objects with an empty namespace, Namespaces among them."""
    facts = Known({SHOP: Owner()}, inventory={ObjectKey("", "Namespace", "", "api"): (SHOP,)})
    obj = managed_object({}, labels={}, kind=NAMESPACE)
    assert owners(obj, kind=NAMESPACE, namespace="api", facts=facts) == ["argocd argocd/shop"]


@pytest.mark.parametrize(
    ("orphans", "facts", "owned"),
    [
        ("protect", Known(), True),
        ("release", Known(), False),
        ("release", Known(connected=False), True),
        ("release", Known(problems={"flux-kustomization": "not read yet"}), True),
        ("release", Known({OwnerRef("flux-kustomization", "flux-system", "apps"): Owner()}), True),
    ],
)
def test_orphans_are_released_only_when_their_owner_is_known_to_be_gone(
    orphans: Any, facts: Known, owned: bool
) -> None:
    """An owner that was merely not read yet is not gone."""
    obj = managed_object({}, entry("kustomize-controller", {"f:metadata": LABEL_FIELDS}))
    assert bool(owners(obj, config=Drift(orphans=orphans), facts=facts)) is owned


def test_nobodys_object_is_anybodys() -> None:
    """Without marker and inventory the guard has nothing to say."""
    old = managed_object({"a": 1}, entry("kubectl", {"f:spec": {"f:a": {}}}), labels={"a": "b"})
    asked = subject("UPDATE", old=old, new=changed(old, at("spec.a", 2)), user=UserInfo(username="x"))
    assert judged(asked).reason == "not managed"


@pytest.mark.parametrize(
    "escape", [lambda c: f"\\u{ord(c):04x}", lambda c: f"\\u{ord(c):04X}", lambda c: "\\/" if c == "/" else c]
)
@pytest.mark.parametrize(("labels", "marks"), [(FLUX_LABELS, {}), ({}, {TRACKING_ID: "shop:apps/Deployment:web/api"})])
def test_a_marker_is_found_however_it_is_written(escape: Any, labels: dict, marks: dict) -> None:
    """JSON may escape any character: a marker is no other one for that."""
    item = managed_object({}, labels=labels, annotations=marks)
    asked = subject("CREATE", new=item)
    text = asked.raw_object.decode()
    for name in (*labels, *marks):
        text = text.replace(name, "".join(map(escape, name)))
    asked.raw_object = text.encode()
    assert broken(judged(asked)) == {"": "drift/claimed"}


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE"])
def test_an_object_without_a_marker_is_not_even_decoded(operation: str) -> None:
    """Most of a cluster's traffic is about objects that nobody manages."""
    asked = subject(operation, old=managed_object({}, labels={}), new=managed_object({}, labels={}))
    assert judged(asked).reason == "not managed"
    assert not {"object", "old_object"} & vars(asked).keys()
