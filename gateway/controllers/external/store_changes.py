"""Stores change, do not answer, and answer again: what is told of each then, and which ExternalSecrets are looked at for it."""

from __future__ import annotations

from gateway.controllers.external import held
from gateway.controllers.external.held import Json
from gateway.controllers.external.known import Known, kind_of
from gateway.controllers.external.pushes import Pushes
from gateway.controllers.external.shards import Shard
from gateway.controllers.external.store_checks import StoreChecks
from gateway.controllers.external.store_status import FAILED, INVALID, UNKNOWN, VALID, StoreStatus
from gateway.controllers.external.stores import Stores
from gateway.controllers.external.turns import Turns
from gateway.controllers.metrics import ExternalMetrics
from gateway.controllers.not_ready import NotReady
from gateway.controllers.states import States
from gateway.kube import Key
from gateway_secrets.external.faults import refusal
from gateway_secrets.external.spec import store_ref
from gateway_secrets.external.store import CLUSTER_STORE, Store
from gateway_secrets.external.validate import faults
from gateway_secrets.stores.errors import StoreError, UnavailableError

_STATES = {VALID: "valid", UNKNOWN: "unknown", INVALID: "failed", FAILED: "failed"}


class StoreChanges:
    """Told by the caches, and by what reads stores, which is set before either begins; ``pushes`` once they are run."""

    stores: Stores
    status: StoreStatus
    checks: StoreChecks
    pushes: Pushes | None = None

    def __init__(self, known: Known, turns: Turns, metrics: ExternalMetrics, shard: Shard, not_ready: NotReady) -> None:
        self._known = known
        self._turns = turns
        self._metrics = metrics
        self._shard = shard
        self._not_ready = not_ready
        self._states = States(metrics.stores_by_state, ("valid", "unknown", "failed"))

    def changed(self, key: Key, old: Json | None, new: Json | None) -> None:
        """A store did: those that refer to it may be others' now, or may be read now."""
        if old == new:
            return  # its status did
        kind = kind_of(key.namespace)
        self._known.store_changed(kind, key, new)
        if old is not None and new is not None and held.without_labels(old) == held.without_labels(new):
            # They decide which PushSecrets choose it, and nothing else.
            if self.pushes is not None:
                self.pushes.store_labelled(store_ref(key.name, kind), key.namespace, held.labels(old), held.labels(new))
            return
        self.stores.changed(kind, key.namespace, key.name)
        if new is None or not self._tells(key, new):
            self.checks.forget(key)
            self._note(key, None)
        elif problem := refusal(faults(new, claimed=True)):
            self.checks.forget(key)
            self.say(key, INVALID, problem)
        else:
            self.checks.add(key)
        if self.pushes is not None:
            labels = (held.labels(one) if one is not None else None for one in (old, new))
            self.pushes.store_changed(store_ref(key.name, kind), key.namespace, *labels)
        for external in self._known.of_store(kind, key):
            self._turns.add(external)

    def failed(self, store: Store, error: StoreError) -> None:
        """A store does not answer, or cannot be opened."""
        key = _key_of(store)
        if store.per_namespace and not isinstance(error, UnavailableError):
            return  # what one namespace logs in with is no matter of the others'
        if self._tells(key, {"spec": {"controller": store.spec.controller}}):
            self.say(key, FAILED, str(error))

    def asked(self, store: Store, outcome: str, seconds: float) -> None:
        """A store was asked something. A refusal may be one of its credentials."""
        self._metrics.requests.labels(store.provider, outcome).inc()
        self._metrics.request_seconds.labels(store.provider).observe(seconds)
        if outcome in ("forbidden", "misconfigured"):
            key = _key_of(store)
            if self._tells(key, {"spec": {"controller": store.spec.controller}}):
                self.checks.doubt(key)

    def recovered(self, store: Store) -> None:
        """A store answers again: who waits for it need not wait for its turn."""
        key = _key_of(store)
        if self._tells(key, {"spec": {"controller": store.spec.controller}}):
            self.checks.add(key)
        for external in self._known.of_store(store.ref.kind, key):
            if self._turns.states.of(external) in ("waiting", "failing"):
                self._turns.add(external, urgent=True)

    def say(self, key: Key, reason: str, message: str) -> None:
        """A store is so."""
        self._note(key, _STATES[reason])
        self.status.say(key, reason, message)

    def _note(self, key: Key, state: str | None) -> None:
        self._states.note(key, state)
        self._not_ready.note(kind_of(key.namespace), key, bad=state == "failed")

    def _tells(self, key: Key, document: Json) -> bool:
        """Whether a store's status is govgate's to write."""
        spec = document.get("spec")
        controller = spec.get("controller") if isinstance(spec, dict) else None
        return self._shard.has(key.namespace) and self._known.claims.store(str(controller or ""), key.namespace)


def _key_of(store: Store) -> Key:
    return Key("" if store.ref.kind == CLUSTER_STORE else store.namespace, store.ref.name)
