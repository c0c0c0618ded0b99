"""What Flux itself does."""

from __future__ import annotations

from recordings.objects import config_map, deployment
from recordings.stage import Expected, Scene, Stage
from support.users import HELM_CONTROLLER, KUSTOMIZE_CONTROLLER


def _create(stage: Stage):
    yield
    stage.flux(deployment(stage.namespace))


def _new_image(stage: Stage):
    stage.flux(deployment(stage.namespace))
    yield
    stage.flux(deployment(stage.namespace, image="1.5.0"))


def _again(stage: Stage):
    stage.flux(deployment(stage.namespace))
    yield
    stage.flux(deployment(stage.namespace))


def _prune(stage: Stage):
    made = stage.flux(config_map(stage.namespace))
    yield
    stage.api(KUSTOMIZE_CONTROLLER).delete(made)


def _helm_upgrade(stage: Stage):
    made = stage.helm(deployment(stage.namespace, "cache"))
    yield
    image = {"spec": {"template": {"spec": {"containers": [{"name": "api", "image": "registry.example.com/cache:8"}]}}}}
    patch = "application/strategic-merge-patch+json"
    stage.api(HELM_CONTROLLER).patch(made, image, content_type=patch, manager="helm-controller")


SCENES = (
    Scene("flux-create", "Flux applies a new Deployment", "web", Expected("CREATE", "deployments", "api"), _create),
    Scene("flux-image", "Flux applies a new image", "web", Expected("UPDATE", "deployments", "api"), _new_image),
    Scene("flux-no-op", "Flux applies the same again", "web", Expected("UPDATE", "deployments", "api"), _again),
    Scene("flux-prune", "Flux prunes what left Git", "web", Expected("DELETE", "configmaps", "api-settings"), _prune),
    Scene(
        "helm-upgrade", "Flux upgrades a Helm release", "data", Expected("UPDATE", "deployments", "cache"),
        _helm_upgrade,
    ),
)  # fmt: skip
