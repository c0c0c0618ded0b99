"""Every other reconciler on a real API server, all switched on: who is stopped, who is not, and who is told what."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.drift.conftest import serving
from recordings.objects import config_map, deployment
from support.api import ApiError, Json
from support.cluster import Cluster, wait_for
from support.crds import COMPOSED, CONFIG_SYNC, METAL3, PULUMI, TOFU
from support.gateway import Gateway
from support.tools import tool
from support.users import (
    ALICE,
    ARGO_CONTROLLER,
    BOB,
    CAPM3,
    CROSSPLANE,
    CROSSPLANE_PROVIDER,
    DEPLOYMENT_CONTROLLER,
    FLEET_AGENT,
    GARBAGE_COLLECTOR,
    KARGO,
    KUSTOMIZE_CONTROLLER,
    NAMESPACE_RECONCILER,
    ROOT,
    ROOT_RECONCILER,
    TENANT,
    User,
)

SECONDS = 60.0
DRIFT: Json = {
    "fleet": {"mode": "enforce"},
    "pulumi": {"mode": "enforce"},
    "tofuController": {"mode": "enforce"},
    "metal3": {"mode": "enforce"},
    "helmReleases": {"mode": "enforce", "actors": {"users": [BOB.name]}},
    "argoCD": {"syncWindows": {"mode": "shadow"}},
    "windows": [
        {
            "name": "always",
            "schedule": "* * * * *",
            "durationMinutes": 60,
            "mode": "shadow",
            "reconcilers": ["configSync"],
            "actors": {"users": [BOB.name]},
        }
    ],
}
ACTORS = (ROOT_RECONCILER, NAMESPACE_RECONCILER, CROSSPLANE, CROSSPLANE_PROVIDER, FLEET_AGENT, KARGO, CAPM3)


@pytest.fixture(scope="module")
def strict(controllers: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with every reconciler on; RBAC lets all of them do everything."""
    controllers.install((*CONFIG_SYNC, *PULUMI, *TOFU, *METAL3, *COMPOSED))
    root = controllers.api(ROOT)
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "tests:more-reconcilers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user.name} for user in ACTORS],
    }
    root.apply(binding, manager="tests")
    for name in ("tenants", "argocd", "config-management-system"):
        root.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager="tests")
    with serving(controllers, tmp_path_factory.mktemp("strict"), **DRIFT) as gateway:
        yield gateway
    root.delete(binding)


def told(act: Callable[[], object]) -> str:
    """What the one who acts is told; empty if it went through."""
    try:
        act()
    except ApiError as error:
        return str(error)
    except subprocess.CalledProcessError as error:
        return str(error.stderr)
    return ""


def marked(item: Json, *, labels: Any = None, annotations: Any = None, owner: Json | None = None) -> Json:
    """The object with marks, and with a controller."""
    meta = item["metadata"]
    meta = {
        **meta,
        "labels": {**meta.get("labels", {}), **(labels or {})},
        "annotations": {**meta.get("annotations", {}), **(annotations or {})},
    }
    if owner is not None:
        names = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        meta["ownerReferences"] = [
            {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "controller": True, **names}
        ]
    return {**item, "metadata": meta}


def synced(item: Json, declared: Json | None = None, manager: str = ":root") -> Json:
    """The object with Config Sync's marks."""
    meta = item["metadata"]
    group = item["apiVersion"].rpartition("/")[0]
    annotations = {
        "configmanagement.gke.io/managed": "enabled",
        "configsync.gke.io/resource-id": f"{group}_{item['kind'].lower()}_{meta['namespace']}_{meta['name']}",
        "configsync.gke.io/manager": manager,
        **({"configsync.gke.io/declared-fields": json.dumps(declared)} if declared is not None else {}),
    }
    return marked(item, annotations=annotations)


def applied(cluster: Cluster, item: Json, user: User, manager: str) -> Json:
    """The object, applied server-side."""
    return cluster.api(user).apply(item, manager=manager)


def test_config_sync(controllers: Cluster, strict: Gateway, namespace: str) -> None:
    """What it declares is its own, with managedFields or without; whoever is stopped is told the repository."""
    root, alice = controllers.api(ROOT), controllers.api(ALICE)
    sync = {
        "apiVersion": "configsync.gke.io/v1beta1",
        "kind": "RootSync",
        "metadata": {"name": "root-sync", "namespace": "config-management-system"},
        "spec": {"git": {"repo": "https://robot:hunter2@git.example.com/fleet", "dir": "clusters/a"}},
    }
    root.apply(sync, manager="tests")
    settings = synced(config_map(namespace, greeting="hello"), {"f:data": {"f:greeting": {}}})
    item = applied(controllers, settings, ROOT_RECONCILER, "configsync")
    wait_for(lambda: "git.example.com/fleet" in told(lambda: alice.patch(item, {"data": {"greeting": "x"}})),
             seconds=SECONDS)  # fmt: skip
    refusal = told(lambda: alice.patch(item, {"data": {"greeting": "x"}}))
    assert "managed by Config Sync config-management-system/root-sync" in refusal
    assert "hunter2" not in refusal
    alice.patch(item, {"data": {"mine": "x"}})
    strip = {"metadata": {"annotations": {"configsync.gke.io/resource-id": None}}}
    assert "tracking metadata" in told(lambda: alice.patch(item, strip))
    assert "managedFields" in told(lambda: alice.patch(item, {"metadata": {"managedFields": [{}]}}))
    other = controllers.api(NAMESPACE_RECONCILER)
    assert "greeting" in told(lambda: other.patch(item, {"data": {"greeting": "x"}}, manager="configsync"))
    planted = synced(config_map(namespace, name="planted", greeting="x"))
    assert "drift/claimed" in told(lambda: alice.create(planted))
    assert "deleting it" in told(lambda: alice.delete(item))
    controllers.api(ROOT_RECONCILER).delete(item)


def test_config_sync_without_managed_fields(controllers: Cluster, strict: Gateway, namespace: str) -> None:
    """An object that lost them before this guard came is still protected by the annotation."""
    root = controllers.api(ROOT_RECONCILER)
    item = root.create(
        synced(config_map(namespace, greeting="hello"), {"f:data": {"f:greeting": {}}}), manager="nobody"
    )
    root.patch(item, {"metadata": {"managedFields": [{}]}})
    assert "data.greeting" in told(lambda: controllers.api(ALICE).patch(item, {"data": {"greeting": "x"}}))


def test_copies_of_config_syncs_marks_hold_nobody_up(controllers: Cluster, strict: Gateway, namespace: str) -> None:
    """A Deployment's annotations are copied to its ReplicaSet, which its controller makes and scales."""
    item = applied(controllers, synced(deployment(namespace)), ROOT_RECONCILER, "configsync")
    controller = controllers.api(DEPLOYMENT_CONTROLLER)
    spec = {"replicas": 3, "selector": item["spec"]["selector"], "template": item["spec"]["template"]}
    bare = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "api-1", "namespace": namespace}}
    copy = marked({**bare, "spec": spec}, annotations=item["metadata"]["annotations"], owner=item)
    controller.create(copy, manager="kube-controller-manager")
    controller.patch(bare, {"spec": {"replicas": 1}}, manager="kube-controller-manager")
    scale = ("-n", namespace, "scale", "--replicas=9")
    controllers.kubectl(ALICE, *scale, "replicaset/api-1")
    assert "spec.replicas" in told(lambda: controllers.kubectl(ALICE, *scale, "deployment/api"))
    controllers.api(ALICE).delete(bare)


def test_a_window_of_the_calendar(controllers: Cluster, strict: Gateway, namespace: str) -> None:
    """It is always open, for one person and for Config Sync: he may, and another may not."""
    item = applied(controllers, synced(config_map(namespace, greeting="hello")), ROOT_RECONCILER, "configsync")
    controllers.api(BOB).patch(item, {"data": {"greeting": "x"}})
    item = applied(controllers, synced(config_map(namespace, greeting="hello")), ROOT_RECONCILER, "configsync")
    assert "data.greeting" in told(lambda: controllers.api(ALICE).patch(item, {"data": {"greeting": "x"}}))


def test_crossplane(controllers: Cluster, strict: Gateway, namespace: str) -> None:
    """Composed objects are Crossplane's; providers complete them; the collector takes them with their composite."""
    root, alice = controllers.api(ROOT), controllers.api(ALICE)
    composite = {"apiVersion": "db.example.com/v1", "kind": "XDatabase", "metadata": {"name": f"x-{namespace}"}}
    owner = root.create({**composite, "spec": {"size": 1}})
    labels = {"crossplane.io/composite": f"x-{namespace}"}
    annotations = {"crossplane.io/composition-resource-name": "instance"}
    instance = {"apiVersion": "rds.aws.upbound.io/v1beta1", "kind": "Instance", "metadata": {"name": f"i-{namespace}"}}
    whole = marked(
        {**instance, "spec": {"forProvider": {"size": 1}}}, labels=labels, annotations=annotations, owner=owner
    )
    assert "drift/claimed" in told(lambda: alice.create(whole))
    applied(controllers, whole, CROSSPLANE, "apiextensions.crossplane.io/composed/0123abcd")
    completed = {
        "spec": {"forProvider": {"zone": "a"}},
        "metadata": {"annotations": {"crossplane.io/external-name": "i"}},
    }
    controllers.api(CROSSPLANE_PROVIDER).patch(instance, completed, manager="provider")
    for user in (CROSSPLANE_PROVIDER, ALICE):
        patch = {"spec": {"forProvider": {"size": 2}}}
        refusal = told(lambda user=user, patch=patch: controllers.api(user).patch(instance, patch))
        assert f"managed by Crossplane XDatabase/x-{namespace}: spec.forProvider.size would change" in refusal
    assert "tracking metadata" in told(
        lambda: alice.patch(instance, {"metadata": {"labels": {next(iter(labels)): None}}})
    )
    workload = marked(deployment(namespace), labels=labels, annotations=annotations, owner=owner)
    applied(controllers, workload, CROSSPLANE, "apiextensions.crossplane.io/composed/0123abcd")
    scale = ("-n", namespace, "scale", "deployment/api", "--replicas=9")
    assert "spec.replicas" in told(lambda: controllers.kubectl(ALICE, *scale))
    assert "deleting it" in told(lambda: alice.delete(instance))
    controllers.api(GARBAGE_COLLECTOR).delete(instance)


def test_crossplane_nested(controllers: Cluster, strict: Gateway, namespace: str) -> None:
    """What a composed composite composes bears the outermost one's label, and belongs to its own controller; what an operator
    makes of its labels and annotations does not.
    """
    root, alice = controllers.api(ROOT), controllers.api(ALICE)
    composite = {"apiVersion": "db.example.com/v1", "kind": "XDatabase", "metadata": {"name": f"n-{namespace}"}}
    labels = {"crossplane.io/composite": f"root-{namespace}"}
    annotations = {"crossplane.io/composition-resource-name": "instance"}
    inner = root.create(marked({**composite, "spec": {"size": 1}}, labels=labels))
    instance = {"apiVersion": "rds.aws.upbound.io/v1beta1", "kind": "Instance", "metadata": {"name": f"n-{namespace}"}}
    whole = marked(
        {**instance, "spec": {"forProvider": {"size": 1}}}, labels=labels, annotations=annotations, owner=inner
    )
    made = applied(controllers, whole, CROSSPLANE, "apiextensions.crossplane.io/composed/0123abcd")
    refusal = told(lambda: alice.patch(instance, {"spec": {"forProvider": {"size": 2}}}))
    assert f"managed by Crossplane XDatabase/n-{namespace}: spec.forProvider.size would change" in refusal
    assert "deleting it" in told(lambda: alice.delete(instance))
    copied = marked(config_map(namespace), labels=labels, annotations=annotations, owner=made)
    alice.delete(alice.create(copied))
    controllers.api(GARBAGE_COLLECTOR).delete(instance)


def test_fleet(controllers: Cluster, strict: Gateway, namespace: str) -> None:
    """What the agent installed as Helm does, client-side."""
    annotations = {
        "objectset.rio.cattle.io/id": "default-shop",
        "meta.helm.sh/release-name": "shop",
        "meta.helm.sh/release-namespace": namespace,
    }
    labels = {"app.kubernetes.io/managed-by": "Helm", "objectset.rio.cattle.io/hash": "0123abcd"}
    agent, alice = controllers.api(FLEET_AGENT), controllers.api(ALICE)
    item = marked(config_map(namespace, greeting="hello"), labels=labels, annotations=annotations)
    assert "drift/claimed" in told(lambda: alice.create(item))
    agent.create(item, manager="fleetagent")
    assert "managed by Rancher Fleet default-shop" in told(lambda: alice.patch(item, {"data": {"greeting": "x"}}))
    agent.patch(item, {"data": {"greeting": "x"}}, manager="fleetagent")


def test_pulumi(controllers: Cluster, strict: Gateway, namespace: str) -> None:
    """A Stack's account acts once the Stack is there, for what Pulumi wrote under a name of its own."""
    tenant, alice = controllers.api(TENANT), controllers.api(ALICE)
    manager = "pulumi-kubernetes-1a2b3c4d"
    item = tenant.apply(config_map(namespace, greeting="hello"), manager=manager)
    assert "managed by Pulumi" in told(lambda: alice.patch(item, {"data": {"greeting": "x"}}, manager=manager))
    assert "data.greeting" in told(lambda: tenant.patch(item, {"data": {"greeting": "x"}}, manager=manager))
    stack = {"apiVersion": "pulumi.com/v1", "kind": "Stack", "metadata": {"name": namespace, "namespace": "tenants"}}
    controllers.api(ROOT).create({**stack, "spec": {"serviceAccountName": "team-a"}})
    wait_for(
        lambda: not told(lambda: tenant.patch(item, {"data": {"greeting": "y"}}, manager=manager)), seconds=SECONDS
    )
    assert "data.greeting" in told(lambda: alice.patch(tenant.apply(config_map(namespace, greeting="hello"),
                                                                     manager=manager), {"data": {"greeting": "z"}}))  # fmt: skip
    controllers.api(ROOT).delete(stack)


def test_tofu(controllers: Cluster, strict: Gateway, namespace: str) -> None:
    """The runner that a Terraform object names writes its outputs; others do not, and what is suspended is let be."""
    root, alice, tenant = (controllers.api(user) for user in (ROOT, ALICE, TENANT))
    meta = {"name": namespace, "namespace": "tenants"}
    terraform = {"apiVersion": "infra.contrib.fluxcd.io/v1alpha2", "kind": "Terraform", "metadata": meta}
    owner = root.create({**terraform, "spec": {"serviceAccountName": "team-a", "path": "./db"}})
    one, two = (base64.b64encode(text).decode() for text in (b"one", b"two"))
    secret = marked({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"password": one}}, owner=owner)
    wait_for(lambda: not told(lambda: tenant.create(secret, manager="tf-runner")), seconds=SECONDS)
    refusal = told(lambda: alice.patch(secret, {"data": {"password": two}}))
    assert f"managed by Terraform tenants/{namespace}: data.password would change" in refusal
    assert two not in refusal
    tenant.patch(secret, {"data": {"password": two}}, manager="tf-runner")
    root.patch(terraform, {"spec": {"suspend": True}})
    wait_for(lambda: not told(lambda: alice.patch(secret, {"data": {"password": one}})), seconds=SECONDS)
    root.patch(terraform, {"spec": {"suspend": False}})
    wait_for(lambda: told(lambda: alice.patch(secret, {"data": {"password": two}})), seconds=SECONDS)
    root.delete(terraform)


def test_kargo(controllers: Cluster, strict: Gateway, namespace: str) -> None:
    """Kargo promotes in an Application that Flux applied and that authorizes it; it changes nothing else there."""
    labels = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
    source = {"repoURL": "https://git.example.com/shop", "targetRevision": "v1", "path": "deploy"}
    app = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {
            "name": "shop",
            "namespace": namespace,
            "annotations": {"kargo.akuity.io/authorized-stage": "s:prod"},
        },
        "spec": {"project": "default", "sources": [source, {**source, "path": "other"}]},
    }
    applied(controllers, marked(app, labels=labels), KUSTOMIZE_CONTROLLER, "kustomize-controller")
    kargo = controllers.api(KARGO)

    def write(**change: Any) -> str:
        spec = {"sources": [{**source, **change}, {**source, "path": "other"}]}
        return told(lambda: kargo.patch(app, {"spec": spec, "operation": {"sync": {}}}, manager="kargo"))

    assert write(targetRevision="v2", kustomize={"images": ["shop:2"]}) == ""
    applied(controllers, marked(app, labels=labels), KUSTOMIZE_CONTROLLER, "kustomize-controller")
    assert "spec.sources" in write(targetRevision="v2", repoURL="https://evil.example.com")
    patch = {"spec": {"sources": [{**source, "targetRevision": "v2"}, {**source, "path": "other"}]}}
    assert "spec.sources" in told(lambda: controllers.api(ALICE).patch(app, patch))


def test_metal3(controllers: Cluster, strict: Gateway, namespace: str) -> None:
    """A host in use: CAPM3 changes its image, nobody its BMC or its boot MAC address."""
    consumer = {"kind": "Metal3Machine", "name": "node-1", "namespace": namespace}
    host = {
        "apiVersion": "metal3.io/v1alpha1",
        "kind": "BareMetalHost",
        "metadata": {"name": "host", "namespace": namespace},
        "spec": {
            "bmc": {"address": "redfish://10.0.0.1"},
            "bootMACAddress": "00:00:00:00:00:01",
            "consumerRef": consumer,
        },
    }
    controllers.api(ROOT).create(host)
    image = {"spec": {"image": {"url": "https://images.example.com/a"}}}
    assert "spec.image.url" in told(lambda: controllers.api(ALICE).patch(host, image))
    controllers.api(CAPM3).patch(host, image)
    for patch, field in (
        ({"spec": {"bmc": {"disableCertificateVerification": True}}}, "spec.bmc.disableCertificateVerification"),
        ({"spec": {"bootMACAddress": "00:00:00:00:00:02"}}, "spec.bootMACAddress"),
        ({"spec": {"rootDeviceHints": {"deviceName": "/dev/sdb"}}}, "spec.rootDeviceHints.deviceName"),
    ):
        for user in (ALICE, CAPM3):
            assert field in told(lambda user=user, patch=patch: controllers.api(user).patch(host, patch))
    controllers.api(ALICE).patch(host, {"spec": {"description": "in rack 7"}})


def test_helm_itself(controllers: Cluster, strict: Gateway, namespace: str, tmp_path: Path) -> None:
    """The real helm, run by the one who is named and by one who is not."""
    chart = tmp_path / "shop"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n")
    (chart / "values.yaml").write_text("greeting: hello\n")
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\ndata: {greeting: '{{ .Values.greeting }}'}\n"
    (chart / "templates" / "settings.yaml").write_text(manifest)

    def helm(user: User, *arguments: str) -> str:
        command = [tool("helm"), *arguments, "shop", str(chart), "--namespace", namespace]
        environment = {"HOME": str(tmp_path), "KUBECONFIG": str(controllers.kubeconfig(user)), "PATH": "/usr/bin:/bin"}
        return told(
            lambda: subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        )

    assert "drift/claimed" in helm(ALICE, "install")
    assert helm(BOB, "upgrade", "--install") == ""
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop", "namespace": namespace}}
    refusal = told(lambda: controllers.api(ALICE).patch(item, {"data": {"greeting": "x"}}))
    assert f"managed by Helm release {namespace}/shop: data.greeting would change" in refusal
    controllers.api(ALICE).patch(item, {"data": {"mine": "x"}})
    assert "data.greeting" in helm(ALICE, "upgrade", "--set", "greeting=there")
    assert helm(BOB, "upgrade", "--set", "greeting=there") == ""


def test_argo_cds_sync_windows(controllers: Cluster, strict: Gateway, namespace: str) -> None:
    """While the project denies syncs the configured mode holds; when the window is taken away, the usual one again."""
    root, alice = controllers.api(ROOT), controllers.api(ALICE)
    meta = {"name": namespace, "namespace": "argocd"}
    window = {"kind": "deny", "schedule": "* * * * *", "duration": "24h", "applications": ["test-*"]}
    project = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": meta,
        "spec": {"syncWindows": [window]},
    }
    app = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": meta,
        "spec": {"project": namespace, "destination": {"name": "in-cluster", "namespace": namespace}},
    }
    root.create(project)
    root.create(app)
    tracking = {"argocd.argoproj.io/tracking-id": f"{namespace}:/ConfigMap:{namespace}/api-settings"}
    item = marked(config_map(namespace, greeting="hello"), annotations=tracking)

    def attempt() -> str:
        """A change by a person, of what Argo CD has just applied."""
        applied(controllers, item, ARGO_CONTROLLER, "argocd-controller")
        return told(lambda: alice.patch(item, {"data": {"greeting": "x"}}))

    wait_for(lambda: not attempt(), seconds=SECONDS)
    root.patch(project, {"spec": {"syncWindows": [{**window, "manualSync": True, "applications": ["other"]}]}})
    wait_for(attempt, seconds=SECONDS)
    assert "data.greeting" in attempt()
    root.delete(app)
