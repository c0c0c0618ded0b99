"""Every recorded scene again, this time with the gateway in the way: who is stopped on a real API server, and who not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from recordings.objects import config_map, deployment, secret
from recordings.scenes import SCENES
from recordings.stage import Scene, Stage
from support.api import ApiError
from support.cluster import Cluster, wait_for
from support.gateway import Gateway
from support.users import ROOT

STOPPED = {
    "edit-image": "spec.template.spec.containers[name=api].image",
    "set-image-dry-run": "spec.template.spec.containers[name=api].image",
    "set-env-declared": "env[name=LOG_LEVEL].value",
    "remove-limits": "resources.limits",
    "label-declared": 'metadata.labels["app.kubernetes.io/part-of"]',
    "label-stripped": "tracking metadata",
    "managed-fields-emptied": "managedFields",
    "managed-fields-reset": "managedFields",
    "managed-fields-and-image": "managedFields",
    "take-over": "spec.template.spec.containers[name=api].image",
    "spoofed-manager": "spec.replicas",
    "tenant-patch": "spec.replicas",
    "scale-declared": "spec.replicas would change",
    "delete-deployment": "deleting it",
    "delete-collection": "deleting it",
    "edit-config": "data.greeting",
    "edit-secret": "data.password would change",
    "edit-service": "targetPort would change from http to 8081",
    "edit-autoscaler": "spec.maxReplicas would change from 10 to 50",
    "claimed": "drift/claimed",
    "helm-limits": "resources.limits.memory would change",
    "helm-label-stripped": "tracking metadata",
    "argo-edit-image": "managed by Argo CD Application argocd/shop",
    "argo-tracking-stripped": "tracking metadata",
    "argo-last-applied-stripped": "tracking metadata",
    "argo-person-applies": "tracking metadata",
    "argo-scale": "spec.replicas would change",
    "argo-delete": "deleting it",
    "argo-ui-edit": "spec.replicas would change",
    "config-sync-edit": "data.greeting would change",
    "config-sync-released": "tracking metadata",
    "config-sync-delete": "deleting it",
    "crossplane-edit": "data.greeting would change",
    "crossplane-released": "tracking metadata",
}


def refusal(act: Callable[[], object]) -> str:
    """What the one who acts is told, empty if it went through."""
    try:
        act()
    except ApiError as error:
        return str(error)
    except subprocess.CalledProcessError as error:
        return str(error.stderr)
    return ""


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_scene(scene: Scene, controllers: Cluster, govgate: Gateway, namespace: str) -> None:
    """The request of the scene is refused by govgate, saying which field, or goes through as before."""
    stage = Stage(controllers, namespace)
    play = scene.play(stage)
    next(play)
    told = refusal(lambda: next(play, None))
    if scene.name in STOPPED:
        assert "validate.govgate.dev" in told
        assert STOPPED[scene.name] in told
    else:
        assert told == ""


def test_a_namespace_with_managed_objects_goes_away(controllers: Cluster, govgate: Gateway) -> None:
    """Deleting a namespace is not held up by the managed objects in it."""
    root = controllers.api(ROOT)
    item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "leaving"}}
    root.create(item)
    stage = Stage(controllers, "leaving")
    for made in (config_map("leaving"), secret("leaving"), deployment("leaving")):
        stage.flux(made)
    root.delete(item)

    def gone() -> bool:
        try:
            root.get("v1", "Namespace", "", "leaving")
        except ApiError as error:
            return error.code == 404
        return False

    wait_for(gone, seconds=60)
