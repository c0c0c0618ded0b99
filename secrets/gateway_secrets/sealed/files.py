"""Files that are read whole or not at all, and replaced whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

import msgspec

from gateway_secrets.sealed.errors import FileError

MAX_BYTES = 64 * 1024 * 1024
STDIN = "-"


class Snapshot(msgspec.Struct, frozen=True):
    """A file as it was read. ``path``: the file itself, behind links; ``mode``: its permissions."""

    path: Path
    data: bytes
    mode: int


def read_input(name: str) -> bytes:
    """A file, or standard input for ``-``.

    Raises:
        FileError: it cannot be read, is too large, or changed meanwhile.
    """
    if name != STDIN:
        return read_file(Path(name)).data
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise FileError(f"standard input: more than {MAX_BYTES:,} bytes")
    return data


def read_file(path: Path) -> Snapshot:
    """The file as it is at one moment.

    Raises:
        FileError: it cannot be read, is too large, or changed meanwhile.
    """
    try:
        real = path.resolve(strict=True)
        with real.open("rb") as file:
            return Snapshot(real, read_stable(file, str(path)), os.fstat(file.fileno()).st_mode & 0o777)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from None


def read_stable(file: BinaryIO, name: str) -> bytes:
    """All of an open file.

    Raises:
        FileError: too large, or somebody wrote into it meanwhile.
    """
    before = os.fstat(file.fileno())
    data = file.read(MAX_BYTES + 1)
    after = os.fstat(file.fileno())
    if len(data) > MAX_BYTES:
        raise FileError(f"{name}: more than {MAX_BYTES:,} bytes")
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise FileError(f"{name}: changed while it was read: try again")
    return data


def replace(snapshot: Snapshot, data: bytes) -> None:
    """Put new content into a file that was read; what it held stays until the new content is safely on disk.

    Raises:
        FileError: it cannot be written, or is not as it was read any more; it is as it was.
    """
    _write(snapshot.path, data, snapshot.mode, snapshot.data)


def create(path: Path, data: bytes, mode: int = 0o644) -> None:
    """A file with this content, in place of what is there, if anything.

    Raises:
        FileError: it cannot be written; what was there is as it was.
    """
    target = path.resolve() if path.is_symlink() else path
    _write(target, data, mode, None)


def _write(path: Path, data: bytes, mode: int, expected: bytes | None) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 from the start
        new = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            if expected is not None and path.read_bytes() != expected:
                raise FileError(f"{path}: was changed by somebody else meanwhile: nothing was written, try again")
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{path}: cannot be written, and is as it was: {error.strerror}") from None
