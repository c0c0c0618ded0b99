"""What Argo CD does, and what people do to objects that it manages."""

from __future__ import annotations

import json

from recordings.objects import deployment, replica_set, service
from recordings.stage import Expected, Play, Scene, Stage
from support.api import MERGE
from support.users import ALICE, ARGO_CONTROLLER, ARGO_SERVER

_CART = Expected("UPDATE", "deployments", "cart")


def _create(stage: Stage):
    yield
    stage.argo(deployment(stage.namespace, "cart"))


def _sync(image: str) -> Play:
    def play(stage: Stage):
        stage.argo(deployment(stage.namespace, "cart"))
        yield
        stage.argo(deployment(stage.namespace, "cart", image=image))

    return play


def _prune(stage: Stage):
    stage.argo(service(stage.namespace, "cart"))
    yield
    stage.api(ARGO_CONTROLLER).delete(stage.get(service(stage.namespace, "cart")))


def _on_deployment(*kubectl: str, editor: str | None = None) -> Play:
    """Alice runs kubectl on the Deployment that Argo CD synced."""

    def play(stage: Stage):
        stage.argo(deployment(stage.namespace, "cart"))
        yield
        stage.kubectl(ALICE, *kubectl, editor=editor)

    return play


def _person_applies(stage: Stage):
    stage.argo(deployment(stage.namespace, "cart"))
    yield
    stage.kubectl(ALICE, "apply", "-f", "-", stdin=json.dumps(deployment(stage.namespace, "cart", image="1.4.3")))


def _user_interface(stage: Stage):
    stage.argo(deployment(stage.namespace, "cart"))
    yield
    item = deployment(stage.namespace, "cart")
    stage.api(ARGO_SERVER).patch(item, {"spec": {"replicas": 9}}, content_type=MERGE, manager="argocd-server")


def _user_interface_restart(stage: Stage):
    stage.argo(deployment(stage.namespace, "cart"))
    yield
    annotations = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T12:00:00Z"}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    stage.api(ARGO_SERVER).patch(deployment(stage.namespace, "cart"), patch, manager="argocd-server")


def _copied_marker(stage: Stage):
    stage.argo(deployment(stage.namespace, "cart"))
    made = replica_set(stage.get(deployment(stage.namespace, "cart")), "cart-5d4f8c7b9d")
    stage.api(ALICE).create(made, manager="kube-controller-manager")
    yield
    stage.kubectl(ALICE, "delete", "replicaset", "cart-5d4f8c7b9d", "--wait=false")


def _delete_service(stage: Stage):
    stage.argo(service(stage.namespace, "cart"))
    yield
    stage.kubectl(ALICE, "delete", "service", "cart", "--wait=false")


_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

SCENES = (
    Scene("argo-create", "Argo CD syncs a new Deployment", "shop", Expected("CREATE", "deployments", "cart"), _create),
    Scene("argo-image", "Argo CD syncs a new image", "shop", _CART, _sync("1.5.0")),
    Scene("argo-prune", "Argo CD prunes what left Git", "shop", Expected("DELETE", "services", "cart"), _prune),
    Scene(
        "argo-edit-image", "kubectl edit: another image", "shop", _CART,
        _on_deployment("edit", "deployment", "cart", editor="sed -i /image:/s/api:1.4.2/api:9.9.9-hotfix/"),
    ),
    Scene(
        "argo-label-new", "kubectl label: a label that Git does not declare", "shop", _CART,
        _on_deployment("label", "deployment", "cart", "team=storefront"),
    ),
    Scene(
        "argo-tracking-stripped", "kubectl annotate: the tracking id removed", "shop", _CART,
        _on_deployment("annotate", "deployment", "cart", "argocd.argoproj.io/tracking-id-"),
    ),
    Scene(
        "argo-last-applied-stripped", "kubectl annotate: last-applied-configuration removed", "shop", _CART,
        _on_deployment("annotate", "deployment", "cart", f"{_LAST_APPLIED}-"),
    ),
    Scene("argo-person-applies", "kubectl apply by a person: another image", "shop", _CART, _person_applies),
    Scene(
        "argo-scale", "kubectl scale: replicas are declared in Git", "shop",
        Expected("UPDATE", "deployments/scale", "cart"), _on_deployment("scale", "deployment", "cart", "--replicas=1"),
    ),
    Scene(
        "argo-delete", "kubectl delete", "shop", Expected("DELETE", "services", "cart"), _delete_service,
    ),
    Scene("argo-ui-edit", "a live edit in Argo CD's user interface", "shop", _CART, _user_interface),
    Scene("argo-ui-restart", "a restart from Argo CD's user interface", "shop", _CART, _user_interface_restart),
    Scene(
        "argo-copied-marker", "kubectl delete: a ReplicaSet that only inherited the tracking id", "shop",
        Expected("DELETE", "replicasets", "cart-5d4f8c7b9d"), _copied_marker,
    ),
)  # fmt: skip
