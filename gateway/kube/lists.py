"""Reading all objects of a type once, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.core.errors import ClusterError
from gateway.core.subject import Json
from gateway.kube.client import KubeClient
from gateway.kube.resource import ResourceType

PAGE_OBJECTS = 250


async def list_objects(
    client: KubeClient,
    resource: ResourceType,
    version: str,
    *,
    namespace: str = "",
    selector: str = "",
    accept: str = "application/json",
) -> AsyncIterator[Json]:
    """The objects of a type in a namespace, or in all. Memory holds a page of them. ``selector``: of
    labels that they have. ``accept``: in which form.

    Raises:
        ApiError: the server refused, or lost its place in the list (410).
        ClusterError: it could not be asked.
    """
    query = {"limit": str(PAGE_OBJECTS), **({"labelSelector": selector} if selector else {})}
    while True:
        page = await client.get(resource.path(version, namespace), query, accept=accept)
        items, metadata = page.get("items") or [], page.get("metadata") or {}
        if not isinstance(items, list) or not isinstance(metadata, dict):
            raise ClusterError(f"{resource}: the answer is no list")
        for item in items:
            yield item
        query["continue"] = str(metadata.get("continue") or "")
        if not query["continue"]:
            return
