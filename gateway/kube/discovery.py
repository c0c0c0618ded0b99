"""All types of objects that a cluster serves, each once, in the version that the cluster prefers.

Source: Kubernetes API concepts, "API discovery": ``/api/v1``, ``/apis`` and ``/apis/GROUP/VERSION``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from gateway.core.errors import ClusterError
from gateway.kube.client import KubeClient
from gateway.kube.errors import UnreachableError
from gateway.kube.resource import ResourceType

_T = TypeVar("_T")
Pace = Callable[[], Awaitable[None]]
"""Waits until another request may be made."""


class ServedType(msgspec.Struct, frozen=True, order=True):
    """A type as the cluster serves it. ``plural`` is the name in URLs."""

    group: str
    kind: str
    version: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """As objects state it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> ResourceType:
        """How it is asked for."""
        return ResourceType(self.group, (self.version,), self.plural)


class Served(msgspec.Struct, frozen=True):
    """``types``: in order, those that can be listed. ``problems``: what could not be asked for, and why."""

    types: tuple[ServedType, ...]
    problems: dict[str, str]


class _Version(msgspec.Struct, rename="camel"):
    version: str


class _Group(msgspec.Struct, rename="camel"):
    name: str
    versions: tuple[_Version, ...] = ()
    preferred_version: _Version | None = None


class _Groups(msgspec.Struct):
    groups: tuple[_Group, ...] = ()


class _Resource(msgspec.Struct):
    name: str
    kind: str = ""
    namespaced: bool = False
    verbs: tuple[str, ...] = ()


class _Resources(msgspec.Struct):
    resources: tuple[_Resource, ...] | None = ()


async def served_types(client: KubeClient, pace: Pace) -> Served:
    """What the cluster serves. A group that does not answer is a problem, and costs the others nothing.

    Raises:
        ClusterError: the cluster could not be asked at all.
    """
    await pace()
    groups = _decoded(await client.read("/apis"), _Groups).groups
    found: dict[tuple[str, str], ServedType] = {}
    problems: dict[str, str] = {}
    for group, versions in [("", ("v1",)), *((group.name, _versions(group)) for group in groups)]:
        for version in versions:
            path = f"/apis/{group}/{version}" if group else f"/api/{version}"
            await pace()
            try:
                listed = _decoded(await client.read(path), _Resources).resources or ()
            except UnreachableError:
                raise  # not of this group: the others will not answer either
            except ClusterError as error:
                problems[path] = str(error)
                continue
            for one in listed:
                if "/" not in one.name and "list" in one.verbs:
                    served = ServedType(group, one.kind, version, one.name, one.namespaced)
                    found.setdefault((group, one.name), served)
    return Served(tuple(sorted(found.values())), problems)


def _versions(group: _Group) -> tuple[str, ...]:
    """Its versions, the preferred one first."""
    preferred = [group.preferred_version.version] if group.preferred_version is not None else []
    return tuple(dict.fromkeys((*preferred, *(one.version for one in group.versions))))


def _decoded(body: bytes, shape: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ClusterError("the answer to a question of discovery is not readable") from None
