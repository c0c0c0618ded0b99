"""Which resource type, and in which of the versions that the cluster serves."""

from __future__ import annotations

from typing import NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from gateway.kube.client import KubeClient
from gateway.kube.errors import ApiError

_NOT_FOUND = 404
_T = TypeVar("_T")


class ResourceType(NamedTuple):
    """``versions`` are those that the reader understands, the best first; ``plural`` is the name in URLs."""

    group: str
    versions: tuple[str, ...]
    plural: str

    def path(self, version: str, namespace: str = "", name: str = "") -> str:
        """URL path of one object, or of the collection (all namespaces without one)."""
        parts = [_version_path(self.group, version)]
        if namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=":"))
        return "/".join(parts)

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


class _Version(msgspec.Struct):
    version: str


class _Group(msgspec.Struct, rename="camel"):
    versions: list[_Version] = []


class _Resource(msgspec.Struct):
    name: str
    kind: str = ""


class _ResourceList(msgspec.Struct):
    resources: list[_Resource] = []


async def served_version(client: KubeClient, resource: ResourceType) -> str | None:
    """The first of ``resource.versions`` in which the cluster serves the resource; None if it serves none of them.

    A group may serve a version for some of its resources only, so that each candidate is looked into.

    Raises:
        ClusterError: the cluster could not be asked.
    """
    if resource.group:
        group = await _get(client, f"/apis/{resource.group}", _Group)
        if group is None:
            return None
        served = {entry.version for entry in group.versions}
    else:
        served = {"v1"}
    for version in resource.versions:
        if version not in served:
            continue
        listed = await _get(client, _version_path(resource.group, version), _ResourceList)
        if listed is not None and any(entry.name == resource.plural for entry in listed.resources):
            return version
    return None


async def of_kind(client: KubeClient, api_version: str, kind: str) -> ResourceType | None:
    """The resource type whose objects are of this kind, None if the cluster serves none in this version.

    Raises:
        ClusterError: the cluster could not be asked.
    """
    group, _, version = api_version.rpartition("/")
    listed = await _get(client, _version_path(group, version), _ResourceList)
    for entry in listed.resources if listed is not None else ():
        if entry.kind == kind and "/" not in entry.name:
            return ResourceType(group, (version,), entry.name)
    return None


def _version_path(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


async def _get(client: KubeClient, path: str, shape: type[_T]) -> _T | None:
    """The document, None where there is none."""
    try:
        return msgspec.json.decode(await client.read(path), type=shape)
    except ApiError as error:
        if error.code == _NOT_FOUND:
            return None
        raise
