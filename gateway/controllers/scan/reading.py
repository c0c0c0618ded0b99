"""One page of a list: asked for at the pace that is allowed, its items as subjects, nothing of it kept."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.core.errors import ClusterError
from gateway.core.subject import GroupVersionKind, Subject, created
from gateway.kube import KubeClient, wire
from gateway.kube.discovery import Pace, ServedType
from gateway.kube.errors import ResponseTooLargeError

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class ListPage(msgspec.Struct):
    """Objects, and where the list goes on (empty at its end)."""

    subjects: list[Subject]
    cursor: str


class Reader:
    """Reads lists. ``namespace``: only there; empty: everywhere."""

    def __init__(self, client: KubeClient, pace: Pace, *, page_objects: int, namespace: str = "") -> None:
        self._client = client
        self._pace = pace
        self._page_objects = page_objects
        self._namespace = namespace

    async def page(self, served: ServedType, cursor: str) -> ListPage:
        """The next page of a type.

        Raises:
            ApiError: the server refused, or lost its place in the list (410).
            ClusterError: it could not be asked, or one object alone is too large.
        """
        limit = self._page_objects
        path = served.resource.path(served.version, self._namespace)
        while True:
            query = {"limit": str(limit), **({"continue": cursor} if cursor else {})}
            await self._pace()
            try:
                body = await self._client.read(path, query)
            except ResponseTooLargeError:
                if limit == 1:
                    raise
                limit = max(1, limit // 8)
                continue
            try:
                page = wire.decode_page(body)
                return ListPage([subject_of(served, raw) for raw in page.items or ()], page.metadata.continue_)
            except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
                raise ClusterError(f"{served.resource}: the answer is no list of objects") from None


def subject_of(served: ServedType, raw: bytes | msgspec.Raw) -> Subject:
    """An item of a list as the request that would create it: its type is stated, managed fields are not.

    Raises:
        DecodeError, KeyError, TypeError: it is no object.
    """
    item = _decode(raw)
    metadata = item["metadata"]
    metadata.pop("managedFields", None)
    item = {"apiVersion": served.api_version, "kind": served.kind, **item}
    return created(
        msgspec.json.encode(item),
        GroupVersionKind(served.group, served.version, served.kind),
        namespace=metadata.get("namespace", ""),
        name=metadata["name"],
        resource=served.plural,
    )


def example_of(served: ServedType) -> Subject:
    """An object of the type of which nothing else is known: to ask which rules may be about such objects."""
    kind = GroupVersionKind(served.group, served.version, served.kind)
    return created(b"{}", kind, namespace="", name="", resource=served.plural)
