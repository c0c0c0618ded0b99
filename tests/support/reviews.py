"""Small builders of subjects and managed objects for unit tests."""

from __future__ import annotations

import json
from typing import Any

from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo

HUMAN = UserInfo(username="alice@example.com", groups=("developers", "system:authenticated"))
ADMIN = UserInfo(username="root@example.com", groups=("system:masters",))
KUSTOMIZE = UserInfo(username="system:serviceaccount:flux-system:kustomize-controller")
HELM = UserInfo(username="system:serviceaccount:flux-system:helm-controller")
ARGO = UserInfo(username="system:serviceaccount:argocd:argocd-application-controller")
COLLECTOR = UserInfo(username="system:serviceaccount:kube-system:generic-garbage-collector")

FLUX_LABELS = {
    "kustomize.toolkit.fluxcd.io/name": "apps",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
}
LABEL_FIELDS = {"f:labels": {f"f:{name}": {} for name in FLUX_LABELS}}
DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")


def entry(manager: str, fields: dict, *, operation: str = "Apply", version: str = "apps/v1", **more: Any) -> dict:
    """One entry of managedFields."""
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def managed_object(
    spec: Any, *entries: dict, labels: dict | None = None, kind: GroupVersionKind = DEPLOYMENT, **metadata: Any
) -> dict:
    """An object in namespace web, with Flux's labels unless told otherwise."""
    meta = {
        "name": "api",
        "namespace": "web",
        "labels": FLUX_LABELS if labels is None else labels,
        **metadata,
        "managedFields": list(entries),
    }
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, "spec": spec}


def subject(
    operation: str,
    *,
    new: dict | None = None,
    old: dict | None = None,
    user: UserInfo = HUMAN,
    kind: GroupVersionKind = DEPLOYMENT,
    **more: Any,
) -> Subject:
    """A request about an object in namespace web."""
    about = new or old or {}
    return Subject(
        **{
            "uid": "u-1",
            "operation": operation,
            "kind": kind,
            "resource": GroupVersionResource(kind.group, kind.version, kind.kind.lower() + "s"),
            "user": user,
            "namespace": "web",
            "name": about.get("metadata", {}).get("name", ""),
            "raw_object": json.dumps(new).encode() if new is not None else b"",
            "raw_old_object": json.dumps(old).encode() if old is not None else b"",
            **more,
        }
    )
