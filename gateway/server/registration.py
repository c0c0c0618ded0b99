"""The ValidatingWebhookConfiguration that makes an API server ask govgate: a pure function of the configuration.

Sources: ``k8s.io/api/admissionregistration/v1``, and
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec

from gateway.config.model import Config
from gateway.server.intake import PATH
from gateway.server.registration_conditions import CONDITIONS, PROVENANCE_CONDITION, excluded, own_volumes
from webhooks.groups import GROUPS, SEPARATOR

FailurePolicy = Literal["Fail", "Ignore"]

MAIN_OPERATIONS = ("CREATE", "UPDATE", "DELETE")
SUBRESOURCES = (
    "*/scale",
    "pods/ephemeralcontainers",
    "pods/resize",
    "policywaivers/status",
    "clusterpolicywaivers/status",
    "breakglasses/status",
)
"""Subresources that change what is declared, or what is accepted. Others report (``*/status``) or act on what runs (``pods/exec``)."""


class Target(msgspec.Struct, frozen=True):
    """Where the API server finds govgate: a ``url`` ending in :data:`PATH`, or else a ``service`` in ``namespace``."""

    url: str = ""
    service: str = "govgate"
    namespace: str = ""
    port: int = 443


def registration(
    config: Config,
    target: Target,
    *,
    ca_bundle: bytes = b"",
    name: str = "govgate",
    failure_policy: FailurePolicy = "Fail",
    failure_policies: Mapping[str, FailurePolicy] = {},
    timeout_seconds: int = 10,
    excluded_groups: Sequence[str] = (),
    excluded_namespaces: Sequence[str] = (),
) -> dict[str, Any]:
    """The registration as a JSON object. ``ca_bundle``: PEM; without it someone else must fill in ``caBundle``.

    ``excluded_groups``: API groups that are not asked about, ``excluded_namespaces``: beside the gateway's own.

    ``failure_policies``: of groups of guards that differ from ``failure_policy``. Where any does there are two webhooks,
    and most requests are asked about twice; else there is one.
    """
    chosen = {group: failure_policies.get(group, failure_policy) for group in GROUPS}
    own = config.cluster.own_namespace
    shared = {
        "timeoutSeconds": timeout_seconds,
        "namespaceSelector": {"matchExpressions": [_outside((own, *excluded_namespaces))]},
    }
    conditions = {**CONDITIONS, "not-own-volumes": own_volumes(own), **excluded(excluded_groups)}
    webhooks = []
    for policy in get_args(FailurePolicy):
        groups = [group for group, its in chosen.items() if its == policy]
        if groups:
            webhooks.append(_webhook(_client(config, target, groups, ca_bundle), groups, policy, conditions) | shared)
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "govgate"}},
        "webhooks": webhooks,
    }


def _webhook(
    client: dict[str, Any], groups: list[str], failure_policy: FailurePolicy, conditions: Mapping[str, str]
) -> dict[str, Any]:
    held = {**conditions, **(PROVENANCE_CONDITION if groups == ["provenance"] else {})}
    return {
        "name": f"{'-'.join(groups) if len(groups) < len(GROUPS) else 'validate'}.govgate.dev",
        "admissionReviewVersions": ["v1"],
        "clientConfig": client,
        "rules": [_rule(MAIN_OPERATIONS, ("*",)), _rule(("UPDATE",), SUBRESOURCES)],
        # A request for apps/v1beta1 is converted to what the rule names, never let through.
        "matchPolicy": "Equivalent",
        "failurePolicy": failure_policy,
        # A use of a break-glass grant is counted, but for dry runs. The log remembers those as well, marked as such: it is
        # no state of the cluster, like the API server's own.
        "sideEffects": "NoneOnDryRun",
        "matchConditions": [{"name": key, "expression": text} for key, text in held.items()],
    }


def _client(config: Config, target: Target, groups: list[str], ca_bundle: bytes) -> dict[str, Any]:
    client: dict[str, Any] = {}
    asked = f"/{SEPARATOR.join(groups)}" if len(groups) < len(GROUPS) else ""
    if target.url:
        client["url"] = target.url + asked
    else:
        namespace = target.namespace or config.cluster.own_namespace
        client["service"] = {"name": target.service, "namespace": namespace, "path": PATH + asked, "port": target.port}
    if ca_bundle:
        client["caBundle"] = base64.b64encode(ca_bundle).decode("ascii")
    return client


def _rule(operations: tuple[str, ...], resources: tuple[str, ...]) -> dict[str, Any]:
    return {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": list(resources),
        "scope": "*",
    }


def _outside(namespaces: Sequence[str]) -> dict[str, Any]:
    """With ``failurePolicy: Fail``, a govgate that does not answer could otherwise not be started or repaired."""
    return {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": list(namespaces)}
