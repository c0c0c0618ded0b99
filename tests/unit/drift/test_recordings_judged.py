"""Every request that was recorded from a real API server, judged: what must be denied is, and the rest goes on."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from gateway.config import Config
from gateway.core.subject import Json, Subject
from webhooks.assembly import drift_guard
from webhooks.drift.facts import NoFacts
from webhooks.judge import Judge
from webhooks.review import decode_review

RECORDED = {
    entry["scene"]: entry["review"]
    for entry in map(json.loads, (files("gateway.cli") / "demo_reviews.jsonl").read_text("utf-8").splitlines())
}
CONTAINER = "spec.template.spec.containers[name=api]"
KUSTOMIZE_LABEL = 'metadata.labels["kustomize.toolkit.fluxcd.io/{}"]'
HELM_LABEL = 'metadata.labels["helm.toolkit.fluxcd.io/{}"]'
OWNED, TRACKED, STRIPPED = "drift/owned-field", "drift/tracking-metadata", "drift/managed-fields"
LAST_APPLIED = 'metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]'
TRACKING_ID = 'metadata.annotations["argocd.argoproj.io/tracking-id"]'

# What is denied, by field and rule; an empty mapping is a request that goes on.
EXPECTED: dict[str, dict[str, str]] = {
    "flux-create": {},
    "flux-image": {},
    "flux-no-op": {},
    "flux-prune": {},
    "helm-upgrade": {},
    "edit-image": {f"{CONTAINER}.image": OWNED},
    "set-image-dry-run": {f"{CONTAINER}.image": OWNED},
    "set-env-new": {},
    "set-env-declared": {f"{CONTAINER}.env[name=LOG_LEVEL].value": OWNED},
    "add-sidecar": {},
    "remove-limits": {f"{CONTAINER}.resources.limits": OWNED},
    "label-new": {},
    "label-declared": {'metadata.labels["app.kubernetes.io/part-of"]': OWNED},
    "label-stripped": {KUSTOMIZE_LABEL.format("name"): TRACKED, KUSTOMIZE_LABEL.format("namespace"): TRACKED},
    "annotate-new": {},
    "managed-fields-emptied": {"metadata.managedFields": STRIPPED},
    "managed-fields-reset": {"metadata.managedFields": STRIPPED},
    "managed-fields-and-image": {f"{CONTAINER}.image": OWNED, "metadata.managedFields": STRIPPED},
    "co-own": {},
    "take-over": {f"{CONTAINER}.image": OWNED},
    "spoofed-manager": {"spec.replicas": OWNED, "metadata.managedFields": STRIPPED},
    "tenant-patch": {"spec.replicas": OWNED},
    "rollout-restart": {},
    "scale-declared": {"spec.replicas": OWNED},
    "scale-undeclared": {},
    "delete-deployment": {"": "drift/deleted"},
    "delete-collection": {"": "drift/deleted"},
    "edit-config": {"data.greeting": OWNED},
    "edit-secret": {"data.password": OWNED},
    "edit-service": {"spec.ports[port=80,protocol=TCP].targetPort": OWNED},
    "edit-autoscaler": {"spec.maxReplicas": OWNED},
    "claimed": {"": "drift/claimed"},
    "unmanaged": {},
    "finalizer-only": {},
    "debug": {},
    "suspend": {},
    "helm-limits": {f"{CONTAINER}.resources.limits.memory": OWNED},
    "helm-label-stripped": {HELM_LABEL.format("name"): TRACKED, HELM_LABEL.format("namespace"): TRACKED},
    "argo-create": {},
    "argo-image": {},
    "argo-prune": {},
    "argo-edit-image": {f"{CONTAINER}.image": OWNED},
    "argo-label-new": {},
    "argo-tracking-stripped": {TRACKING_ID: TRACKED},
    "argo-last-applied-stripped": {LAST_APPLIED: TRACKED},
    "argo-person-applies": {TRACKING_ID: TRACKED, LAST_APPLIED: TRACKED, f"{CONTAINER}.image": OWNED},
    "argo-scale": {"spec.replicas": OWNED},
    "argo-delete": {"": "drift/deleted"},
    "argo-ui-edit": {"spec.replicas": OWNED},
    "argo-ui-restart": {},
    "argo-copied-marker": {},
    "garbage-collected": {},
    "namespace-deleted": {},
    "autoscaled": {},
    "status": {},
    "revision": {},
    "copied-labels": {},
    "job-finished": {},
    "role-aggregated": {},
    "certificate-injected": {},
    "config-sync-apply": {},
    "config-sync-edit": {"data.greeting": OWNED},
    "config-sync-released": {'metadata.annotations["configsync.gke.io/resource-id"]': TRACKED},
    "config-sync-delete": {"": "drift/deleted"},
    "crossplane-compose": {},
    "crossplane-edit": {"data.greeting": OWNED},
    "crossplane-released": {'metadata.labels["crossplane.io/composite"]': TRACKED},
}
# What a Scale is about, as it was when it was scaled: the object of another scene, with replicas declared or not.
SCALED = {"scale-declared": "flux-image", "scale-undeclared": "flux-image", "argo-scale": "argo-edit-image"}


def parent_of(scene: str) -> Json | None:
    """The Deployment that the scene scales, if it scales one."""
    if scene not in SCALED:
        return None
    parent: Json = json.loads(json.dumps(RECORDED[SCALED[scene]]["request"]["oldObject"]))
    if scene == "scale-undeclared":
        for entry in parent["metadata"]["managedFields"]:
            entry["fieldsV1"].get("f:spec", {}).pop("f:replicas", None)
    return parent


def test_every_scene_has_an_expectation() -> None:
    """A scene that is recorded without saying what is to come of it proves nothing."""
    assert sorted(EXPECTED) == sorted(RECORDED)


@pytest.mark.parametrize("scene", RECORDED)
async def test_scene(scene: str) -> None:
    """The recorded request is denied for exactly these fields, or goes on without a finding."""

    async def lookup(_subject: Subject) -> Json | None:
        return parent_of(scene)

    judge = Judge(Config(), [drift_guard(Config(), NoFacts(), lookup)], version=lambda: "test")
    subject = decode_review(json.dumps(RECORDED[scene]).encode())
    verdict = await judge.judge(subject, deadline_seconds=5)
    found: dict[str, Any] = {finding.field: finding.rule for finding in verdict.findings}
    assert (found, verdict.indeterminate) == (EXPECTED[scene], ())
    assert verdict.decision == ("deny" if found else "allow")
