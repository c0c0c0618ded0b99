"""The registration against deadlock, against what was asked for, and against other webhooks. Pure.

CEL is not evaluated here: that something is kept away by a matchCondition is believed of govgate's own expressions
(:mod:`gateway.server.registration`) and of no others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from gateway.config.model import Config
from gateway.core.finding import Action, Finding, Resource, Severity
from gateway.core.subject import Json
from gateway.doctor.rbac import matches
from gateway.doctor.rules import Result, found, undecided
from gateway.doctor.wanted import groups_of
from gateway.server.registered import described, differences
from gateway.server.registration_conditions import CONDITIONS, POD_OBJECTS, excluded_by, own_volumes

API = "admissionregistration.k8s.io"
KIND = "ValidatingWebhookConfiguration"
_ENOUGH = 2
_SYSTEM = "kube-system"
DRIVERS = "not-driver-objects"


class Recovery(msgspec.Struct, frozen=True):
    """Something that must be written while govgate is down. ``condition``: govgate's own that keeps it away; ``custom``:
    only some clusters have it.
    """

    what: str
    group: str
    resource: str
    condition: str
    namespace: str = ""
    custom: bool = False


RECOVERY = (
    Recovery("nodes that join", "", "nodes", "not-nodes"),
    Recovery("Leases of kubelets and controllers", "coordination.k8s.io", "leases", "not-leases", _SYSTEM),
    Recovery("Pods of kube-system, which bring the network", "", "pods", "not-system-pods", _SYSTEM),
    Recovery("certificates of kubelets", "certificates.k8s.io", "certificatesigningrequests", "not-node-bootstrap"),
    Recovery("volumes that are attached", "storage.k8s.io", "volumeattachments", "not-node-bootstrap"),
    Recovery("volumes of govgate's own claims", "", "persistentvolumes", "not-own-volumes"),
    Recovery("endpoints of kube-system", "discovery.k8s.io", "endpointslices", "not-endpoints-churn", _SYSTEM),
    Recovery(
        "roles that the API server writes as it starts", "rbac.authorization.k8s.io", "clusterroles", "not-apiserver"
    ),
    Recovery("reviews of tokens and of rights", "authentication.k8s.io", "tokenreviews", "not-reviews"),
    *(
        Recovery(one.what, group, resource, DRIVERS if one.accounts else "not-pod-objects", custom=True)
        for one in POD_OBJECTS
        for group in one.groups
        for resource in one.resources
    ),
)
"""CRDs are not among them: govgate starts without any."""


class Site(msgspec.Struct, frozen=True):
    """What is known around the registration. ``labels``: of namespaces, None where they could not be read; ``ready``: ready
    endpoints of Services by namespace and name, None for those that could not be read; ``pods``: labels of govgate's
    own Pods; ``served``: the types that the cluster serves, as CustomResourceDefinitions are named; ``writable``: of those that
    are let through for their driver alone, what an account of its may write, None where that is not known.
    """

    namespace: str
    labels: Mapping[str, Mapping[str, str]]
    ready: Mapping[tuple[str, str], int | None]
    pods: Sequence[Mapping[str, str]] = ()
    served: Collection[str] = ()
    writable: Collection[str] | None = None


def resource_of(name: str, kind: str = KIND) -> Resource:
    """What findings about a registration are about."""
    return Resource(f"{API}/v1", kind, "", name)


def check_registration(name: str, there: Json | None, wanted: Json, config: Config, site: Site) -> list[Result]:
    """Everything about the registration itself. ``there``: None if there is none."""
    about = resource_of(name)
    if there is None:
        return [found("registration-missing", about, f"there is no {KIND} {name}: nothing is asked of govgate")]
    results: list[Result] = []
    differing = differences(wanted, there)
    if differing:
        text = f"it differs from what was asked for: {described(differing)}"
        results.append(found("registration-changed", about, text))
    for webhook in there.get("webhooks") or ():
        label = f"webhooks[name={webhook.get('name')}]"
        results += _timing(webhook, about, label, config)
        if webhook.get("failurePolicy") == "Fail":
            results += _own_namespace(webhook, about, label, site)
            results += _recovery(webhook, about, label, site)
            results += _drivers(webhook, about, label, site)
        results += _endpoints(webhook, about, label, site)
    return results


def _timing(webhook: Json, about: Resource, label: str, config: Config) -> list[Result]:
    seconds = float(webhook.get("timeoutSeconds") or 10)
    margin = config.server.limits.deadline_margin_seconds
    if seconds / 2 >= margin:
        return []
    text = f"of {seconds:g} s, {margin:g} s are to be kept back for the record: the margin is cut to half of the time"
    return [found("registration-timeout", about, text, field=f"{label}.timeoutSeconds")]


def _own_namespace(webhook: Json, about: Resource, label: str, site: Site) -> list[Result]:
    labels = site.labels.get(site.namespace)
    if labels is None:
        labels = {"kubernetes.io/metadata.name": site.namespace}
    if not matches(webhook.get("namespaceSelector") or {}, dict(labels)):
        return []
    text = f"with failurePolicy Fail it asks about {site.namespace}: a govgate that is down could not be started again"
    return [found("registration-own-namespace", about, text, field=f"{label}.namespaceSelector")]


def _recovery(webhook: Json, about: Resource, label: str, site: Site) -> list[Result]:
    own = {**CONDITIONS, "not-own-volumes": own_volumes(site.namespace)}
    groups = left_out(webhook)
    held = {_plain(text) for text in _expressions(webhook) if not excluded_by(text)}
    strange = held - {_plain(text) for text in own.values()}
    asked = [
        one
        for one in RECOVERY
        if one.group not in groups and _plain(own[one.condition]) not in held and _asks(webhook, one, site)
    ]
    if not asked:
        return []
    what = "; ".join(dict.fromkeys(one.what for one in asked))
    if strange:
        reason = f"whether a matchCondition that is not govgate's own keeps away: {what}"
        return [undecided("registration-recovery", f"{KIND} {about.name} {label}", reason)]
    text = f"with failurePolicy Fail it asks about: {what}"
    return [found("registration-recovery", about, text, field=f"{label}.matchConditions")]


def _drivers(webhook: Json, about: Resource, label: str, site: Site) -> list[Result]:
    """Drivers whose accounts are called otherwise than those that are let through: what they write is asked about."""
    if site.writable is None or _plain(CONDITIONS[DRIVERS]) not in map(_plain, _expressions(webhook)):
        return []
    groups = left_out(webhook)
    strange = [
        one
        for one in RECOVERY
        if one.condition == DRIVERS
        and one.group not in groups
        and f"{one.resource}.{one.group}" not in site.writable
        and _asks(webhook, one, site)
    ]
    if not strange:
        return []
    what = "; ".join(dict.fromkeys(one.what for one in strange))
    listed = ", ".join(dict.fromkeys(one.group for one in strange))
    text = f"with failurePolicy Fail it asks about: {what}: none of the accounts that are let through may write them"
    remedy = f"Leave the group out if the driver runs here (--excluded-group, webhook.excludedGroups): {listed}"
    return [
        found("registration-recovery", about, text, field=f"{label}.matchConditions[name={DRIVERS}]", remedy=remedy)
    ]


def _expressions(webhook: Json) -> list[str]:
    return [str(one.get("expression")) for one in webhook.get("matchConditions") or ()]


def left_out(webhook: Json) -> set[str]:
    """The API groups that a webhook is not asked about, by the condition for ``--excluded-group``."""
    return {group for text in _expressions(webhook) for group in excluded_by(text)}


def unguarded_groups(there: Json | None) -> set[str]:
    """The API groups that no webhook of the registration asks the drift guard about."""
    webhooks = [one for one in (there or {}).get("webhooks") or () if "drift" in groups_of(one)]
    return set.intersection(*map(left_out, webhooks)) if webhooks else set()


def _plain(expression: str) -> str:
    return "".join(expression.split())


def _asks(webhook: Json, one: Recovery, site: Site) -> bool:
    """Whether there can be such a request, and rules and namespaceSelector let it through to it."""
    if one.custom and f"{one.resource}.{one.group}" not in site.served:
        return False
    if one.namespace:
        labels = site.labels.get(one.namespace) or {"kubernetes.io/metadata.name": one.namespace}
        if not matches(webhook.get("namespaceSelector") or {}, dict(labels)):
            return False
    scopes = ("Namespaced", "Cluster") if one.custom else ("Namespaced" if one.namespace else "Cluster",)
    return any(_covered(webhook, one.group, one.resource, scope) for scope in scopes)


def _covered(webhook: Json, group: str, resource: str, scope: str) -> bool:
    for rule in webhook.get("rules") or ():
        if (
            {"*", group} & set(rule.get("apiGroups") or ())
            and {"*", "*/*", resource} & set(rule.get("resources") or ())
            and {"*", "CREATE", "UPDATE"} & set(rule.get("operations") or ())
            and rule.get("scope", "*") in {"*", scope}
        ):
            return True
    return False


def _endpoints(webhook: Json, about: Resource, label: str, site: Site) -> list[Result]:
    service = service_of(webhook)
    if service is None:
        return []
    ready = site.ready.get(service)
    where = f"{service[0]}/{service[1]}"
    if ready is None:
        reason = f"endpoints of the Service {where} could not be read"
        return [undecided("registration-endpoints", f"{KIND} {about.name} {label}", reason)]
    fails = webhook.get("failurePolicy") == "Fail"
    if ready >= (_ENOUGH if fails else 1):
        return []
    effect = "nothing in the cluster can be changed without them" if fails else "nothing is judged without them"
    text = f"the Service {where} has {ready} ready endpoints: {effect}"
    action, severity = (Action.WARN, Severity.MEDIUM) if ready else (Action.DENY, Severity.CRITICAL if fails else None)
    found_one = found("registration-endpoints", about, text, field=label, action=action, severity=severity)
    return [found_one]


def service_of(webhook: Json) -> tuple[str, str] | None:
    """Namespace and name of the Service that a webhook asks; None for a URL."""
    service = (webhook.get("clientConfig") or {}).get("service")
    return (str(service.get("namespace")), str(service.get("name"))) if service else None


def check_others(registrations: Sequence[Json], own: str, site: Site) -> list[Result]:
    """Webhooks of others, validating and mutating, that govgate's own Pods wait for. Each of these states its kind."""
    results: list[Result] = []
    for registration in registrations:
        kind, name = str(registration.get("kind")), str((registration.get("metadata") or {}).get("name"))
        if (kind, name) != (KIND, own):
            for webhook in registration.get("webhooks") or ():
                results += _other(webhook, resource_of(name, kind), site)
    return results


def _other(webhook: Json, about: Resource, site: Site) -> list[Finding]:
    if webhook.get("failurePolicy", "Fail") != "Fail" or not _covered(webhook, "", "pods", "Namespaced"):
        return []
    labels = site.labels.get(site.namespace) or {"kubernetes.io/metadata.name": site.namespace}
    selector = webhook.get("objectSelector") or {}
    if not matches(webhook.get("namespaceSelector") or {}, dict(labels)):
        return []
    if site.pods and not any(matches(selector, dict(pod)) for pod in site.pods):
        return []
    field = f"webhooks[name={webhook.get('name')}]"
    service = service_of(webhook)
    ready = site.ready.get(service) if service is not None else None
    conditions = "; its matchConditions were not evaluated" if webhook.get("matchConditions") else ""
    if service is not None and ready == 0:
        text = f"it is asked about Pods in {site.namespace}, with failurePolicy Fail, and nobody answers{conditions}"
        return [found("webhook-blocks-start", about, text, field=field)]
    text = f"it is asked about Pods in {site.namespace}, with failurePolicy Fail: while it does not answer none starts"
    return [found("webhook-before-start", about, text + conditions, field=field)]
