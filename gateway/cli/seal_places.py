"""Where a backup of keys is kept: a file, or a store. What goes there is encrypted already."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from gateway.cli.secrets_stores import Journal, opened, store_manifest
from gateway.config.load import load_config
from gateway_secrets.sealed.errors import InputError
from gateway_secrets.sealed.files import create, read_file
from gateway_secrets.stores.errors import NotFoundError
from gateway_secrets.stores.model import Reference
from gateway_secrets.stores.reader import Reader

_MEMBER = "keys.yaml"
_T = TypeVar("_T")


class Place(Protocol):
    """One backup. ``name``: for messages."""

    name: str

    def read(self) -> bytes:
        """What is there; empty if nothing is."""
        ...

    def write(self, data: bytes) -> None:
        """Put it there, in place of what is."""
        ...

    def time(self) -> datetime:
        """When it was written."""
        ...


class StoreOptions(msgspec.Struct, frozen=True):
    """A store, as the command line names it. ``credentials``: a folder of Secrets, else the cluster of the configuration
    has them, in ``namespace``.
    """

    name: str
    key: str
    namespace: str
    credentials: Path | None
    config: Path | None


def place_of(file: Path | None, store: StoreOptions) -> Place:
    """The file, or else what the store holds under its key."""
    return FilePlace(file) if file is not None else StorePlace(store)


class FilePlace:
    """A backup in a file that its owner alone may read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)

    def read(self) -> bytes:
        return read_file(self._path).data if self._path.exists() else b""

    def write(self, data: bytes) -> None:
        create(self._path, data, 0o600)

    def time(self) -> datetime:
        return datetime.fromtimestamp(self._path.stat().st_mtime, UTC)


class StorePlace:
    """A backup in a store; what goes there is encrypted already. Whatever is not the embedded store keeps objects: there it
    is a member.
    """

    def __init__(self, store: StoreOptions) -> None:
        loaded = load_config(store.config)
        self._options, self._config = store, loaded.config
        self._manifest = store_manifest(store.name, loaded)
        member = "" if "file" in self._manifest.spec.provider else _MEMBER
        self._reference = Reference(store.key, property=member)
        self._journal = Journal(loaded.config.audit, None, store=store.name, reference=self._reference)
        self.name = f"{store.name}, {store.key}"

    def read(self) -> bytes:
        async def what_is_there(reader: Reader) -> bytes:
            try:
                return (await reader.get(self._reference)).value
            except NotFoundError:
                return b""

        return self._ask(what_is_there)

    def write(self, data: bytes) -> None:
        async def put(reader: Reader) -> tuple[str, str]:
            return reader.provider, await reader.put(self._reference, data)

        self._journal.written(*self._ask(put))

    def time(self) -> datetime:
        created = self._ask(lambda reader: reader.describe(self._reference.key)).created
        if not created:
            raise InputError(f"{self.name}: the store does not say when this was written")
        return datetime.fromisoformat(created)

    def _ask(self, ask: Callable[[Reader], Awaitable[_T]]) -> _T:
        async def asked() -> _T:
            options = self._options
            async with opened(
                self._manifest, self._config, namespace=options.namespace, folder=options.credentials
            ) as reader:
                return await ask(reader)

        return asyncio.run(asked())
