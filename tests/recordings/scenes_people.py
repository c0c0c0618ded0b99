"""What people do, with kubectl, to objects that Flux manages."""

from __future__ import annotations

import json
from collections.abc import Callable

from recordings import objects
from recordings.objects import FLUX, HELM, deployment, labelled
from recordings.stage import Expected, Play, Scene, Stage
from support.api import MERGE, STRATEGIC
from support.users import ALICE, TENANT

_API = Expected("UPDATE", "deployments", "api")


def _on_deployment(*kubectl: str, editor: str | None = None) -> Play:
    """Alice runs kubectl on the Deployment that Flux applied."""

    def play(stage: Stage):
        stage.flux(deployment(stage.namespace))
        yield
        stage.kubectl(ALICE, *kubectl, editor=editor)

    return play


def _on_item(make: Callable[[str], objects.Json], *kubectl: str) -> Play:
    """The same on another object that Flux applied."""

    def play(stage: Stage):
        stage.flux(make(stage.namespace))
        yield
        stage.kubectl(ALICE, *kubectl)

    return play


def _json_patch(*operations: dict[str, object]) -> Play:
    return _on_deployment("patch", "deployment", "api", "--type=json", "--patch", json.dumps(operations))


def _with_scaled_by_hpa(stage: Stage):
    stage.flux(deployment(stage.namespace, replicas=None))
    yield
    stage.kubectl(ALICE, "scale", "deployment", "api", "--replicas=5")


def _as_reconcilers_manager(stage: Stage):
    made = stage.flux(deployment(stage.namespace))
    yield
    patch = {"spec": {"replicas": 1}}
    stage.api(ALICE).patch(made, patch, content_type=MERGE, manager="kustomize-controller")


def _takes_over(image: str) -> Play:
    """A forced server-side apply: the fields become Alice's too, or hers alone where the value differs."""

    def play(stage: Stage):
        stage.flux(deployment(stage.namespace))
        yield
        manifest = json.dumps(deployment(stage.namespace, image=image))
        stage.kubectl(ALICE, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)

    return play


def _delete_collection(stage: Stage):
    stage.flux(objects.config_map(stage.namespace))
    yield
    stage.api(ALICE).delete_collection("v1", "ConfigMap", stage.namespace, selector="app.kubernetes.io/name=api")


def _claims_to_be_managed(stage: Stage):
    yield
    stage.api(ALICE).create(labelled(objects.config_map(stage.namespace), FLUX), manager="kubectl-create")


def _unmanaged(stage: Stage):
    made = objects.config_map(stage.namespace, "scratchpad")
    stage.api(ALICE).create(made, manager="kubectl-create")
    yield
    stage.kubectl(ALICE, "patch", "configmap", "scratchpad", "--patch", '{"data":{"note":"mine"}}')


def _tenant(stage: Stage):
    made = stage.flux(deployment(stage.namespace))
    yield
    stage.api(TENANT).patch(made, {"spec": {"replicas": 0}}, manager="team-a")


def _tenant_finalizer(stage: Stage):
    made = stage.flux(objects.config_map(stage.namespace))
    yield
    stage.api(TENANT).patch(made, {"metadata": {"finalizers": ["team-a.example.com/keep"]}}, manager="team-a")


def _secret(stage: Stage):
    stage.flux(objects.secret(stage.namespace))
    yield
    value = objects.encoded("another-placeholder")
    stage.kubectl(ALICE, "patch", "secret", "api-credentials", "--patch", json.dumps({"data": {"password": value}}))


def _debug(stage: Stage):
    stage.flux(objects.pod(stage.namespace))
    yield
    arguments = ("--image=busybox:1.37", "--container=debugger", "--attach=false", "--profile=general")
    stage.kubectl(ALICE, "debug", "pod/migrate", *arguments)


def _suspend(stage: Stage):
    made = stage.api(ALICE).create(objects.kustomization(stage.namespace), manager="flux")
    yield
    stage.api(ALICE).patch(made, {"spec": {"suspend": True}}, manager="flux")


def _helm_managed(stage: Stage):
    made = stage.helm(deployment(stage.namespace, "cache"))
    yield
    limits = {"name": "api", "resources": {"limits": {"memory": "1Gi"}}}
    patch = {"spec": {"template": {"spec": {"containers": [limits]}}}}
    stage.api(ALICE).patch(made, patch, content_type=STRATEGIC, manager="kubectl-patch")


def _strip_helm(stage: Stage):
    stage.helm(deployment(stage.namespace, "cache"))
    yield
    stage.kubectl(ALICE, "label", "deployment", "cache", *(f"{key}-" for key in HELM))


_SIDECAR = {"name": "shell", "image": "busybox:1.37", "command": ["sleep", "infinity"]}
_CONTAINER = "/spec/template/spec/containers/0"
_FLUX_LABELS = tuple(f"{key}-" for key in FLUX)
_OTHER_PORT = json.dumps({"spec": {"ports": [{"port": 80, "targetPort": 8081}]}})

SCENES = (
    Scene(
        "edit-image", "kubectl edit: another image", "web", _API,
        _on_deployment("edit", "deployment", "api", editor="sed -i s/api:1.4.2/api:9.9.9-hotfix/"),
    ),
    Scene(
        "set-image-dry-run", "kubectl set image --dry-run=server", "web", _API,
        _on_deployment("set", "image", "deployment/api", "api=registry.example.com/storefront/api:2", "--dry-run=server"),
    ),
    Scene(
        "set-env-new", "kubectl set env: a variable that Git does not declare", "web", _API,
        _on_deployment("set", "env", "deployment/api", "FEATURE=on"),
    ),
    Scene(
        "set-env-declared", "kubectl set env: a variable that Git declares", "web", _API,
        _on_deployment("set", "env", "deployment/api", "LOG_LEVEL=debug"),
    ),
    Scene(
        "add-sidecar", "kubectl patch: a container that Git does not declare", "web", _API,
        _json_patch({"op": "add", "path": "/spec/template/spec/containers/-", "value": _SIDECAR}),
    ),
    Scene(
        "remove-limits", "kubectl patch: declared limits removed", "web", _API,
        _json_patch({"op": "remove", "path": f"{_CONTAINER}/resources/limits"}),
    ),
    Scene(
        "label-new", "kubectl label: a label that Git does not declare", "web", _API,
        _on_deployment("label", "deployment", "api", "team=storefront"),
    ),
    Scene(
        "label-declared", "kubectl label --overwrite: a label that Git declares", "web", _API,
        _on_deployment("label", "--overwrite", "deployment", "api", "app.kubernetes.io/part-of=mine"),
    ),
    Scene(
        "label-stripped", "kubectl label: Flux's own labels removed", "web", _API,
        _on_deployment("label", "deployment", "api", *_FLUX_LABELS),
    ),
    Scene(
        "annotate-new", "kubectl annotate: a note", "web", _API,
        _on_deployment("annotate", "deployment", "api", "example.com/note=being looked at"),
    ),
    Scene(
        "managed-fields-emptied", "managedFields set to []", "web", _API,
        _json_patch({"op": "replace", "path": "/metadata/managedFields", "value": []}),
    ),
    Scene(
        "managed-fields-reset", "managedFields reset with [{}]", "web", _API,
        _json_patch({"op": "replace", "path": "/metadata/managedFields", "value": [{}]}),
    ),
    Scene(
        "managed-fields-and-image", "managedFields reset and the image changed at once", "web", _API,
        _json_patch(
            {"op": "replace", "path": "/metadata/managedFields", "value": [{}]},
            {"op": "replace", "path": f"{_CONTAINER}/image", "value": "registry.example.com/storefront/api:2"},
        ),
    ),
    Scene(
        "co-own", "kubectl apply --server-side --force-conflicts: the same values", "web", _API, _takes_over("1.4.2"),
    ),
    Scene(
        "take-over", "kubectl apply --server-side --force-conflicts: another image", "web", _API, _takes_over("2.0.0"),
    ),
    Scene("spoofed-manager", "a patch in the name of Flux's field manager", "web", _API, _as_reconcilers_manager),
    Scene("tenant-patch", "a tenant's service account scales to zero", "web", _API, _tenant),
    Scene(
        "rollout-restart", "kubectl rollout restart", "web", _API,
        _on_deployment("rollout", "restart", "deployment/api"),
    ),
    Scene(
        "scale-declared", "kubectl scale: replicas are declared in Git", "web",
        Expected("UPDATE", "deployments/scale", "api"), _on_deployment("scale", "deployment", "api", "--replicas=0"),
    ),
    Scene(
        "scale-undeclared", "kubectl scale: replicas are left to an autoscaler", "web",
        Expected("UPDATE", "deployments/scale", "api"), _with_scaled_by_hpa,
    ),
    Scene(
        "delete-deployment", "kubectl delete", "web", Expected("DELETE", "deployments", "api"),
        _on_deployment("delete", "deployment", "api", "--wait=false"),
    ),
    Scene(
        "delete-collection", "all ConfigMaps with a label deleted at once", "web",
        Expected("DELETE", "configmaps", "api-settings"), _delete_collection,
    ),
    Scene(
        "edit-config", "kubectl patch: a declared ConfigMap key", "web",
        Expected("UPDATE", "configmaps", "api-settings"),
        _on_item(objects.config_map, "patch", "configmap", "api-settings", "--patch", '{"data":{"greeting":"bye"}}'),
    ),
    Scene(
        "edit-secret", "kubectl patch: a declared Secret key", "web",
        Expected("UPDATE", "secrets", "api-credentials"), _secret,
    ),
    Scene(
        "edit-service", "kubectl patch: a declared Service port", "web", Expected("UPDATE", "services", "api"),
        _on_item(objects.service, "patch", "service", "api", "--patch", _OTHER_PORT),
    ),
    Scene(
        "edit-autoscaler", "kubectl patch: an autoscaler's bounds", "web",
        Expected("UPDATE", "horizontalpodautoscalers", "api"),
        _on_item(objects.autoscaler, "patch", "hpa", "api", "--patch", '{"spec":{"maxReplicas":50}}'),
    ),
    Scene(
        "claimed", "a person creates an object with Flux's labels", "web",
        Expected("CREATE", "configmaps", "api-settings"), _claims_to_be_managed,
    ),
    Scene(
        "unmanaged", "kubectl patch: an object that nobody manages", "web",
        Expected("UPDATE", "configmaps", "scratchpad"), _unmanaged,
    ),
    Scene(
        "finalizer-only", "a finalizer is added, nothing else", "web",
        Expected("UPDATE", "configmaps", "api-settings"), _tenant_finalizer,
    ),
    Scene(
        "debug", "kubectl debug: an ephemeral container", "web",
        Expected("UPDATE", "pods/ephemeralcontainers", "migrate"), _debug,
    ),
    Scene(
        "suspend", "flux suspend: a person suspends a Kustomization", "flux-system",
        Expected("UPDATE", "kustomizations", "web"), _suspend,
    ),
    Scene(
        "helm-limits", "a person changes what a Helm release declares", "data",
        Expected("UPDATE", "deployments", "cache"), _helm_managed,
    ),
    Scene(
        "helm-label-stripped", "kubectl label: the Helm release's labels removed", "data",
        Expected("UPDATE", "deployments", "cache"), _strip_helm,
    ),
)  # fmt: skip
