"""Replacing a file: whole or not at all, and only the one that was read."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path


class ChangedError(Exception):
    """The file is not the one that was read any more."""


def replace_file(path: str, old: bytes, new: bytes) -> None:
    """Put ``new`` in the place of ``old``: written beside it, flushed to the disk, renamed. Mode and, where it may be
    kept, ownership stay; a symbolic link stays one.

    Raises:
        ChangedError: the file does not hold ``old``.
        OSError: it could not be done; the file is as it was.
    """
    target = Path(os.path.realpath(path))
    before = target.stat()
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:200]}.", suffix=".new", dir=target.parent)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(new)
            file.flush()
            if (os.geteuid(), os.getegid()) != (before.st_uid, before.st_gid):
                with contextlib.suppress(PermissionError):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), before.st_mode & 0o7777)
            os.fsync(file.fileno())
        _expect(target, old)
        os.replace(name, target)  # noqa: PTH105 - a name
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - a name
        raise
    with contextlib.suppress(
        OSError
    ):  # the file is in place; whether its name outlives a crash is up to the file system
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _expect(target: Path, old: bytes) -> None:
    if target.read_bytes() != old:
        raise ChangedError
