"""Who acts for an owner: by user name or group, exactly, and by what the owner itself says."""

from __future__ import annotations

from typing import Any

import pytest
from support.reviews import (
    APPS,
    ARGO,
    FLUX_LABELS,
    HELM,
    HUMAN,
    KUSTOMIZE,
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

from gateway.config.drift import Actors, ArgoCD, Drift, FluxHelmRelease, FluxKustomization, Restart, Writer
from gateway.core.subject import UserInfo
from webhooks.drift.facts import Owner, OwnerRef

TRACKING_ID = "argocd.argoproj.io/tracking-id"
TENANT = UserInfo(username="system:serviceaccount:tenant:deployer")
MINE = OwnerRef("flux-kustomization", "tenant", "mine")
MY_LABELS = dict(zip(FLUX_LABELS, ("mine", "tenant"), strict=True))


def flux_object(labels: dict | None = None) -> dict:
    """A Deployment of the Kustomization flux-system/apps that declares its replicas."""
    fields = {"f:metadata": LABEL_FIELDS, "f:spec": {"f:replicas": {}}}
    return managed_object({"replicas": 1}, entry("kustomize-controller", fields), labels=labels)


def argo_object(app: str = "shop") -> dict:
    """A Deployment of an Application that declares its replicas."""
    fields = {"f:metadata": {"f:annotations": {f"f:{TRACKING_ID}": {}}}, "f:spec": {"f:replicas": {}}}
    annotations = {TRACKING_ID: f"{app}:apps/Deployment:web/api"}
    return managed_object({"replicas": 1}, entry("argocd-controller", fields), labels={}, annotations=annotations)


def scaled(old: dict, user: UserInfo, facts: Any = None, config: Drift | None = None, *patches: dict) -> dict[str, str]:
    """What is found where the user changes the declared replicas."""
    new = changed(old, at("spec.replicas", 5), *patches)
    return broken(judged(subject("UPDATE", old=old, new=new, user=user), facts, config))


DENIED = {"spec.replicas": "drift/owned-field"}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        (KUSTOMIZE.username, True),
        (KUSTOMIZE.username + "-2", False),
        ("x" + KUSTOMIZE.username, False),
        (KUSTOMIZE.username.upper(), False),
        ("system:serviceaccount:flux-system", False),
        ("kustomize-controller", False),
        ("system:serviceaccount:other:kustomize-controller", False),
        (HELM.username, False),
        (ARGO.username, False),
        ("", False),
    ],
)
def test_the_reconciler_is_known_by_its_exact_name(name: str, allowed: bool) -> None:
    """Neither a part of the name, nor another reconciler's name, nor the field manager's will do."""
    assert (scaled(flux_object(), UserInfo(username=name)) == {}) is allowed


def test_actors_may_be_groups() -> None:
    """A configured group acts, whoever is in it; its name as a user name, or a part of it, does not."""
    config = Drift(flux_kustomization=FluxKustomization(actors=Actors(groups=("gitops", "ops"))))
    assert scaled(flux_object(), UserInfo(username="a", groups=("x", "ops")), None, config) == {}
    for user in (UserInfo(username="ops"), UserInfo(username="a", groups=("op", "opss")), KUSTOMIZE):
        assert scaled(flux_object(), user, None, config) == DENIED


def test_argo_cds_user_interface_is_a_person() -> None:
    """argocd-server changes objects for the people who click there."""
    server = UserInfo(username="system:serviceaccount:argocd:argocd-server")
    assert scaled(argo_object(), server) == DENIED
    assert scaled(argo_object(), ARGO) == {}


def test_an_owners_service_account_acts_for_this_owner_alone() -> None:
    """With ``serviceAccountName`` the reconciler impersonates: that account acts here, and for no other owner."""
    facts = Known({APPS: Owner(accounts=frozenset((TENANT.username,))), MINE: Owner()})
    assert scaled(flux_object(), TENANT, facts) == {}
    assert scaled(flux_object(MY_LABELS), TENANT, facts) == DENIED
    assert scaled(flux_object(), HUMAN, facts) == DENIED
    assert scaled(argo_object(), TENANT, facts) == DENIED


@pytest.mark.parametrize(
    ("config", "labels", "reconciler"),
    [
        (Drift(flux_kustomization=FluxKustomization(default_service_account="flux")), "kustomize", "flux-kustomization"),
        (Drift(flux_helm_release=FluxHelmRelease(default_service_account="flux")), "helm", "flux-helmrelease"),
    ],
)  # fmt: skip
def test_the_default_service_account_acts_in_its_owners_namespace(config: Drift, labels: str, reconciler: str) -> None:
    """``--default-service-account`` is impersonated where an owner names none, and only in the owner's namespace."""
    marks = {f"{labels}.toolkit.fluxcd.io/name": "apps", f"{labels}.toolkit.fluxcd.io/namespace": "team"}
    own = {"f:metadata": {"f:labels": {f"f:{name}": {} for name in marks}}, "f:spec": {"f:replicas": {}}}
    old = managed_object({"replicas": 1}, entry(f"{labels}-controller", own), labels=marks)
    flux, other = (UserInfo(username=f"system:serviceaccount:{namespace}:flux") for namespace in ("team", "web"))
    assert scaled(old, flux, None, config) == {}
    assert scaled(old, other, None, config) == DENIED
    assert scaled(old, flux) == DENIED
    named = Known(
        {OwnerRef(reconciler, "team", "apps"): Owner(accounts=frozenset(("system:serviceaccount:team:own",)))}
    )
    assert scaled(old, flux, named, config) == DENIED


@pytest.mark.parametrize(
    ("rule", "namespace", "allowed"),
    [
        ("same-namespace", "flux-system", True),
        ("same-namespace", "tenant", False),
        ("allow", "tenant", True),
        ("deny", "flux-system", False),
    ],
)
def test_adoption_follows_its_rule(rule: Any, namespace: str, allowed: bool) -> None:
    """An account that acts for another owner may take an object over as the rule says, and change it as it does."""
    heir = OwnerRef("flux-kustomization", namespace, "mine")
    facts = Known({APPS: Owner(), heir: Owner(accounts=frozenset((TENANT.username,)))})
    labels = dict(zip(FLUX_LABELS, ("mine", namespace), strict=True))
    found = scaled(flux_object(), TENANT, facts, Drift(adoption=rule), {"metadata": {"labels": labels}})
    assert (found == {}) is allowed


def test_only_who_acts_for_the_heir_adopts() -> None:
    """Writing another owner's labels is no adoption by a person."""
    found = scaled(
        flux_object(), HUMAN, None, Drift(adoption="allow"), {"metadata": {"labels": {next(iter(FLUX_LABELS)): "b"}}}
    )
    assert found["spec.replicas"] == "drift/owned-field"
    assert "drift/tracking-metadata" in found.values()


def test_a_tenant_cannot_plant_an_owner_of_his_own() -> None:
    """Labels of a tenant's Kustomization on Argo CD's object, in Flux's name, would let the tenant's account do anything."""
    facts = Known({SHOP: Owner(), MINE: Owner(accounts=frozenset((TENANT.username,)))})
    old = argo_object()
    marked = changed(old, {"metadata": {"labels": MY_LABELS}})
    forged = entry("kustomize-controller", {"f:metadata": LABEL_FIELDS}, operation="Update")
    marked["metadata"]["managedFields"].append(forged)
    asked = subject("UPDATE", old=old, new=marked, user=TENANT)
    label = 'metadata.labels["kustomize.toolkit.fluxcd.io/name"]'
    assert broken(judged(asked, facts)) == {label: "drift/claimed"}
    # In two steps: the labels first, which nobody believes yet, then the forged entry.
    labelled = changed(old, {"metadata": {"labels": MY_LABELS}})
    assert broken(judged(subject("UPDATE", old=old, new=labelled, user=TENANT), facts)) == {}
    second = subject("UPDATE", old=labelled, new=marked, user=TENANT)
    assert broken(judged(second, facts)) == {"metadata.managedFields": "drift/claimed"}


def test_a_second_reconciler_may_manage_the_object_too() -> None:
    """Flux's own controller may put its labels on what Argo CD manages: two may share a Namespace."""
    old = argo_object()
    new = changed(old, {"metadata": {"labels": MY_LABELS}})
    new["metadata"]["managedFields"].append(entry("kustomize-controller", {"f:metadata": LABEL_FIELDS}))
    assert broken(judged(subject("UPDATE", old=old, new=new, user=KUSTOMIZE))) == {}
    # Of what two manage, a change of what one declares is found once, and stays so when somebody changes a note.
    both = new
    note = changed(both, at("metadata.annotations.note", "x"))
    assert broken(judged(subject("UPDATE", old=both, new=note))) == {}
    assert scaled(both, HUMAN) == DENIED


def test_configured_writers_are_bound_to_actor_kind_field_operation_and_namespace() -> None:
    """A writer of the configuration may do what it says, where it says, and nothing else."""
    writer = Writer(
        name="tuner", actors=Actors(groups=("tuners",)), kinds=("Deployment.apps",), fields=("spec.replicas",),
        namespaces=("w*",),
    )  # fmt: skip
    config = Drift(writers=(writer,))
    tuner = UserInfo(username="t", groups=("tuners",))
    old = flux_object()
    old["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:paused"] = {}
    assert scaled(old, tuner, None, config) == {}
    assert scaled(old, HUMAN, None, config) == DENIED
    assert scaled(old, tuner, None, config, at("spec.paused", True)) == {"spec.paused": "drift/owned-field"}
    assert broken(judged(subject("DELETE", old=old, user=tuner), None, config)) == {"": "drift/deleted"}
    new = changed(old, at("spec.replicas", 5))
    for where, found in (("web", {}), ("app", DENIED)):
        asked = subject("UPDATE", old=old, new=new, user=tuner, namespace=where)
        assert broken(judged(asked, None, config)) == found
    asked = subject("UPDATE", old=old, new=new, user=tuner)
    assert judged(asked, None, config).reason == "allowed writer (tuner)"


def test_a_backup_tool_may_be_let_write_everything() -> None:
    """``*`` with all operations is what a restore needs: it creates, changes and deletes what is managed."""
    restore = UserInfo(username="system:serviceaccount:velero:velero")
    writer = Writer(
        name="velero",
        actors=Actors(users=(restore.username,)),
        fields=("*",),
        operations=("CREATE", "UPDATE", "DELETE"),
    )
    config, old = Drift(writers=(writer,)), flux_object()
    new = changed(old, at("spec.replicas", 5), at("metadata.labels", None))
    for asked in (
        subject("CREATE", new=old, user=restore),
        subject("UPDATE", old=old, new=new, user=restore),
        subject("DELETE", old=old, user=restore),
    ):
        assert broken(judged(asked, None, config)) == {}
        assert broken(judged(asked))


def test_restarts_can_be_restricted() -> None:
    """With ``people: deny`` only the named actors restart; everybody else's other undeclared changes still pass."""
    server = UserInfo(username="system:serviceaccount:argocd:argocd-server")
    config = Drift(restart=Restart(people="deny", actors=Actors(users=(server.username,))))
    old = argo_object()
    stamp = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    new = changed(old, at("spec.template.metadata.annotations", stamp))
    path = 'spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"]'
    assert broken(judged(subject("UPDATE", old=old, new=new), None, config)) == {path: "drift/restarted"}
    assert broken(judged(subject("UPDATE", old=old, new=new, user=server), None, config)) == {}
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {}
    again = changed(new, at("metadata.annotations.note", "x"))
    assert broken(judged(subject("UPDATE", old=new, new=again), None, config)) == {}


def test_argo_cd_impersonates_per_application() -> None:
    """The account that the AppProject names for an Application acts for that Application alone."""
    account = UserInfo(username="system:serviceaccount:web:syncer")
    facts = Known({SHOP: Owner(accounts=frozenset((account.username,)))})
    assert scaled(argo_object(), account, facts) == {}
    assert scaled(argo_object("bakery"), account, facts) == DENIED


def test_reconcilers_can_be_renamed() -> None:
    """Another installation's accounts and field managers replace the upstream ones."""
    own = UserInfo(username="system:serviceaccount:gitops:argo")
    config = Drift(argo_cd=ArgoCD(actors=Actors(users=(own.username,)), field_managers=("argo",)))
    old = argo_object()
    old["metadata"]["managedFields"][0]["manager"] = "argo"
    assert scaled(old, own, None, config) == {}
    assert scaled(old, ARGO, None, config) == DENIED
