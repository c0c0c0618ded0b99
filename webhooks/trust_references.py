"""Secrets and ConfigMaps that trust policies have keys, trusted roots and anchors from, as they were read last.

They are read one by one, by name: whoever may read these need not be allowed to read others. What cannot be read says why;
what was read before holds only as long as the API server does not answer.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from urllib.parse import quote

import msgspec

from gateway.core.errors import ClusterError, ConfigError
from gateway.core.subject import Json
from gateway.kube import KubeClient
from gateway.kube.errors import ApiError
from gateway.provenance.trust.places import Place
from webhooks.sources.fetch import section

MAX_OBJECTS = 256
_PLURALS = {"Secret": "secrets", "ConfigMap": "configmaps"}
_PASSING = frozenset((401, 408, 409, 429, *range(500, 600)))
_MAX_PROBLEM_CHARS = 300
_AT_A_TIME = 8

_Object = tuple[str, str, str]


class References:
    """What was read, by object. For one event loop. ``allowed``: globs over namespaces, beside ``own_namespace``."""

    def __init__(self, client: KubeClient, own_namespace: str, allowed: Sequence[str]) -> None:
        self._client = client
        self._own = own_namespace
        self._allowed = tuple(allowed)
        self._objects: dict[_Object, Json | str] = {}

    async def read(self, places: Collection[Place]) -> None:
        """Read the objects that places are in, and forget all others."""
        wanted = sorted({self._object(place) for place in places})
        room = asyncio.Semaphore(_AT_A_TIME)

        async def one(key: _Object) -> Json | str:
            async with room:
                return await self._get(key)

        found = dict(zip(wanted, await asyncio.gather(*map(one, wanted[:MAX_OBJECTS])), strict=False))
        found |= dict.fromkeys(wanted[MAX_OBJECTS:], f"trust policies name more than {MAX_OBJECTS} objects")
        self._objects = found

    def of_configuration(self, place: Place) -> bytes:
        """What is in a place, for a policy of the configuration.

        Raises:
            ConfigError: it could not be read. The text quotes nothing of it.
        """
        found = self._objects.get(self._object(place), "it was not read yet")
        where = msgspec.structs.replace(place, namespace=place.namespace or self._own)
        if isinstance(found, str):
            raise ConfigError(f"{where}: {found}")
        data = section(found, "data")
        binary = data if place.kind == "Secret" else section(found, "binaryData")
        try:
            if isinstance(data.get(place.key), str) and binary is not data:
                return str(data[place.key]).encode()
            if isinstance(binary.get(place.key), str):
                return base64.b64decode(binary[place.key], validate=True)
        except (binascii.Error, ValueError):
            raise ConfigError(f"{where}: not as such objects are") from None
        raise ConfigError(f"{where}: there is no such key")

    def of_cluster(self, place: Place) -> bytes:
        """The same for a TrustPolicy of the cluster, which may not name everything.

        Raises:
            ConfigError: nor is it allowed.
        """
        self.check_allowed(place)
        return self.of_configuration(place)

    def check_allowed(self, place: Place) -> None:
        """That a TrustPolicy of the cluster may name a place.

        Raises:
            ConfigError: it may not.
        """
        namespace = place.namespace or self._own
        if namespace != self._own and not any(fnmatchcase(namespace, pattern) for pattern in self._allowed):
            raise ConfigError(
                f"{place}: a TrustPolicy has keys from namespace {self._own}: others are named in"
                " provenance.referenceNamespaces"
            )

    def beside(self) -> References:
        """The same, with nothing read yet."""
        return References(self._client, self._own, self._allowed)

    def _object(self, place: Place) -> _Object:
        return place.kind, place.namespace or self._own, place.name

    async def _get(self, key: _Object) -> Json | str:
        """The object, or why it is not known."""
        kind, namespace, name = key
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/{_PLURALS[kind]}/{quote(name, safe='')}"
        try:
            document = await self._client.get(path)
        except ClusterError as error:
            before = self._objects.get(key)
            if isinstance(before, dict) and (not isinstance(error, ApiError) or error.code in _PASSING):
                return before
            return str(error)[:_MAX_PROBLEM_CHARS]
        return {name: section(document, name) for name in ("data", "binaryData")}
