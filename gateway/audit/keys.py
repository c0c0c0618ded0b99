"""The log's signing key on disk, and its rotation in two steps that a crash cannot tear apart.

``signing.key`` holds the 32 bytes of the Ed25519 key in hex. A rotation writes ``signing.key.next``, then the change
of key enters the chain, then the file is renamed: whichever of the two the chain names last is the one in force.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.note import Signer
from gateway.audit.state import replace_file, sync_folder, write_once
from gateway.core.errors import AuditError

_KEY = "signing.key"
_NEXT = "signing.key.next"


def create_signer(folder: Path, log_id: str) -> Signer:
    """The log's signing key, made if there is none yet."""
    write_once(folder / _KEY, os.urandom(32).hex().encode() + b"\n")
    return load_signer(folder, log_id)


def load_signer(folder: Path, log_id: str) -> Signer:
    """The log's signing key.

    Raises:
        AuditError: it is missing or damaged; the text names the file and never its content.
    """
    return _read(folder / _KEY, log_id)


def prepare_next(folder: Path, log_id: str) -> Signer:
    """First step of a rotation: a new key beside the old one."""
    replace_file(folder / _NEXT, os.urandom(32).hex().encode() + b"\n")
    return _read(folder / _NEXT, log_id)


def settle(folder: Path, log_id: str, key_in_force: str) -> Signer:
    """Last step of a rotation, or after a crash in one: keep the key that the chain names (a verifier key).

    Raises:
        AuditError: neither key file is the one that the chain names.
    """
    following = folder / _NEXT
    if following.exists():
        if str(_read(following, log_id).verifier) == key_in_force:
            following.replace(folder / _KEY)
        else:
            following.unlink()
        sync_folder(folder)
    signer = load_signer(folder, log_id)
    if str(signer.verifier) != key_in_force:
        raise AuditError(f"{folder / _KEY} is not the key that the log names as in force")
    return signer


def _read(path: Path, log_id: str) -> Signer:
    try:
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text().strip()))
    except FileNotFoundError:
        raise AuditError(f"the signing key is missing: {path}") from None
    except (OSError, ValueError):
        raise AuditError(f"the signing key cannot be read: {path}") from None
    return Signer(f"govgate-audit-{log_id[:8]}", private)
