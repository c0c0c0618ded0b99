"""Azure Key Vault: its secrets, the public parts of its keys, and its certificates."""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from gateway_secrets.stores.azure_client import AzureClient, DeletedError, StaleTokenError
from gateway_secrets.stores.azure_spec import AzureSpec, check_version, object_of, parse_spec
from gateway_secrets.stores.credentials import Scope
from gateway_secrets.stores.errors import MisconfiguredError, NotFoundError, UnavailableError, UnusableError
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Metadata, Payload
from gateway_secrets.stores.pace import Turns
from gateway_secrets.stores.probing import PROBE, probed
from gateway_secrets.stores.values import document_payload, go_json, matching_names
from gateway_secrets.stores.writing import MANAGED, check_managed, with_member, without_member

_T = TypeVar("_T")
_POLL_SECONDS = 0.5
_JWK = ("kty", "crv", "n", "e", "x", "y")


async def open_store(document: Any, scope: Scope, limits: StoreLimits) -> AzureStore:
    """A store of ``spec.provider.azurekv``; sends nothing yet.

    Raises:
        MisconfiguredError: the manifest is wrong.
    """
    spec = parse_spec(document, where=f"{scope.label}: spec.provider.azurekv")
    return AzureStore(spec, AzureClient(spec, scope, limits), limits)


class AzureStore:
    """See the module. The provider's version is 32 hexadecimal digits."""

    provider = "azurekv"

    def __init__(self, spec: AzureSpec, client: AzureClient, limits: StoreLimits) -> None:
        self._spec = spec
        self.client = client
        self._limits = limits
        self._turns = Turns(limits)
        self._writing = asyncio.Lock()

    async def read(self, key: str, version: str, *, within: float) -> Payload:  # noqa: ARG002 - the reader's deadline
        check_version(version, key)
        found, value = await self._found(key, version)
        return document_payload(value, version=_version(found), created=_time(found.properties.created_on))

    async def describe(self, key: str, *, within: float) -> Metadata:  # noqa: ARG002
        # A vault tells the newest version together with its value only; the value goes no further.
        found, _ = await self._found(key, "")
        about = found.properties
        times = {
            "created": about.created_on, "updated": about.updated_on, "expires": about.expires_on,
            "notBefore": about.not_before,
        }  # fmt: skip
        document = {**(about.tags or {}), **{name: _time(moment) for name, moment in times.items() if moment}}
        return Metadata(_version(found), _time(about.created_on), document)

    async def find(self, find: Find, *, within: float) -> Sequence[str]:
        ends = time.monotonic() + within

        async def search() -> list[str]:
            names: list[str] = []
            async for page in self.client.secrets.list_properties_of_secrets().by_page():
                found = [about async for about in page]
                names += [
                    str(about.name)
                    for about in found
                    if about.enabled
                    and str(about.name).startswith(find.path)
                    and find.tags.items() <= (about.tags or {}).items()
                ]
                if len(names) > self._limits.found_secrets:
                    raise UnusableError(f"more than {self._limits.found_secrets} secrets are there: narrow the search")
                await self._turns.left(ends)
            return names

        return matching_names(find.name, sorted(await self._ask(search, "searching")))

    async def write(self, key: str, name: str, value: bytes, *, within: float) -> str:
        ends = time.monotonic() + within
        secret = _secret_of(key)
        async with self._writing:
            current = await self._own(key)
            new = with_member(current.whole if current else None, name, value, key=key)
            if current is not None and new == current.whole:
                return current.version
            await self._turns.left(ends)
            try:
                return await self._set(secret, new, key)
            except DeletedError:
                await self._recovered(secret, key, ends)
            return await self._set(secret, new, key)

    async def remove(self, key: str, name: str, *, within: float) -> None:
        ends = time.monotonic() + within
        secret = _secret_of(key)
        async with self._writing:
            current = await self._own(key)
            if current is None:
                return
            rest = without_member(current.whole or b"", name, key=key)
            await self._turns.left(ends)
            if rest is None:
                await self._ask(lambda: self.client.secrets.delete_secret(secret), key)
            elif rest != current.whole:
                await self._set(secret, rest, key)

    async def check(self, *, within: float) -> None:
        await probed(self.describe(PROBE, within=within))

    async def close(self) -> None:
        await self.client.close()

    async def _found(self, key: str, version: str) -> tuple[Any, bytes]:
        """What is there, with its properties, and the value that it has to others."""
        kind, name = object_of(key)
        if kind == "secret":
            found: Any = await self._ask(lambda: self.client.secrets.get_secret(name, version), key)
            value = found.value
            if not isinstance(value, str):
                raise UnavailableError(f"{key}: the answer is not what Key Vault gives")
            return found, value.encode()
        if kind == "key":
            found = await self._ask(lambda: self.client.keys.get_key(name, version or None), key)
            return found, _jwk(found)
        if version:
            found = await self._ask(lambda: self.client.certificates.get_certificate_version(name, version), key)
        else:
            found = await self._ask(lambda: self.client.certificates.get_certificate(name), key)
        return found, bytes(found.cer)

    async def _own(self, key: str) -> Payload | None:
        """What is there to be changed; None if there is nothing."""
        try:
            found, value = await self._found(key, "")
        except NotFoundError:
            return None
        check_managed(found.properties.tags or {}, key)
        return Payload(value, version=_version(found))

    async def _set(self, name: str, value: bytes, key: str) -> str:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise UnusableError(f"{key}: Key Vault holds text only") from None
        return _version(await self._ask(lambda: self.client.secrets.set_secret(name, text, tags=dict([MANAGED])), key))

    async def _recovered(self, name: str, key: str, ends: float) -> None:
        """One that was deleted, and is kept by the vault for a while, taken back."""
        deleted = await self._ask(lambda: self.client.secrets.get_deleted_secret(name), key)
        check_managed(deleted.properties.tags or {}, key)
        await self._ask(lambda: self.client.secrets.recover_deleted_secret(name), key)
        while True:
            await self._turns.left(ends)
            try:
                await self._found(key, "")
            except NotFoundError:
                await asyncio.sleep(_POLL_SECONDS)
            else:
                return

    async def _ask(self, ask: Callable[[], Awaitable[_T]], key: str) -> _T:
        """What ``ask`` gives; once more with a new token if one that was good before is not any more."""
        held = self.client.tokens.held
        token = held.present
        try:
            async with self.client.translated(key):
                return await ask()
        except StaleTokenError:
            if token is None:
                raise
            held.drop(token)
        async with self.client.translated(key):
            return await ask()


def _secret_of(key: str) -> str:
    kind, name = object_of(key)
    if kind != "secret":
        raise MisconfiguredError(f"{key}: secrets are pushed, not keys or certificates")
    return name


def _version(found: Any) -> str:
    return str(found.properties.version or "")


def _time(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment is not None else ""


def _jwk(found: Any) -> bytes:
    """The public key, as JSON (RFC 7517)."""
    key = found.key
    document: dict[str, Any] = {"kid": str(found.id), "key_ops": list(found.key_operations or [])}
    for name in _JWK:
        value = getattr(key, name, None)
        if value:
            document[name] = (
                urlsafe_b64encode(value).rstrip(b"=").decode()
                if isinstance(value, bytes)
                else getattr(value, "value", value)
            )
    return go_json(document, html=True)
