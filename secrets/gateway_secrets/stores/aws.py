"""AWS Secrets Manager; and the choice between it and Parameter Store, which is :mod:`.aws_parameters`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from gateway_secrets.stores.aws_client import error_of, rfc3339, tags_of
from gateway_secrets.stores.aws_identity import AwsIdentity
from gateway_secrets.stores.aws_parameters import ParameterStore
from gateway_secrets.stores.aws_spec import AwsSpec, parse_spec, version_of
from gateway_secrets.stores.credentials import Scope
from gateway_secrets.stores.errors import (
    ForbiddenError,
    NotFoundError,
    RejectedError,
    StoreError,
    UnavailableError,
    UnusableError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Find, Metadata, Payload
from gateway_secrets.stores.pace import Turns
from gateway_secrets.stores.probing import PROBE, probed
from gateway_secrets.stores.pushed import TagMetadata, metadata_of, wanted_pairs
from gateway_secrets.stores.values import document_payload, matching_names
from gateway_secrets.stores.writing import MANAGED, check_managed, with_member, without_member

_BATCH_SECRETS = 20
_PAGE_SECRETS = 100


async def open_store(document: Any, scope: Scope, limits: StoreLimits) -> SecretsManagerStore | ParameterStore:
    """A store of ``spec.provider.aws``; sends nothing yet.

    Raises:
        MisconfiguredError: the manifest is wrong.
    """
    spec = parse_spec(document, where=f"{scope.label}: spec.provider.aws")
    if spec.service == "ParameterStore":
        return ParameterStore(spec, AwsIdentity("ssm", spec, scope, limits), limits)
    return SecretsManagerStore(spec, AwsIdentity("secretsmanager", spec, scope, limits), limits)


class SecretsManagerStore:
    """See the module. The provider's version is the VersionId."""

    provider = "aws"

    def __init__(self, spec: AwsSpec, identity: AwsIdentity, limits: StoreLimits) -> None:
        self._spec = spec
        self.identity = identity
        self._limits = limits
        self._turns = Turns(limits)
        self._writing = asyncio.Lock()
        self.batch_size = _BATCH_SECRETS

    async def read(self, key: str, version: str, *, within: float) -> Payload:  # noqa: ARG002 - the reader's deadline
        wanted = {"SecretId": self._spec.prefix + key, **version_of(version)}
        return _payload(await self._ask("get_secret_value", key, **wanted), key)

    async def read_many(self, keys: Sequence[str], *, within: float) -> Mapping[str, Payload | StoreError]:
        ends = time.monotonic() + within
        names = {self._spec.prefix + key: key for key in keys}
        found: dict[str, Payload | StoreError] = {}
        more: dict[str, Any] = {}
        while True:
            try:
                page = await self._ask("batch_get_secret_value", "a batch", SecretIdList=list(names), **more)
            except ForbiddenError as error:
                # A right of its own, which policies written for single reads do not grant.
                if not isinstance(error, RejectedError):
                    self.batch_size = 1
                raise
            for item in page.get("SecretValues") or []:
                key = names.get(str(item.get("Name"))) or names.get(str(item.get("ARN")))
                if key is not None:
                    found[key] = _result(item, key)
            for item in page.get("Errors") or []:
                key = names.get(str(item.get("SecretId")))
                if key is not None:
                    found[key] = error_of(str(item.get("ErrorCode")), str(item.get("Message") or ""), what=key)
            more = {"NextToken": page.get("NextToken")}
            if not more["NextToken"]:
                return found
            await self._turns.left(ends)

    async def describe(self, key: str, *, within: float) -> Metadata:  # noqa: ARG002
        found = await self._ask("describe_secret", key, SecretId=self._spec.prefix + key)
        if found.get("DeletedDate"):
            raise NotFoundError(f"{key}: was deleted")
        stages = found.get("VersionIdsToStages") or {}
        current = next((version for version, names in stages.items() if "AWSCURRENT" in names), "")
        return Metadata(current, rfc3339(found.get("LastChangedDate") or found.get("CreatedDate")), tags_of(found))

    async def find(self, find: Find, *, within: float) -> Sequence[str]:
        ends = time.monotonic() + within
        start = self._spec.prefix + find.path
        filters = [{"Key": "name", "Values": [start]}] if start else []
        for name, value in find.tags.items():
            filters += [{"Key": "tag-key", "Values": [name]}, {"Key": "tag-value", "Values": [value]}]
        names: list[str] = []
        more: dict[str, Any] = {}
        while True:
            page = await self._ask("list_secrets", "searching", Filters=filters, MaxResults=_PAGE_SECRETS, **more)
            # The filters match any key with any value, and names without regard to case in some places.
            names += [
                str(item["Name"]).removeprefix(self._spec.prefix)
                for item in page.get("SecretList") or []
                if str(item["Name"]).startswith(start) and find.tags.items() <= tags_of(item).items()
            ]
            if len(names) > self._limits.found_secrets:
                raise UnusableError(f"more than {self._limits.found_secrets} secrets are there: narrow the search")
            more = {"NextToken": page.get("NextToken")}
            if not more["NextToken"]:
                return matching_names(find.name, sorted(names))
            await self._turns.left(ends)

    async def write(self, key: str, name: str, value: bytes, *, within: float) -> str:
        ends = time.monotonic() + within
        secret = self._spec.prefix + key
        async with self._writing:
            current = await self._own(key)
            if current is None:
                tags = [{"Key": MANAGED[0], "Value": MANAGED[1]}]
                new = _content(with_member(None, name, value, key=key))
                return str((await self._ask("create_secret", key, Name=secret, Tags=tags, **new))["VersionId"])
            new_value = with_member(current.whole, name, value, key=key)
            if new_value == current.whole:
                return current.version
            await self._turns.left(ends)
            put = await self._ask("put_secret_value", key, SecretId=secret, **_content(new_value))
            return str(put["VersionId"])

    def check_metadata(self, metadata: Any, *, where: str) -> None:
        metadata_of(metadata, TagMetadata, where=where)

    async def annotate(self, key: str, metadata: Any, *, within: float) -> None:
        ends = time.monotonic() + within
        shall, secret = metadata_of(metadata, TagMetadata, where="metadata"), self._spec.prefix + key
        async with self._writing:
            found = await self._ask("describe_secret", key, SecretId=secret)
            present = tags_of(found)
            check_managed(present, key)
            wanted = wanted_pairs(shall.tags, present, "Replace")
            if gone := sorted(name for name in present.keys() - wanted.keys() if not name.startswith("aws:")):
                await self._turns.left(ends)
                await self._ask("untag_resource", key, SecretId=secret, TagKeys=gone)
            if new := [{"Key": name, "Value": text} for name, text in wanted.items() if present.get(name) != text]:
                await self._turns.left(ends)
                await self._ask("tag_resource", key, SecretId=secret, Tags=new)
            if shall.description and shall.description != found.get("Description"):
                await self._turns.left(ends)
                await self._ask("update_secret", key, SecretId=secret, Description=shall.description)

    async def remove(self, key: str, name: str, *, within: float) -> None:
        ends = time.monotonic() + within
        secret = self._spec.prefix + key
        async with self._writing:
            current = await self._own(key)
            if current is None:
                return
            rest = without_member(current.whole or b"", name, key=key)
            await self._turns.left(ends)
            if rest == current.whole:
                return
            if rest is not None:
                await self._ask("put_secret_value", key, SecretId=secret, **_content(rest))
                return
            how = self._spec.secrets_manager
            options: dict[str, Any] = {}
            if how.force_delete_without_recovery:
                options["ForceDeleteWithoutRecovery"] = True
            elif how.recovery_window_in_days:
                options["RecoveryWindowInDays"] = how.recovery_window_in_days
            await self._ask("delete_secret", key, SecretId=secret, **options)

    async def check(self, *, within: float) -> None:
        await probed(self.describe(PROBE, within=within))

    async def close(self) -> None:
        await self.identity.close()

    async def _own(self, key: str) -> Payload | None:
        """What is there to be changed; None if there is nothing. One that waits to be deleted is taken back first."""
        secret = self._spec.prefix + key
        try:
            found = await self._ask("describe_secret", key, SecretId=secret)
        except NotFoundError:
            return None
        check_managed(tags_of(found), key)
        if found.get("DeletedDate"):
            await self._ask("restore_secret", key, SecretId=secret)
        if not found.get("VersionIdsToStages"):
            return Payload(b"")
        return await self.read(key, "", within=0)

    async def _ask(self, operation: str, key: str, **parameters: Any) -> dict[str, Any]:
        return await self.identity.ask(lambda client: client.call(operation, what=key, **parameters))


def _result(item: Mapping[str, Any], key: str) -> Payload | StoreError:
    try:
        return _payload(item, key)
    except StoreError as error:
        return error


def _payload(answer: Mapping[str, Any], key: str) -> Payload:
    text, data = answer.get("SecretString"), answer.get("SecretBinary")
    whole = text.encode() if isinstance(text, str) else data
    if not isinstance(whole, bytes):
        raise UnavailableError(f"{key}: the answer is not what Secrets Manager gives: it holds no value")
    version, created = str(answer.get("VersionId") or ""), rfc3339(answer.get("CreatedDate"))
    return document_payload(whole, version=version, created=created)


def _content(value: bytes) -> dict[str, Any]:
    try:
        return {"SecretString": value.decode()}
    except UnicodeDecodeError:
        return {"SecretBinary": value}
