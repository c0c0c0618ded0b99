"""Who is asked about: everybody whom a guard believes, wherever that is said; and what is told of known holders."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.grants import NOW, grant_object

from gateway.config.breakglass import BreakGlass
from gateway.config.doctor import Accepted
from gateway.config.drift import Actors as Named
from gateway.config.drift import Drift, FluxKustomization, Pulumi, Restart, TofuController, Window, Writer
from gateway.config.model import Config
from gateway.core.finding import Finding
from gateway.doctor.actors import actors_of, named_by
from gateway.doctor.examine import Report
from gateway.doctor.grants import check_grants, check_own_kinds
from gateway.doctor.holders import holders, told
from gateway.doctor.rbac import Roles, grants
from gateway.doctor.run import run_of
from webhooks.breakglass.grant import Approval, Status, read_grant, spec_digest
from webhooks.breakglass.noted import digest_of
from webhooks.drift.reconcilers.argocd_records import application, project
from webhooks.drift.reconcilers.config_sync_records import sync
from webhooks.drift.reconcilers.flux_records import helm_release, kustomization
from webhooks.drift.reconcilers.pulumi import stack
from webhooks.drift.reconcilers.tofu import terraform

Json = dict[str, Any]
OWN = "govgate-system"


def account(namespace: str, name: str) -> str:
    return f"system:serviceaccount:{namespace}:{name}"


def bound(name: str, *rules: Json, subject: Json, namespace: str = "") -> Roles:
    """One subject with these rules, everywhere or in a namespace."""
    kind = "ClusterRole"
    role = {"metadata": {"name": name}, "rules": list(rules)}
    binding = {
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"kind": kind, "name": name},
        "subjects": [subject],
    }
    if namespace:
        return Roles(cluster_roles=[role], role_bindings=[binding])
    return Roles(cluster_roles=[role], cluster_role_bindings=[binding])


def joined(*held: Roles) -> Roles:
    return Roles(*[[one for roles in held for one in getattr(roles, field)] for field in Roles.__struct_fields__])


def rule(verb: str, group: str, resource: str, *names: str) -> Json:
    return {"verbs": [verb], "apiGroups": [group], "resources": [resource], "resourceNames": list(names)}


def user(name: str) -> Json:
    return {"kind": "User", "name": name}


EVE = user("eve")


def found(held: Roles, actors: Any, *accepted: Accepted) -> list[Finding]:
    return told(holders(grants(held), actors, OWN, "govgate"), accepted)


def rules(held: Roles, actors: Any) -> set[tuple[str, str]]:
    return {
        (one.field.partition("name=")[2].rstrip("]"), one.rule.removeprefix("doctor/")) for one in found(held, actors)
    }


def minting(namespace: str, name: str) -> Roles:
    return bound("mint", rule("create", "", "serviceaccounts/token", name), subject=EVE, namespace=namespace)


FOUND = {("eve", "mint-token")}


def test_everybody_whom_the_configuration_lets_pass() -> None:
    """Writers, autoscalers, approvers of plans, actors of windows, restarters, and the cluster's own housekeeping."""
    named = Named(users=(account("tools", "x"),))
    places = {
        "tofu": Drift(tofu_controller=TofuController(mode="enforce", approvers=named)),
        "window": Drift(windows=(Window("w", "0 0 * * *", 60, "disabled", actors=named),)),
        "restart": Drift(restart=Restart(people="deny", actors=named)),
        "writer": Drift(writers=(Writer("w", named, fields=("spec",)),)),
        "autoscaler": Drift(autoscalers=named),
        "reconciler": Drift(flux_kustomization=FluxKustomization(actors=named)),
    }
    for drift in places.values():
        assert rules(minting("tools", "x"), actors_of(Config(drift=drift))) == FOUND
    assert rules(minting("tools", "x"), actors_of(Config())) == set()
    harmless = Drift(
        windows=(Window("freeze", "0 0 * * *", 60, "enforce", actors=named),), restart=Restart(actors=named)
    )
    assert rules(minting("tools", "x"), actors_of(Config(drift=harmless))) == set()
    for name in (
        "generic-garbage-collector",
        "namespace-controller",
        "horizontal-pod-autoscaler",
        "endpoint-controller",
    ):
        assert rules(minting("kube-system", name), actors_of(Config())) == FOUND
    assert rules(minting("keda", "keda-operator"), actors_of(Config())) == FOUND


def about(kind: str, namespace: str, spec: Json) -> Json:
    return {"kind": kind, "metadata": {"name": "web", "namespace": namespace}, "spec": spec}


def test_accounts_that_owners_name() -> None:
    """Those that the guard takes for theirs: named in the spec, by the project, or by default."""
    config = Config(drift=Drift(tofu_controller=TofuController(mode="enforce"), pulumi=Pulumi(mode="enforce")))
    destination = {"server": "https://kubernetes.default.svc", "namespace": "shop"}
    records = [
        kustomization(about("Kustomization", "a", {"serviceAccountName": "flux"})),
        kustomization(about("Kustomization", "b", {})),
        helm_release(about("HelmRelease", "c", {"serviceAccountName": "helm"})),
        application(about("Application", "argocd", {"project": "team", "destination": destination})),
        sync(about("RepoSync", "d", {})),
        stack(about("Stack", "e", {})),
        terraform(about("Terraform", "f", {})),
        terraform(about("Terraform", "g", {"serviceAccountName": "runner"})),
    ]
    accounts = [
        {"server": "*", "namespace": "shop", "defaultServiceAccount": "deployer"},
        {"server": "*", "namespace": "team-*", "defaultServiceAccount": "each"},
        {"server": "*", "namespace": "*", "defaultServiceAccount": "ops:all"},
    ]
    projects = {
        ("argocd", "team"): project(
            about("AppProject", "argocd", {"destinationServiceAccounts": accounts}), windows=False
        )
    }
    named = named_by(config, records, projects)
    assert set(named) == {
        account("a", "flux"), account("c", "helm"), account("shop", "deployer"), account("ops", "all"),
        account("config-management-system", "ns-reconciler-d-web-3"), account("e", "default"),
        account("f", "tf-runner"), account("g", "runner"),
    }  # fmt: skip
    actors = actors_of(config, named=named)
    assert rules(minting("a", "flux"), actors) == FOUND
    assert "a/flux (Flux Kustomization a/web)" in found(minting("a", "flux"), actors)[0].message
    off = Config(drift=Drift(flux_kustomization=FluxKustomization(mode="disabled")))
    assert account("a", "flux") not in named_by(off, records, projects)


def test_to_be_oneself_is_no_power() -> None:
    """A tenant's account that runs Pods in its own namespace becomes nobody else by that; with another one there it does."""
    held = bound(
        "deploys", rule("create", "apps", "deployments"), subject={"kind": "ServiceAccount", "name": "flux", "namespace": "a"},
        namespace="a",
    )  # fmt: skip
    alone = actors_of(Config(), named={account("a", "flux"): "Kustomization a/web"})
    assert found(held, alone) == []
    two = actors_of(Config(), named={account("a", "flux"): "one", account("a", "other"): "two"})
    (one,) = found(held, two)
    assert one.rule == "doctor/run-as-reconciler"
    wide = bound("all", rule("*", "*", "*"), subject={"kind": "ServiceAccount", "name": "flux", "namespace": "a"})
    assert [one.rule for one in found(wide, alone)] == ["doctor/full-access"]


def test_govgates_own_accounts() -> None:
    """Their tokens, and their impersonation."""
    own = account(OWN, "govgate")
    actors = actors_of(Config(), own=[own])
    assert rules(minting(OWN, "govgate"), actors) == {("eve", "become-gateway")}
    impersonates = bound("i", rule("impersonate", "", "serviceaccounts", "govgate"), subject=EVE, namespace=OWN)
    assert rules(impersonates, actors) == {("eve", "become-gateway")}
    assert rules(minting(OWN, "other"), actors) == set()


def test_who_may_be_two_people() -> None:
    """Who may impersonate an approver, a member of an emergency group, or, approving, one who asks."""
    bob = bound("approves", rule("approve", "govgate.dev", "breakglasses"), subject=user("bob"), namespace="shop")
    asks = bound("asks", rule("request", "govgate.dev", "breakglasses"), subject=user("alice"))
    status = bound("status", rule("patch", "govgate.dev", "breakglasses/status"), subject=user("bob"))
    actors = actors_of(Config(break_glass=BreakGlass(emergency_groups=("on-call",))))
    plain = joined(bob, asks, status)
    known = {("bob", "break-glass-approve"), ("alice", "break-glass-request"), ("bob", "break-glass-status")}
    assert rules(plain, actors) == known

    def impersonates(resource: str, name: str, who: Json = EVE) -> Roles:
        return joined(plain, bound("i", rule("impersonate", "", resource, name), subject=who))

    assert rules(impersonates("users", "bob"), actors) - known == {("eve", "impersonate-approver")}
    assert rules(impersonates("groups", "on-call"), actors) - known == {("eve", "impersonate-approver")}
    assert rules(impersonates("users", "alice"), actors) - known == set()
    assert rules(impersonates("users", "alice", user("bob")), actors) - known == {("bob", "impersonate-approver")}
    root = joined(plain, bound("root", rule("*", "*", "*"), subject=user("root")))
    assert ("eve", "impersonate-approver") in rules(
        joined(root, bound("i", rule("impersonate", "", "users", "root"), subject=EVE)), actors
    )
    machine = bound(
        "m",
        rule("approve", "govgate.dev", "breakglasses"),
        subject={"kind": "Group", "name": "system:serviceaccounts:a"},
    )
    assert rules(
        joined(machine, bound("i", rule("impersonate", "", "groups", "system:serviceaccounts:a"), subject=EVE)), actors
    ) == {("system:serviceaccounts:a", "break-glass-approve")}


def ci(name: str) -> Json:
    return {"kind": "ServiceAccount", "name": name, "namespace": "ci"}


ADMIN = bound("deployer-is-admin", rule("*", "*", "*"), subject=ci("deployer"))


@pytest.mark.parametrize(
    ("way", "namespace", "does"),
    [
        (rule("create", "", "serviceaccounts/token", "deployer"), "ci", "create a token of ci/deployer"),
        (rule("create", "", "serviceaccounts/token"), "", "create a token of ci/deployer"),
        (rule("impersonate", "", "serviceaccounts"), "ci", "impersonate ci/deployer"),
        (rule("create", "", "pods"), "ci", "run Pods as ci/deployer"),
        (rule("patch", "apps", "deployments"), "ci", "run Pods as ci/deployer"),
        (rule("create", "", "pods/exec"), "ci", "run commands in the Pods of ci/deployer"),
        (rule("*", "", "secrets"), "ci", "have a Secret made with a token of ci/deployer"),
        (rule("create", "", "serviceaccounts/token", "other"), "ci", ""),
        (rule("create", "", "pods"), "shop", ""),
        (rule("update", "", "serviceaccounts"), "ci", ""),  # its annotations, no token of it
    ],
)
def test_who_may_become_one_who_has_every_right(way: Json, namespace: str, does: str) -> None:
    """By token, impersonation, or where its Pods run: has every right too."""
    held = joined(ADMIN, bound("way", way, subject=EVE, namespace=namespace))
    told_of = [one.message for one in found(held, actors_of(Config())) if one.rule == "doctor/become-full-access"]
    assert [message.startswith(f"User eve can {does}") for message in told_of] == ([True] if does else [])
    assert all("(who has every right)" in message for message in told_of)


def test_who_may_become_one_who_may_become_it() -> None:
    """However many are between, by whichever form of subject; each by the shortest way, and a circle ends."""
    chain = [
        bound("c1", rule("impersonate", "", "serviceaccounts"), subject=ci("pipeline"), namespace="ci"),
        bound("c2", rule("create", "", "serviceaccounts/token", "pipeline"), subject=user("bob"), namespace="ci"),
        bound("c3", rule("impersonate", "", "users", "bob"), subject={"kind": "Group", "name": "support"}),
        bound("c4", rule("impersonate", "", "groups", "support"), subject=user("carol")),
        bound("c5", rule("impersonate", "", "users", "carol"), subject=user("bob")),
        bound("c6", rule("impersonate", "", "users", "dave"), subject=user("erin")),
    ]
    come = {(name, "become-full-access") for name in (account("ci", "pipeline"), "bob", "support", "carol")}
    expected = {*come, (account("ci", "deployer"), "full-access")}
    assert rules(joined(ADMIN, *chain), actors_of(Config())) == expected


def test_accounts_of_a_group_that_has_every_right() -> None:
    """Who gets an account of that namespace is one of the group; its members are no news of their own."""
    group = {"kind": "Group", "name": "system:serviceaccounts:ci"}
    held = joined(
        bound("all", rule("*", "*", "*"), subject=group),
        bound("mint", rule("create", "", "serviceaccounts/token"), subject=EVE, namespace="ci"),
        bound("runs", rule("create", "", "pods"), subject=ci("runner"), namespace="ci"),
        bound("elsewhere", rule("create", "", "pods"), subject=user("mallory"), namespace="shop"),
    )
    expected = {(group["name"], "full-access"), ("eve", "become-full-access")}
    assert rules(held, actors_of(Config())) == expected
    everywhere = joined(
        held, bound("sa", rule("*", "*", "*"), subject={"kind": "Group", "name": "system:serviceaccounts"})
    )
    assert ("mallory", "become-full-access") in rules(everywhere, actors_of(Config()))


def test_a_reconciler_with_every_right_is_told_of_once() -> None:
    """Who may become it by the rules about reconcilers; who may become that one, by this."""
    flux = {"kind": "ServiceAccount", "name": "kustomize-controller", "namespace": "flux-system"}
    held = joined(
        bound("flux", rule("*", "*", "*"), subject=flux),
        bound("mint", rule("create", "", "serviceaccounts/token"), subject=ci("pipeline"), namespace="flux-system"),
        bound("as", rule("impersonate", "", "serviceaccounts", "pipeline"), subject=EVE, namespace="ci"),
    )
    pipeline = account("ci", "pipeline")
    assert rules(held, actors_of(Config())) == {(pipeline, "mint-token"), ("eve", "become-full-access")}


def test_known_holders_are_accepted_and_shown() -> None:
    """By who, rule and what it can do; what goes beyond is told of, and so is what nobody has any more."""
    held = bound("mint", rule("create", "", "serviceaccounts/token"), subject=EVE, namespace="flux-system")
    actors = actors_of(Config())
    known = Accepted(
        "User eve", "doctor/mint-token", "eve rotates the tokens", ("create a token of flux-system/helm-*",)
    )
    stale = Accepted("User eve", "escalate", "long ago")
    results = found(held, actors, known, stale)
    accepted = [one for one in results if one.exception]
    assert [one.exception for one in accepted] == ["doctor.accepted: eve rotates the tokens"]
    assert "helm-controller" in accepted[0].message
    live = {one.rule: one.message for one in results if not one.exception}
    assert set(live) == {"doctor/mint-token", "doctor/accepted-unused"}
    assert "kustomize-controller" in live["doctor/mint-token"]
    assert "helm-controller" not in live["doctor/mint-token"]
    assert "long ago" in live["doctor/accepted-unused"]
    run = run_of(Report(results=list(accepted)), "digest")
    assert (run.summary.warned, run.summary.excepted, len(run.findings)) == (0, 1, 1)
    other = Accepted("Group eve", "doctor/mint-token", "of a group of that name")
    assert [one.exception for one in found(held, actors, other) if one.rule == "doctor/mint-token"] == [None]


APPROVES = rule("approve", "govgate.dev", "breakglasses")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (Accepted("User eve", "doctor/mint-tokens", "typo"), "there is no such rule"),
        (Accepted("eve", "mint-token", "no kind"), "a subject is written `User NAME`"),
        (Accepted("ServiceAccount ci", "mint-token", "no namespace"), "a subject is written `User NAME`"),
        (Accepted("ServiceAccount ci/runner", "mint-token", "gone"), "nobody has that"),
    ],
)
def test_an_entry_that_is_about_nobody_says_why(entry: Accepted, why: str) -> None:
    """A rule that there is not, and a subject that is none, are told from a right that nobody has any more."""
    (one,) = found(Roles(), actors_of(Config()), entry)
    assert (one.rule, why in one.message) == ("doctor/accepted-unused", True)


def test_what_is_accepted_in_a_namespace_is_accepted_there_alone() -> None:
    """Each place is a power of its own: another namespace, or all of them, is told of."""
    there = bound("there", APPROVES, subject=EVE, namespace="shop")
    known = Accepted("User eve", "break-glass-approve", "by rota", ("approve break-glass in shop",))
    actors = actors_of(Config())

    def live(held: Roles, entry: Accepted) -> list[str]:
        return [one.message.partition(", by ")[0] for one in found(held, actors, entry) if not one.exception]

    assert live(there, known) == []
    other = joined(there, bound("other", APPROVES, subject=EVE, namespace="web"))
    assert live(other, known) == ["User eve can approve break-glass in web"]
    everywhere = joined(there, bound("wide", APPROVES, subject=EVE))
    assert live(everywhere, known) == ["User eve can approve break-glass in every namespace"]
    assert live(everywhere, Accepted("User eve", "break-glass-approve", "by rota")) == []
    # As it was written before places were told apart: it names none, and holds for none.
    assert live(there, Accepted("User eve", "break-glass-approve", "by rota", ("approve break-glass",))) == [
        "User eve can approve break-glass in shop",
        "doctor.accepted: User eve, break-glass-approve: none of `powers` is what it can do: approve break-glass in shop (by rota)",
    ]


def test_each_place_where_one_writes_as_another_is_a_power() -> None:
    """Constrained impersonation says whom everywhere, and to do what in namespaces; an approver's places are his impersonator's."""
    whom = bound(
        "whom",
        rule("impersonate:serviceaccount", "authentication.k8s.io", "serviceaccounts", "helm-controller"),
        subject=EVE,
    )
    write = rule("impersonate-on:serviceaccount:patch", "apps", "deployments")
    places = [bound("shop", write, subject=EVE, namespace="shop"), bound("wide", write, subject=EVE)]
    (one,) = found(joined(whom, *places), actors_of(Config()))
    helm = "impersonate flux-system/helm-controller, writing in"
    assert one.message.startswith(f"User eve can {helm} every namespace; {helm} shop, by ")
    approves = bound("approves", APPROVES, subject=user("bob"), namespace="shop")
    becomes = bound("i", rule("impersonate", "", "users", "bob"), subject=EVE)
    said = [one.message for one in found(joined(approves, becomes), actors_of(Config())) if "impersonate" in one.rule]
    assert said[0].startswith("User eve can impersonate bob (who may approve break-glass in shop), by ")
    asks = bound("asks", rule("request", "govgate.dev", "breakglasses"), subject=user("alice"))
    both = joined(approves, asks, bound("i", rule("impersonate", "", "users", "alice"), subject=user("bob")))
    said = [one.message for one in found(both, actors_of(Config())) if "impersonate" in one.rule]
    assert said[0].startswith(
        "User bob can impersonate alice (who may ask for break-glass, and approve that), approving in shop, by "
    )


@pytest.mark.parametrize(
    ("policy", "path", "kinds"),
    [
        ("Fail", "/v1/validate", ""),
        ("Ignore", "/v1/validate", "BreakGlass, PolicyWaiver, ClusterPolicyWaiver, TrustPolicy"),
        ("Ignore", "/v1/validate/policy", "PolicyWaiver, ClusterPolicyWaiver"),
        ("Ignore", "/v1/validate/secrets", ""),
    ],
)
def test_what_can_be_written_past_the_webhook(policy: str, path: str, kinds: str) -> None:
    """The kinds that guards believe, where their own webhook fails open."""
    webhook = {"name": "w", "failurePolicy": policy, "clientConfig": {"url": f"https://a{path}"}}
    results = check_own_kinds("govgate", {"webhooks": [webhook]})
    assert [f"failurePolicy Ignore {kinds} can" in one.message for one in results] == ([True] if kinds else [])


def test_grants_that_nobody_saw_approved() -> None:
    """Of those that would hold; one that is over, or was seen, is no news."""
    grant = read_grant(grant_object())
    approved = msgspec.structs.replace(
        grant, status=Status(approval=Approval("bob@example.com", spec_digest(grant.spec)))
    )
    (one,) = check_grants([grant, approved], {}, NOW)
    assert (one.rule, one.resource.name) == ("doctor/grant-unseen", "web")
    assert "in the name of bob@example.com" in one.message
    assert check_grants([approved], {approved.uid: f"{digest_of(approved)} x"}, NOW) == []
    assert check_grants([approved], {}, NOW.replace(year=2027)) == []
