"""What ``govgate secrets`` needs around a store: its manifest, its credentials, and the record of what was done."""

from __future__ import annotations

import os
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.audit.control import note
from gateway.audit.state import DATABASE, state_folder
from gateway.config.load import LoadedConfig
from gateway.config.model import Audit, Config
from gateway.core.errors import UsageError
from gateway.kube import connect
from gateway_secrets.stores.credentials import Credentials, FolderCredentials, KubeCredentials, NoCredentials
from gateway_secrets.stores.errors import (
    StoreError,
)
from gateway_secrets.stores.manifest import API_VERSION, Manifest, parse_manifest, read_manifest
from gateway_secrets.stores.model import Reference
from gateway_secrets.stores.outcomes import outcome_of
from gateway_secrets.stores.reader import Reader
from gateway_secrets.stores.table import open_reader

_EMBEDDED = {
    "apiVersion": API_VERSION,
    "kind": "SecretStore",
    "metadata": {"name": "embedded"},
    "spec": {"provider": {"file": {}}},
}


def store_manifest(name: str, loaded: LoadedConfig) -> Manifest:
    """The store that ``--store`` names: one of the configuration, else a file; without a name the embedded one.

    Raises:
        StoreError: the file cannot be read, or is no store.
        UsageError: there is neither such a name nor such a file.
    """
    if not name:
        return parse_manifest(_EMBEDDED, source="the embedded store")
    configured = loaded.config.stores.get(name)
    if configured is not None:
        base = Path(loaded.source).parent
        return read_manifest(base / configured)
    if not Path(name).exists():
        raise UsageError(f"--store {name}: neither a file, nor a name below stores in {loaded.source}")
    return read_manifest(Path(name))


@asynccontextmanager
async def opened(manifest: Manifest, config: Config, *, namespace: str, folder: Path | None) -> AsyncIterator[Reader]:
    """A reader of the store, with the credentials in ``folder``, else of the configured cluster, if there is one.

    Raises:
        StoreError: the store cannot be opened.
        ClusterError: the cluster cannot be connected to.
    """
    async with _credentials(config, folder) as credentials:
        reader = await open_reader(manifest, credentials=credentials, namespace=namespace)
        try:
            yield reader
        finally:
            await reader.close()


@asynccontextmanager
async def _credentials(config: Config, folder: Path | None) -> AsyncIterator[Credentials]:
    client = None if folder is not None else await connect(config.cluster)
    if folder is not None:
        yield FolderCredentials(folder)
    elif client is None:
        yield NoCredentials()
    else:
        try:
            yield KubeCredentials(client)
        finally:
            await client.close()


class Journal:
    """Records who read or wrote which secret, if there is an audit log; never a value."""

    def __init__(self, audit: Audit, folder: Path | None, *, store: str, reference: Reference) -> None:
        """``folder``: of the log; else as configured, and then nothing is recorded if there is none.

        Each method raises AuditError if there is a log and it cannot be written.
        """
        self._audit = audit
        self._folder = folder or state_folder(audit.state_dir)
        self._wanted = folder is not None or (self._folder / DATABASE).exists()
        self._reference = reference
        self.store = store

    def read(self, provider: str, version: str, shown: str) -> None:
        """A value was read; ``shown``: stdout, file, or nothing."""
        self._note("secret-read", provider, version=version, outcome="read", shown=shown)

    def failed(self, provider: str, error: StoreError) -> None:
        """A value was asked for in vain."""
        self._note("secret-read", provider, version=self._reference.version, outcome=outcome_of(error))

    def written(self, provider: str, version: str) -> None:
        """A new version was stored."""
        self._note("secret-write", provider, version=version, outcome="written")

    def _note(self, kind: str, provider: str, **detail: Any) -> None:
        if not self._wanted:
            return
        what = {
            "actor": {"username": _user(), "uid": str(os.getuid())},
            "provider": provider,
            "store": self.store,
            "key": self._reference.key,
            "property": self._reference.property,
        }
        note(self._folder, self._audit, kind, {**what, **detail}, purpose="secrets")


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""
