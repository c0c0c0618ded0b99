"""Writing to Vault's KV engines, as ESO pushes: only what carries its mark is changed, and in KV v2 only the version seen.

The mark is in the custom metadata of KV v2; KV v1 has none, so there it is the member ``custom_metadata`` of the secret.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gateway_secrets.stores.errors import MisconfiguredError, NotFoundError, UnavailableError
from gateway_secrets.stores.model import Metadata, Payload
from gateway_secrets.stores.pace import Turns
from gateway_secrets.stores.pushed import VaultMetadata, metadata_of, wanted_pairs
from gateway_secrets.stores.values import go_json, parse_json
from gateway_secrets.stores.vault_spec import VaultSpec, data_path, metadata_path
from gateway_secrets.stores.writing import MANAGED, as_object, check_managed, with_member, without_member

_T = TypeVar("_T")
Ask = Callable[[Callable[[Any], Any], str, float], Awaitable[Any]]
Read = Callable[[str, float], Awaitable[Payload]]
Describe = Callable[[str, float], Awaitable[Metadata]]
_MARK_V1 = "custom_metadata"
_CONFLICT = "check-and-set"
_ATTEMPTS = 4


class VaultPush:
    """See the module. ``ask`` sends with a token; ``read`` and ``describe`` are the store's."""

    def __init__(self, spec: VaultSpec, turns: Turns, *, ask: Ask, read: Read, describe: Describe) -> None:
        self._spec = spec
        self._turns = turns
        self._ask = ask
        self._read = read
        self._describe = describe
        self._turn = asyncio.Lock()

    async def write(self, key: str, name: str, value: bytes, *, within: float) -> str:
        """As :class:`.model.WritableStore`."""
        async with self._turn:
            if self._spec.version == "v1":
                return await self._write_v1(key, name, value, time.monotonic() + within)
            return await self._again(lambda ends: self._write_v2(key, name, value, ends), within)

    async def remove(self, key: str, name: str, *, within: float) -> None:
        """As :class:`.model.WritableStore`."""
        async with self._turn:
            if self._spec.version == "v1":
                await self._remove_v1(key, name, time.monotonic() + within)
            else:
                await self._again(lambda ends: self._remove_v2(key, name, ends), within)

    def check_metadata(self, metadata: Any, *, where: str) -> VaultMetadata:
        """As :class:`.model.AnnotatedStore`: custom metadata, which KV v1 does not have."""
        if self._spec.version == "v1":
            raise MisconfiguredError(f"{where}: KV v1 has no metadata")
        return metadata_of(metadata, VaultMetadata, where=where)

    async def annotate(self, key: str, metadata: Any, *, within: float) -> None:
        """As :class:`.model.AnnotatedStore`."""
        ends = time.monotonic() + within
        shall = self.check_metadata(metadata, where="metadata")
        async with self._turn:
            path = metadata_path(self._spec, key)
            answer = await self._ask(lambda client: client.adapter.get(f"/v1/{path}"), key, within)
            data = answer.get("data") if isinstance(answer, dict) else None
            present = {name: str(value) for name, value in ((data or {}).get("custom_metadata") or {}).items()}
            check_managed(present, key)
            wanted = wanted_pairs(shall.custom_metadata, present, shall.merge_policy)
            if wanted != present:
                await self._post(path, json.dumps({"custom_metadata": wanted}).encode(), key, ends)

    async def _again(self, change: Callable[[float], Awaitable[_T]], within: float) -> _T:
        """The change, made anew from what is there if somebody else was quicker."""
        ends = time.monotonic() + within
        for _ in range(_ATTEMPTS):
            try:
                return await change(ends)
            except MisconfiguredError as error:
                if _CONFLICT not in str(error):
                    raise
            await self._turns.left(ends)
        raise UnavailableError("others write to this secret all the time")

    async def _write_v2(self, key: str, name: str, value: bytes, ends: float) -> str:
        metadata, current = await self._seen(key, ends)
        new = as_object(with_member(current, name, value, key=key), key=key)
        if metadata is not None and new == current:
            return metadata.version
        if metadata is None:
            # First: whoever makes only this half owns the secret, and finishes it when it comes again.
            mark = json.dumps({"custom_metadata": dict([MANAGED])}).encode()
            await self._post(metadata_path(self._spec, key), mark, key, ends)
        return await self._put_v2(key, new, metadata.version if metadata else "", ends)

    async def _remove_v2(self, key: str, name: str, ends: float) -> None:
        metadata, current = await self._seen(key, ends)
        if metadata is None:
            return
        rest = without_member(current, name, key=key) if current else None
        if rest is not None:
            if rest != current:
                await self._put_v2(key, rest, metadata.version, ends)
            return
        path = metadata_path(self._spec, key)
        await self._ask(lambda client: client.adapter.delete(f"/v1/{path}"), key, await self._turns.left(ends))

    async def _seen(self, key: str, ends: float) -> tuple[Metadata | None, bytes | None]:
        """What is known of a secret that may be changed, and its newest version if that was not deleted."""
        try:
            metadata = await self._describe(key, ends - time.monotonic())
        except NotFoundError:
            return None, None
        check_managed(metadata.document, key)
        try:
            found = await self._read(key, await self._turns.left(ends))
            return metadata, as_object(found.whole or b"{}", key=key)
        except NotFoundError:
            return metadata, None

    async def _put_v2(self, key: str, document: bytes, seen: str, ends: float) -> str:
        body = b'{"data":%s,"options":{"cas":%d}}' % (document, int(seen or 0))
        answer = await self._post(data_path(self._spec, key), body, key, ends)
        data = answer.get("data") if isinstance(answer, dict) else None
        return str((data or {}).get("version") or "")

    async def _write_v1(self, key: str, name: str, value: bytes, ends: float) -> str:
        current = await self._seen_v1(key, ends)
        new = as_object(with_member(current, name, value, key=key), key=key)
        if new != current:
            await self._post(data_path(self._spec, key), _marked(new), key, ends)
        return ""

    async def _remove_v1(self, key: str, name: str, ends: float) -> None:
        current = await self._seen_v1(key, ends)
        if current is None:
            return
        path = data_path(self._spec, key)
        rest = without_member(current, name, key=key)
        if rest is None:
            await self._ask(lambda client: client.adapter.delete(f"/v1/{path}"), key, await self._turns.left(ends))
        elif rest != current:
            await self._post(path, _marked(rest), key, ends)

    async def _seen_v1(self, key: str, ends: float) -> bytes | None:
        try:
            found = await self._read(key, ends - time.monotonic())
        except NotFoundError:
            return None
        members = parse_json(found.whole or b"{}")
        mark = members.pop(_MARK_V1, None)
        check_managed(mark if isinstance(mark, dict) else {}, key)
        return go_json(members, html=False)

    async def _post(self, path: str, body: bytes, key: str, ends: float) -> Any:
        # As bytes: numbers stay as they are written.
        within = await self._turns.left(ends)
        return await self._ask(lambda client: client.adapter.post(f"/v1/{path}", data=body), key, within)


def _marked(document: bytes) -> bytes:
    return go_json({**parse_json(document), _MARK_V1: dict([MANAGED])}, html=False)
