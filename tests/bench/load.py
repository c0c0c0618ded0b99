"""The load: ten distinct UPDATEs of 10 kB objects with 200 managed fields, made of recorded requests."""

from __future__ import annotations

import copy
import json
from importlib import resources
from typing import Any

OBJECT_BYTES = 10_000
SCENES = (
    "edit-image",
    "set-env-declared",
    "remove-limits",
    "label-new",
    "label-declared",
    "annotate-new",
    "rollout-restart",
    "flux-image",
    "argo-edit-image",
    "argo-label-new",
)
MANAGERS = ("kustomize-controller", "argocd-controller")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def reviews() -> list[dict[str, Any]]:
    """Ten AdmissionReviews, each object padded to at least 10 kB with declared environment variables."""
    recorded = resources.files("gateway.cli").joinpath("demo_reviews.jsonl").read_text(encoding="utf-8")
    scenes = {scene["scene"]: scene["review"] for scene in map(json.loads, recorded.splitlines())}
    return [padded(scenes[name]) for name in SCENES]


def padded(review: dict[str, Any]) -> dict[str, Any]:
    """The review with both its objects grown alike."""
    review = copy.deepcopy(review)
    count = 0
    while size(review["request"]["object"]) < OBJECT_BYTES:
        for name in ("object", "oldObject"):
            _add_variable(review["request"][name], f"V{count:03d}", str(count))
        count += 1
    return review


def size(value: Any) -> int:
    """Bytes of the value as an API server sends it."""
    return len(json.dumps(value, separators=(",", ":")))


def _add_variable(obj: dict[str, Any], name: str, value: str) -> None:
    container = obj["spec"]["template"]["spec"]["containers"][0]
    container.setdefault("env", []).append({"name": name, "value": value})
    key = json.dumps({"name": container["name"]}, separators=(",", ":"))
    for entry in obj["metadata"]["managedFields"]:
        below = entry["fieldsV1"].get("f:spec", {}).get("f:template", {}).get("f:spec", {}).get("f:containers", {})
        if entry["manager"] in MANAGERS and f"k:{key}" in below:
            own = {".": {}, "f:name": {}, "f:value": {}}
            below[f"k:{key}"].setdefault("f:env", {})[f'k:{{"name":"{name}"}}'] = own
    annotations = obj["metadata"].get("annotations", {})
    if LAST_APPLIED in annotations:
        applied = json.loads(annotations[LAST_APPLIED])
        stated = applied["spec"]["template"]["spec"]["containers"][0]
        stated.setdefault("env", []).append({"name": name, "value": value})
        annotations[LAST_APPLIED] = json.dumps(applied, separators=(",", ":"))
