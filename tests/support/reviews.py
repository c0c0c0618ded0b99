"""Small builders of subjects, managed objects and facts for unit tests, and the drift decision about them in short."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from gateway.config.drift import Drift
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from webhooks.drift.decide import Decided, decide
from webhooks.drift.facts import Facts, NoFacts, ObjectKey, Owner, OwnerRef
from webhooks.drift.managed import entries
from webhooks.drift.ownership import Policy, owners_of
from webhooks.drift.paths import path_text

NOW = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)
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
    about = (new or old or {}).get("metadata")
    return Subject(
        **{
            "uid": "u-1",
            "operation": operation,
            "kind": kind,
            "resource": GroupVersionResource(kind.group, kind.version, kind.kind.lower() + "s"),
            "user": user,
            "namespace": "web",
            "name": about.get("name", "") if isinstance(about, dict) else "",
            "raw_object": json.dumps(new).encode() if new is not None else b"",
            "raw_old_object": json.dumps(old).encode() if old is not None else b"",
            **more,
        }
    )


WATCHED = ("flux-kustomization", "flux-helmrelease", "argocd", "config-sync", "pulumi", "tofu-controller")


class Known:
    """Facts as a test states them: owners, inventories, and which reconcilers' caches are not good."""

    def __init__(
        self,
        owners: dict[OwnerRef, Owner] | None = None,
        *,
        inventory: dict[ObjectKey, tuple[OwnerRef, ...]] | None = None,
        problems: dict[str, str] | None = None,
        connected: bool = True,
    ) -> None:
        self.connected = connected
        self._owners = owners or {}
        self._inventory = inventory or {}
        self._problems = problems or {}

    def looks_for(self, reconciler: str) -> bool:
        return self.connected and reconciler in WATCHED

    def problem(self, reconciler: str) -> str:
        return self._problems.get(reconciler, "")

    def owner(self, ref: OwnerRef) -> Owner | None:
        return self._owners.get(ref)

    def inventory(self, key: ObjectKey) -> tuple[OwnerRef, ...]:
        return self._inventory.get(key, ())


APPS = OwnerRef("flux-kustomization", "flux-system", "apps")
SHOP = OwnerRef("argocd", "argocd", "shop")
CACHE = OwnerRef("flux-helmrelease", "data", "cache")


def policy(config: Drift | None = None) -> Policy:
    """The policy of a configuration, with every reconciler."""
    return Policy(config or Drift())


def judged(asked: Subject, facts: Facts | None = None, config: Drift | None = None, **more: Any) -> Decided:
    """The drift decision, on embedded defaults unless told otherwise."""
    return decide(asked, facts or NoFacts(), policy(config), **{"now": NOW, **more})


def owners_found(
    obj: dict, operation: str = "DELETE", *, config: Drift | None = None, facts: Facts | None = None, **more: Any
) -> list[str]:
    """The owners that the object is found to have, as ``reconciler namespace/name``."""
    asked = subject(operation, **({"new": obj} if operation == "CREATE" else {"old": obj}), **more)
    found = owners_of(asked, obj, entries(obj), facts or NoFacts(), policy(config))
    return [f"{owner.reconciler} {owner}" for owner in found]


def broken(decided: Decided) -> dict[str, str]:
    """Field to rule, of what is enforced or warned about; undecided stands under ``?``."""
    found = {path_text(d.violation.path): d.violation.rule.value for d in decided.drifted if not d.excused}
    return found | ({"?": decided.undecided} if decided.undecided else {})


def excused(decided: Decided) -> dict[str, str]:
    """Field to excuse, of what is recorded only."""
    return {path_text(d.violation.path): d.excused for d in decided.drifted if d.excused}


def at(path: str, value: Any) -> Any:
    """``{"a": {"b": value}}`` for ``a.b``: a patch, or a FieldsV1 set with ``f:a.f:b``."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return value


def changed(old: dict, *patches: dict) -> dict:
    """A copy of the object with the patches merged in, as a JSON merge patch is (RFC 7396)."""
    new = json.loads(json.dumps(old))
    for patch in patches:
        _merge(new, patch)
    return new


def _merge(into: dict, patch: dict) -> None:
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
