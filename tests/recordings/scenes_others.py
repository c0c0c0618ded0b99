"""What Config Sync and Crossplane do, and what people do to objects that they manage.

Reconcilers that are enforced only where somebody says so have no scenes: the demonstration judges by the defaults.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from recordings.objects import config_map, labelled
from recordings.stage import Expected, Play, Scene, Stage
from support.users import ALICE, CROSSPLANE, ROOT_RECONCILER

Json = dict[str, object]
Put = Callable[..., None]

_SETTINGS = {"feature.checkout": "on", "greeting": "hello"}
_UPDATE = Expected("UPDATE", "configmaps", "api-settings")
_COMPOSED = "apiextensions.crossplane.io/composed/3f4a1c5d9be27a6e58c0d7b1f2e3948576a0b1c2d3e4f5061728394a5b6c7d8e"
"""As Crossplane calls itself for one composite: its name and a digest."""


def _config_sync(stage: Stage, **data: str) -> None:
    """As a RootSync's reconciler applies: what is declared in an annotation, server-side, forced."""
    item = labelled(
        config_map(stage.namespace, **{**_SETTINGS, **data}),
        {"app.kubernetes.io/managed-by": "configmanagement.gke.io"},
    )
    labels = {f"f:{name}": {} for name in item["metadata"]["labels"]}
    declared = {"f:data": {f"f:{key}": {} for key in item["data"]}, "f:metadata": {"f:labels": labels}}
    annotations = {
        "config.k8s.io/owning-inventory": "config-management-system_root-sync",
        "configmanagement.gke.io/managed": "enabled",
        "configsync.gke.io/declared-fields": json.dumps(declared, separators=(",", ":"), sort_keys=True),
        "configsync.gke.io/manager": ":root",
        "configsync.gke.io/resource-id": f"_configmap_{stage.namespace}_api-settings",
    }
    item = labelled(item, {"configsync.gke.io/declared-version": "v1"})
    item["metadata"]["annotations"] = annotations
    stage.api(ROOT_RECONCILER).apply(item, manager="configsync")


def _crossplane(stage: Stage, **data: str) -> None:
    """As Crossplane composes with functions: its labels, the composite as the controller, server-side, forced."""
    item = labelled(
        config_map(stage.namespace, **{**_SETTINGS, **data}), {"crossplane.io/composite": "storefront-x7k2p"}
    )
    item["metadata"]["annotations"] = {"crossplane.io/composition-resource-name": "settings"}
    item["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "platform.example.com/v1", "kind": "XStorefront", "name": "storefront-x7k2p",
            "uid": "5d0c3f57-8a5e-4d0b-9d52-0b8f6f0c7a11", "controller": True, "blockOwnerDeletion": True,
        }
    ]  # fmt: skip
    stage.api(CROSSPLANE).apply(item, manager=_COMPOSED)


def _again(put: Put) -> Play:
    def play(stage: Stage):
        put(stage)
        yield
        put(stage, greeting="good morning")

    return play


def _person(put: Put, *kubectl: str) -> Play:
    """Alice runs kubectl on what was put there."""

    def play(stage: Stage):
        put(stage)
        yield
        stage.kubectl(ALICE, *kubectl)

    return play


_EDIT = ("patch", "configmap", "api-settings", "--type=merge", "-p", '{"data":{"greeting":"bye"}}')
_ID, _COMPOSITE = "configsync.gke.io/resource-id", "crossplane.io/composite"

SCENES = (
    Scene("config-sync-apply", "Config Sync applies a change", "web", _UPDATE, _again(_config_sync)),
    Scene("config-sync-edit", "kubectl patch of what Config Sync declares", "web", _UPDATE, _person(_config_sync, *_EDIT)),
    Scene(
        "config-sync-released", "kubectl annotate takes away what Config Sync knows it by", "web", _UPDATE,
        _person(_config_sync, "annotate", "configmap", "api-settings", f"{_ID}-"),
    ),
    Scene(
        "config-sync-delete", "kubectl delete of what Config Sync declares", "web",
        Expected("DELETE", "configmaps", "api-settings"),
        _person(_config_sync, "delete", "configmap", "api-settings", "--wait=false"),
    ),
    Scene("crossplane-compose", "Crossplane composes a change", "web", _UPDATE, _again(_crossplane)),
    Scene("crossplane-edit", "kubectl patch of what Crossplane composes", "web", _UPDATE, _person(_crossplane, *_EDIT)),
    Scene(
        "crossplane-released", "kubectl label takes away whose it is", "web", _UPDATE,
        _person(_crossplane, "label", "configmap", "api-settings", f"{_COMPOSITE}-"),
    ),
)  # fmt: skip
