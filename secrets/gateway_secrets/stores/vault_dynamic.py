"""Secrets that Vault makes when it is asked for them (``VaultDynamicSecret`` of generators.external-secrets.io/v1alpha1).

They last as long as their lease, and as the token that they were asked for with: whoever holds one renews it here before
its end, or asks for another, and gives back the old one when nothing uses it any more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from gateway_secrets.stores.credentials import Scope
from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    RejectedError,
    StoreError,
    UnavailableError,
    UnreadyError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.pace import Pace
from gateway_secrets.stores.values import fields_of, go_json
from gateway_secrets.stores.vault import VaultStore, open_store
from gateway_secrets.stores.vault_dynamic_spec import DynamicSpec, Lease, Sort, dynamic_spec, path_of

_LEASE: Sort = "lease"
_TOKEN: Sort = "token"  # noqa: S105 - the name of a sort
_ENDLESS = 10.0 * 365 * 86_400
"""Seconds of a token that never ends."""
_NO_LEASE = re.compile(r"(?:^|: )40[03] .*(?:lease not found|lease expired|invalid lease|invalid accessor)", re.DOTALL)
"""As Vault says it, after the status (``vault/expiration.go``, ``vault/token_store.go``)."""


class Generated(msgspec.Struct, frozen=True):
    """What was made, by name, and its lease; None if it has none. The values are in no ``repr``."""

    values: Mapping[str, bytes]
    lease: Lease | None = None

    def __repr__(self) -> str:
        return f"Generated({sorted(self.values)}, lease={self.lease!r})"


Ask = Callable[[float], Awaitable[Any]]
"""A request, told how many seconds are left."""
Asker = Callable[[Ask, str], Awaitable[Any]]
"""Makes a request, paced and within a deadline, if it makes sense now; the text is what its errors begin with."""


async def open_dynamic(
    document: Any, scope: Scope, limits: StoreLimits | None = None, asker: Asker | None = None
) -> VaultDynamic:
    """What ``spec`` of a VaultDynamicSecret describes; ``scope`` is that of a SecretStore in its namespace.

    ``asker``: of all who ask the same server alike; None: it is asked at its own pace.

    Raises:
        StoreError: the manifest is wrong, or certificates cannot be had.
    """
    spec = dynamic_spec(document, where=f"{scope.label}: spec")
    bounds = limits or StoreLimits()
    return VaultDynamic(spec, await open_store(spec.provider, scope, bounds), bounds, asker)


class VaultDynamic:
    """See the module. Every method raises the errors of :mod:`.errors` and no others."""

    def __init__(self, spec: DynamicSpec, store: VaultStore, limits: StoreLimits, asker: Asker | None = None) -> None:
        self._spec = spec
        self._path = path_of(spec)
        self._store = store
        pace = Pace(limits)
        self._asker: Asker = asker or (lambda ask, _about: pace.call(ask))
        self._held: set[str] = set()
        self._logins: dict[str, int | None] = {}
        """By lease that was made here: the login whose token it was made with, None if that does not matter."""

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
        return Generated(values or {}, self._made(answer))

    async def renew(self, lease: Lease) -> Lease:
        """The same lease with a later end: at its greatest life, with the one that it had.

        Raises:
            NotFoundError: there is no such lease any more, and the secret is no good.
        """
        increment = max(1, int(lease.seconds))
        url, body = "/v1/sys/leases/renew", {"lease_id": lease.id, "increment": increment}
        if lease.sort == _TOKEN:
            url, body = "/v1/auth/token/renew-accessor", {"accessor": lease.id, "increment": increment}
        try:
            answer = await self._ask(lambda client: client.adapter.put(url, json=body), "renewing")
        except (MisconfiguredError, ForbiddenError) as error:
            raise _gone(error) or error from None
        found = answer.get("auth") if lease.sort == _TOKEN and isinstance(answer, dict) else answer
        known = msgspec.structs.replace(lease, until=await self._parent_renewed(lease))
        renewed = self._lease(found, known)
        if renewed is None:
            raise UnavailableError("renewing a lease: the answer holds none")
        return renewed

    async def look(self, lease: Lease) -> None:
        """Ask whether a lease is still good.

        Raises:
            NotFoundError: there is no such lease any more, and the secret is no good.
        """
        url, body = "/v1/sys/leases/lookup", {"lease_id": lease.id}
        if lease.sort == _TOKEN:
            url, body = "/v1/auth/token/lookup-accessor", {"accessor": lease.id}
        try:
            await self._ask(lambda client: client.adapter.put(url, json=body), "looking up a lease")
        except (MisconfiguredError, ForbiddenError) as error:
            raise _gone(error) or error from None

    async def revoke(self, lease: Lease) -> None:
        """End a secret; it is no good from here on. One that has ended is no error."""
        url, body = "/v1/sys/leases/revoke", {"lease_id": lease.id, "sync": True}
        if lease.sort == _TOKEN:
            url, body = "/v1/auth/token/revoke-accessor", {"accessor": lease.id}
        try:
            await self._ask(lambda client: client.adapter.put(url, json=body), "revoking")
        except (MisconfiguredError, ForbiddenError) as error:
            if _gone(error) is None:
                raise
        self._held.discard(lease.id)
        self._logins.pop(lease.id, None)

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
        return await self._asker(lambda within: self._store.ask(ask, what, within), what)

    def _made(self, answer: Any) -> Lease | None:
        """The lease of what was made; that of a token is the token's own life, known by its accessor."""
        if not isinstance(answer, dict):
            return None
        auth = answer.get("auth")
        if isinstance(auth, dict) and auth.get("accessor"):
            answer, lease_id, sort = auth, str(auth["accessor"]), _TOKEN
        else:
            lease_id, sort = str(answer.get("lease_id") or ""), _LEASE
        if not lease_id:
            return None
        self._held.add(lease_id)
        tokens, orphan = self._store.tokens, answer.get("orphan") is True
        self._logins[lease_id] = None if orphan else tokens.logins
        return self._lease(answer, Lease(lease_id, 0.0, 0.0, sort=sort, parent="" if orphan else tokens.accessor))

    async def _parent_renewed(self, lease: Lease) -> float | None:
        """When the token ends that a lease was asked for with. If another process or session obtained it, nobody else renews it
        than whoever renews the lease: if that is allowed, it is renewed here.
        """
        if not lease.parent or self._store.tokens.accessor in ("", lease.parent):
            return lease.until
        url, body = "/v1/auth/token/renew-accessor", {"accessor": lease.parent}
        try:
            answer = await self._ask(lambda client: client.adapter.put(url, json=body), "renewing a token")
        except StoreError:
            return lease.until
        auth = answer.get("auth") if isinstance(answer, dict) else None
        return time.time() + float(auth.get("lease_duration") or _ENDLESS) if isinstance(auth, dict) else lease.until

    def _lease(self, answer: Any, known: Lease) -> Lease | None:
        """A lease as an answer has it. ``known``: whose it is, and when the token ends that it was asked for with, as far as that is
        not the present one.
        """
        if not isinstance(answer, dict):
            return None
        seconds = float(answer.get("lease_duration") or 0)
        now = time.time()
        if known.sort == _TOKEN and not seconds:
            seconds = _ENDLESS
        # It is revoked with the token that it was asked for with.
        until = self._parent_ends(known)
        if until is not None:
            seconds = min(seconds, until - now)
        renewable = answer.get("renewable") is True
        return msgspec.structs.replace(known, ends=now + seconds, seconds=seconds, renewable=renewable, until=until)

    def _parent_ends(self, lease: Lease) -> float | None:
        """When the token ends that a lease was made with; as it is known, if that is not the present one."""
        tokens, login = self._store.tokens, self._logins.get(lease.id, -1)
        if lease.parent and tokens.accessor:
            present = lease.parent == tokens.accessor
        else:
            present = login is not None and (tokens.given or login == tokens.logins)
        left = tokens.seconds_left()
        if not present:
            return lease.until
        return time.time() + left if left != float("inf") else None


def _gone(error: StoreError) -> NotFoundError | None:
    """What an error is, if by it Vault says that there is no such lease or token any more.

    What is wrong with a certificate or a login says nothing of the lease.
    """
    own = not isinstance(error, UnreadyError | RejectedError)
    return NotFoundError(str(error)) if own and _NO_LEASE.search(str(error)) else None
