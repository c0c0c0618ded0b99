"""BareMetalHosts in use: what CAPM3 chose, and what a host is known by."""

from __future__ import annotations

from typing import Any

import pytest
from support.reviews import (
    HUMAN,
    KUSTOMIZE,
    LABEL_FIELDS,
    at,
    broken,
    changed,
    entry,
    judged,
    managed_object,
    owners_found,
    subject,
)

from gateway.config.drift import Drift
from gateway.config.reconcilers import Metal3
from gateway.core.subject import GroupVersionKind, UserInfo

HOST = GroupVersionKind("metal3.io", "v1alpha1", "BareMetalHost")
CONSUMER = {
    "kind": "Metal3Machine",
    "namespace": "web",
    "name": "node-1",
    "apiVersion": "infrastructure.cluster.x-k8s.io/v1",
}
SPEC = {
    "bmc": {"address": "redfish://10.0.0.1", "credentialsName": "a"},
    "bootMACAddress": "00:00:00:00:00:01",
    "rootDeviceHints": {"deviceName": "/dev/sda"},
    "image": {"url": "https://images.example.com/a"},
    "online": True,
    "description": "x",
    "consumerRef": CONSUMER,
}
ON = Drift(metal3=Metal3(mode="enforce"))
CAPM3 = UserInfo(username="system:serviceaccount:capm3-system:capm3-manager")


def host(*, declared: bool = False, **spec: Any) -> dict:
    """A host, by default in use; ``declared``: from Git, by Flux, with all that identifies it."""
    leaves = {"f:bmc": {"f:address": {}, "f:credentialsName": {}}, "f:rootDeviceHints": {"f:deviceName": {}}}
    fields = {**leaves, "f:bootMACAddress": {}, "f:online": {}}
    own = entry("kustomize-controller", {"f:metadata": LABEL_FIELDS, "f:spec": fields}, version=HOST.api_version)
    return managed_object({**SPEC, **spec}, *((own,) if declared else ()), labels=None if declared else {}, kind=HOST)


def change(old: dict, patch: dict, user: UserInfo = HUMAN, config: Drift = ON) -> dict[str, str]:
    """What is found about a change."""
    return broken(judged(subject("UPDATE", old=old, new=changed(old, patch), user=user, kind=HOST), None, config))


@pytest.mark.parametrize(
    ("spec", "owned"),
    [
        ({}, True),
        ({"consumerRef": {}}, False),
        ({"consumerRef": {**CONSUMER, "kind": "Other"}}, False),
        ({"consumerRef": {**CONSUMER, "name": ""}}, False),
        ({"consumerRef": "Metal3Machine"}, False),
    ],
)
def test_a_host_in_use_is_its_machines(spec: dict, owned: bool) -> None:
    """By its consumer; only where the class is switched on, and not on creation: a moved cluster brings its hosts."""
    obj = host(**spec)
    assert owners_found(obj, config=ON, kind=HOST) == (["metal3 web/node-1"] if owned else [])
    assert owners_found(obj, kind=HOST) == []
    assert owners_found(obj, "CREATE", config=ON, kind=HOST) == []
    assert owners_found(obj, config=ON) == []


IDENTITY = [
    ({"bmc": {"address": "redfish://10.0.0.9"}}, "spec.bmc.address"),
    ({"bootMACAddress": "00:00:00:00:00:02"}, "spec.bootMACAddress"),
    ({"rootDeviceHints": {"deviceName": "/dev/sdb"}}, "spec.rootDeviceHints.deviceName"),
    ({"rootDeviceHints": None}, "spec.rootDeviceHints"),
]


@pytest.mark.parametrize(("spec", "field"), IDENTITY)
def test_what_a_host_is_known_by_is_changed_by_nobody(spec: dict, field: str) -> None:
    """Not by people, and not by CAPM3, whose own fields are others; with or without Git behind the host."""
    for user in (HUMAN, CAPM3):
        assert change(host(), {"spec": spec}, user) == {field: "drift/owned-field"}
        assert change(host(declared=True), {"spec": spec}, user) == {field: "drift/owned-field"}
        assert change(host(declared=True), {"spec": spec}, user, Drift()) == {field: "drift/owned-field"}
    assert change(host(), {"spec": spec}, HUMAN, Drift()) == {}


@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize(
    "spec", [{"bmc": {"disableCertificateVerification": True}}, {"rootDeviceHints": {"serialNumber": "x"}}]
)
def test_nothing_is_added_to_what_a_host_is_known_by(spec: dict, declared: bool) -> None:
    """A field that was left open is protected as well, even where Git owns its neighbours."""
    assert list(change(host(declared=declared), {"spec": spec}).values()) == ["drift/owned-field"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [({"image": {"url": "https://other.example.com"}}, "spec.image.url"), ({"online": False}, "spec.online"),
     ({"consumerRef": None}, "spec.consumerRef")],
)  # fmt: skip
def test_what_capm3_chose_is_capm3s(spec: dict, field: str) -> None:
    """It may change that itself; people may not."""
    assert change(host(), {"spec": spec}) == {field: "drift/owned-field"}
    assert change(host(), {"spec": spec}, CAPM3) == {}
    assert change(host(declared=True), {"spec": spec}, CAPM3) == {}


def test_the_rest_of_a_host_is_open_and_git_may_change_all() -> None:
    """A description is anybody's; Flux acts for the host that it declares."""
    assert change(host(), at("spec.description", "y")) == {}
    assert change(host(declared=True), {"spec": {"bootMACAddress": "x", "image": None}}, KUSTOMIZE) == {}
    assert broken(judged(subject("DELETE", old=host(), kind=HOST), None, ON)) == {"": "drift/deleted"}
