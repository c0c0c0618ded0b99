"""The generators of a cluster: read when they are needed, and watched as far as whose they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from gateway.controllers.external.claims import Claims
from gateway.controllers.external.dynamic import Dynamics
from gateway.controllers.external.held import Json
from gateway.kube import Key, KubeClient, ResourceType, WatchCache
from gateway_secrets.external import generators
from gateway_secrets.external.collect import Fresh
from gateway_secrets.external.errors import NotAllowedError
from gateway_secrets.external.made import Made
from gateway_secrets.external.spec import ExternalSecret, GeneratorRef

Changed = Callable[[str, Key, str | None], None]
"""Told of a generator's kind and key, and of the controller that it names; None: it names none, or is no more."""


class Generators:
    """Runs those of a namespace, and those of the cluster."""

    def __init__(self, dynamics: Dynamics, claims: Claims) -> None:
        self.dynamics = dynamics
        self._claims = claims

    async def generate(
        self,
        ref: GeneratorRef,
        external: ExternalSecret,
        where: str,
        before: Sequence[Made],
        present: Mapping[str, bytes],
    ) -> tuple[Fresh, Made | None]:
        """Values, and what is to be noted of them; None, if the Secret is what remembers them.

        Raises:
            ExternalError: there is no such generator, it says what cannot be done, or is not govgate's.
            ClusterError: the API server could not be asked.
            StoreError, AuditError: of what is made elsewhere.
        """
        generator = await self.dynamics.sessions.find(ref, external.namespace)
        if generator.spec is None:
            return Fresh(generators.made_by(generator.document)), None
        controller = str(generator.spec.get("controller") or "")
        if not self._claims.store(controller, external.namespace):
            raise NotAllowedError(f"{generator.label} is not govgate's: its spec.controller is {controller[:64]!r}")
        kept, source = await self.dynamics.values(generator, external, where, before, present)
        return Fresh(kept.values, remembered=False, source=source), kept.made


class Watched(msgspec.Struct, frozen=True):
    """What is held of a generator: whose it is, if that matters, and which it is."""

    controller: str | None
    version: str


def watched(document: Json, kind: str) -> Watched:
    """Of a generator."""
    metadata = document["metadata"]
    spec = generators.dynamic_of(document | {"kind": kind})
    controller = None if spec is None else str(spec.get("controller") or "")
    return Watched(controller, f"{metadata.get('uid')}.{metadata.get('generation')}")


def caches_of(client: KubeClient, changed: Changed) -> list[WatchCache[Watched]]:
    """The caches of those whose it matters; a cluster need not know any."""
    return [_cache(client, kind, changed) for kind in (generators.DYNAMIC, generators.CLUSTER)]


def _cache(client: KubeClient, kind: str, changed: Changed) -> WatchCache[Watched]:
    def told(key: Key, old: Watched | None, new: Watched | None) -> None:
        if old != new:
            changed(kind, key, new.controller if new is not None else None)

    resource = ResourceType(generators.GROUP, ("v1alpha1",), generators.PLURALS[kind])
    return WatchCache(client, resource, lambda document: watched(document, kind), on_change=told)
