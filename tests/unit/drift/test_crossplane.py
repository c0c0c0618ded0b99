"""Crossplane: what a composite composes, and the composite behind a claim."""

from __future__ import annotations

from typing import Any

import pytest
from support.reviews import (
    COLLECTOR,
    FLUX_LABELS,
    KUSTOMIZE,
    LABEL_FIELDS,
    Known,
    at,
    broken,
    changed,
    entry,
    excused,
    judged,
    managed_object,
    owners_found,
    subject,
)

from gateway.config.drift import Drift
from gateway.core.subject import GroupVersionKind, UserInfo

COMPOSITE = "crossplane.io/composite"
CLAIM = {"crossplane.io/claim-name": "db", "crossplane.io/claim-namespace": "web"}
NAMED = {"crossplane.io/composition-resource-name": "instance"}
HAND = "apiextensions.crossplane.io/composed/ef08e4db35abd8b42eb51aba418b5b815767c572772cb6c2665857cad5848ba4"
XR = {"apiVersion": "db.example.com/v1", "kind": "XDatabase", "name": "db-x7", "uid": "1", "controller": True}
INSTANCE = GroupVersionKind("rds.aws.upbound.io", "v1beta1", "Instance")
DATABASE = GroupVersionKind("db.example.com", "v1", "XDatabase")
FIELDS = {"f:spec": {"f:forProvider": {"f:size": {}}}}
CROSSPLANE = UserInfo(username="system:serviceaccount:crossplane-system:crossplane")
PROVIDER = UserInfo(username="system:serviceaccount:crossplane-system:provider-aws-0123abcd")
OWNER = "crossplane XDatabase/db-x7"


def composed(
    *, manager: str = HAND, owner: Any = XR, labels: Any = None, annotations: Any = None, spec: Any = None, **more: Any
) -> dict:
    """A composed object, as Crossplane applies it."""
    return managed_object(
        {"forProvider": {"size": 1}, **(spec or {})},
        entry(manager, FIELDS, version=INSTANCE.api_version),
        kind=INSTANCE,
        labels={COMPOSITE: "db-x7", **CLAIM} if labels is None else labels,
        annotations=NAMED if annotations is None else annotations,
        ownerReferences=[owner] if owner else [],
        **more,
    )


def composite(claim: Any = None, *, labels: Any = None, manager: str = "apiextensions.crossplane.io/claim") -> dict:
    """A composite that a claim stands behind; cluster-scoped."""
    reference = {"apiVersion": "db.example.com/v1", "kind": "Database", "namespace": "web", "name": "db"}
    return managed_object(
        {"size": 1, "claimRef": reference if claim is None else claim},
        entry(manager, {"f:spec": {"f:size": {}, "f:claimRef": {}}}, version=DATABASE.api_version),
        kind=DATABASE,
        labels={COMPOSITE: "db-x7", **CLAIM} if labels is None else labels,
    )


def update(old: dict, *patches: dict, user: UserInfo | None = None, kind: GroupVersionKind = INSTANCE) -> Any:
    """The decision about a change of it."""
    who = {} if user is None else {"user": user}
    return judged(subject("UPDATE", old=old, new=changed(old, *patches), kind=kind, **who))


def test_a_composed_object_is_its_composites() -> None:
    """By the label that names the object's controller, and Crossplane's hand in it."""
    assert owners_found(composed(), kind=INSTANCE) == [OWNER]
    assert owners_found(composed(), "CREATE", kind=INSTANCE) == [OWNER]


@pytest.mark.parametrize(
    "obj",
    [
        composed(manager="kubectl"),
        composed(manager="crossplane-kubernetes-provider"),
        composed(manager="apiextensions.crossplane.io/composite"),
        composed(owner=None),
        composed(owner={**XR, "name": "other"}),
        composed(owner={**XR, "controller": False}),
        composed(labels={}),
        composed(labels=CLAIM),
        composed(labels={COMPOSITE: ""}, owner={**XR, "name": ""}),
    ],
)
def test_copied_labels_are_not_believed(obj: dict) -> None:
    """The label alone, a controller of another name, or somebody else's hand: nothing of that is Crossplane's."""
    assert owners_found(obj, kind=INSTANCE) == []


STATED = {**FIELDS, "f:metadata": {"f:ownerReferences": {'k:{"uid":"1"}': {}}}}
ROOT = {COMPOSITE: "root-a1", **CLAIM}


def nested(fields: Any = STATED, manager: str = HAND, **more: Any) -> dict:
    """What a composite composes that is itself composed: Crossplane copies the outermost one's label all the way down."""
    obj = composed(labels=ROOT, manager=manager, **more)
    obj["metadata"]["managedFields"] = [entry(manager, fields, version=INSTANCE.api_version)]
    return obj


def test_what_a_nested_composite_composes_is_its() -> None:
    """By its controller, which Crossplane's own hand states, whatever composite the label names."""
    for operation in ("DELETE", "CREATE"):
        assert owners_found(nested(), operation, kind=INSTANCE) == [OWNER]
    assert broken(update(nested(), at("spec.forProvider.size", 2))) == {"spec.forProvider.size": "drift/owned-field"}
    assert broken(update(nested(), at("spec.forProvider.size", 2), user=CROSSPLANE)) == {}
    assert broken(judged(subject("CREATE", new=nested(), kind=INSTANCE, user=CROSSPLANE))) == {}


@pytest.mark.parametrize(
    "obj",
    [
        nested(FIELDS),
        nested({**FIELDS, "f:metadata": {"f:ownerReferences": {'k:{"uid":"2"}': {}}}}),
        nested(manager="controller"),
        nested(owner={**XR, "controller": False}),
        nested(owner={**XR, "apiVersion": "apps/v1"}),
        nested(owner={**XR, "name": ""}),
    ],
)
def test_what_a_composed_operator_makes_is_not_its_composites(obj: dict) -> None:
    """An operator (Knative) copies labels and annotations to objects that its own, composed, object controls."""
    for operation in ("DELETE", "CREATE"):
        assert owners_found(obj, operation, kind=INSTANCE) == []
    assert broken(judged(subject("CREATE", new=obj, kind=INSTANCE))) == {}


@pytest.mark.parametrize("api_version", ["apps/v1", "v1", "batch/v1", "networking.k8s.io/v1", ""])
def test_what_kubernetes_itself_controls_is_no_composite(api_version: str) -> None:
    """A composed Deployment's ReplicaSet may carry the label from its Pod template, and its parent the same name."""
    copy = composed(owner={**XR, "apiVersion": api_version})
    assert owners_found(copy, kind=INSTANCE) == []
    assert owners_found(copy, "CREATE", kind=INSTANCE) == []


def test_a_new_object_claims_its_composite_with_all_marks_only() -> None:
    """An operator copies labels to what it creates; the composition's name for a resource is an annotation besides."""
    assert owners_found(composed(annotations={}), "CREATE", kind=INSTANCE) == []
    assert broken(judged(subject("CREATE", new=composed(), kind=INSTANCE))) == {"": "drift/claimed"}
    assert broken(judged(subject("CREATE", new=composed(), kind=INSTANCE, user=CROSSPLANE))) == {}


@pytest.mark.parametrize("obj", [composed(), nested()])
def test_its_controller_is_tracking_metadata(obj: dict) -> None:
    """Without it the object would be nobody's, whatever its labels say."""
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": "9"}
    taken: list[list[dict]] = [[], [{**XR, "controller": False}, {**other, "controller": True}]]
    for references in taken:
        found = broken(update(obj, at("metadata.ownerReferences", references)))
        assert set(found.values()) == {"drift/tracking-metadata"}
        assert broken(update(obj, at("metadata.ownerReferences", references), user=CROSSPLANE)) == {}
    assert broken(update(obj, at("metadata.ownerReferences", [XR, other]))) == {}


def test_a_composite_is_its_claims() -> None:
    """By labels that name the claim to which it refers."""
    assert owners_found(composite(), kind=DATABASE, namespace="") == ["crossplane web/Database/db"]
    assert owners_found(composite(), "CREATE", kind=DATABASE, namespace="") == ["crossplane web/Database/db"]


@pytest.mark.parametrize(
    "obj",
    [
        composite({}),
        composite({"name": "db", "namespace": "other"}),
        composite({"name": "other", "namespace": "web"}),
        composite("db"),
        composite(labels={COMPOSITE: "db-x7"}),
        composite(manager="kubectl"),
    ],
)
def test_a_composite_of_its_own_is_whosever_wrote_it(obj: dict) -> None:
    """Without a claim, a composite is an object like any other; so is one to which a claim's labels were copied."""
    assert owners_found(obj, kind=DATABASE, namespace="") == []


def test_a_claims_marks_on_its_composite_are_not_the_gitops_tools() -> None:
    """Crossplane copies a claim's labels and annotations to the composite, those of Flux and Argo CD among them."""
    obj = composite(labels={**CLAIM, **FLUX_LABELS})
    obj["metadata"]["annotations"] = {
        "argocd.argoproj.io/tracking-id": "shop:db.example.com/Database:web/db",
        "configmanagement.gke.io/managed": "enabled",
        "configsync.gke.io/resource-id": "db.example.com_database_web_db",
    }
    assert owners_found(obj, kind=DATABASE, namespace="") == ["crossplane web/Database/db"]


def test_a_claim_that_flux_applied_may_be_bound_by_crossplane() -> None:
    """Crossplane writes the reference to the composite, which Git does not declare, into Flux's object."""
    kind = GroupVersionKind("db.example.com", "v1", "Database")
    own = entry(
        "kustomize-controller", {"f:metadata": LABEL_FIELDS, "f:spec": {"f:size": {}}}, version=kind.api_version
    )
    claim = managed_object({"size": 1}, own, kind=kind)
    assert broken(update(claim, at("spec.resourceRef", {"name": "db-x7"}), user=CROSSPLANE, kind=kind)) == {}
    assert broken(update(claim, at("spec.size", 2), user=CROSSPLANE, kind=kind)) == {"spec.size": "drift/owned-field"}
    assert broken(update(claim, at("spec.size", 2), user=KUSTOMIZE, kind=kind)) == {}


def test_providers_may_complete_what_the_composition_leaves_open() -> None:
    """Late initialisation adds fields; a field that the composition states is Crossplane's alone."""
    completed = at("spec.forProvider.zone", "a")
    external = {"metadata": {"annotations": {"crossplane.io/external-name": "i-1"}}}
    assert broken(update(composed(), completed, external, user=PROVIDER)) == {}
    stated = {"spec.forProvider.size": "drift/owned-field"}
    for user in (PROVIDER, None, KUSTOMIZE):
        assert broken(update(composed(), at("spec.forProvider.size", 2), user=user)) == stated
    assert broken(update(composed(), at("spec.forProvider.size", 2), user=CROSSPLANE)) == {}


@pytest.mark.parametrize("name", [COMPOSITE, *CLAIM])
def test_its_labels_are_tracking_metadata(name: str) -> None:
    """By them Crossplane finds what it composed."""
    found = broken(update(composed(), {"metadata": {"labels": {name: None}}}))
    assert found == {f'metadata.labels["{name}"]': "drift/tracking-metadata"}


def test_a_field_manager_proves_nothing() -> None:
    """Whoever writes under Crossplane's name is still judged by the name that the API server authenticated."""
    old = composed()
    new = changed(old, at("spec.forProvider.size", 2))
    new["metadata"]["managedFields"].append(entry(HAND, FIELDS, operation="Update", version=INSTANCE.api_version))
    assert "spec.forProvider.size" in broken(judged(subject("UPDATE", old=old, new=new, kind=INSTANCE)))


def test_deletion_is_for_crossplane_and_the_collector() -> None:
    """A composed object goes with its composite."""
    old = composed()
    assert broken(judged(subject("DELETE", old=old, kind=INSTANCE))) == {"": "drift/deleted"}
    for user in (CROSSPLANE, COLLECTOR):
        assert broken(judged(subject("DELETE", old=old, kind=INSTANCE, user=user))) == {}


@pytest.mark.parametrize(
    ("annotations", "spec", "paused"),
    [
        ({"crossplane.io/paused": "true"}, {}, True),
        ({"crossplane.io/paused": "false"}, {}, False),
        ({"crossplane.io/paused": ""}, {}, False),
        ({}, {"managementPolicies": []}, True),
        ({}, {"managementPolicies": ["Observe"]}, True),
        ({}, {"managementPolicies": ["*"]}, False),
        ({}, {"managementPolicies": ["Observe", "Update"]}, False),
    ],
)
def test_what_is_paused_or_only_observed_is_not_enforced(annotations: dict, spec: dict, paused: bool) -> None:
    """It is recorded; what the same request brings along changes nothing about that."""
    old = composed(annotations={**NAMED, **annotations}, spec=spec)
    found = update(old, at("spec.forProvider.size", 2))
    assert bool(excused(found)) is paused
    assert bool(broken(found)) is not paused
    declared = Drift(intent_annotations="declared")
    asked = subject("UPDATE", old=old, new=changed(old, at("spec.forProvider.size", 2)), kind=INSTANCE)
    assert broken(judged(asked, None, declared)) == {"spec.forProvider.size": "drift/owned-field"}
    late = update(composed(), at("spec.forProvider.size", 2), {"metadata": {"annotations": annotations}})
    assert excused(late) == {}


@pytest.mark.parametrize(
    "obj", [{"metadata": 1}, {"metadata": {"labels": {COMPOSITE: 1}, "ownerReferences": {"a": 1}}}]
)
def test_nonsense_is_nobodys(obj: dict) -> None:
    """Whatever was stored is read without an error."""
    obj = {**obj, "spec": "x"}
    assert owners_found(obj, kind=INSTANCE) == []
    assert owners_found(obj, "CREATE", kind=INSTANCE) == []


def test_composites_are_not_looked_for_so_none_is_gone() -> None:
    """Composites are of any kind: ``orphans: release`` lets nothing go of which nothing could be known."""
    assert owners_found(composed(), kind=INSTANCE, config=Drift(orphans="release"), facts=Known()) == [OWNER]
