"""Whether a registration is as it should be: the one that is there against the one that was asked for. Pure.

What the API server fills in by itself (defaults) and what others are to fill in (``caBundle``) is no difference.
"""

from __future__ import annotations

import copy
from typing import Any

from gateway.core.subject import Json

_MAX_NAMED = 6
_DEFAULTS: Json = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "timeoutSeconds": 10,
    "matchConditions": [],
    "rules": [],
}
"""Source: ``k8s.io/kubernetes/pkg/apis/admissionregistration/v1/defaults.go``."""


def differences(wanted: Json, there: Json) -> list[str]:
    """The paths that differ, such as ``webhooks[validate.govgate.dev].failurePolicy``; empty: it is as it should be."""
    ours, theirs = _by_name(wanted), _by_name(there)
    found = [f"webhooks[{name}]: not there" for name in ours if name not in theirs]
    found += [f"webhooks[{name}]: not asked for" for name in theirs if name not in ours]
    for name, one in ours.items():
        if name in theirs:
            ours_, theirs_ = _normal(one), _normal(theirs[name])
            if "caBundle" not in ours_["clientConfig"]:
                theirs_["clientConfig"].pop("caBundle", None)
            found += _unequal(f"webhooks[{name}]", ours_, theirs_)
    return found


def described(differing: list[str]) -> str:
    """Some of them, for a line of text."""
    more = f", and {len(differing) - _MAX_NAMED} more" if len(differing) > _MAX_NAMED else ""
    return ", ".join(differing[:_MAX_NAMED]) + more


def put_back(wanted: Json, there: Json) -> Json:
    """The one that is there, with its webhooks as they should be, each with the ``caBundle`` that it had."""
    bundles = {name: (one.get("clientConfig") or {}).get("caBundle") for name, one in _by_name(there).items()}
    restored = copy.deepcopy(there)
    restored["webhooks"] = copy.deepcopy(wanted.get("webhooks") or [])
    known = next((bundle for bundle in bundles.values() if bundle), None)
    for webhook in restored["webhooks"]:
        client = webhook.setdefault("clientConfig", {})
        bundle = client.get("caBundle") or bundles.get(str(webhook.get("name"))) or known
        if bundle:
            client["caBundle"] = bundle
    restored["metadata"].pop("managedFields", None)
    return restored


def made_anew(wanted: Json, name: str, seen: Json) -> Json:
    """What is created where it was removed. ``seen``: as it was seen last, empty if it never was; its ``caBundle``,
    labels and annotations say whom to believe, who installed it, and who is to fill in the ``caBundle``.
    """
    metadata: Json = {"name": name}
    for key in ("labels", "annotations"):
        kept = {**((seen.get("metadata") or {}).get(key) or {}), **((wanted.get("metadata") or {}).get(key) or {})}
        kept.pop("kubectl.kubernetes.io/last-applied-configuration", None)
        if kept:
            metadata[key] = kept
    created = {**copy.deepcopy(wanted), "metadata": metadata}
    bundle = bundle_of(seen)
    for webhook in created.get("webhooks") or ():
        client = webhook.setdefault("clientConfig", {})
        if bundle and not client.get("caBundle"):
            client["caBundle"] = bundle
    return created


def bundle_of(there: Json) -> str:
    """The first ``caBundle`` of a registration, in base64; empty if it has none."""
    bundles = ((one.get("clientConfig") or {}).get("caBundle") for one in there.get("webhooks") or ())
    return next((str(bundle) for bundle in bundles if bundle), "")


def _by_name(registration: Json) -> dict[str, Json]:
    return {str(one.get("name")): one for one in registration.get("webhooks") or ()}


def _normal(webhook: Json) -> Json:
    """With defaults, and with no order where order says nothing."""
    whole = {**_DEFAULTS, **{key: value for key, value in webhook.items() if value is not None}}
    client = dict(whole.get("clientConfig") or {})
    if client.get("service"):
        client["service"] = {"port": 443, **client["service"]}
    whole["clientConfig"] = client
    whole["matchConditions"] = {one.get("name"): one.get("expression") for one in whole["matchConditions"]}
    whole["rules"] = sorted((_rule(rule) for rule in whole["rules"]), key=repr)
    return whole


def _rule(rule: Json) -> Json:
    listed = {key: sorted(rule.get(key) or ()) for key in ("apiGroups", "apiVersions", "operations", "resources")}
    return {**listed, "scope": rule.get("scope") or "*"}


def _unequal(path: str, ours: Any, theirs: Any) -> list[str]:
    if ours == theirs:
        return []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found = []
        for key in dict.fromkeys((*ours, *theirs)):
            if ours.get(key) != theirs.get(key):
                found += _unequal(f"{path}.{key}", ours.get(key), theirs.get(key))
        return found
    return [path]
