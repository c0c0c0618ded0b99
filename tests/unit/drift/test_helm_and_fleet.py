"""Releases of Helm itself, off until somebody says who runs it, and of Rancher Fleet's agent."""

from __future__ import annotations

from typing import Any

import pytest
from support.reviews import (
    FLUX_LABELS,
    HELM,
    HUMAN,
    at,
    broken,
    changed,
    entry,
    judged,
    managed_object,
    owners_found,
    subject,
)

from gateway.config.drift import Actors, Drift
from gateway.config.reconcilers import Fleet, HelmReleases
from gateway.core.subject import UserInfo

RELEASE = {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "web"}
BY_HELM = {"app.kubernetes.io/managed-by": "Helm"}
SET = {"objectset.rio.cattle.io/id": "default-shop"}
HASH = {"objectset.rio.cattle.io/hash": "0123abcd"}
SOURCE = {"fleet.cattle.io/managed-by-kind": "gitrepo", "fleet.cattle.io/managed-by-namespace": "fleet-default",
          "fleet.cattle.io/managed-by-name": "shop-repo"}  # fmt: skip
CI = UserInfo(username="ci@example.com")
AGENT = UserInfo(username="system:serviceaccount:cattle-fleet-system:fleet-agent")
ON = Drift(helm_releases=HelmReleases(mode="enforce", actors=Actors(users=(CI.username,))))
FLEET_ON = Drift(fleet=Fleet(mode="enforce"))
BOTH = Drift(fleet=Fleet(mode="enforce"), helm_releases=HelmReleases(mode="enforce"))
CONTROLLER = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "a", "uid": "1", "controller": True}]
DENIED = {"spec.replicas": "drift/owned-field"}


def released(
    manager: str = "helm", *, annotations: Any = None, labels: Any = None, marked: bool = False, **more: Any
) -> dict:
    """An object as Helm installs it: client-side, so with an Update entry."""
    fields: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    annotations = RELEASE if annotations is None else annotations
    if marked:
        fields["f:metadata"] = {"f:annotations": {f"f:{name}": {} for name in annotations}}
    own = entry(manager, fields, operation="Update")
    spec = {"replicas": 1, "paused": False}
    return managed_object(spec, own, labels=BY_HELM if labels is None else labels, annotations=annotations, **more)


def bundled(manager: str = "fleetagent", *, annotations: Any = None, labels: Any = None, **more: Any) -> dict:
    """An object as Fleet's agent installs it."""
    annotations = {**RELEASE, **SET} if annotations is None else annotations
    return released(manager, annotations=annotations, labels={**BY_HELM, **HASH} if labels is None else labels, **more)


def changes(old: dict, config: Drift, user: UserInfo = HUMAN) -> dict[str, str]:
    """What is found when the user changes the replicas."""
    return broken(judged(subject("UPDATE", old=old, new=changed(old, at("spec.replicas", 2)), user=user), None, config))


def test_helm_releases_are_nobodys_by_default() -> None:
    """A release that a person or CI installs is no proof of GitOps: nothing is enforced unless it is asked for."""
    assert owners_found(released()) == []
    assert changes(released(), Drift()) == {}
    assert changes(released(), Drift(helm_releases=HelmReleases(mode="enforce"))) == DENIED


def test_only_those_who_are_named_change_a_release() -> None:
    """Helm has no account of its own; undeclared fields are open as ever."""
    assert owners_found(released(), config=ON) == ["helm-releases web/shop"]
    assert changes(released(), ON, CI) == {}
    assert changes(released(), ON, HELM) == DENIED
    old = released()
    assert broken(judged(subject("UPDATE", old=old, new=changed(old, at("spec.paused", True))), None, ON)) == {}
    assert broken(judged(subject("DELETE", old=old), None, ON)) == {"": "drift/deleted"}
    assert broken(judged(subject("CREATE", new=old), None, ON)) == {"": "drift/claimed"}
    assert broken(judged(subject("CREATE", new=old, user=CI), None, ON)) == {}


@pytest.mark.parametrize(
    "obj",
    [
        released("kubectl"),
        released(labels={}),
        released(labels={"app.kubernetes.io/managed-by": "helm"}),
        released(annotations={}),
        released(annotations={"meta.helm.sh/release-name": "shop"}),
        released(annotations={**RELEASE, "meta.helm.sh/release-name": "$(reboot)"}),
        released(annotations={**RELEASE, "meta.helm.sh/release-namespace": 1}),
        released(ownerReferences=CONTROLLER),
    ],
)
def test_marks_that_were_copied_or_are_not_complete(obj: dict) -> None:
    """Helm's hand must be in the object, and no other object control it."""
    assert owners_found(obj, config=ON) == []


def test_a_controlled_object_whose_marks_helm_wrote_is_helms() -> None:
    """Something adopted it later."""
    assert owners_found(released(ownerReferences=CONTROLLER, marked=True), config=ON) == ["helm-releases web/shop"]
    assert owners_found(released(ownerReferences=CONTROLLER), "CREATE", config=ON) == []


def test_helm_yields_to_every_other_owner() -> None:
    """What was Helm's before Flux took it keeps Helm's entries: who ran Helm then does not act for Flux."""
    old = released(labels={**BY_HELM, **FLUX_LABELS})
    old["metadata"]["managedFields"].append(entry("kustomize-controller", {"f:spec": {"f:replicas": {}}}))
    assert owners_found(old, config=ON) == ["flux-kustomization flux-system/apps"]
    assert changes(old, ON, CI) == DENIED
    assert owners_found(bundled("fleetagent"), config=BOTH) == ["fleet default-shop"]


@pytest.mark.parametrize("name", [*RELEASE])
def test_helms_marks_are_tracking_metadata(name: str) -> None:
    """Without them Helm no longer knows the object for its own."""
    old = released()
    new = changed(old, {"metadata": {"annotations": {name: "other"}}})
    found = broken(judged(subject("UPDATE", old=old, new=new), None, ON))
    assert found[f'metadata.annotations["{name}"]'] == "drift/tracking-metadata"


# Fleet


def test_fleet_is_off_until_it_is_switched_on() -> None:
    """The marks of its sets name nothing of the object itself."""
    assert owners_found(bundled()) == []
    assert owners_found(bundled(), config=FLEET_ON) == ["fleet default-shop"]
    assert owners_found(bundled(), "CREATE", config=FLEET_ON) == ["fleet default-shop"]


def test_newer_agents_name_the_source() -> None:
    """Labels with the GitRepo's namespace and name."""
    obj = bundled(labels={**BY_HELM, **HASH, **SOURCE})
    assert owners_found(obj, config=FLEET_ON) == ["fleet fleet-default/shop-repo"]


@pytest.mark.parametrize(
    "obj",
    [
        bundled("k3s"),
        bundled(annotations=SET),
        bundled(annotations={**RELEASE, **SET, "objectset.rio.cattle.io/owner-gvk": "k3s.cattle.io/v1, Kind=Addon"}),
        bundled(annotations={**RELEASE, "objectset.rio.cattle.io/id": ""}),
        bundled(annotations=RELEASE),
        bundled(labels=BY_HELM),
        bundled(labels=HASH),
        bundled(ownerReferences=CONTROLLER),
    ],
)
def test_what_k3s_and_rancher_mark_alike_is_not_fleets(obj: dict) -> None:
    """They name an owner in the set's annotations and use no Helm; and copies are controlled."""
    assert owners_found(obj, config=FLEET_ON) == []


def test_fleets_agent_acts() -> None:
    """In a downstream cluster, and in the local one; nobody else does."""
    assert changes(bundled(), FLEET_ON, AGENT) == {}
    local = UserInfo(username="system:serviceaccount:cattle-fleet-local-system:fleet-agent")
    assert changes(bundled(), FLEET_ON, local) == {}
    for name in ("system:serviceaccount:fleet-system:fleet-agent", "fleet-agent", "fleetagent"):
        assert changes(bundled(), FLEET_ON, UserInfo(username=name)) == DENIED


@pytest.mark.parametrize("mark", [*RELEASE, *SET, *HASH, *SOURCE])
def test_fleets_marks_are_tracking_metadata(mark: str) -> None:
    """Helm's and the set's, and the labels that name the source."""
    old = bundled(labels={**BY_HELM, **HASH, **SOURCE})
    place = "annotations" if mark in {*RELEASE, *SET} else "labels"
    new = changed(old, {"metadata": {place: {mark: None}}})
    found = broken(judged(subject("UPDATE", old=old, new=new), None, FLEET_ON))
    assert ("drift/tracking-metadata" in found.values()) is (mark != "fleet.cattle.io/managed-by-kind")
