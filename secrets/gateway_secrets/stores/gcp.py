"""Google Cloud Secret Manager."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from gateway_secrets.stores.credentials import Scope
from gateway_secrets.stores.errors import NotFoundError, UnusableError
from gateway_secrets.stores.gcp_client import GcpClient, NotEnabledError, TokenRefusedError
from gateway_secrets.stores.gcp_spec import (
    GcpSpec,
    endpoint,
    label_filter,
    parent_name,
    parse_spec,
    secret_name,
    version_name,
)
from gateway_secrets.stores.gcp_tokens import GcpTokens
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Metadata, Payload
from gateway_secrets.stores.pace import Turns
from gateway_secrets.stores.probing import PROBE, probed
from gateway_secrets.stores.values import document_payload, matching_names
from gateway_secrets.stores.writing import MANAGED, check_managed, with_member, without_member

_T = TypeVar("_T")
_PAGE_SECRETS = 250


async def open_store(document: Any, scope: Scope, limits: StoreLimits) -> GcpStore:
    """A store of ``spec.provider.gcpsm``; sends nothing yet.

    Raises:
        MisconfiguredError: the manifest is wrong.
    """
    spec = parse_spec(document, where=f"{scope.label}: spec.provider.gcpsm")
    return GcpStore(spec, GcpTokens(spec, scope), limits)


class GcpStore:
    """See the module. The provider's version is a number."""

    provider = "gcpsm"

    def __init__(self, spec: GcpSpec, tokens: GcpTokens, limits: StoreLimits) -> None:
        self._spec = spec
        self.tokens = tokens
        self._limits = limits
        self._turns = Turns(limits)
        self._writing = asyncio.Lock()
        self._client: GcpClient | None = None

    async def read(self, key: str, version: str, *, within: float) -> Payload:
        ends = time.monotonic() + within
        try:
            return await self._accessed(key, version_name(self._spec, key, version), ends)
        except NotEnabledError:
            if version or self._spec.selection != "LatestOrFetch":
                raise
        await self._turns.left(ends)
        newest = await self._newest_enabled(key, ends)
        return await self._accessed(key, newest, ends)

    async def describe(self, key: str, *, within: float) -> Metadata:
        ends = time.monotonic() + within
        secret = await self._call("get_secret", {"name": secret_name(self._spec, key)}, key, ends)
        document = {"annotations": dict(secret.annotations), "labels": dict(secret.labels)}
        await self._turns.left(ends)
        try:
            newest = await self._call("get_secret_version", {"name": version_name(self._spec, key, "")}, key, ends)
        except NotFoundError:
            return Metadata(document=document)  # it has no version yet
        return Metadata(_number(newest.name), newest.create_time.rfc3339(), document)

    async def find(self, find: Find, *, within: float) -> Sequence[str]:
        ends = time.monotonic() + within
        wanted = label_filter(find.tags)
        if wanted is None:
            return []
        request = {"parent": parent_name(self._spec), "page_size": _PAGE_SECRETS, "filter": wanted}
        names: list[str] = []

        async def search(client: GcpClient, token: str) -> None:
            names.clear()
            async for page in client.pages("list_secrets", request, token=token, within=ends - time.monotonic()):
                found = [(secret.name.rpartition("/")[2], dict(secret.labels)) for secret in page.secrets]
                names.extend(
                    name for name, labels in found if name.startswith(find.path) and find.tags.items() <= labels.items()
                )
                if len(names) > self._limits.found_secrets:
                    raise UnusableError(f"more than {self._limits.found_secrets} secrets are there: narrow the search")
                if page.next_page_token:
                    await self._turns.left(ends)

        await self._with_token(search)
        return matching_names(find.name, sorted(names))

    async def write(self, key: str, name: str, value: bytes, *, within: float) -> str:
        ends = time.monotonic() + within
        async with self._writing:
            exists, current = await self._own(key, ends)
            new = with_member(current.whole if current else None, name, value, key=key)
            if current is not None and new == current.whole:
                return current.version
            if not exists:
                secret: dict[str, Any] = {"labels": dict([MANAGED])}
                if not self._spec.location:
                    secret["replication"] = {"automatic": {}}
                request = {"parent": parent_name(self._spec), "secret_id": key, "secret": secret}
                await self._call("create_secret", request, key, ends)
            return await self._added(key, new, ends)

    async def remove(self, key: str, name: str, *, within: float) -> None:
        ends = time.monotonic() + within
        async with self._writing:
            exists, current = await self._own(key, ends)
            if not exists:
                return
            rest = without_member(current.whole or b"", name, key=key) if current else None
            if rest is None:
                await self._call("delete_secret", {"name": secret_name(self._spec, key)}, key, ends)
            elif current is not None and rest != current.whole:
                await self._added(key, rest, ends)

    async def check(self, *, within: float) -> None:
        await probed(self.describe(PROBE, within=within))

    async def close(self) -> None:
        self.tokens.close()
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _own(self, key: str, ends: float) -> tuple[bool, Payload | None]:
        """Whether there is a secret, which may be changed then, and what it holds."""
        try:
            secret = await self._call("get_secret", {"name": secret_name(self._spec, key)}, key, ends)
        except NotFoundError:
            return False, None
        check_managed(dict(secret.labels), key)
        try:
            return True, await self._accessed(key, version_name(self._spec, key, ""), ends)
        except NotFoundError:
            return True, None

    async def _accessed(self, key: str, name: str, ends: float) -> Payload:
        answer = await self._call("access_secret_version", {"name": name}, key, ends)
        return document_payload(bytes(answer.payload.data), version=_number(answer.name))

    async def _added(self, key: str, value: bytes, ends: float) -> str:
        request = {"parent": secret_name(self._spec, key), "payload": {"data": value}}
        return _number((await self._call("add_secret_version", request, key, ends)).name)

    async def _newest_enabled(self, key: str, ends: float) -> str:
        request = {"parent": secret_name(self._spec, key), "filter": "state:ENABLED"}

        async def search(client: GcpClient, token: str) -> str:
            # Newest first.
            async for page in client.pages(
                "list_secret_versions", request, token=token, within=ends - time.monotonic()
            ):
                for version in page.versions:
                    return str(version.name)
            raise NotFoundError(f"{key}: no version of it is enabled")

        return await self._with_token(search)

    async def _call(self, method: str, request: dict[str, Any], key: str, ends: float) -> Any:
        async def call(client: GcpClient, token: str) -> Any:
            return await client.call(method, request, what=key, token=token, within=ends - time.monotonic())

        return await self._with_token(call)

    async def _with_token(self, ask: Callable[[GcpClient, str], Awaitable[_T]]) -> _T:
        if self._client is None:
            self._client = GcpClient(endpoint("secretmanager", self._spec.location), self._limits)
        token = await self.tokens.held.get()
        try:
            return await ask(self._client, token)
        except TokenRefusedError:
            self.tokens.held.drop(token)
        return await ask(self._client, await self.tokens.held.get())


def _number(name: str) -> str:
    return name.rpartition("/")[2]
