"""One Vault token for all who read a store: obtained once, renewed before it ends, obtained anew when it is no more."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import Any

import msgspec

from gateway_secrets.stores.credentials import Scope
from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    RejectedError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnreadyError,
    of_login,
)
from gateway_secrets.stores.vault_http import VaultHttp
from gateway_secrets.stores.vault_login import prepare
from gateway_secrets.stores.vault_spec import VaultSpec

_RENEW_AT = (0.6, 0.75)
"""Of its life: somewhere in between, so that tokens of one moment are not renewed in one moment."""
_REVOKE_SECONDS = 2.0
_BY_POLICY = "1 error occurred: * permission denied"
"""What Vault and OpenBao say to a token that is good, of what its policies do not grant; to one that is none they say less, or more."""


class _Token(msgspec.Struct, frozen=True):
    text: str
    renewable: bool = False
    renew_at: float = float("inf")
    ends: float = float("inf")
    accessor: str = ""

    def __repr__(self) -> str:
        return "_Token()"


class Tokens:
    """See the module."""

    def __init__(self, spec: VaultSpec, scope: Scope, http: VaultHttp) -> None:
        self._spec = spec
        self._scope = scope
        self._http = http
        self._namespace = spec.auth.namespace or spec.namespace
        self._held: _Token | None = None
        self._turn = asyncio.Lock()
        self._failures = 0
        self._failure: StoreError = UnavailableError("")
        self.logins = 0
        self.renewals = 0

    async def get(self, within: float) -> str:
        """A token that should be good.

        Raises:
            StoreError: the login failed, now or while this waited for its turn, or what it needs cannot be had.
        """
        held, now, failures = self._held, time.monotonic(), self._failures
        if held is not None and now < held.renew_at:
            return held.text
        async with self._turn:
            if self._held is not None and time.monotonic() < self._held.renew_at:
                return self._held.text
            if self._failures != failures:
                raise type(self._failure)(str(self._failure))  # one login for all who ask at once, also if it fails
            try:
                self._held = await self._renewed(within) or await self._login(within)
            except StoreError as error:
                self._failures += 1
                self._failure = error
                raise
            return self._held.text

    async def check(self, within: float) -> None:
        """Log in, or have a token that was given looked at. One that may not look itself up is not known to be bad.

        Raises:
            StoreError: the login failed, the token is none, or the server could not be asked.
        """
        ends = time.monotonic() + within
        token = await self.get(within)
        if self._spec.auth.token_secret_ref is None:
            return
        left = ends - time.monotonic()
        try:
            await self._ask(lambda client: client.auth.token.lookup_self(), "looking up the token", token, left)
        except ForbiddenError as error:
            if _BY_POLICY in str(error):
                return
            if not await self.rejected(token, ends - time.monotonic()):
                raise RejectedError(str(error)) from None

    async def rejected(self, token: str, within: float) -> bool:
        """After a refusal: whether it was the token's fault, and a new one may do better.

        Raises:
            StoreError: the server could not be asked.
        """
        async with self._turn:
            if self._held is None or self._held.text != token:
                return True
            if self._spec.auth.token_secret_ref is not None:
                with of_login():
                    fresh = await self._scope.text(self._spec.auth.token_secret_ref, "token")
                self._held = None if fresh != token else self._held
                return fresh != token
            try:
                await self._ask(lambda client: client.auth.token.lookup_self(), "looking up the token", token, within)
            except ForbiddenError:
                self._held = None
                return True
            return False

    @property
    def given(self) -> bool:
        """Whether it is one that was put there for the store, and not obtained by logging in."""
        return self._spec.auth.token_secret_ref is not None

    @property
    def accessor(self) -> str:
        """Of the present token; empty, if there is none, or it has none."""
        return self._held.accessor if self._held is not None else ""

    def seconds_left(self) -> float:
        """How long the present token is good, if it is not renewed."""
        return self._held.ends - time.monotonic() if self._held is not None else 0.0

    async def close(self, *, revoke: bool = True) -> None:
        """Give back a token that was obtained here; what was made with it ends then."""
        held, self._held = self._held, None
        if revoke and held is not None and self._spec.auth.token_secret_ref is None:
            with contextlib.suppress(StoreError):
                await self._ask(
                    lambda client: client.auth.token.revoke_self(), "revoking the token", held.text, _REVOKE_SECONDS
                )

    async def _renewed(self, within: float) -> _Token | None:
        held = self._held
        if held is None or not held.renewable or time.monotonic() >= held.ends:
            return None
        try:
            answer = await self._ask(
                lambda client: client.auth.token.renew_self(), "renewing the token", held.text, within
            )
        except (UnavailableError, ThrottledError):
            return held  # it is good for a while; the next read tries again
        except StoreError:
            return None
        self.renewals += 1
        renewed = _token_of(answer)
        # At its maximal life a token is renewed by next to nothing: then a new one is due.
        return renewed if renewed.renew_at - time.monotonic() > 1.0 else None

    async def _login(self, within: float) -> _Token:
        static = self._spec.auth.token_secret_ref
        if static is not None:
            with of_login():
                return await self._looked_up(await self._scope.text(static, "token"), within)
        try:
            with of_login():
                token = await self._logged_in(within)
        except StoreError as error:
            self._scope.logged_in(error)
            raise
        self._scope.logged_in()
        return token

    async def _logged_in(self, within: float) -> _Token:
        login = await prepare(self._spec.auth, self._scope)
        self.logins += 1
        try:
            answer = await self._http.call(
                login.send, what="logging in", within=within, namespace=self._namespace, hidden=login.hidden
            )
        except UnreadyError:
            raise
        except MisconfiguredError as error:
            # Vault says 400 to credentials that it does not take.
            raise RejectedError(str(error)) from None
        return _token_of(answer)

    async def _looked_up(self, token: str, within: float) -> _Token:
        """A static token with its life, so that it can be renewed; one that may not look itself up is used as it is."""
        try:
            answer = await self._ask(
                lambda client: client.auth.token.lookup_self(), "looking up the token", token, within
            )
        except ForbiddenError:
            return _Token(token)
        data = answer["data"] if isinstance(answer, dict) else {}
        life = {"client_token": token, "lease_duration": data.get("ttl"), "renewable": data.get("renewable")}
        life["accessor"] = data.get("accessor")
        return _token_of({"auth": life})

    async def _ask(self, ask: Any, what: str, token: str, within: float) -> Any:
        return await self._http.call(ask, what=what, within=within, token=token, namespace=self._namespace)


def _token_of(answer: Any) -> _Token:
    auth = answer.get("auth") if isinstance(answer, dict) else None
    if not isinstance(auth, dict) or not isinstance(auth.get("client_token"), str):
        raise UnavailableError("logging in: the answer holds no token")
    life, accessor = float(auth.get("lease_duration") or 0), str(auth.get("accessor") or "")
    if life <= 0:
        return _Token(auth["client_token"], accessor=accessor)
    now = time.monotonic()
    part = random.uniform(*_RENEW_AT)  # noqa: S311 - spreads load, hides nothing
    return _Token(auth["client_token"], auth.get("renewable") is True, now + life * part, now + life, accessor)
