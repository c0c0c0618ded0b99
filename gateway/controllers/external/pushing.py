"""One value into a store, or out of it: if the namespace may write it, and after it is on record."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.controllers.external.documents import template_documents
from gateway.controllers.external.push_values import PushValues
from gateway.controllers.external.reading import Sources, is_allowed, usable
from gateway.controllers.metrics import PushMetrics
from gateway.kube import Key, KubeClient
from gateway_secrets.external.errors import ExternalError, NotAllowedError
from gateway_secrets.external.push import Push, pushes_of, reference_of, united, with_template
from gateway_secrets.external.push_spec import KIND, PushData, PushSpec
from gateway_secrets.external.renderer import Renderer
from gateway_secrets.external.spec import StoreRef
from gateway_secrets.external.store import Store
from gateway_secrets.stores.errors import NotFoundError
from gateway_secrets.stores.model import Reference
from gateway_secrets.stores.reader import Reader
from gateway_secrets.stores.values import select

WRITTEN = "secret-write"


class Pushing:
    """See the module."""

    def __init__(self, client: KubeClient, sources: Sources, renderer: Renderer, metrics: PushMetrics) -> None:
        self._metrics = metrics
        self._client = client
        self._sources = sources
        self._renderer = renderer
        self._values = PushValues(client, sources.generators.dynamics.sessions)

    async def wanted(
        self, key: Key, version: str, spec: PushSpec, stores: Mapping[StoreRef, dict[str, str] | None]
    ) -> dict[StoreRef, list[Push]]:
        """What is to be in each store, of a PushSecret of this version. ``stores``: with their labels, if they may be used.

        Raises:
            ExternalError: the Secret is not there, or does not hold what is to be pushed.
            ClusterError: the API server could not be asked.
        """
        values = await self._values.of(key, version, spec)
        documents = await template_documents(self._client, spec.template, key.namespace, where="spec.template")
        found: dict[StoreRef, dict[str, list[Push]]] = {ref: {} for ref in stores}
        for name, held in values.items():
            try:
                data = await with_template(spec, held, documents, self._renderer)
                for ref, labels in stores.items():
                    found[ref][name] = await pushes_of(spec, data, ref, labels, self._renderer)
            except ExternalError as error:
                if len(values) > 1:
                    raise type(error)(f"Secret {name}: {error}") from None
                raise
        return {ref: united(pushes) for ref, pushes in found.items()}

    def settled(self, key: Key) -> None:
        """All of one is stored, or it is no more: what was made for it need not be kept."""
        self._values.forget(key)

    def is_gone(self, ref: StoreRef, namespace: str) -> bool:
        """Whether there is no such store."""
        return self._sources.known.controller(ref, namespace) is None

    async def holds(self, key: Key, ref: StoreRef, push: Push) -> bool:
        """Whether a store has something where one is to be stored; errors as :meth:`store`."""
        reference = push.reference
        store = self._usable(ref, key.namespace, reference.key)
        await self._note(key, store, reference, "look")
        return await self._sources.stores.ask(
            store, key.namespace, lambda reader: _holds(reader, reference), about=reference.key
        )

    async def store(self, key: Key, ref: StoreRef, push: Push, policy: str) -> bool:
        """Store one; whether that was done, or something was there that stays.

        Raises:
            StoreError, ExternalError, AuditError: it may not be, or could not be.
        """
        reference = push.reference
        store = self._usable(ref, key.namespace, reference.key)

        async def write(reader: Reader) -> bool:
            if policy == "IfNotExists" and await _holds(reader, reference):
                return False
            await reader.put(reference, push.value, push.entry.metadata)
            return True

        # On record before it is done: what cannot be recorded is not written.
        await self._note(key, store, reference, "push")
        stored = await self._sources.stores.ask(store, key.namespace, write, about=reference.key)
        self._metrics.changes.labels("pushed" if stored else "kept").inc()
        return stored

    async def remove(self, key: Key, ref: StoreRef, entry: PushData) -> None:
        """Take one away; errors as :meth:`store`."""
        reference = reference_of(entry)
        store = self._usable(ref, key.namespace, reference.key)
        await self._note(key, store, reference, "remove")
        stores = self._sources.stores
        await stores.ask(store, key.namespace, lambda reader: reader.delete(reference), about=reference.key)
        self._metrics.changes.labels("removed").inc()

    async def _note(self, key: Key, store: Store, reference: Reference, what: str) -> None:
        await self._sources.journal.note(
            {
                "actor": {"username": self._sources.actor},
                "for": {"kind": KIND, "namespace": key.namespace, "name": key.name},
                "provider": store.provider, "store": str(store.ref), "key": reference.key,
                "property": reference.property, "outcome": what,
            },
            WRITTEN,
        )  # fmt: skip

    def _usable(self, ref: StoreRef, namespace: str, remote_key: str) -> Store:
        """The store, if the namespace may write this key of it.

        Raises:
            ExternalError: it may not.
        """
        store = usable(self._sources.known, ref, namespace)
        if not is_allowed(store, namespace, remote_key):
            raise NotAllowedError(f"namespace {namespace} may not write {remote_key!r}: no rule of its keys lets it")
        return store


async def _holds(reader: Reader, reference: Reference) -> bool:
    try:
        payload = await reader.payload(Reference(reference.key))
        select(payload, reference.property, key=reference.key)
    except NotFoundError:
        return False
    return True
