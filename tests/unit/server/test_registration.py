"""The registration that is printed."""

from __future__ import annotations

import base64

import pytest

from gateway.config.model import Cluster, Config
from gateway.config.policy import Policy
from gateway.config.secrets import Secrets
from gateway.server.intake import RefusedError, asked_guards
from gateway.server.registration import Target, registration
from gateway.server.registration_conditions import (
    CONDITIONS,
    EXCLUDED,
    POD_OBJECTS,
    excluded,
    excluded_by,
    may_be_excluded,
)
from webhooks.assembly import assemble
from webhooks.groups import GROUPS


def webhook(**options: object) -> dict:
    document = registration(Config(), options.pop("target", Target()), **options)
    assert document["kind"] == "ValidatingWebhookConfiguration"
    (one,) = document["webhooks"]
    return one


def test_it_fails_closed_and_sees_dry_runs() -> None:
    """By default what could not be judged does not happen, and dry runs are judged too."""
    one = webhook()
    assert (one["failurePolicy"], one["sideEffects"], one["matchPolicy"]) == ("Fail", "NoneOnDryRun", "Equivalent")
    assert one["admissionReviewVersions"] == ["v1"]


def test_what_it_covers() -> None:
    """Main resources in three operations, and those subresources that change what is declared; no status."""
    main, subresources = webhook()["rules"]
    assert (main["operations"], main["resources"]) == (["CREATE", "UPDATE", "DELETE"], ["*"])
    assert subresources["resources"] == [
        "*/scale",
        "pods/ephemeralcontainers",
        "pods/resize",
        "policywaivers/status",
        "clusterpolicywaivers/status",
        "breakglasses/status",
    ]
    assert {rule["scope"] for rule in (main, subresources)} == {"*"}


def test_conditions_are_within_the_bounds_of_the_api() -> None:
    """At most 64 conditions, each with a name and an expression of its own."""
    conditions = webhook()["matchConditions"]
    assert len(conditions) <= 64
    assert {condition["name"] for condition in conditions} == {*CONDITIONS, "not-own-volumes"}
    for condition in conditions:
        assert condition["expression"].startswith("!(")


def test_govgate_can_be_started_and_repaired() -> None:
    """The namespace that the configuration calls its own is not asked about."""
    document = registration(Config(cluster=Cluster(own_namespace="policy")), Target())
    assert document["webhooks"][0]["namespaceSelector"]["matchExpressions"] == [
        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["policy"]}
    ]
    assert document["webhooks"][0]["clientConfig"]["service"]["namespace"] == "policy"


def test_what_agents_write_for_new_pods_is_named_type_by_type() -> None:
    """No whole group, since Git declares network policies and pools of the same groups."""
    state = {name for one in POD_OBJECTS for name in one.names if not one.accounts}
    driven = {name for one in POD_OBJECTS for name in one.names if one.accounts}
    assert {"ciliumidentities.cilium.io", "ipamblocks.crd.projectcalico.org"} <= state
    assert driven == {"ciliumnodes.cilium.io", "ips.kubeovn.io"}
    declared = {"ciliumnetworkpolicies.cilium.io", "ippools.crd.projectcalico.org", "subnets.kubeovn.io"}
    assert declared.isdisjoint(state | driven)
    for kept_away, condition in ((state, "not-pod-objects"), (driven, "not-driver-objects")):
        for name in state | driven:
            assert (f"'{name}'" in CONDITIONS[condition]) is (name in kept_away)


def test_more_can_be_left_out() -> None:
    """Groups by a condition of their own, the last; namespaces beside the own one."""
    one = webhook(excluded_groups=("a.example.com", "b.example.com"), excluded_namespaces=("cilium",))
    assert one["matchConditions"][-1] == {
        "name": EXCLUDED,
        "expression": "!(request.resource.group in ['a.example.com', 'b.example.com'])",
    }
    assert one["namespaceSelector"]["matchExpressions"][0]["values"] == ["govgate-system", "cilium"]


@pytest.mark.parametrize("group", ["", "apps", "govgate.dev", "A.example.com", "a..com", "x'] || true || ['.com", "*"])
def test_what_cannot_be_left_out(group) -> None:
    """Kubernetes' own groups of workloads, govgate's, and what is no group; a condition that names one is not believed."""
    assert not may_be_excluded(group)
    assert excluded_by(excluded([group])[EXCLUDED]) == ()


def test_a_condition_that_leaves_groups_out_is_read_back() -> None:
    """And nothing else is taken for one."""
    groups = ("a.example.com", "snapshot.storage.k8s.io")
    assert excluded_by(excluded(groups)[EXCLUDED]) == groups
    assert excluded(()) == {}
    for other in ("request.resource.group in ['a.example.com']", "!(request.resource.group in [])", "true"):
        assert excluded_by(other) == ()


def test_guards_with_a_failure_policy_of_their_own():
    """Two webhooks, each with its groups, and each group in one; without a difference there is one for all."""
    document = registration(Config(), Target(), failure_policies={"provenance": "Ignore"})
    asked = {one["failurePolicy"]: one["clientConfig"]["service"]["path"] for one in document["webhooks"]}
    assert asked == {"Fail": "/v1/validate/drift.policy.secrets", "Ignore": "/v1/validate/provenance"}
    names = [[condition["name"] for condition in one["matchConditions"]] for one in document["webhooks"]]
    assert ["fetches" in found for found in names] == [False, True]
    same = registration(Config(), Target(), failure_policies=dict.fromkeys(GROUPS, "Ignore"))
    assert [(one["name"], one["failurePolicy"]) for one in same["webhooks"]] == [("validate.govgate.dev", "Ignore")]
    url = registration(Config(), Target(url="https://a.test/v1/validate"), failure_policies={"drift": "Ignore"})
    assert [one["clientConfig"]["url"] for one in url["webhooks"]] == [
        "https://a.test/v1/validate/policy.provenance.secrets",
        "https://a.test/v1/validate/drift",
    ]


@pytest.mark.parametrize(
    "path",
    ["/v1/validate/", "/v1/validate/drfit", "/v1/validate/drift.", "/v1/drift", "/", "/v1/validate/drift/policy"],
)
def test_there_is_nothing_at_other_paths(path):
    """A group that there is not is not found, and the answer names those that there are."""
    with pytest.raises(RefusedError, match=r"drift, policy, provenance, secrets") as refused:
        asked_guards(path)
    assert refused.value.status == 404


def test_groups_at_their_paths():
    """Everything at the bare path; else the guards of the groups that are named."""
    assert asked_guards("/v1/validate") is None
    assert asked_guards("/v1/validate/drift.provenance") == {"drift", "break-glass", "provenance", "trust-policy"}


async def test_every_guard_is_in_one_group():
    """A guard that no group has would be asked at the bare path alone."""
    assembly = await assemble(
        Config(cluster=Cluster(connect="none"), secrets=Secrets(detect="warn"), policy=Policy(sources=()))
    )
    try:
        guards = [guard.name for guard in assembly.judge._guards]
    finally:
        await assembly.close()
    for name in guards:
        assert sum(name in group for group in GROUPS.values()) == 1, name


def test_targets_and_authority() -> None:
    """A URL replaces the service; the authority is base64 of what was given, and absent without."""
    one = webhook(target=Target(url="https://example.test/v1/validate"), ca_bundle=b"PEM")
    assert one["clientConfig"] == {
        "url": "https://example.test/v1/validate",
        "caBundle": base64.b64encode(b"PEM").decode(),
    }
    service = webhook(target=Target(service="s", namespace="n"))["clientConfig"]
    assert service == {"service": {"name": "s", "namespace": "n", "path": "/v1/validate", "port": 443}}
