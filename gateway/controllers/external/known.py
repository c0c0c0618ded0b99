"""What the controller knows of the cluster at a moment: objects by name, and which belong together."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from gateway.controllers.external.claims import Claims, Whose
from gateway.controllers.external.held import Held, HeldSecret, Json, generator_key, store_key
from gateway.core.errors import GovgateError
from gateway.kube import Key
from gateway_secrets.external.errors import SpecError
from gateway_secrets.external.generators import DYNAMIC
from gateway_secrets.external.spec import StoreRef, store_ref
from gateway_secrets.external.store import CLUSTER_STORE, Store, store_of
from gateway_secrets.stores.errors import StoreError

MAX_GONE = 1_000
"""Stores that are no more, of which it is known whose they were."""


class Index:
    """Keys by something that they have; each has any number of these."""

    def __init__(self) -> None:
        self._keys: defaultdict[object, set[Key]] = defaultdict(set)

    def put(self, key: Key, before: Sequence[object], after: Sequence[object]) -> None:
        """``key`` had ``before``, and has ``after``."""
        for one in before:
            self._keys[one].discard(key)
            if not self._keys[one]:
                del self._keys[one]
        for one in after:
            self._keys[one].add(key)

    def __getitem__(self, one: object) -> frozenset[Key]:
        return frozenset(self._keys.get(one, ()))

    def __contains__(self, one: object) -> bool:
        return one in self._keys


class Known:
    """Fed by the caches' events. ``externals``, ``stores`` … give what is held now."""

    def __init__(self, claims: Claims) -> None:
        self.claims = claims
        self.externals: Callable[[Key], Held | None] = lambda _: None
        self.secrets: Callable[[Key], HeldSecret | None] = lambda _: None
        self.labels: Callable[[str], Mapping[str, str]] = lambda _: {}
        self._stores: dict[tuple[str, Key], Store | GovgateError] = {}
        self._labels: dict[tuple[str, Key], Mapping[str, str]] = {}
        self._controllers: dict[tuple[str, Key], str] = {}
        self._gone: OrderedDict[tuple[str, Key], str] = OrderedDict()
        self._by_target, self._by_store, self._by_uid, self._by_owner = Index(), Index(), Index(), Index()
        self._by_generator = Index()
        self._generators: dict[tuple[str, Key], str] = {}

    def external_changed(self, key: Key, old: Held | None, new: Held | None) -> None:
        """An ExternalSecret came, changed, or went."""
        self._by_target.put(key, *([(key.namespace, one.target)] if one else [] for one in (old, new)))
        self._by_uid.put(key, *([one.uid] if one else [] for one in (old, new)))
        self._by_store.put(
            key,
            *([(ref.kind, store_key(ref, key.namespace)) for ref in one.stores] if one else [] for one in (old, new)),
        )

        self._by_generator.put(
            key,
            *(
                [(kind, generator_key(kind, name, key.namespace)) for kind, name in one.generators] if one else []
                for one in (old, new)
            ),
        )

    def generator_changed(self, kind: str, key: Key, controller: str | None) -> None:
        """A generator did. ``controller``: whose it says that it is; None: that does not matter, or it is no more."""
        self._generators.pop((kind, key), None)
        if controller is not None:
            self._generators[kind, key] = controller

    def secret_changed(self, key: Key, old: HeldSecret | None, new: HeldSecret | None) -> None:
        """A Secret did."""
        self._by_owner.put(key, *([one.owner] if one and one.owner else [] for one in (old, new)))

    def store_changed(self, kind: str, key: Key, new: Json | None) -> None:
        """A store did."""
        self._stores.pop((kind, key), None)
        self._labels.pop((kind, key), None)
        before = self._controllers.pop((kind, key), None)
        self._gone.pop((kind, key), None)
        if new is not None:
            self._labels[kind, key] = new["metadata"].get("labels") or {}
            self._stores[kind, key] = _read(new)
            self._controllers[kind, key] = controller_of(new)
        elif before is not None:
            self._gone[kind, key] = before
            if len(self._gone) > MAX_GONE:
                self._gone.popitem(last=False)

    def store(self, ref: StoreRef, namespace: str) -> Store:
        """The store that an ExternalSecret of a namespace refers to.

        Raises:
            GovgateError: there is none, or it cannot be read.
        """
        found = self._stores.get((ref.kind, store_key(ref, namespace)))
        if found is None:
            raise SpecError(f"{ref} does not exist")
        if isinstance(found, GovgateError):
            raise SpecError(f"{ref}: {found}")
        return found

    def claimed(self, key: Key, held: Held) -> bool:
        """Whether an ExternalSecret is govgate's."""
        namespace = key.namespace
        was_ours = held.ours and not self._others_last(held.stores, namespace)
        said = [self.controller(ref, namespace) for ref in held.stores]
        for kind, name in held.generators:
            controller = self._generators.get((kind, generator_key(kind, name, namespace)))
            said += [controller] if controller is not None else []
        return self.claims.external(said, namespace, was_ours=was_ours)

    def makes_leases(self, key: Key, held: Held) -> bool:
        """Whether an ExternalSecret has something made by Vault."""
        return any(
            kind == DYNAMIC or (kind, generator_key(kind, name, key.namespace)) in self._generators
            for kind, name in held.generators
        )

    def pushes(self, stores: Sequence[StoreRef], namespace: str, *, was_ours: bool) -> Whose:
        """Whose a PushSecret to these stores is. ``was_ours``: nobody but govgate wrote its status last."""
        was_ours = was_ours and not self._others_last(stores, namespace)
        return self.claims.pushes((self.controller(ref, namespace) for ref in stores), namespace, was_ours=was_ours)

    def missing(self, stores: Iterable[StoreRef], namespace: str) -> list[StoreRef]:
        """Those of the stores that are not there."""
        return [ref for ref in stores if self.controller(ref, namespace) is None]

    def of_target(self, key: Key) -> frozenset[Key]:
        """The ExternalSecrets whose Secret has this name."""
        return self._by_target[key.namespace, key.name]

    def of_store(self, kind: str, key: Key) -> frozenset[Key]:
        """The ExternalSecrets that refer to a store."""
        return self._by_store[kind, key]

    def of_generator(self, kind: str, key: Key) -> frozenset[Key]:
        """The ExternalSecrets that refer to a generator."""
        return self._by_generator[kind, key]

    def owned_by(self, uid: str) -> frozenset[Key]:
        """The Secrets whose controller has this uid."""
        return self._by_owner[uid] if uid else frozenset()

    def __contains__(self, uid: object) -> bool:
        """Whether there is an ExternalSecret of this uid."""
        return bool(self._by_uid[uid])

    def labelled(self, namespace: str) -> dict[StoreRef, dict[str, str]]:
        """The stores that a namespace may refer to, with their labels."""
        return {
            store_ref(key.name, kind): dict(labels)
            for (kind, key), labels in self._labels.items()
            if key.namespace in ("", namespace)
        }

    def controller(self, ref: StoreRef, namespace: str) -> str | None:
        """Whose a store says that it is; None: there is no such store."""
        return self._controllers.get((ref.kind, store_key(ref, namespace)))

    def _others_last(self, stores: Iterable[StoreRef], namespace: str) -> bool:
        """Whether one of the stores was another's when it was there last."""
        last = [self._gone.get((ref.kind, store_key(ref, namespace))) for ref in stores]
        return any(one is not None and not self.claims.store(one, namespace) for one in last)


def _read(document: Json) -> Store | GovgateError:
    try:
        return store_of(document)
    except msgspec.ValidationError as error:
        return SpecError(f"is not readable: {str(error)[:200]}")
    except (StoreError, SpecError) as error:
        return error


def controller_of(document: Json) -> str:
    """Whose a store says that it is, also where the rest of it cannot be read."""
    spec = document.get("spec")
    return str(spec.get("controller") or "") if isinstance(spec, dict) else "?"


def kind_of(namespace: str) -> str:
    """Of a store, by the namespace that it is in."""
    return "SecretStore" if namespace else CLUSTER_STORE
