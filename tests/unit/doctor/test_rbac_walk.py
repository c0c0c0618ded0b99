"""Who may do what: the walk over roles and bindings, and what is told of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.doctor import Accepted
from gateway.config.drift import Actors as ActorSettings
from gateway.config.drift import ArgoCD, Drift
from gateway.config.model import Config
from gateway.core.finding import Finding, Severity
from gateway.doctor.actors import Actors, actors_of
from gateway.doctor.holders import holders
from gateway.doctor.holders import told as findings_of
from gateway.doctor.rbac import Ask, Roles, account_of, grants, identity, matches, permitted

Json = dict[str, Any]
OWN = "govgate-system"
ACTORS = actors_of(Config())


def rule(verbs: list[str], groups: list[str], resources: list[str], names: list[str] | None = None) -> Json:
    return {"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names or []}


def role(
    name: str, *rules: Json, namespace: str = "", labels: Json | None = None, collects: Json | None = None
) -> Json:
    one: Json = {"metadata": {"name": name, "namespace": namespace, "labels": labels or {}}, "rules": list(rules)}
    return {**one, "aggregationRule": {"clusterRoleSelectors": [collects]}} if collects is not None else one


def binding(name: str, to: str, *subjects: tuple[str, str], namespace: str = "", kind: str = "ClusterRole") -> Json:
    listed = [
        {"kind": what, "name": who.rpartition("/")[2], "namespace": who.rpartition("/")[0]} for what, who in subjects
    ]
    return {
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"kind": kind, "name": to},
        "subjects": listed,
    }


def told(held: Roles, actors: Actors = ACTORS, *accepted: Accepted) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for one in findings_of(holders(grants(held), actors, OWN, "govgate"), accepted):
        found.setdefault(one.rule.removeprefix("doctor/"), []).append(one)
    return found


def by_cluster(*rules: Json, subject: tuple[str, str] = ("User", "eve")) -> Roles:
    return Roles(cluster_roles=[role("r", *rules)], cluster_role_bindings=[binding("b", "r", subject)])


def in_namespace(namespace: str, *rules: Json) -> Roles:
    bound = binding("b", "r", ("User", "eve"), namespace=namespace, kind="Role")
    return Roles(roles=[role("r", *rules, namespace=namespace)], role_bindings=[bound])


RBAC = "rbac.authorization.k8s.io"


def signing(signer: str) -> tuple[Json, Json]:
    return (
        rule(["create", "update"], ["certificates.k8s.io"], ["*"]),
        rule(["approve"], ["certificates.k8s.io"], ["signers"], [signer]),
    )


@pytest.mark.parametrize(
    ("held", "rules"),
    [
        (by_cluster(rule(["impersonate"], [""], ["serviceaccounts"])), {"impersonate-reconciler"}),
        (
            by_cluster(rule(["impersonate:serviceaccount"], ["authentication.k8s.io"], ["serviceaccounts"])),
            set(),  # it says whom, and not to do what
        ),
        (
            by_cluster(
                rule(["impersonate:serviceaccount"], ["authentication.k8s.io"], ["serviceaccounts"]),
                rule(["impersonate-on:serviceaccount:patch"], ["apps"], ["deployments"]),
            ),
            {"impersonate-reconciler"},
        ),
        (
            by_cluster(
                rule(["impersonate:serviceaccount"], ["authentication.k8s.io"], ["serviceaccounts"]),
                rule(
                    ["impersonate-on:serviceaccount:list", "impersonate-on:user-info:patch"], ["apps"], ["deployments"]
                ),
            ),
            set(),
        ),
        (
            by_cluster(
                rule(["impersonate:user-info"], ["authentication.k8s.io"], ["users", "groups"]),
                rule(["impersonate-on:user-info:create"], [""], ["pods"], ["one"]),
            ),
            {"impersonate-reconciler", "impersonate-group"},
        ),
        (
            by_cluster(
                rule(["impersonate:arbitrary-node"], ["authentication.k8s.io"], ["nodes"]),
                rule(["impersonate-on:arbitrary-node:create"], [""], ["serviceaccounts/token"]),
            ),
            {"mint-token"},
        ),
        (by_cluster(rule(["impersonate:associated-node"], ["authentication.k8s.io"], ["nodes"])), set()),
        (by_cluster(rule(["impersonate"], [""], ["serviceaccounts"], ["default"])), set()),
        (by_cluster(rule(["impersonate"], [""], ["serviceaccounts"], ["helm-controller"])), {"impersonate-reconciler"}),
        (in_namespace("flux-system", rule(["impersonate"], [""], ["serviceaccounts"])), {"impersonate-reconciler"}),
        (in_namespace("web", rule(["impersonate"], [""], ["serviceaccounts"])), set()),
        (by_cluster(rule(["impersonate"], [""], ["users"])), {"impersonate-reconciler"}),
        (by_cluster(rule(["impersonate"], [""], ["users"], ["alice"])), set()),
        (by_cluster(rule(["impersonate"], [""], ["groups"])), {"impersonate-group"}),
        (by_cluster(rule(["impersonate"], [""], ["groups"], ["developers"])), set()),
        (by_cluster(rule(["impersonate"], ["authentication.k8s.io"], ["uids"])), {"impersonate-identity"}),
        (by_cluster(rule(["impersonate"], ["authentication.k8s.io"], ["userextras/scopes"])), {"impersonate-identity"}),
        (
            by_cluster(rule(["impersonate"], ["*"], ["*"])),
            {"impersonate-reconciler", "impersonate-group", "impersonate-identity", "mint-token"},
        ),
        (by_cluster(rule(["create"], [""], ["serviceaccounts/token"])), {"mint-token"}),
        (by_cluster(rule(["create"], [""], ["*/token"])), {"mint-token"}),
        (by_cluster(rule(["create"], [""], ["serviceaccounts"])), set()),
        (in_namespace("argocd", rule(["create"], [""], ["secrets"])), set()),
        (in_namespace("argocd", rule(["create", "get"], [""], ["secrets"])), {"mint-token"}),
        (in_namespace("argocd", rule(["create"], [""], ["pods"])), {"run-as-reconciler"}),
        (in_namespace("argocd", rule(["patch"], ["apps"], ["deployments"])), {"run-as-reconciler"}),
        (in_namespace("argocd", rule(["create"], [""], ["pods/exec"])), {"run-as-reconciler"}),
        (in_namespace("argocd", rule(["update"], [""], ["pods"])), {"run-as-reconciler"}),
        (in_namespace("argocd", rule(["patch"], [""], ["pods"])), {"run-as-reconciler"}),
        (in_namespace("argocd", rule(["delete"], [""], ["pods"])), set()),
        (in_namespace(OWN, rule(["patch"], [""], ["pods"])), {"write-gateway"}),
        (in_namespace("argocd", rule(["escalate"], [RBAC], ["roles"])), {"escalate"}),
        (in_namespace("argocd", rule(["bind"], [RBAC], ["clusterroles"], ["edit"])), {"escalate"}),
        (in_namespace("argocd", rule(["bind"], [RBAC], ["clusterroles"], ["view"])), set()),
        (in_namespace(OWN, rule(["escalate"], [RBAC], ["roles"])), {"escalate"}),
        (in_namespace("web", rule(["escalate", "bind"], [RBAC], ["*"])), set()),
        (by_cluster(*signing("kubernetes.io/kube-apiserver-client")), {"mint-token"}),
        (by_cluster(*signing("kubernetes.io/kube-apiserver-client-kubelet")), {"mint-token"}),
        (by_cluster(*signing("kubernetes.io/*")), {"mint-token"}),
        (by_cluster(*signing("kubernetes.io/kubelet-serving")), set()),
        (
            by_cluster(rule(["create"], ["admissionregistration.k8s.io"], ["mutatingwebhookconfigurations"])),
            {"write-registration"},
        ),
        (by_cluster(rule(["get"], [""], ["nodes/proxy"])), {"run-as-reconciler"}),
        (by_cluster(rule(["get"], [""], ["nodes"])), set()),
        (by_cluster(rule(["create", "update", "approve"], ["certificates.k8s.io"], ["*"])), {"mint-token"}),
        (by_cluster(rule(["create", "update"], ["certificates.k8s.io"], ["*"])), set()),
        (by_cluster(rule(["escalate"], ["rbac.authorization.k8s.io"], ["clusterroles"])), {"escalate"}),
        (by_cluster(rule(["bind"], ["rbac.authorization.k8s.io"], ["clusterroles"])), {"escalate"}),
        (by_cluster(rule(["bind"], ["rbac.authorization.k8s.io"], ["clusterroles"], ["view"])), set()),
        (by_cluster(rule(["patch"], ["admissionregistration.k8s.io"], ["*"])), {"write-registration"}),
        (
            by_cluster(
                rule(["update"], ["admissionregistration.k8s.io"], ["validatingwebhookconfigurations"], ["other"])
            ),
            set(),
        ),
        (in_namespace(OWN, rule(["patch"], [""], ["configmaps"])), {"write-gateway"}),
        (in_namespace(OWN, rule(["get"], [""], ["secrets"])), {"write-gateway"}),
        (by_cluster(rule(["*"], ["*"], ["*"])), {"full-access"}),
        (by_cluster(rule(["get", "list", "watch"], [""], ["pods"])), set()),
    ],
)
def test_what_is_told_of_a_right(held, rules):
    """Each by its rule; harmless ones not at all."""
    assert set(told(held)) == rules


def test_a_group_of_everybody_is_critical():
    """Whom a right is given to says how bad it is."""
    impersonate = rule(["impersonate"], [""], ["serviceaccounts"])
    for who, severity in (("system:authenticated", Severity.CRITICAL), ("ops", Severity.HIGH)):
        (found,) = told(by_cluster(impersonate, subject=("Group", who)))["impersonate-reconciler"]
        assert found.severity is severity
        assert f"Group {who} can impersonate flux-system/kustomize-controller" in found.message
        assert "by ClusterRole r (ClusterRoleBinding b)" in found.message
        assert found.remedy


def test_kubernetes_and_the_reconcilers_are_no_news():
    """cluster-admin of system:masters, a controller's own role, Flux with every right; but a controller with more is."""
    everything = rule(["*"], ["*"], ["*"])
    own = rule(["create"], [""], ["pods"])
    held = Roles(
        cluster_roles=[role("cluster-admin", everything), role("system:controller:job-controller", own)],
        cluster_role_bindings=[
            binding("cluster-admin", "cluster-admin", ("Group", "system:masters")),
            binding("flux", "cluster-admin", ("ServiceAccount", "flux-system/kustomize-controller")),
            binding("own", "cluster-admin", ("ServiceAccount", f"{OWN}/anything")),
            binding("b", "system:controller:job-controller", ("ServiceAccount", "kube-system/job-controller")),
        ],
    )
    assert told(held) == {}
    more = msgspec.structs.replace(
        held,
        cluster_role_bindings=[
            *held.cluster_role_bindings,
            binding("x", "cluster-admin", ("ServiceAccount", "kube-system/job-controller")),
        ],
    )
    assert [one.resource.name for one in told(more)["full-access"]] == ["x"]


def test_reconcilers_are_those_of_the_configuration():
    """Others count instead; one that is switched off does not, and plain users are impersonated as users."""
    own = ArgoCD(actors=ActorSettings(users=("argo@example.com",), groups=("argo-people",)))
    actors = actors_of(Config(drift=Drift(argo_cd=own)))
    assert "argo@example.com" in actors.users
    assert "system:serviceaccount:argocd:argocd-application-controller" not in actors.users
    held = by_cluster(rule(["impersonate"], [""], ["users"], ["argo@example.com"]))
    assert set(told(held, actors)) == {"impersonate-reconciler"}
    assert set(told(by_cluster(rule(["impersonate"], [""], ["groups"], ["argo-people"])), actors)) == {
        "impersonate-group"
    }
    off = actors_of(Config(drift=Drift(argo_cd=ArgoCD(mode="disabled"))))
    assert not [user for user in off.users if "argocd" in user]


def test_rights_are_collected_through_several_roles():
    """As the aggregation controller does, one role that collects may be collected itself, even by each other."""
    held = Roles(
        cluster_roles=[
            role("admin", collects={"matchLabels": {"to": "admin"}}),
            role(
                "edit",
                labels={"to": "admin"},
                collects={"matchExpressions": [{"key": "to", "operator": "In", "values": ["edit"]}]},
            ),
            role("tool", rule(["impersonate"], [""], ["serviceaccounts"]), labels={"to": "edit"}),
            role("circle", labels={"to": "edit"}, collects={"matchLabels": {"to": "edit"}}),
        ],
        role_bindings=[binding("b", "admin", ("Group", "team"), namespace="argocd")],
    )
    assert set(told(held)) == {"impersonate-reconciler"}


NAMES = st.sampled_from(["", "a", "b"])
VERBS = st.lists(st.sampled_from(["get", "create", "*"]), min_size=1, max_size=2)
RESOURCES = st.lists(st.sampled_from(["pods", "pods/log", "*/log", "*", "secrets"]), min_size=1, max_size=2)
RULES = st.builds(rule, VERBS, st.lists(st.sampled_from(["", "apps", "*"]), min_size=1, max_size=2), RESOURCES,
                  st.lists(st.sampled_from(["a", "b"]), max_size=1))  # fmt: skip
ASKS = st.builds(Ask, st.sampled_from(["get", "create", "list"]), st.sampled_from(["", "apps"]),
                 st.sampled_from(["pods", "pods/log", "secrets"]), st.sampled_from(["", "web", "db"]), NAMES)  # fmt: skip


@given(st.lists(RULES, max_size=3), RULES, ASKS)
def test_another_rule_takes_nothing_away(rules, extra, ask):
    """RBAC has no denials."""
    who = identity("eve")
    before = permitted(grants(by_cluster(*rules)), who, ask)
    after = permitted(grants(by_cluster(*rules, extra)), who, ask)
    assert after or not before


@given(st.lists(RULES, max_size=3), ASKS)
def test_a_binding_in_a_namespace_gives_what_one_of_the_cluster_does_there_alone(rules, ask):
    """The same rules; elsewhere, and for what is in no namespace, nothing."""
    who = identity("eve")
    everywhere = permitted(grants(by_cluster(*rules)), who, ask)
    there = permitted(grants(in_namespace("web", *rules)), who, ask)
    assert there == (everywhere and ask.namespace == "web")


def test_user_names_that_stand_for_accounts():
    """Exactly those of the form that the API server makes."""
    assert account_of("system:serviceaccount:a:b") == ("a", "b")
    assert [account_of(n) for n in ("alice", "system:serviceaccount:a", "system:serviceaccount::b")] == [None] * 3


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ({}, True),
        ({"matchLabels": {"a": "b"}}, True),
        ({"matchLabels": {"a": "c"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, False),
        ({"matchExpressions": [{"key": "z", "operator": "NotIn", "values": ["b"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Strange"}]}, False),
    ],
)
def test_label_selectors(selector, fits):
    """As Kubernetes selects."""
    assert matches(selector, {"a": "b"}) is fits
