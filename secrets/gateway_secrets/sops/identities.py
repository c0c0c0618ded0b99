"""age identities, and what they open. The one place that knows the age library."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pyrage

from gateway_secrets.detect.structure import decoded
from gateway_secrets.sops.errors import SopsError

MAX_BYTES = 1024 * 1024
_ARMOR = ("-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----")


class Identity(Protocol):
    """An age identity: a private key."""

    def to_public(self) -> object:
        """Its recipient."""
        ...


def unwrap(armored: str, identities: Sequence[Identity]) -> bytes | None:
    """What an armored age file holds; None if no identity opens it, or it is none."""
    lines = armored.strip().splitlines()
    if len(lines) < 3 or (lines[0].strip(), lines[-1].strip()) != _ARMOR:  # noqa: PLR2004 - both ends, and something
        return None
    data = decoded("".join(lines[1:-1]))
    if not data or not identities:
        return None
    try:
        return bytes(pyrage.decrypt(data, list(identities)))
    except pyrage.DecryptError:
        return None


def new_identity() -> tuple[Identity, str]:
    """An identity that is new, and its recipient."""
    made = pyrage.x25519.Identity.generate()
    return made, str(made.to_public())


def find_identities(environment: Mapping[str, str] = os.environ) -> list[Identity]:
    """Where sops looks: ``SOPS_AGE_KEY``, ``SOPS_AGE_KEY_FILE``, then ``sops/age/keys.txt`` of the user's configuration.

    Raises:
        SopsError: a file that is named cannot be read, or a line in it is no identity.
    """
    found = parse_identities(environment.get("SOPS_AGE_KEY", ""), source="SOPS_AGE_KEY")
    named = environment.get("SOPS_AGE_KEY_FILE", "")
    home = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME', '')}/.config"
    path = Path(named or f"{home}/sops/age/keys.txt")
    if named or path.is_file():
        try:
            with path.open("rb") as file:
                text = file.read(MAX_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise SopsError(f"{path}: age identities cannot be read: {reason}") from None
        found += parse_identities(text, source=str(path))
    return found


def parse_identities(text: str, *, source: str) -> list[Identity]:
    """Identities, a line each; comments and empty lines are left out.

    Raises:
        SopsError: a line is none.
    """
    found: list[Identity] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            found.append(pyrage.x25519.Identity.from_str(line.strip()))
        except pyrage.IdentityError:
            raise SopsError(f"{source}: line {number} is no age identity that is known here") from None
    return found
