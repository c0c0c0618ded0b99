"""HashiCorp Vault and OpenBao: their KV engines, version 1 and 2."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from gateway_secrets.stores.credentials import Scope
from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    NoVersionsError,
    UnavailableError,
    UnusableError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Metadata, Payload
from gateway_secrets.stores.pace import Turns
from gateway_secrets.stores.values import document_payload, go_json, matching_names
from gateway_secrets.stores.vault_http import VaultHttp
from gateway_secrets.stores.vault_push import VaultPush
from gateway_secrets.stores.vault_spec import VaultSpec, check_version, data_path, metadata_path, parse_spec
from gateway_secrets.stores.vault_token import Tokens

_T = TypeVar("_T")
_SYSTEM_METADATA = ("created_time", "current_version", "delete_version_after")


async def open_store(document: Any, scope: Scope, limits: StoreLimits) -> VaultStore:
    """A store of ``spec.provider.vault``. Reads certificates; sends nothing to the server yet.

    Raises:
        StoreError: the manifest is wrong, or certificates cannot be had.
    """
    spec = parse_spec(document, where=f"{scope.label}: spec.provider.vault")
    ca = await scope.ca(spec.ca_bundle, spec.ca_provider)
    shown, key = spec.tls.cert_secret_ref, spec.tls.key_secret_ref
    if spec.auth.cert is not None:
        shown, key = spec.auth.cert.client_cert, spec.auth.cert.secret_ref
    client = b""
    if shown is not None and key is not None:
        client = await scope.secret(shown, "tls.crt") + b"\n" + await scope.secret(key, "tls.key")
    http = VaultHttp(spec.server, limits, scope.threads, ca=ca, client=client, headers=spec.headers)
    return VaultStore(spec, http, Tokens(spec, scope, http), limits)


class VaultStore:
    """See the module."""

    provider = "vault"

    def __init__(self, spec: VaultSpec, http: VaultHttp, tokens: Tokens, limits: StoreLimits) -> None:
        self._spec = spec
        self._http = http
        self.tokens = tokens
        self._limits = limits
        self._turns = Turns(limits)
        self._push = VaultPush(
            spec, self._turns, ask=self.ask,
            read=lambda key, within: self.read(key, "", within=within),
            describe=lambda key, within: self.describe(key, within=within),
        )  # fmt: skip

    async def read(self, key: str, version: str, *, within: float) -> Payload:
        check_version(self._spec, version, key)
        path = data_path(self._spec, key)
        params = {"version": version} if version else {}
        answer = await self.ask(lambda client: client.adapter.get(f"/v1/{path}", params=params), key, within)
        data = _member(answer, "data", key)
        if self._spec.version == "v1":
            return _payload(data, key)
        found = data.get("data")
        if found is None:
            raise NotFoundError(f"{key}: this version was deleted")
        metadata = _within(data, "metadata", key)
        created = str(metadata.get("created_time") or "")
        return _payload(found, key, version=str(metadata.get("version") or ""), created=created)

    async def describe(self, key: str, *, within: float) -> Metadata:
        if self._spec.version == "v1":
            raise NoVersionsError(f"{key}: KV v1 has no metadata")
        path = metadata_path(self._spec, key)
        answer = await self.ask(lambda client: client.adapter.get(f"/v1/{path}"), key, within)
        data = _member(answer, "data", key)
        version = str(data.get("current_version") or "")
        newest = _within(_within(data, "versions", key), version, key, "versions")
        document = {name: str(data[name]) for name in _SYSTEM_METADATA if data.get(name) is not None}
        document.update({name: str(value) for name, value in _within(data, "custom_metadata", key).items()})
        return Metadata(version, str(newest.get("created_time") or ""), document)

    async def find(self, find: Find, *, within: float) -> Sequence[str]:
        if find.tags and self._spec.version == "v1":
            raise MisconfiguredError("KV v1 has no metadata to find secrets by")
        ends = time.monotonic() + within
        names = await self._names(find.path, ends)
        names = matching_names(find.name, names)
        if not find.tags:
            return names
        tagged = []
        for name in names:
            metadata = await self.describe(name, within=await self._turns.left(ends))
            if find.tags.items() <= metadata.document.items():
                tagged.append(name)
        return tagged

    async def write(self, key: str, name: str, value: bytes, *, within: float) -> str:
        return await self._push.write(key, name, value, within=within)

    def check_metadata(self, metadata: Any, *, where: str) -> None:
        self._push.check_metadata(metadata, where=where)

    async def annotate(self, key: str, metadata: Any, *, within: float) -> None:
        await self._push.annotate(key, metadata, within=within)

    async def remove(self, key: str, name: str, *, within: float) -> None:
        await self._push.remove(key, name, within=within)

    async def check(self, *, within: float) -> None:
        await self.tokens.check(within)

    async def close(self, *, keep_token: bool = False) -> None:
        try:
            await self.tokens.close(revoke=not keep_token)
        finally:
            self._http.close()

    async def _names(self, path: str, ends: float) -> list[str]:
        """All names below a folder, however deep, in order."""
        names: list[str] = []
        folders = [f"{path.strip('/')}/" if path else ""]
        while folders:
            folder = folders.pop()
            url = metadata_path(self._spec, folder)
            within = await self._turns.left(ends)
            answer = await self.ask(partial(_list, f"/v1/{url}"), folder or "/", within)
            for name in _listed(answer, folder):
                (folders if str(name).endswith("/") else names).append(f"{folder}{name}")
            if len(names) + len(folders) > self._limits.found_secrets:
                raise UnusableError(f"more than {self._limits.found_secrets} secrets are there: narrow the search")
        return sorted(names)

    async def ask(self, ask: Callable[[Any], _T], what: str, within: float) -> _T:
        """What ``ask`` makes of a client of hvac, with the store's token; ``what`` begins every error.

        Raises:
            StoreError: the server refused, failed, or was not reached.
        """
        ends = time.monotonic() + within
        token = await self.tokens.get(within)
        namespace = self._spec.namespace
        try:
            left = ends - time.monotonic()
            return await self._http.call(ask, what=what, within=left, token=token, namespace=namespace)
        except ForbiddenError:
            if not await self.tokens.rejected(token, ends - time.monotonic()):
                raise
        token = await self.tokens.get(ends - time.monotonic())
        return await self._http.call(ask, what=what, within=ends - time.monotonic(), token=token, namespace=namespace)


def _list(url: str, client: Any) -> Any:
    return client.adapter.list(url)


def _member(answer: Any, name: str, key: str) -> dict[str, Any]:
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        raise UnavailableError(f"{key}: the answer has no {name!r}: is this a KV engine of the version that is set?")
    return found


def _within(data: dict[str, Any], name: str, key: str, where: str = "") -> dict[str, Any]:
    """An object that may be missing."""
    found = data.get(name)
    if found is not None and not isinstance(found, dict):
        raise UnavailableError(f"{key}: {where or name!r} of the answer is not what Vault would say")
    return found or {}


def _listed(answer: Any, folder: str) -> list[Any]:
    found = _member(answer, "data", folder).get("keys")
    if found is not None and not isinstance(found, list):
        raise UnavailableError(f"{folder or '/'}: 'keys' of the answer is not what Vault would say")
    return found or []


def _payload(data: Any, key: str, *, version: str = "", created: str = "") -> Payload:
    """As Vault's own client gives it: JSON, its keys in order."""
    if not isinstance(data, dict):
        raise UnusableError(f"{key}: not an object")
    try:
        return document_payload(go_json(data, html=True), version=version, created=created)
    except UnicodeEncodeError:
        raise UnusableError(f"{key}: holds text that is not Unicode") from None
