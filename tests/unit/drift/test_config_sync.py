"""Config Sync: an id that names the object itself, accounts that follow from names, what an annotation declares."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.reviews import (
    KUSTOMIZE,
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
from gateway.config.reconcilers import ConfigSync
from gateway.core.subject import GroupVersionKind, UserInfo
from webhooks.drift.facts import Owner, OwnerRef, Source
from webhooks.drift.reconcilers.config_sync_records import sync

ID = "configsync.gke.io/resource-id"
MANAGED = "configmanagement.gke.io/managed"
MANAGER = "configsync.gke.io/manager"
FIELDS = "configsync.gke.io/declared-fields"
VERSION = "configsync.gke.io/declared-version"
MUTATION = "client.lifecycle.config.k8s.io/mutation"
MARKS = {MANAGED: "enabled", ID: "apps_deployment_web_api", MANAGER: ":root"}
DECLARED = {"f:spec": {"f:replicas": {}}}
ROOT = "config-sync config-management-system/root-sync"
ROLE = GroupVersionKind("rbac.authorization.k8s.io", "v1", "ClusterRole")
NAMESPACE = GroupVersionKind("", "v1", "Namespace")
SERVICE = GroupVersionKind("", "v1", "Service")


def synced(
    marks: dict[str, Any] | None = None, *entries: dict, declared: Any = None, kind: Any = None, **more: Any
) -> dict:
    """An object as Config Sync leaves it; ``declared`` is what its annotation says."""
    annotations = dict(MARKS if marks is None else marks)
    if declared is not None:
        annotations[FIELDS] = declared if isinstance(declared, str) else json.dumps(declared)
    spec = {"replicas": 1, "paused": False}
    kinds = {} if kind is None else {"kind": kind}
    return managed_object(spec, *entries, **{"labels": {VERSION: "v1"}, **kinds, **more}, annotations=annotations)


def account(name: str, namespace: str = "config-management-system") -> UserInfo:
    """A service account."""
    return UserInfo(username=f"system:serviceaccount:{namespace}:{name}")


@pytest.mark.parametrize(
    ("value", "kind", "namespace", "owned"),
    [
        ("apps_deployment_web_api", None, "web", True),
        ("apps_deployment_web_other", None, "web", False),
        ("apps_deployment_other_api", None, "web", False),
        ("apps_replicaset_web_api", None, "web", False),
        ("_deployment_web_api", None, "web", False),
        ("apps_Deployment_web_api", None, "web", False),
        ("apps_deployment_api", None, "web", False),
        ("", None, "web", False),
        (None, None, "web", False),
        ("_service_web_api", SERVICE, "web", True),
        ("rbac.authorization.k8s.io_clusterrole_api", ROLE, "", True),
        ("_namespace_api", NAMESPACE, "api", True),
        ("_namespace_api_api", NAMESPACE, "api", False),
    ],
)
def test_a_resource_id_must_name_the_object_it_stands_on(value: Any, kind: Any, namespace: str, owned: bool) -> None:
    """Annotations are copied (a Deployment's to its ReplicaSets): a copied id names another object."""
    obj = synced({**MARKS, ID: value}, kind=kind)
    more = {"namespace": namespace, **({} if kind is None else {"kind": kind})}
    assert owners_found(obj, **more) == ([ROOT] if owned else [])
    assert owners_found(obj, "CREATE", **more) == ([ROOT] if owned else [])


@pytest.mark.parametrize("value", ["disabled", "", None, True])
def test_only_what_is_managed_counts(value: Any) -> None:
    """The id alone stays behind on an object that Config Sync was told to let go."""
    assert owners_found(synced({**MARKS, MANAGED: value})) == []


@pytest.mark.parametrize(
    ("manager", "owner", "reconciler"),
    [
        (":root", "config-management-system/root-sync", "root-reconciler"),
        (":root_infra", "config-management-system/infra", "root-reconciler-infra"),
        ("web", "web/repo-sync", "ns-reconciler-web"),
        ("web_team", "web/team", "ns-reconciler-web-team-4"),
        (None, "config-management-system/root-sync", "root-reconciler"),
        ("$(reboot)", "config-management-system/root-sync", "root-reconciler"),
    ],
)
def test_each_syncs_own_reconciler_acts_for_it(manager: Any, owner: str, reconciler: str) -> None:
    """The name of its account follows from the sync's; another sync's, or one elsewhere, does not act."""
    old = synced({**MARKS, MANAGER: manager}, declared=DECLARED)
    assert owners_found(old) == [f"config-sync {owner}"]
    new = changed(old, at("spec.replicas", 2))

    def found(user: UserInfo) -> dict[str, str]:
        return broken(judged(subject("UPDATE", old=old, new=new, user=user), config=Drift(config_sync=ConfigSync())))

    assert found(account(reconciler)) == {}
    assert found(account("root-reconciler")) == {}
    for other in (account("ns-reconciler-other"), account(reconciler, "web"), account("importer"), KUSTOMIZE):
        assert found(other) == {"spec.replicas": "drift/owned-field"}


def test_what_the_annotation_declares_is_enforced_and_the_rest_is_open() -> None:
    """Without any entry in managedFields (they were lost), the annotation still says what Git declares."""
    old = synced(declared=DECLARED)
    assert broken(judged(subject("UPDATE", old=old, new=changed(old, at("spec.replicas", 2))))) == {
        "spec.replicas": "drift/owned-field"
    }
    assert broken(judged(subject("UPDATE", old=old, new=changed(old, at("spec.paused", True))))) == {}


def test_its_own_apply_entry_declares_as_well() -> None:
    """Fields that only managedFields name, under the manager that Config Sync applies with."""
    old = synced(None, entry("configsync", {"f:spec": {"f:paused": {}}}), declared=DECLARED)
    found = judged(subject("UPDATE", old=old, new=changed(old, at("spec", {"paused": True, "replicas": 2}))))
    assert broken(found) == {"spec.paused": "drift/owned-field", "spec.replicas": "drift/owned-field"}


def test_a_declaration_in_another_version_is_undecided() -> None:
    """The label names the version in which the fields were declared."""
    old = synced(declared=DECLARED, labels={VERSION: "v1beta1"})
    found = judged(subject("UPDATE", old=old, new=changed(old, at("spec.paused", True))))
    assert found.undecided.startswith("its fields are declared in apps/v1beta1")


def test_an_unreadable_declaration_is_undecided() -> None:
    """What is declared is then not known; it is not taken for nothing."""
    for text in ("{", "[]", "null"):
        old = synced(declared=text)
        assert "declared-fields is not readable" in judged(subject("UPDATE", old=old, new=changed(old))).undecided


def test_an_object_without_any_declaration_is_undecided() -> None:
    """Marks alone do not say what Git declares."""
    old = synced()
    assert "?" in broken(judged(subject("UPDATE", old=old, new=changed(old, at("spec.replicas", 2)))))


@pytest.mark.parametrize("name", [MANAGED, ID, MANAGER, FIELDS])
@pytest.mark.parametrize("value", [None, "x"])
def test_its_annotations_are_tracking_metadata(name: str, value: Any) -> None:
    """Changing or removing one is a finding, the declaration not least."""
    old = synced(declared=DECLARED)
    found = broken(judged(subject("UPDATE", old=old, new=changed(old, {"metadata": {"annotations": {name: value}}}))))
    assert found == {f'metadata.annotations["{name}"]': "drift/tracking-metadata"}


def test_creating_and_deleting_is_for_the_reconciler() -> None:
    """By anybody else both are findings."""
    obj = synced(declared=DECLARED)
    assert broken(judged(subject("CREATE", new=obj))) == {"": "drift/claimed"}
    assert broken(judged(subject("DELETE", old=obj))) == {"": "drift/deleted"}
    for operation, old, new in (("CREATE", None, obj), ("DELETE", obj, None)):
        asked = subject(operation, old=old, new=new, user=account("root-reconciler"))
        assert broken(judged(asked)) == {}


def test_ignored_mutation_leaves_the_fields_alone_but_not_the_marks() -> None:
    """Where Git declares ``mutation: ignore``, changes are recorded; deletions and changed marks are not excused."""
    declared = {**DECLARED, "f:metadata": {"f:annotations": {f"f:{MUTATION}": {}}}}
    old = synced({**MARKS, MUTATION: "ignore"}, declared=declared)
    new = changed(old, at("spec.replicas", 2), {"metadata": {"annotations": {MANAGER: "web"}}})
    found = judged(subject("UPDATE", old=old, new=new))
    assert excused(found) == {"spec.replicas": f"{MUTATION}: ignore"}
    assert broken(found) == {f'metadata.annotations["{MANAGER}"]': "drift/tracking-metadata"}
    assert broken(judged(subject("DELETE", old=old))) == {"": "drift/deleted"}


def test_ignored_mutation_that_git_does_not_declare_counts_for_nothing() -> None:
    """Somebody wrote the annotation by hand: Config Sync does not heed it either."""
    old = synced({**MARKS, MUTATION: "ignore"}, declared=DECLARED)
    assert broken(judged(subject("UPDATE", old=old, new=changed(old, at("spec.replicas", 2))))) == {
        "spec.replicas": "drift/owned-field"
    }


def test_a_sync_says_where_an_object_comes_from() -> None:
    """Of a Git repository, an image or a chart; without credentials."""
    git = {"repo": "https://me:pw@git.example.com/fleet", "dir": "clusters/a", "branch": "main"}
    obj = {"metadata": {"namespace": "web", "name": "repo-sync"}, "spec": {"git": git}}
    assert sync(obj).ref == OwnerRef("config-sync", "web", "repo-sync")
    assert sync(obj).owner.source == Source("https://git.example.com/fleet", "clusters/a", "main")
    commit = {**obj, "status": {"sync": {"commit": "0123"}}}
    assert sync(commit).owner.source.revision == "0123"
    oci = {"spec": {"oci": {"image": "registry.example.com/a:1", "dir": "b"}}}
    assert sync(oci).owner.source == Source("registry.example.com/a:1", "b", "")
    for nonsense in ({}, {"spec": [], "status": 1, "metadata": 2}, {"spec": {"git": {"repo": 1}}}):
        assert sync(nonsense).owner == Owner()


def test_orphans_are_released_when_their_sync_is_gone() -> None:
    """As those of any other owner, if so configured."""
    obj, config = synced(declared=DECLARED), Drift(orphans="release")
    assert owners_found(obj, config=config, facts=Known()) == []
    known = Known({OwnerRef("config-sync", "config-management-system", "root-sync"): Owner()})
    assert owners_found(obj, config=config, facts=known) == [ROOT]
