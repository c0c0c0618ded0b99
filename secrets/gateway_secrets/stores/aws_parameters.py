"""AWS Systems Manager Parameter Store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gateway_secrets.stores.aws_client import rfc3339, tags_of
from gateway_secrets.stores.aws_identity import AwsIdentity
from gateway_secrets.stores.aws_spec import AwsSpec
from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    StoreError,
    UnusableError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Metadata, Payload
from gateway_secrets.stores.pace import Turns
from gateway_secrets.stores.probing import PROBE, probed
from gateway_secrets.stores.pushed import TagMetadata, metadata_of, wanted_pairs
from gateway_secrets.stores.values import document_payload, matching_names
from gateway_secrets.stores.writing import MANAGED, check_managed, with_member, without_member

_BATCH_PARAMETERS = 10
_PAGE_BY_PATH = 10
_PAGE_DESCRIBED = 50


class ParameterStore:
    """See the module. Versions are numbers, or labels."""

    provider = "aws"

    def __init__(self, spec: AwsSpec, identity: AwsIdentity, limits: StoreLimits) -> None:
        self._spec = spec
        self.identity = identity
        self._limits = limits
        self._turns = Turns(limits)
        self._writing = asyncio.Lock()
        self.batch_size = _BATCH_PARAMETERS

    async def read(self, key: str, version: str, *, within: float) -> Payload:  # noqa: ARG002 - the reader's deadline
        name = self._spec.prefix + key + (f":{version}" if version else "")
        found = await self._ask("get_parameter", key, Name=name, WithDecryption=True)
        return _payload(found.get("Parameter") or {}, key)

    async def read_many(self, keys: Sequence[str], *, within: float) -> Mapping[str, Payload | StoreError]:  # noqa: ARG002
        names = {self._spec.prefix + key: key for key in keys}
        answer = await self._ask("get_parameters", "a batch", Names=list(names), WithDecryption=True)
        found: dict[str, Payload | StoreError] = {}
        for item in answer.get("Parameters") or []:
            key = names.get(str(item.get("Name"))) or names.get(str(item.get("ARN")))
            if key is not None:
                found[key] = _result(item, key)
        for name in answer.get("InvalidParameters") or []:
            if name in names:
                found[names[name]] = NotFoundError(f"{names[name]}: no such parameter")
        return found

    async def describe(self, key: str, *, within: float) -> Metadata:
        ends = time.monotonic() + within
        # Not decrypted: what comes with the version is the ciphertext.
        answer = await self._ask("get_parameter", key, Name=self._spec.prefix + key, WithDecryption=False)
        found = answer.get("Parameter") or {}
        await self._turns.left(ends)
        return Metadata(str(found.get("Version") or ""), rfc3339(found.get("LastModifiedDate")), await self._tags(key))

    async def find(self, find: Find, *, within: float) -> Sequence[str]:
        ends = time.monotonic() + within
        start = self._spec.prefix + find.path
        path = start if start.startswith("/") else ""
        if find.tags:
            names = await self._described(path, find.tags, ends)
        else:
            try:
                names = await self._by_path(path or "/", ends)
            except ForbiddenError:
                names = await self._described(path, {}, ends)
        inside = [name.removeprefix(self._spec.prefix) for name in sorted(names) if name.startswith(start)]
        return matching_names(find.name, inside)

    async def write(self, key: str, name: str, value: bytes, *, within: float) -> str:
        ends = time.monotonic() + within
        async with self._writing:
            current = await self._own(key)
            new = with_member(current.whole if current else None, name, value, key=key)
            if current is not None and new == current.whole:
                return current.version
            await self._turns.left(ends)
            tags = {} if current else {"Tags": [{"Key": MANAGED[0], "Value": MANAGED[1]}]}
            return await self._put(key, new, overwrite=current is not None, **tags)

    def check_metadata(self, metadata: Any, *, where: str) -> None:
        if metadata_of(metadata, TagMetadata, where=where).description:
            raise MisconfiguredError(f"{where}.spec.description: is not done here for Parameter Store: leave it out")

    async def annotate(self, key: str, metadata: Any, *, within: float) -> None:
        ends = time.monotonic() + within
        shall = metadata_of(metadata, TagMetadata, where="metadata")
        about = {"ResourceType": "Parameter", "ResourceId": self._spec.prefix + key}
        async with self._writing:
            present = await self._tags(key)
            check_managed(present, key)
            wanted = wanted_pairs(shall.tags, present, "Replace")
            if gone := sorted(name for name in present.keys() - wanted.keys() if not name.startswith("aws:")):
                await self._turns.left(ends)
                await self._ask("remove_tags_from_resource", key, TagKeys=gone, **about)
            if new := [{"Key": name, "Value": text} for name, text in wanted.items() if present.get(name) != text]:
                await self._turns.left(ends)
                await self._ask("add_tags_to_resource", key, Tags=new, **about)

    async def remove(self, key: str, name: str, *, within: float) -> None:
        ends = time.monotonic() + within
        async with self._writing:
            current = await self._own(key)
            if current is None:
                return
            rest = without_member(current.whole or b"", name, key=key)
            await self._turns.left(ends)
            if rest is None:
                await self._ask("delete_parameter", key, Name=self._spec.prefix + key)
            elif rest != current.whole:
                await self._put(key, rest, overwrite=True)

    async def check(self, *, within: float) -> None:  # noqa: ARG002
        await probed(self._ask("get_parameter", PROBE, Name=self._spec.prefix + PROBE, WithDecryption=False))

    async def close(self) -> None:
        await self.identity.close()

    async def _put(self, key: str, value: bytes, *, overwrite: bool, **options: Any) -> str:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise UnusableError(f"{key}: Parameter Store holds text only") from None
        put = await self._ask(
            "put_parameter", key, Name=self._spec.prefix + key, Value=text, Type="SecureString", Overwrite=overwrite,
            **options,
        )  # fmt: skip
        return str(put.get("Version") or "")

    async def _own(self, key: str) -> Payload | None:
        """What is there to be changed; None if there is nothing."""
        try:
            found = await self.read(key, "", within=0)
        except NotFoundError:
            return None
        check_managed(await self._tags(key), key)
        return found

    async def _tags(self, key: str) -> dict[str, str]:
        return tags_of(
            await self._ask("list_tags_for_resource", key, ResourceType="Parameter", ResourceId=self._spec.prefix + key)
        )

    async def _by_path(self, path: str, ends: float) -> list[str]:
        return await self._names(
            "get_parameters_by_path", ends, Path=path, Recursive=True, WithDecryption=False, MaxResults=_PAGE_BY_PATH
        )

    async def _described(self, path: str, tags: Mapping[str, str], ends: float) -> list[str]:
        filters = [{"Key": f"tag:{name}", "Option": "Equals", "Values": [value]} for name, value in tags.items()]
        if path.strip("/"):
            filters.append({"Key": "Path", "Option": "Recursive", "Values": [path.rstrip("/")]})
        return await self._names("describe_parameters", ends, ParameterFilters=filters, MaxResults=_PAGE_DESCRIBED)

    async def _names(self, operation: str, ends: float, **parameters: Any) -> list[str]:
        names: list[str] = []
        more: dict[str, Any] = {}
        while True:
            page = await self._ask(operation, "searching", **parameters, **more)
            names += [str(item["Name"]) for item in page.get("Parameters") or []]
            if len(names) > self._limits.found_secrets:
                raise UnusableError(f"more than {self._limits.found_secrets} parameters are there: narrow the search")
            more = {"NextToken": page.get("NextToken")}
            if not more["NextToken"]:
                return names
            await self._turns.left(ends)

    async def _ask(self, operation: str, key: str, **parameters: Any) -> dict[str, Any]:
        return await self.identity.ask(lambda client: client.call(operation, what=key, **parameters))


def _result(item: Mapping[str, Any], key: str) -> Payload | StoreError:
    try:
        return _payload(item, key)
    except StoreError as error:
        return error


def _payload(found: Mapping[str, Any], key: str) -> Payload:
    value = found.get("Value")
    if not isinstance(value, str):
        raise MisconfiguredError(f"{key}: the answer of Parameter Store holds no value")
    return document_payload(
        value.encode(), version=str(found.get("Version") or ""), created=rfc3339(found.get("LastModifiedDate"))
    )
