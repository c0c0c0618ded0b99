"""Where a backup of keys is kept: a file, or a store. What goes there is encrypted already."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from gateway.cli.secrets_stores import Journal, store_manifest
from gateway.config.load import load_config
from gateway.core.errors import UsageError
from gateway_secrets.sealed.files import create, read_file
from gateway_secrets.stores.errors import NotFoundError
from gateway_secrets.stores.file import FileSpec, file_store
from gateway_secrets.stores.manifest import typed
from gateway_secrets.stores.model import Reference

_STORE_SECONDS = 30.0


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


def place_of(file: Path | None, store: str, key: str, config: Path | None) -> Place:
    """The file, or else what the store holds under ``key``."""
    return FilePlace(file) if file is not None else StorePlace(store, key, config)


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
    """A backup in an embedded store; what goes there is encrypted already."""

    def __init__(self, name: str, key: str, config: Path | None) -> None:
        loaded = load_config(config)
        manifest = store_manifest(name, loaded)
        if list(manifest.spec.provider) != ["file"]:
            raise UsageError("backups go into files and embedded stores (spec.provider.file)")
        where = f"{manifest.label}: spec.provider.file"
        self._store = file_store(typed(manifest.spec.provider["file"], FileSpec, where=where))
        self._key = key
        self._journal = Journal(loaded.config.audit, None, store=name, reference=Reference(key))
        self.name = f"{name}, {key}"

    def read(self) -> bytes:
        try:
            return asyncio.run(self._store.read(self._key, "", within=_STORE_SECONDS)).whole or b""
        except NotFoundError:
            return b""

    def write(self, data: bytes) -> None:
        number = self._store.put(self._key, data)
        self._journal.written("file", str(number))

    def time(self) -> datetime:
        created = asyncio.run(self._store.describe(self._key, within=_STORE_SECONDS)).created
        return datetime.fromisoformat(created)
