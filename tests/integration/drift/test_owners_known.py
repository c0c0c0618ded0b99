"""What the gateway learns by watching the cluster: who acts for an owner, what the owner leaves alone, where it is from."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from recordings.objects import FLUX, config_map, deployment, labelled
from recordings.stage import Stage
from support.api import JSON_PATCH, ApiError, Json
from support.cluster import Cluster, wait_for
from support.crds import MACHINE_DEPLOYMENT
from support.gateway import Gateway
from support.users import ALICE, CLUSTER_AUTOSCALER, GOVGATE, KUSTOMIZE_CONTROLLER, ROOT, TENANT, User


def audit(gateway: Gateway, *arguments: str) -> str:
    """The output of a ``govgate audit`` command over the gateway's log."""
    command = [sys.executable, "-m", "gateway", "audit", *arguments, "--state-dir", str(gateway.folder / "state")]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def kustomization(namespace: str, name: str, *, status: Json | None = None, **spec: object) -> Json:
    """A Kustomization with a GitRepository of the same namespace."""
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"path": "./apps/web", "sourceRef": {"kind": "GitRepository", "name": "fleet"}, **spec},
        **({"status": status} if status else {}),
    }


def flux_apply(cluster: Cluster, item: Json, namespace: str, name: str) -> Json:
    """As kustomize-controller applies for the Kustomization ``namespace/name``."""
    labels = dict(zip(FLUX, (name, namespace), strict=True))
    return cluster.api(KUSTOMIZE_CONTROLLER).apply(labelled(item, labels), manager="kustomize-controller")


def made(cluster: Cluster, item: Json) -> Json:
    """The object created by an administrator, its status written as a controller writes it."""
    root = cluster.api(ROOT)
    created = root.create(item)
    if "status" in item:
        created["status"] = item["status"]
        created = root.replace(created, subresource="status")
    return created


def told(cluster: Cluster, item: Json, image: str, user=ALICE) -> str:
    """What someone is told who sets another image; empty if it went through."""
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "api", "image": image}]}}}}
    try:
        cluster.api(user).patch(item, patch, content_type="application/strategic-merge-patch+json")
    except ApiError as error:
        return str(error)
    return ""


def eventually_told(cluster: Cluster, item: Json, text: str, user=ALICE) -> None:
    """The watch cache is a moment behind: ask with ever new images until the answer is as expected."""
    numbers = iter(range(1000))
    last = ""

    def as_expected() -> bool:
        nonlocal last
        last = told(cluster, item, f"registry.example.com/storefront/api:9.{next(numbers)}", user)
        return text in last if text else last == ""

    try:
        wait_for(as_expected)
    except AssertionError:
        pytest.fail(f"was told: {last!r}")


def test_the_message_names_repository_path_and_revision(controllers: Cluster, govgate: Gateway, namespace: str) -> None:
    """Who is stopped is told where the object comes from, without the credentials in the repository's address."""
    url = "https://robot:hunter2@git.example.com/fleet.git"
    repository = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": "fleet", "namespace": namespace},
        "spec": {"url": url},
    }
    made(controllers, repository)
    made(controllers, kustomization(namespace, "web", status={"lastAppliedRevision": "main@sha1:0123abc"}))
    item = flux_apply(controllers, deployment(namespace), namespace, "web")
    eventually_told(controllers, item, "git.example.com/fleet.git, path ./apps/web, revision main@sha1:0123abc")
    assert "hunter2" not in told(controllers, item, "registry.example.com/storefront/api:10")


def test_a_suspended_owner_is_not_enforced_but_recorded(controllers: Cluster, govgate: Gateway, namespace: str) -> None:
    """Changes of what a suspended Kustomization manages pass, and are in the audit log with the reason."""
    owner = made(controllers, kustomization(namespace, "web"))
    item = flux_apply(controllers, deployment(namespace), namespace, "web")
    eventually_told(controllers, item, "would change from")
    controllers.api(ROOT).patch(owner, {"spec": {"suspend": True}})
    eventually_told(controllers, item, "")
    records = audit(govgate, "query", "--namespace", namespace, "--rule", "drift/owned-field", "-o", "json")
    assert "spec.suspend: true" in records


def test_an_ignored_field_is_left_alone_and_only_that(controllers: Cluster, govgate: Gateway, namespace: str) -> None:
    """A field under the owner's ignore rules may change; another one in the same request may not."""
    made(
        controllers,
        kustomization(namespace, "web", ignore=[{"paths": ["/spec/replicas"], "target": {"kind": "Deployment"}}]),
    )
    item = flux_apply(controllers, deployment(namespace), namespace, "web")
    alice = controllers.api(ALICE)

    def replicas_free() -> bool:
        try:
            alice.patch(item, {"spec": {"replicas": 7}})
        except ApiError:
            return False
        return True

    wait_for(replicas_free)
    with pytest.raises(ApiError, match="revisionHistoryLimit"):
        alice.patch(item, {"spec": {"replicas": 8, "revisionHistoryLimit": 9}})


def test_the_owners_service_account_acts_for_it(controllers: Cluster, govgate: Gateway, namespace: str) -> None:
    """The service account that a Kustomization names may apply what it manages; before it was named it might not."""
    controllers.api(ROOT).apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tenants"}}, manager="tests"
    )
    owner = made(controllers, kustomization("tenants", namespace))
    item = flux_apply(controllers, deployment(namespace), "tenants", namespace)

    def applied_as_tenant() -> bool:
        """As kustomize-controller applies when it impersonates the account: under its own field manager."""
        labels = dict(zip(FLUX, (namespace, "tenants"), strict=True))
        try:
            controllers.api(TENANT).apply(
                labelled(deployment(namespace, image="2"), labels), manager="kustomize-controller"
            )
        except ApiError:
            return False
        return True

    eventually_told(controllers, item, "would change from", ALICE)
    assert not applied_as_tenant()
    controllers.api(ROOT).patch(owner, {"spec": {"serviceAccountName": "team-a"}})
    wait_for(applied_as_tenant)
    assert "would change from" in told(controllers, item, "registry.example.com/storefront/api:11", ALICE)


def test_a_stripped_object_is_known_by_the_inventory(controllers: Cluster, govgate: Gateway, namespace: str) -> None:
    """An object that lost its labels before govgate came is still protected: its owner lists it."""
    entry = {"id": f"{namespace}_api_apps_Deployment", "v": "v1"}
    item = controllers.api(KUSTOMIZE_CONTROLLER).apply(deployment(namespace), manager="kustomize-controller")
    assert told(controllers, item, "registry.example.com/storefront/api:2") == ""
    item = controllers.api(KUSTOMIZE_CONTROLLER).apply(deployment(namespace), manager="kustomize-controller")
    made(controllers, kustomization(namespace, "web", status={"inventory": {"entries": [entry]}}))
    eventually_told(controllers, item, f"managed by Flux Kustomization {namespace}/web")


def test_an_atomic_map_that_is_declared_empty_stays_empty(
    controllers: Cluster, govgate: Gateway, namespace: str
) -> None:
    """A NetworkPolicy for all pods stays one for all pods, even where a person forges parts of it as owned."""
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "deny-all", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    }
    item = flux_apply(controllers, policy, namespace, "web")
    alice = controllers.api(ALICE)
    narrower = [{"op": "replace", "path": "/spec/podSelector", "value": {"matchLabels": {"app": "none"}}}]
    with pytest.raises(ApiError, match="podSelector"):
        alice.patch(item, narrower, content_type=JSON_PATCH)
    forged = {
        "manager": "forger",
        "operation": "Update",
        "apiVersion": "networking.k8s.io/v1",
        "fieldsType": "FieldsV1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsV1": {"f:spec": {"f:podSelector": {"f:matchLabels": {"f:app": {}}}}},
    }
    both = [*narrower, {"op": "add", "path": "/metadata/managedFields/-", "value": forged}]
    with pytest.raises(ApiError, match="podSelector"):
        alice.patch(item, both, content_type=JSON_PATCH)


def test_a_granular_map_that_is_declared_empty_may_be_filled(
    controllers: Cluster, govgate: Gateway, namespace: str
) -> None:
    """An ``emptyDir: {}`` in Git does not own the medium that somebody adds."""
    wanted = deployment(namespace)
    wanted["spec"]["template"]["spec"]["volumes"].append({"name": "scratch", "emptyDir": {}})
    item = flux_apply(controllers, wanted, namespace, "web")
    add = [{"op": "add", "path": "/spec/template/spec/volumes/1/emptyDir/sizeLimit", "value": "1Gi"}]
    controllers.api(ALICE).patch(item, add, content_type=JSON_PATCH)


def test_argo_ignores_and_impersonates(controllers: Cluster, govgate: Gateway, namespace: str) -> None:
    """An Application's ignoreDifferences are honoured, and its project's service account acts for it."""
    project = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": namespace, "namespace": "argocd"},
        "spec": {
            "destinationServiceAccounts": [
                {"server": "*", "namespace": "test-*", "defaultServiceAccount": "tenants:team-a"}
            ]
        },
    }
    app = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": namespace, "namespace": "argocd"},
        "spec": {
            "project": namespace,
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "source": {"repoURL": "https://git.example.com/shop.git", "path": "cart", "targetRevision": "main"},
            "ignoreDifferences": [
                {
                    "group": "apps",
                    "kind": "Deployment",
                    "jqPathExpressions": ['.spec.template.spec.containers[] | select(.name == "api") | .image'],
                }
            ],
        },
    }
    root = controllers.api(ROOT)
    root.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}, manager="tests")
    stage = Stage(controllers, namespace)
    stage.argo(deployment(namespace), app=namespace)
    item = deployment(namespace)
    eventually_told(controllers, item, "would change from", TENANT)
    made(controllers, project)
    made(controllers, app)
    eventually_told(controllers, item, "", ALICE)
    with pytest.raises(ApiError, match=r"git.example.com/shop.git, path cart, revision main"):
        controllers.api(ALICE).patch(item, {"spec": {"replicas": 9}})
    controllers.api(TENANT).patch(item, {"spec": {"replicas": 9}})


def test_the_log_of_all_this_verifies(controllers: Cluster, govgate: Gateway, namespace: str) -> None:
    """Every decision of this gateway so far is in one unbroken chain, a Secret's values not among it."""
    Stage(controllers, namespace).flux(config_map(namespace, greeting="to-be-found"))
    verified = json.loads(audit(govgate, "verify", "-o", "json"))
    assert verified
    exported = audit(govgate, "export", "--format", "jsonl", "--bodies")
    assert namespace in exported
    assert "bm90LWEtcmVhbC1wYXNzd29yZA==" not in exported


def may(cluster: Cluster, user: User, resource: str, verbs: list[str]) -> None:
    """Let somebody do this to all of Cluster API's."""
    api, metadata = "rbac.authorization.k8s.io", {"name": f"machines-{user.program}"}
    rule = {"apiGroups": ["cluster.x-k8s.io"], "resources": [resource], "verbs": verbs}
    reference = {"apiGroup": api, "kind": "ClusterRole", "name": metadata["name"]}
    subject = {"apiGroup": api, "kind": "User", "name": user.name}
    role = {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": [rule]}
    binding = {"apiVersion": f"{api}/v1", "kind": "ClusterRoleBinding", "metadata": metadata}
    for one in (role, {**binding, "roleRef": reference, "subjects": [subject]}):
        cluster.api(ROOT).apply(one, manager="tests")


def test_what_is_scaled_and_may_not_be_read(controllers: Cluster, govgate: Gateway, namespace: str) -> None:
    """A custom object is scaled by nobody while govgate may not read it, managed or not; who asks is told the rule that is
    missing, and with it the object is judged by whose it is. Autoscalers need none.
    """
    controllers.install((MACHINE_DEPLOYMENT,))
    pool = {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "MachineDeployment",
        "metadata": {"name": "pool", "namespace": namespace},
        "spec": {"replicas": 1},
    }
    names = ("mine", "autoscaled", "pool")
    mine, autoscaled, managed = ({**pool, "metadata": {**pool["metadata"], "name": name}} for name in names)
    controllers.api(ROOT).create(mine)
    for item in (autoscaled, managed):
        flux_apply(controllers, item, namespace, "web")

    def scaled(item: Json, user: User, replicas: int) -> str:
        try:
            controllers.api(user).scale(item, replicas)
        except ApiError as error:
            return str(error)
        return ""

    for item in (mine, managed):
        refusal = scaled(item, ALICE, 3)
        assert "needs get on machinedeployments.cluster.x-k8s.io" in refusal
        assert "{group: cluster.x-k8s.io, resources: [machinedeployments]} to rbac.scaledKinds" in refusal
    may(controllers, CLUSTER_AUTOSCALER, "machinedeployments/scale", ["get", "update"])
    wait_for(lambda: scaled(autoscaled, CLUSTER_AUTOSCALER, 2) == "")
    may(controllers, GOVGATE, "machinedeployments", ["get"])
    wait_for(lambda: scaled(mine, ALICE, 3) == "")
    assert "spec.replicas would change" in scaled(managed, ALICE, 4)
