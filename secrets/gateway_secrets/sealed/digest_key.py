"""Where the digest key is kept: a file of the user's own, made at its first use, never beside what is in Git."""

from __future__ import annotations

import binascii
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from gateway_secrets.sealed.digest import KEY_BYTES, DigestKey
from gateway_secrets.sealed.errors import FileError

VARIABLE = "GOVGATE_SEAL_KEY"
"""Of the environment: the file's path, for teams and CI jobs that share a key."""
_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def key_path(environment: Mapping[str, str]) -> Path:
    """The file: what :data:`VARIABLE` names, else ``govgate/seal-digest.key`` in the user's configuration folder."""
    named = environment.get(VARIABLE)
    base = environment.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(named) if named else Path(base) / "govgate" / "seal-digest.key"


def load_or_make(path: Path) -> tuple[DigestKey, bool]:
    """The key, and whether it was made just now.

    Raises:
        FileError: it cannot be read or made, is no key, or others may read it.
    """
    try:
        made = _make(path)
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(1024)
    except OSError as error:
        raise FileError(f"{path}: the digest key cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode) or mode & _READABLE_BY_OTHERS:
        raise FileError(f"{path}: others may read the digest key: chmod 600 {path}")
    try:
        secret = binascii.a2b_base64(content.strip(), strict_mode=True)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise FileError(
            f"{path}: is no digest key: move it away, and a new one is made (every value is sealed anew once)"
        )
    return DigestKey(secret), made


def _make(path: Path) -> bool:
    """Make the file unless it is there: whole, or not at all, and never over another's."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(binascii.b2a_base64(os.urandom(KEY_BYTES)))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, path)
        except FileExistsError:
            return False
    finally:
        new.unlink()
    return True
