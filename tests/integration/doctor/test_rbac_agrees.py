"""The walk over RBAC says what the API server's own SubjectAccessReview says; and nothing of what Kubernetes grants itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import msgspec
import pytest
from support.api import Api
from support.cluster import Cluster, wait_for
from support.users import ADMIN_GROUPS, ROOT

from gateway.config.model import Config
from gateway.core.finding import Finding
from gateway.doctor.actors import actors_of
from gateway.doctor.holders import holders, told
from gateway.doctor.powers import powers
from gateway.doctor.rbac import ANYWHERE, Ask, Roles, Subject, account_of, grants, identity, permitted

Json = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
PREFIX = "tests-doctor"
LABEL = {f"{PREFIX}.example.com/to": "collector"}
ASKED_ABOUT = (
    "system:serviceaccount:flux-system:helm-controller",
    "system:serviceaccount:argocd:argocd-application-controller",
    "system:kube-controller-manager",
)
KINDS = ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding")


def rule(verbs: list[str], groups: list[str], resources: list[str], names: list[str] | None = None) -> Json:
    return {"verbs": verbs, "apiGroups": groups, "resources": resources, **({"resourceNames": names} if names else {})}


RULES = {
    "impersonator": [rule(["impersonate"], [""], ["serviceaccounts", "groups"])],
    "one-account": [rule(["impersonate"], [""], ["serviceaccounts"], ["helm-controller"])],
    "constrained": [rule(["impersonate:serviceaccount"], ["authentication.k8s.io"], ["serviceaccounts"])],
    "extras": [rule(["impersonate"], ["authentication.k8s.io"], ["userextras/scopes", "uids"])],
    "minter": [rule(["create"], [""], ["*/token"])],
    "secretive": [rule(["create", "get"], [""], ["secrets"])],
    "deployer": [rule(["*"], ["apps", "batch"], ["*"])],
    "binder": [rule(["bind"], [RBAC], ["clusterroles"], ["view", "cluster-admin"])],
    "escalator": [rule(["escalate"], ["*"], ["roles", "clusterroles"])],
    "registrar": [rule(["patch", "delete"], ["admissionregistration.k8s.io"], ["*"], ["govgate"])],
    "everything": [rule(["*"], ["*"], ["*"])],
}
WHO = {
    name: (f"{PREFIX}-{name}", (f"{PREFIX}-group-{name}",) if number % 2 else ()) for number, name in enumerate(RULES)
}


def role(name: str, rules: list[Json], namespace: str = "", **more: Any) -> Json:
    metadata: Json = {"name": f"{PREFIX}-{name}", **({"namespace": namespace} if namespace else {})}
    metadata |= more.pop("metadata", {})
    kind = "Role" if namespace else "ClusterRole"
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": rules, **more}


def bound(to: Json, who: Json, namespace: str = "", name: str = "") -> Json:
    metadata: Json = {"name": name or to["metadata"]["name"], **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": to["kind"], "name": to["metadata"]["name"]},
        "subjects": [who],
    }


def user(name: str) -> Json:
    return {"kind": "User", "apiGroup": RBAC, "name": name}


@pytest.fixture
def cast(controllers: Cluster, namespace: str) -> Iterator[Cluster]:
    """Roles of all sorts: some users have theirs everywhere, some by a group, some in a namespace."""
    objects: list[Json] = []
    for number, (name, rules) in enumerate(RULES.items()):
        who, groups = WHO[name]
        subject = {"kind": "Group", "apiGroup": RBAC, "name": groups[0]} if groups else user(who)
        wide = role(name, rules)
        objects += [wide, bound(wide, subject) if number % 3 else bound(wide, subject, namespace)]
    local = role("local", [rule(["create"], [""], ["pods", "serviceaccounts/token"])], namespace)
    account = {"kind": "ServiceAccount", "name": "runner", "namespace": namespace}
    objects += [local, bound(local, account, namespace)]
    collector = role("collector", [], aggregationRule={"clusterRoleSelectors": [{"matchLabels": LABEL}]})
    piece = role("piece", [rule(["impersonate"], [""], ["users"])], metadata={"labels": LABEL})
    objects += [collector, piece, bound(collector, user(f"{PREFIX}-collector"))]
    last = role("last", [rule(["get"], ["last.example.com"], ["all"])])
    local_last = role("last", [rule(["get"], ["last.example.com"], ["some"])], namespace)
    objects += [last, local_last, bound(last, user("last")), bound(local_last, user("last"), namespace)]
    root = controllers.api(ROOT)
    for one in sorted(objects, key=lambda item: KINDS.index(item["kind"])):
        root.create(one)
    # Caches of a type are filled in order: with the last of each, all are there.
    awaited = [
        ("last", Ask("get", "last.example.com", "all")),
        ("last", Ask("get", "last.example.com", "some", namespace)),
        (f"{PREFIX}-collector", Ask("impersonate", "", "users")),
    ]
    wait_for(lambda: all(allowed(root, identity(who), ask) for who, ask in awaited), seconds=60)
    yield controllers
    for one in objects:
        root.delete(one, missing_ok=True)


def everything(root: Api) -> Roles:
    return Roles(
        *[root.list(f"{RBAC}/v1", kind) for kind in ("ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding")]
    )


def allowed(root: Api, who: tuple[Subject, ...], ask: Ask) -> bool:
    resource, _, subresource = ask.resource.partition("/")
    attributes = {"verb": ask.verb, "group": ask.group, "resource": resource, "subresource": subresource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": who[0].name,
            "groups": [one.name for one in who[1:]],
            "resourceAttributes": {**attributes, "namespace": ask.namespace, "name": ask.name},
        },
    }
    return bool(root.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"])


def test_the_walk_says_what_the_api_server_says(cast: Cluster, namespace: str):
    """For each of these users, and everything that doctor asks, of the reconcilers and of accounts in a namespace."""
    root = cast.api(ROOT)
    granted = grants(everything(root))
    everybody = actors_of(Config(), own=[f"system:serviceaccount:{namespace}:govgate"])
    # One for each form of question: each is asked for each of these users.
    some = {user: why for user, why in everybody.users.items() if user in ASKED_ABOUT}
    assert len(some) == len(ASKED_ABOUT)
    actors = msgspec.structs.replace(everybody, users=some)
    every = {ask for power in powers(actors, namespace, "govgate") for group in power.all_of for ask in group}
    asks = {ask for ask in every if ask.namespace != ANYWHERE}  # that is no question to an API server
    asks |= {Ask("create", "", "serviceaccounts/token", namespace, "a"), Ask("impersonate", "", "users", name="x")}
    people = [identity(who, groups) for who, groups in WHO.values()]
    people += [
        identity(f"system:serviceaccount:{namespace}:runner"),
        identity(f"{PREFIX}-collector"),
        identity("nobody"),
    ]
    questions = list(product(people, sorted(asks)))
    with ThreadPoolExecutor(4) as several:
        answers = list(several.map(lambda one: allowed(root, *one), questions))
    walked = [permitted(granted, who, ask) for who, ask in questions]
    assert [q for q, mine, theirs in zip(questions, walked, answers, strict=True) if mine != theirs] == []
    assert 0 < sum(answers) < len(answers)


def test_what_kubernetes_grants_itself_is_no_news(cast: Cluster, namespace: str):
    """Of a fresh API server's own roles and bindings nothing is told: only of what the tests added."""
    root = cast.api(ROOT)
    actors = actors_of(Config())
    found = told(holders(grants(everything(root)), actors, namespace, "govgate"), ())
    assert found
    assert all(isinstance(one, Finding) for one in found)
    names = {one.resource.name for one in found}
    assert {f"tests:{group}" for group in ADMIN_GROUPS} <= names
    assert not [name for name in names if name.startswith("system:") or name == "cluster-admin"]
    assert account_of("system:serviceaccount:flux-system:helm-controller") == ("flux-system", "helm-controller")
    assert f"{PREFIX}-one-account" in {
        one.resource.name for one in found if one.rule == "doctor/impersonate-reconciler"
    }
