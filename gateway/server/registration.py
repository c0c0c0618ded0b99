"""The ValidatingWebhookConfiguration that makes an API server ask govgate: a pure function of the configuration.

Sources: ``k8s.io/api/admissionregistration/v1``, and
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal, get_args

import msgspec

from gateway.config.model import Config
from gateway.server.intake import PATH
from webhooks.groups import GROUPS, SEPARATOR
from webhooks.sources.find import API_GROUPS

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

_KUBE_SYSTEM = "system:serviceaccount:kube-system:"
_SYSTEM_USER = (
    "has(request.userInfo.username) && "
    f"(request.userInfo.username.startsWith('{_KUBE_SYSTEM}') || "
    "request.userInfo.username == 'system:kube-controller-manager')"
)
_IN_KUBE_SYSTEM = "has(request.namespace) && request.namespace == 'kube-system'"
_NODE = "has(request.userInfo.groups) && 'system:nodes' in request.userInfo.groups"

CONDITIONS = {
    # What beats, reports or asks: never declared in Git, and most of a cluster's writes.
    "not-leases": "!(request.resource.group == 'coordination.k8s.io' && request.resource.resource == 'leases')",
    "not-events": "!(request.resource.resource == 'events' && request.resource.group in ['', 'events.k8s.io'])",
    "not-nodes": "!(request.resource.group == '' && request.resource.resource == 'nodes')",
    "not-reviews": "!(request.resource.group in ['authentication.k8s.io', 'authorization.k8s.io'])",
    # The API server writes roles and its own endpoints when it starts, and is not ready before.
    "not-apiserver": "!(has(request.userInfo.username) && request.userInfo.username == 'system:apiserver')",
    # A node joins, and a volume is attached, without asking: or a cluster could not start again from nothing.
    "not-node-bootstrap": (
        "!(request.resource.group == 'certificates.k8s.io' && "
        "request.resource.resource == 'certificatesigningrequests') && "
        "!(request.resource.group == 'storage.k8s.io' && "
        "request.resource.resource in ['csinodes', 'csistoragecapacities', 'volumeattachments'])"
    ),
    "not-endpoints-churn": (
        "!(request.resource.resource in ['endpoints', 'endpointslices'] && "
        f"request.resource.group in ['', 'discovery.k8s.io'] && {_SYSTEM_USER})"
    ),
    # The network's own Pods must be able to start while govgate, which needs the network, cannot answer.
    "not-system-pods": (
        "!(request.resource.group == '' && request.resource.resource == 'pods' && "
        f"{_IN_KUBE_SYSTEM} && (({_SYSTEM_USER}) || ({_NODE})))"
    ),
}
"""CEL, by name: a request is sent only if all hold. ``namespace`` and parts of ``userInfo`` may be absent."""


def own_volumes(namespace: str) -> str:
    """The volumes that claims of the gateway's own namespace are bound to, as they are made: it cannot start without."""
    claim = f"has(object.spec.claimRef.namespace) && object.spec.claimRef.namespace == '{namespace}'"
    return (
        "!(request.resource.group == '' && request.resource.resource == 'persistentvolumes' && object != null && "
        f"has(object.spec.claimRef) && {claim})"
    )


_FETCHING = sorted(API_GROUPS | {"govgate.dev"})
PROVENANCE_CONDITION = {"fetches": f"request.resource.group in {_FETCHING}"}
"""For a webhook that asks about provenance alone."""


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
) -> dict[str, Any]:
    """The registration as a JSON object. ``ca_bundle``: PEM; without it someone else must fill in ``caBundle``.

    ``failure_policies``: of groups of guards that differ from ``failure_policy``. Where any does there are two webhooks,
    and most requests are asked about twice; else there is one.
    """
    chosen = {group: failure_policies.get(group, failure_policy) for group in GROUPS}
    webhooks = []
    for policy in get_args(FailurePolicy):
        groups = [group for group, its in chosen.items() if its == policy]
        if groups:
            webhooks.append(
                _webhook(
                    config, target, groups, failure_policy=policy, ca_bundle=ca_bundle, timeout_seconds=timeout_seconds
                )
            )
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "govgate"}},
        "webhooks": webhooks,
    }


def _webhook(
    config: Config,
    target: Target,
    groups: list[str],
    *,
    failure_policy: FailurePolicy,
    ca_bundle: bytes,
    timeout_seconds: int,
) -> dict[str, Any]:
    some = len(groups) < len(GROUPS)
    own = config.cluster.own_namespace
    conditions = {
        **CONDITIONS,
        "not-own-volumes": own_volumes(own),
        **(PROVENANCE_CONDITION if groups == ["provenance"] else {}),
    }
    return {
        "name": f"{'-'.join(groups) if some else 'validate'}.govgate.dev",
        "admissionReviewVersions": ["v1"],
        "clientConfig": _client(config, target, f"/{SEPARATOR.join(groups)}" if some else "", ca_bundle),
        "rules": [_rule(MAIN_OPERATIONS, ("*",)), _rule(("UPDATE",), SUBRESOURCES)],
        # A request for apps/v1beta1 is converted to what the rule names, never let through.
        "matchPolicy": "Equivalent",
        "failurePolicy": failure_policy,
        # A use of a break-glass grant is counted, but for dry runs. The log remembers those as well, marked as such: it is
        # no state of the cluster, like the API server's own.
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": timeout_seconds,
        "namespaceSelector": {"matchExpressions": [_outside(config.cluster.own_namespace)]},
        "matchConditions": [{"name": key, "expression": text} for key, text in conditions.items()],
    }


def _client(config: Config, target: Target, groups: str, ca_bundle: bytes) -> dict[str, Any]:
    client: dict[str, Any] = {}
    if target.url:
        client["url"] = target.url + groups
    else:
        namespace = target.namespace or config.cluster.own_namespace
        path = PATH + groups
        client["service"] = {"name": target.service, "namespace": namespace, "path": path, "port": target.port}
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


def _outside(namespace: str) -> dict[str, Any]:
    """With ``failurePolicy: Fail``, a govgate that does not answer could otherwise not be started or repaired."""
    return {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [namespace]}
