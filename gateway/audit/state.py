"""The state folder of a log: its name, its redaction key, and the lock that makes the writer the only one.

Holds ``log-id``, ``redaction.key``, ``signing.key`` (see :mod:`gateway.audit.keys`), ``audit.db`` with its WAL,
``audit.sock`` and ``lock``. The folder is made 0700 and the keys 0600.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from gateway.core.errors import AuditError

DATABASE = "audit.db"
_LOG_ID = "log-id"
_REDACTION_KEY = "redaction.key"
_LOCK = "lock"
_KEY_BYTES = 32
_ID = re.compile(r"[0-9a-f]{32}\Z")


class State(msgspec.Struct, frozen=True):
    """An existing state folder. ``redaction_key`` never leaves the machine."""

    folder: Path
    log_id: str
    redaction_key: bytes

    def __repr__(self) -> str:
        return f"State({self.folder}, log {self.log_id})"


def state_folder(configured: str = "") -> Path:
    """Where the log is: as configured, else ``$XDG_STATE_HOME/govgate`` (``~/.local/state/govgate``)."""
    if configured:
        return Path(configured)
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "govgate"


def create_state(folder: Path) -> State:
    """Make what is missing of the state folder, and open it. Any number of processes may do so at a time.

    Raises:
        AuditError: the folder cannot be made, or holds something else.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        write_once(folder / _REDACTION_KEY, os.urandom(_KEY_BYTES).hex().encode() + b"\n")
        write_once(folder / _LOG_ID, os.urandom(16).hex().encode() + b"\n")
    except OSError as error:
        raise AuditError(f"cannot make the audit state folder {folder}: {error.strerror}") from None
    return open_state(folder)


def open_state(folder: Path) -> State:
    """Open a state folder that exists.

    Raises:
        AuditError: it does not exist, cannot be read, or is not a state folder.
    """
    try:
        log_id = (folder / _LOG_ID).read_text().strip()
        key = bytes.fromhex((folder / _REDACTION_KEY).read_text().strip())
    except FileNotFoundError:
        raise AuditError(f"there is no audit log in {folder} (make one with: govgate audit init)") from None
    except (OSError, ValueError) as error:
        raise AuditError(f"cannot read the audit state folder {folder}: {type(error).__name__}") from None
    if not _ID.match(log_id) or len(key) != _KEY_BYTES:
        raise AuditError(f"{folder}: log-id or redaction.key is damaged")
    return State(folder, log_id, key)


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Be the only writer of the log in ``folder`` for the length of the block.

    Raises:
        LogInUseError: another process is.
    """
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            raise LogInUseError(f"the audit log in {folder} has a writer already (process {holder})") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


class LogInUseError(AuditError):
    """Another process writes to this log."""


def write_once(path: Path, data: bytes) -> None:
    """Create ``path`` (0600) with ``data``, whole and synced, unless it exists."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _write_synced(temporary, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
    sync_folder(path.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Put ``data`` in place of whatever ``path`` (0600) holds, all at once and synced."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _write_synced(temporary, data)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
