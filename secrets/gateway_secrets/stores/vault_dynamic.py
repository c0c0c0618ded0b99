"""Secrets that Vault makes when it is asked for them (``VaultDynamicSecret`` of generators.external-secrets.io/v1alpha1).

They last as long as their lease, and as the token that they were asked for with: whoever holds one renews it here before
its end, or asks for another, and gives back the old one when nothing uses it any more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from gateway_secrets.stores.credentials import Scope
from gateway_secrets.stores.errors import MisconfiguredError, NotFoundError, UnavailableError
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.manifest import typed
from gateway_secrets.stores.pace import Pace
from gateway_secrets.stores.values import fields_of, go_json
from gateway_secrets.stores.vault import VaultStore, open_store
from gateway_secrets.stores.vault_spec import quoted


class DynamicSpec(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """``spec``. ``provider`` is ``spec.provider.vault`` of a store. Retries are ours: ``retrySettings`` is not used."""

    path: str
    provider: dict[str, Any]
    method: str = "GET"
    parameters: dict[str, Any] = {}
    get_parameters: dict[str, tuple[str, ...]] = {}
    result_type: Literal["Data", "Auth", "Raw"] = "Data"
    allow_empty_response: bool = False
    controller: str = ""
    retry_settings: dict[str, Any] | None = None


class Lease(msgspec.Struct, frozen=True):
    """What a secret that was made may be used for: until ``ends`` (seconds since the epoch), ``seconds`` in all."""

    id: str
    ends: float
    seconds: float
    renewable: bool = False

    def due(self, part: float) -> float:
        """When ``part`` of its life is over, in seconds since the epoch: the time to renew or replace it."""
        return self.ends - self.seconds * (1.0 - part)


class Generated(msgspec.Struct, frozen=True):
    """What was made, by name, and its lease; None if it has none. The values are in no ``repr``."""

    values: Mapping[str, bytes]
    lease: Lease | None = None

    def __repr__(self) -> str:
        return f"Generated({sorted(self.values)}, lease={self.lease!r})"


async def open_dynamic(document: Any, scope: Scope, limits: StoreLimits | None = None) -> VaultDynamic:
    """What ``spec`` of a VaultDynamicSecret describes; ``scope`` is that of a SecretStore in its namespace.

    Raises:
        StoreError: the manifest is wrong, or certificates cannot be had.
    """
    spec = typed(document, DynamicSpec, where=f"{scope.label}: spec")
    bounds = limits or StoreLimits()
    return VaultDynamic(spec, await open_store(spec.provider, scope, bounds), bounds)


class VaultDynamic:
    """See the module. Every method raises the errors of :mod:`.errors` and no others."""

    def __init__(self, spec: DynamicSpec, store: VaultStore, limits: StoreLimits) -> None:
        self._spec = spec
        self._path = quoted([spec.path.strip("/").removeprefix("v1/")], spec.path)
        self._store = store
        self._pace = Pace(limits)
        self._held: set[str] = set()

    async def generate(self) -> Generated:
        """Have a secret made. One whose answer was lost ends with its lease."""
        answer = await self._ask(self._send, self._spec.path)
        if answer is None and self._spec.allow_empty_response:
            return Generated({})
        part = answer
        if self._spec.result_type != "Raw" and isinstance(answer, dict):
            part = answer.get(self._spec.result_type.lower())
        if not isinstance(part, dict):
            raise NotFoundError(f"{self._spec.path}: the answer has no {self._spec.result_type.lower()}")
        values = fields_of(go_json(part, html=True))
        lease = self._lease(answer, str(answer.get("lease_id") or ""))
        if lease is not None:
            self._held.add(lease.id)
        return Generated(values or {}, lease)

    async def renew(self, lease: Lease) -> Lease:
        """The same lease with a later end: at its greatest life, with the one that it had.

        Raises:
            NotFoundError: there is no such lease any more, and the secret is no good.
        """
        body = {"lease_id": lease.id, "increment": max(1, int(lease.seconds))}
        try:
            answer = await self._ask(lambda client: client.adapter.put("/v1/sys/leases/renew", json=body), "renewing")
        except MisconfiguredError as error:
            if "lease not found" in str(error) or "expired" in str(error):
                raise NotFoundError(str(error)) from None
            raise
        renewed = self._lease(answer, lease.id)
        if renewed is None:
            raise UnavailableError("renewing a lease: the answer holds none")
        return renewed

    async def revoke(self, lease: Lease) -> None:
        """End a secret; it is no good from here on."""
        body = {"lease_id": lease.id, "sync": True}
        await self._ask(lambda client: client.adapter.put("/v1/sys/leases/revoke", json=body), "revoking")
        self._held.discard(lease.id)

    async def close(self) -> None:
        """Give back connections; and the token, if nothing that was made with it would end with it."""
        await self._store.close(keep_token=bool(self._held))

    def _send(self, client: Any) -> Any:
        url, spec = f"/v1/{self._path}", self._spec
        if spec.method == "GET":
            return client.adapter.get(url, params={name: list(values) for name, values in spec.get_parameters.items()})
        if spec.method == "LIST":
            return client.adapter.list(url)
        if spec.method == "DELETE":
            return client.adapter.delete(url)
        return client.adapter.post(url, json=spec.parameters)

    async def _ask(self, ask: Any, what: str) -> Any:
        return await self._pace.call(lambda within: self._store.ask(ask, what, within))

    def _lease(self, answer: Any, lease_id: str) -> Lease | None:
        if not lease_id or not isinstance(answer, dict):
            return None
        seconds = float(answer.get("lease_duration") or 0)
        # It is revoked with the token.
        seconds = min(seconds, self._store.tokens.seconds_left())
        return Lease(lease_id, time.time() + seconds, seconds, answer.get("renewable") is True)
