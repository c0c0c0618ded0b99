"""The Pulumi operator, known by field managers alone, and tofu-controller's Secrets."""

from __future__ import annotations

from typing import Any

import pytest
from support.reviews import (
    COLLECTOR,
    HUMAN,
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

from gateway.config.drift import Actors, Drift
from gateway.config.reconcilers import Pulumi, TofuController
from gateway.core.subject import GroupVersionKind, UserInfo
from webhooks.drift.facts import Owner, OwnerRef
from webhooks.drift.reconcilers.pulumi import ANY_STACK, stack
from webhooks.drift.reconcilers.tofu import terraform

ON = Drift(pulumi=Pulumi(mode="enforce"), tofu_controller=TofuController(mode="enforce"))
CONTROLLER = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "uid": "1", "controller": True}]
SECRET = GroupVersionKind("", "v1", "Secret")
TERRAFORM = GroupVersionKind("infra.contrib.fluxcd.io", "v1alpha2", "Terraform")
OWNING = {"apiVersion": TERRAFORM.api_version, "kind": "Terraform", "name": "db", "uid": "1", "controller": True}
RUNNER = UserInfo(username="system:serviceaccount:web:tf-runner")
DENIED = {"spec.a": "drift/owned-field"}


def written(manager: str, operation: str = "Apply", **more: Any) -> dict:
    """An object that Pulumi wrote."""
    return managed_object(
        {"a": 1, "b": 1}, entry(manager, {"f:spec": {"f:a": {}}}, operation=operation), labels={}, **more
    )


def output(**reference: Any) -> dict:
    """A Secret that a Terraform object controls."""
    own = entry("tf-runner", {"f:data": {".": {}, "f:password": {}}, "f:type": {}}, operation="Update", version="v1")
    obj = managed_object({}, own, labels={}, kind=SECRET, ownerReferences=[{**OWNING, **reference}])
    return {**obj, "data": {"password": "b25l"}}


def change(
    old: dict, patch: dict, user: UserInfo = HUMAN, *, facts: Any = None, config: Drift = ON, **more: Any
) -> Any:
    """The decision about a change of the object."""
    return judged(subject("UPDATE", old=old, new=changed(old, patch), user=user, **more), facts, config)


# Pulumi


@pytest.mark.parametrize(
    ("manager", "operation", "owned"),
    [
        ("pulumi-kubernetes-1a2b3c4d", "Apply", True),
        ("pulumi-kubernetes", "Update", True),
        ("pulumi-kubernetesx", "Apply", False),
        ("kubectl", "Apply", False),
    ],
)
def test_pulumi_is_known_by_its_hand(manager: str, operation: str, owned: bool) -> None:
    """A name per object server-side, one name client-side; only where the class is switched on."""
    obj = written(manager, operation)
    assert owners_found(obj, config=ON) == (["pulumi stack"] if owned else [])
    assert owners_found(obj) == []
    assert owners_found(obj, "CREATE", config=ON) == []
    assert broken(change(obj, at("spec.a", 2))) == (DENIED if owned else {})


STACK = GroupVersionKind("pulumi.com", "v1", "Stack")


@pytest.mark.parametrize("manager", ["pulumi-kubernetes-operator", "pulumi-kubernetes-operator/finalizer"])
def test_the_operators_own_hand_is_not_pulumis(manager: str) -> None:
    """It writes a finalizer on each Stack, which belongs to whoever declared it: Git, or a person, who may delete it."""
    own = entry(manager, {"f:metadata": {"f:finalizers": {".": {}}}}, operation="Update", version="pulumi.com/v1")
    obj = managed_object({}, own, labels={}, kind=STACK, finalizers=["finalizer.stack.pulumi.com"])
    assert owners_found(obj, config=ON, kind=STACK) == []
    assert broken(judged(subject("DELETE", old=obj, kind=STACK, user=HUMAN), None, ON)) == {}
    bare = managed_object({}, labels={}, kind=STACK)
    asked = subject("UPDATE", old=bare, new=obj, kind=STACK, user=UserInfo(username="system:serviceaccount:a:b"))
    assert broken(judged(asked, None, ON)) == {}


def test_what_is_controlled_is_its_controllers() -> None:
    """Nothing of Pulumi's is copied with an object, but its controller may have let it go."""
    assert owners_found(written("pulumi-kubernetes", ownerReferences=CONTROLLER), config=ON) == []


def test_the_accounts_of_all_stacks_act() -> None:
    """An object does not say which Stack it belongs to: any of them, and the operator; what is not one does not."""
    obj = written("pulumi-kubernetes-1a2b3c4d")
    facts = Known({ANY_STACK: Owner(accounts=frozenset(("system:serviceaccount:infra:deployer",)))})
    deployer = UserInfo(username="system:serviceaccount:infra:deployer")
    assert broken(change(obj, at("spec.a", 2), deployer, facts=facts)) == {}
    assert broken(change(obj, at("spec.a", 2), deployer)) == DENIED
    assert broken(change(obj, at("spec.b", 2), HUMAN, facts=facts)) == {}
    for name in ("pulumi-kubernetes-operator-controller-manager", "pulumi-kubernetes-operator", "controller-manager"):
        operator = f"system:serviceaccount:pulumi-kubernetes-operator:{name}"
        assert broken(change(obj, at("spec.a", 2), UserInfo(username=operator))) == {}


def test_its_hand_is_not_wiped_off() -> None:
    """managedFields are all that marks the object: to take Pulumi's entry away is a finding."""
    obj = written("pulumi-kubernetes-1a2b3c4d")
    found = change(obj, {"metadata": {"managedFields": []}})
    assert broken(found) == {"metadata.managedFields": "drift/managed-fields"}


def test_a_stacks_account() -> None:
    """As it names it, in its own namespace; else the namespace's default one, as any Pod's."""
    obj: dict = {"metadata": {"namespace": "infra", "name": "a"}, "spec": {"serviceAccountName": "deployer"}}
    assert stack(obj).owner.accounts == {"system:serviceaccount:infra:deployer"}
    assert stack({**obj, "spec": 1}).owner.accounts == {"system:serviceaccount:infra:default"}


def test_a_stacks_templates_name_its_account() -> None:
    """The workspace's template goes before the Stack's own, that of its Pods before both, as the operator merges them."""
    template: dict = {"spec": {"serviceAccountName": "workspace"}}
    spec = {"serviceAccountName": "deployer", "workspaceTemplate": template}
    obj = {"metadata": {"namespace": "infra", "name": "a"}, "spec": spec}
    assert stack(obj).owner.accounts == {"system:serviceaccount:infra:workspace"}
    template["spec"]["podTemplate"] = {"spec": {"serviceAccountName": "pod"}}
    assert stack(obj).owner.accounts == {"system:serviceaccount:infra:pod"}


# tofu-controller


@pytest.mark.parametrize(
    ("reference", "owned"),
    [
        ({}, True),
        ({"controller": False}, False),
        ({"kind": "Other"}, False),
        ({"apiVersion": "infra.example.com/v1"}, False),
        ({"apiVersion": "infra.contrib.fluxcd.io/v1alpha1"}, True),
    ],
)
def test_a_terraforms_secrets(reference: dict, owned: bool) -> None:
    """Known by the object that controls them, on creation too; no other kind is."""
    obj = output(**reference)
    expected = ["tofu-controller web/db"] if owned else []
    assert owners_found(obj, config=ON, kind=SECRET) == expected
    assert owners_found(obj, "CREATE", config=ON, kind=SECRET) == expected
    assert owners_found(obj, kind=SECRET) == []
    assert owners_found(obj, config=ON, kind=GroupVersionKind("", "v1", "Pod")) == []


def test_only_the_runner_writes_outputs() -> None:
    """What it wrote is its own; another key is anybody's, as in any managed object."""
    for value in ("dHdv", None):
        patch = at("data.password", value)
        assert broken(change(output(), patch, kind=SECRET)) == {"data.password": "drift/owned-field"}
        assert broken(change(output(), patch, RUNNER, kind=SECRET)) == {}
        other = UserInfo(username="system:serviceaccount:other:tf-runner")
        assert broken(change(output(), patch, other, kind=SECRET)) == {"data.password": "drift/owned-field"}
    assert broken(change(output(), at("data.added", "eA=="), kind=SECRET)) == {}
    assert broken(change(output(), {"metadata": {"labels": {"a": "b"}}}, kind=SECRET)) == {}
    assert broken(judged(subject("DELETE", old=output(), kind=SECRET), None, ON)) == {"": "drift/deleted"}
    assert broken(judged(subject("DELETE", old=output(), kind=SECRET, user=COLLECTOR), None, ON)) == {}


CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")
SAVED = {"savedPlan": "plan-main-1", "infra.contrib.fluxcd.io/plan-hash": "ab"}
PLAN_OWNER = {name: value for name, value in OWNING.items() if name != "controller"}


def plan(kind: GroupVersionKind, *, owner: dict = PLAN_OWNER, annotations: Any = SAVED) -> dict:
    """A plan as the runner saves it: owned by the Terraform object, and not controlled."""
    obj = managed_object({}, labels={}, kind=kind, ownerReferences=[owner], annotations=annotations)
    return {**obj, "data": {"tfplan": "H4s="}, **({"type": "Opaque"} if kind == SECRET else {})}


OTHER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": "9"}


@pytest.mark.parametrize("obj", [plan(SECRET), plan(CONFIG_MAP), output()])
def test_what_it_is_recognised_by_is_not_taken_away(obj: dict) -> None:
    """Neither removed, nor outdone by another controller; one more owner, and what the collector does, change nothing."""
    kind = GroupVersionKind("", "v1", obj["kind"])
    (reference,) = obj["metadata"]["ownerReferences"]
    loose = {**reference, "controller": False}
    taken: list[list[dict]] = [[], [OTHER], [loose, {**OTHER, "controller": True}], [{**reference, "kind": "X"}]]
    for references in taken:
        asked = at("metadata.ownerReferences", references)
        assert set(broken(change(obj, asked, kind=kind)).values()) == {"drift/tracking-metadata"}
        assert broken(change(obj, asked, RUNNER, kind=kind)) == {}
        assert broken(change(obj, asked, COLLECTOR, kind=kind)) == {}
    assert broken(change(obj, at("metadata.ownerReferences", [reference, OTHER]), kind=kind)) == {}


@pytest.mark.parametrize("kind", [SECRET, CONFIG_MAP])
def test_a_saved_plan_is_its_terraform_objects(kind: GroupVersionKind) -> None:
    """The one that is applied, and the one that people approve by: neither its content nor its marks are changed by others."""
    obj = plan(kind)
    for operation in ("DELETE", "CREATE"):
        assert owners_found(obj, operation, config=ON, kind=kind) == ["tofu-controller web/db"]
        assert owners_found(plan(kind, annotations={}), operation, config=ON, kind=kind) == []
        assert owners_found(plan(kind, owner={**PLAN_OWNER, "kind": "X"}), operation, config=ON, kind=kind) == []
        assert owners_found(plan(kind, owner=CONTROLLER[0]), operation, config=ON, kind=kind) == []
    assert broken(change(obj, at("data.tfplan", "eA=="), kind=kind)) == {"data.tfplan": "drift/owned-field"}
    assert broken(change(obj, at("data.tfplan", "eA=="), RUNNER, kind=kind)) == {}
    hashed = {"metadata": {"annotations": {"infra.contrib.fluxcd.io/plan-hash": "cd"}}}
    (rule,) = broken(change(obj, hashed, kind=kind)).values()
    assert rule == "drift/tracking-metadata"
    assert broken(judged(subject("DELETE", old=obj, kind=kind, user=RUNNER), None, ON)) == {}
    assert broken(judged(subject("DELETE", old=obj, kind=kind), None, ON)) == {"": "drift/deleted"}


def test_a_terraform_object_names_its_runner_and_may_be_suspended() -> None:
    """Its account takes the default one's place."""
    obj = {"metadata": {"namespace": "web", "name": "db"}, "spec": {"serviceAccountName": "own", "suspend": True}}
    record = terraform(obj)
    assert record.ref == OwnerRef("tofu-controller", "web", "db")
    assert record.owner == Owner(frozenset(("system:serviceaccount:web:own",)), "spec.suspend: true")
    assert terraform({"spec": {"suspend": "true"}}).owner == Owner()
    facts = Known({record.ref: Owner(frozenset(("system:serviceaccount:web:own",)))})
    password, drifts = at("data.password", "x"), {"data.password": "drift/owned-field"}
    assert broken(change(output(), password, RUNNER, facts=facts, kind=SECRET)) == drifts
    suspended = Known({record.ref: record.owner})
    found = change(output(), password, facts=suspended, kind=SECRET)
    assert excused(found) == {"data.password": "spec.suspend: true"}


def test_plans_are_approved_by_those_who_are_named() -> None:
    """Where Git declares ``approvePlan``, a person who approves by hand drifts, unless the configuration names him."""
    fields = {"f:metadata": LABEL_FIELDS, "f:spec": {"f:approvePlan": {}, "f:path": {}}}
    own = entry("kustomize-controller", fields, version=TERRAFORM.api_version)
    old = managed_object({"approvePlan": "", "path": "a"}, own, kind=TERRAFORM)
    approve, kind = at("spec.approvePlan", "plan-main-1"), {"kind": TERRAFORM}
    drifts = {"spec.approvePlan": "drift/owned-field"}
    named = Drift(tofu_controller=TofuController(approvers=Actors(groups=("developers",))))
    assert broken(change(old, approve, config=Drift(), **kind)) == drifts
    assert broken(change(old, approve, config=named, **kind)) == {}
    assert broken(change(old, approve, UserInfo(username="x"), config=named, **kind)) == drifts
    assert broken(change(old, at("spec.path", "b"), config=named, **kind)) == {"spec.path": "drift/owned-field"}
    assert broken(change(old, approve, KUSTOMIZE, config=Drift(), **kind)) == {}
