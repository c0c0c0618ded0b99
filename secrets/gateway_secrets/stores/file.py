"""The embedded store: an encrypted file and its key file, for laptops, demonstrations and tests.

``spec.provider.file`` has ``path`` and ``keyFile``; without them both lie in ``$XDG_DATA_HOME/govgate``. Readers read
the file anew when it has changed. Writers take turns by a lock, and replace the file as a whole.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from gateway.audit.chain import rfc3339
from gateway.audit.state import replace_file, write_once
from gateway_secrets.stores.credentials import Scope
from gateway_secrets.stores.errors import MisconfiguredError, NotFoundError, UnavailableError, UnusableError
from gateway_secrets.stores.filebox import MAX_BYTES, Contents, Item, Kept, new_key, parse_key, seal, unseal
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.manifest import typed
from gateway_secrets.stores.model import Find, Metadata, Payload
from gateway_secrets.stores.values import document_payload, matching_names
from gateway_secrets.stores.writing import with_member, without_member

_MAX_KEY_BYTES = 1024
_OVERHEAD_BYTES = 1024


class FileSpec(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """``spec.provider.file``. Paths of one's own, not of a tenant: such a store is opened by name or by a person."""

    path: str = ""
    key_file: str = ""


def default_folder() -> Path:
    """Where the embedded store is if nothing else is said."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "govgate"


async def open_store(spec: Any, scope: Scope, limits: StoreLimits) -> FileStore:  # noqa: ARG001 - see table.Open
    """A store of ``spec.provider.file``.

    Raises:
        MisconfiguredError: the manifest is wrong.
    """
    wanted = typed(spec, FileSpec, where=f"{scope.label}: spec.provider.file")
    return file_store(wanted)


def file_store(spec: FileSpec) -> FileStore:
    """The store in two files, with their default places."""
    folder = default_folder()
    return FileStore(Path(spec.path or folder / "secrets.enc"), Path(spec.key_file or folder / "secrets.key"))


class FileStore:
    """See the module."""

    provider = "file"

    def __init__(self, path: Path, key_file: Path) -> None:
        self._path = path
        self._key_file = key_file
        self._read: tuple[tuple[int, int, int], Contents] | None = None

    async def read(self, key: str, version: str, *, within: float) -> Payload:  # noqa: ARG002 - a file answers at once
        kept = _version_of(self._item(key), key, version)
        return document_payload(kept.value, version=str(kept.version), created=kept.created)

    async def describe(self, key: str, *, within: float) -> Metadata:  # noqa: ARG002
        item = self._item(key)
        newest = item.versions[-1]
        return Metadata(str(newest.version), newest.created, dict(item.tags))

    async def find(self, find: Find, *, within: float) -> Sequence[str]:  # noqa: ARG002
        prefix = f"{find.path.rstrip('/')}/" if find.path else ""
        names = [
            name
            for name, item in sorted(self._contents().secrets.items())
            if name.startswith(prefix) and find.tags.items() <= item.tags.items()
        ]
        return matching_names(find.name, names)

    async def close(self) -> None:
        self._read = None

    async def write(self, key: str, name: str, value: bytes, *, within: float) -> str:  # noqa: ARG002
        current = self._newest(key)
        new = with_member(current.value if current else None, name, value, key=key)
        if current is not None and new == current.value:
            return str(current.version)
        try:
            return str(await asyncio.to_thread(self.put, key, new))
        except OSError as error:
            raise UnavailableError(f"cannot write {self._path}: {error.strerror}") from None

    async def remove(self, key: str, name: str, *, within: float) -> None:  # noqa: ARG002
        current = self._newest(key)
        if current is None:
            return
        rest = without_member(current.value, name, key=key)
        try:
            if rest is None:
                await asyncio.to_thread(self.delete, key)
            elif rest != current.value:
                await asyncio.to_thread(self.put, key, rest)
        except NotFoundError:
            return
        except OSError as error:
            raise UnavailableError(f"cannot write {self._path}: {error.strerror}") from None

    def _newest(self, key: str) -> Kept | None:
        try:
            return self._item(key).versions[-1]
        except NotFoundError:
            return None

    def put(self, key: str, value: bytes, *, tags: dict[str, str] | None = None) -> int:
        """Store a new version of a secret; makes the file and its key if there are none. The version.

        Raises:
            StoreError: the key is none, the store cannot be read, or is full.
            OSError: it cannot be written.
        """
        if not key or len(key.encode()) > _MAX_KEY_BYTES or not key.isprintable():
            raise UnusableError("a secret's key is printable text of 1 to 1024 bytes")
        created = rfc3339(time.time_ns())
        contents = self._change(lambda old: old.with_value(key, value, created=created, tags=tags))
        return contents.secrets[key].versions[-1].version

    def delete(self, key: str) -> None:
        """Forget a secret with all its versions.

        Raises:
            NotFoundError: there is none.
            StoreError, OSError: as :meth:`put`.
        """
        self._item(key)
        self._change(lambda old: old.without(key))

    def _change(self, change: Callable[[Contents], Contents]) -> Contents:
        for folder in {self._path.parent, self._key_file.parent}:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._turn():
            if not self._path.exists():
                write_once(self._key_file, new_key())
            contents = change(self._contents() if self._path.exists() else Contents())
            replace_file(self._path, seal(contents, self._key()))
        self._read = None
        return contents

    @contextmanager
    def _turn(self) -> Iterator[None]:
        lock = self._path.with_name(f".{self._path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _item(self, key: str) -> Item:
        item = self._contents().secrets.get(key)
        if item is None:
            raise NotFoundError(f"{key}: not in {self._path}")
        return item

    def _contents(self) -> Contents:
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                state = (status.st_ino, status.st_mtime_ns, status.st_size)
                if self._read is not None and self._read[0] == state:
                    return self._read[1]
                data = file.read(MAX_BYTES + _OVERHEAD_BYTES)
        except FileNotFoundError:
            raise NotFoundError(f"there is no secrets file {self._path} (govgate secrets put makes one)") from None
        except OSError as error:
            raise MisconfiguredError(f"cannot read {self._path}: {error.strerror}") from None
        contents = unseal(data, self._key(), source=str(self._path))
        self._read = (state, contents)
        return contents

    def _key(self) -> bytes:
        try:
            with self._key_file.open("rb") as file:
                return parse_key(file.read(_OVERHEAD_BYTES), source=str(self._key_file))
        except OSError as error:
            raise MisconfiguredError(f"cannot read the key file {self._key_file}: {error.strerror}") from None


def _version_of(item: Item, key: str, version: str) -> Kept:
    if not version:
        return item.versions[-1]
    for kept in item.versions:
        if str(kept.version) == version:
            return kept
    raise NotFoundError(f"{key}: has no version {version!r}")
