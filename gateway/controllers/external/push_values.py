"""The values that PushSecrets push: of Secrets by name or labels, or made by a generator."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.controllers.external.documents import secret_data
from gateway.controllers.external.held import SECRETS
from gateway.controllers.external.sessions import Sessions
from gateway.kube import Key, KubeClient
from gateway.kube.lists import list_objects
from gateway_secrets.external.errors import SpecError, UnsupportedError
from gateway_secrets.external.generators import made_by
from gateway_secrets.external.labels import query_of
from gateway_secrets.external.push_spec import PushSpec
from gateway_secrets.external.spec import GeneratorRef
from gateway_secrets.external.store import Selector

MAX_SECRETS = 100
MAX_BYTES = 16 * 1024 * 1024
"""Of all that labels select for one PushSecret."""
Values = Mapping[str, Mapping[str, bytes]]
"""By the name of the Secret; empty for what was made."""


class _Made(msgspec.Struct, frozen=True):
    """``version``: of the PushSecret; ``revision``: of the generator."""

    version: str
    revision: str
    values: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"_Made({self.revision})"


class PushValues:
    """Keeps what was made until all of it is stored: a store that fails makes nothing anew, and all stores have the same."""

    def __init__(self, client: KubeClient, sessions: Sessions) -> None:
        self._client = client
        self._sessions = sessions
        self._made: dict[Key, _Made] = {}

    async def of(self, key: Key, version: str, spec: PushSpec) -> Values:
        """For a PushSecret of this version.

        Raises:
            ExternalError: there is no such Secret or generator, or it cannot be read.
            ClusterError: the API server could not be asked.
        """
        if spec.generator is not None:
            return {"": await self._generated(key, version, spec.generator)}
        source = spec.source
        if source.name:
            return {source.name: await self._named(key.namespace, source.name)}
        return await self._selected(key.namespace, source.selector) if source.selector is not None else {}

    def forget(self, key: Key) -> None:
        """What was made for it is stored, or it is no more."""
        self._made.pop(key, None)

    async def _named(self, namespace: str, name: str) -> dict[str, bytes]:
        found = await self._client.find(SECRETS.path("v1", namespace, name))
        if found is None:
            raise SpecError(f"spec.selector.secret.name: there is no Secret {name}")
        return secret_data(found)

    async def _selected(self, namespace: str, selector: Selector) -> Values:
        where = "spec.selector.secret.selector"
        found: dict[str, Mapping[str, bytes]] = {}
        size = 0
        async for document in list_objects(
            self._client, SECRETS, "v1", namespace=namespace, selector=query_of(selector)
        ):
            name = str(document["metadata"]["name"])
            if len(found) == MAX_SECRETS:
                raise SpecError(f"{where}: selects more than {MAX_SECRETS} Secrets")
            found[name] = secret_data(document)
            size += sum(map(len, found[name].values()))
            if size > MAX_BYTES:
                raise SpecError(f"{where}: selects values of more than {MAX_BYTES:,} bytes")
        return dict(sorted(found.items()))

    async def _generated(self, key: Key, version: str, ref: GeneratorRef) -> Mapping[str, bytes]:
        generator = await self._sessions.find(ref, key.namespace)
        if generator.spec is not None:
            raise UnsupportedError(
                f"spec.selector.generatorRef: {generator.label}: what Vault makes ends with its lease, and is not pushed"
            )
        kept = self._made.get(key)
        if kept is None or (kept.version, kept.revision) != (version, generator.revision):
            kept = self._made[key] = _Made(version, generator.revision, made_by(generator.document))
        return kept.values
