"""Captures the context of a connected cluster: what rules in force need to know, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.ci.context import Objects, Snapshot, by_name
from gateway.core.errors import ClusterError
from gateway.core.subject import Json, UserInfo
from gateway.kube import ApiError, KubeClient, ResourceType
from gateway.kube.lists import list_objects
from gateway.kube.resource import of_kind, served_version
from policies.gatekeeper.constraint import GROUP as CONSTRAINTS
from policies.gatekeeper.expansion import GROUP as EXPANSIONS
from policies.gatekeeper.template import GROUP as TEMPLATES
from policies.gatekeeper.template import TemplateError, is_template, read_template
from policies.waivers import GROUP, KINDS
from webhooks.constraints import constraint_plural
from webhooks.inventory import reduced
from webhooks.surroundings import NAMESPACES
from webhooks.waivers import PLURALS

_SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_NOISE = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink")


async def capture(
    client: KubeClient, kinds: Iterable[str], *, configured: Iterable[str] = (), gatekeeper: bool = False
) -> Snapshot:
    """The context as it is now.

    Args:
        client: of the cluster.
        kinds: types of objects that rules look at, such as ``networking.k8s.io/v1/Ingress``.
        configured: those that rules see which name no types.
        gatekeeper: whether the cluster's own templates, constraints and expansions belong to the rules.

    Raises:
        ClusterError: something could not be read; names it.
    """
    rules = by_name([_rule(one) for one in await _gatekeeper(client)]) if gatekeeper else ()
    wanted = sorted({*kinds, *configured, *_looked_at(rules)})
    objects: Json = {}
    for kind in wanted:
        await _add(client, kind, objects)
    return Snapshot(
        captured=datetime.now(UTC).replace(microsecond=0),
        user=await _user(client),
        namespaces=by_name([_plain(one) async for one in list_objects(client, NAMESPACES, "v1")]),
        inventory=Objects(tuple(wanted), whole=bool(set(configured)), objects=objects),
        waivers=by_name([_plain(one) for one in await _waivers(client)]),
        gatekeeper=rules,
    )


def _looked_at(documents: Iterable[Json]) -> set[str]:
    """Types of objects that templates say they look at; one that is wrong says nothing."""
    found: set[str] = set()
    for document in filter(is_template, documents):
        with contextlib.suppress(TemplateError):
            found.update(read_template(document).inventory)
    return found


async def _add(client: KubeClient, kind: str, objects: Json) -> None:
    api_version, _, name = kind.rpartition("/")
    resource = await of_kind(client, api_version, name)
    if resource is None:
        return
    async for item in list_objects(client, resource, resource.versions[0]):
        found = _plain(reduced(item, api_version, name))
        metadata = found["metadata"]
        where = ["namespace", metadata["namespace"]] if metadata.get("namespace") else ["cluster"]
        at = objects
        for key in (*where, api_version, name):
            at = at.setdefault(key, {})
        at[metadata["name"]] = found


async def _user(client: KubeClient) -> UserInfo | None:
    """Who captures; None where the cluster does not tell."""
    try:
        answer = await client.create(_SELF, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    except ApiError:
        return None
    status: Any = answer.get("status")
    try:
        return msgspec.convert(status.get("userInfo") if isinstance(status, dict) else None, UserInfo)
    except msgspec.ValidationError:
        raise ClusterError("the answer to a SelfSubjectReview is not readable") from None


async def _waivers(client: KubeClient) -> list[Json]:
    found: list[Json] = []
    for kind in KINDS:
        found += await _all(client, ResourceType(GROUP, ("v1alpha1",), PLURALS[kind]), kind)
    return found


async def _gatekeeper(client: KubeClient) -> list[Json]:
    templates = await _all(client, ResourceType(TEMPLATES, ("v1", "v1beta1"), "constrainttemplates"), "")
    found = templates + await _all(
        client, ResourceType(EXPANSIONS, ("v1", "v1beta1", "v1alpha1"), "expansiontemplate"), ""
    )
    for plural in sorted({constraint_plural(template) for template in templates} - {""}):
        found += await _all(client, ResourceType(CONSTRAINTS, ("v1beta1", "v1alpha1"), plural), "")
    return found


async def _all(client: KubeClient, resource: ResourceType, kind: str) -> list[Json]:
    """All objects of a custom type, with their type; none if the cluster does not have it."""
    version = await served_version(client, resource)
    if version is None:
        return []
    about = {"apiVersion": f"{resource.group}/{version}", **({"kind": kind} if kind else {})}
    return [{**about, **one} async for one in list_objects(client, resource, version)]


def _plain(document: Json) -> Json:
    """Without what changes by itself, so that two captures of one state are alike."""
    metadata = {key: value for key, value in document["metadata"].items() if key not in _NOISE}
    return {**document, "metadata": metadata}


def _rule(document: Json) -> Json:
    """What states rules, without its status."""
    metadata = {key: document["metadata"][key] for key in ("name", "annotations") if key in document["metadata"]}
    return {**{key: value for key, value in document.items() if key != "status"}, "metadata": metadata}
