"""Encrypted values, recognised by what they are made of: a value that merely begins like one is told from them.

Sources: getsops.io/docs (values), age-encryption.org/v1, RFC 9580 (packets), bitnami-labs/sealed-secrets' crypto (blobs).
"""

from __future__ import annotations

import base64
import binascii
import re
from enum import Enum


class Sealing(Enum):
    """``NONE``: does not claim to be encrypted; ``FAKE``: claims it, and is not."""

    NONE = 0
    REAL = 1
    FAKE = 2


_SOPS = re.compile(
    r"\s*ENC\[AES256_GCM,data:([A-Za-z0-9+/=]*),iv:([A-Za-z0-9+/=]{1,64}),tag:([A-Za-z0-9+/=]{1,32}),type:(?:str|int|float|bool|bytes|comment)\]\s*\Z"
)
_IV_BYTES, _TAG_BYTES = 32, 16
_ARMOR = re.compile(r"\s*-----BEGIN (AGE ENCRYPTED FILE|PGP MESSAGE)-----")
_ANSIBLE = re.compile(r"\s*\$ANSIBLE_VAULT;[\d.]+;AES256\S*\s+([0-9a-f\s]+)\Z")
_JASYPT = re.compile(r"\s*ENC\(([A-Za-z0-9+/=_-]{24,})\)\s*\Z")
_CLAIMS = ("ENC[", "-----BEGIN AGE ", "-----BEGIN PGP MESSAGE", "$ANSIBLE_VAULT", "ENC(")
_MODULI = range(128, 1025)
_PRINTABLE = frozenset(range(32, 127))


def sealing(value: str) -> Sealing:
    """What a value is that may claim to be encrypted: SOPS, age, PGP, Ansible, Jasypt."""
    start = value[:80].lstrip()
    if not start.startswith(_CLAIMS):
        return Sealing.NONE
    if start.startswith("ENC[AES256_GCM"):
        return _of(_is_sops(value))
    armor = _ARMOR.match(value)
    if armor:
        return _of(_is_armored(value[armor.end() :], armor[1]))
    if start.startswith("$ANSIBLE_VAULT"):
        return _of(_ANSIBLE.match(value) is not None)
    return _of(_JASYPT.match(value) is not None) if start.startswith("ENC(") else Sealing.NONE


def is_sealed(value: str) -> bool:
    """Whether a value of a SealedSecret is a blob: the length of the RSA part, that part, and what GCM made.

    Text is not: what was sealed is indistinguishable from random bytes.
    """
    blob = decoded(value)
    if blob is None or len(blob) < 2 + _MODULI.start + _TAG_BYTES:
        return False
    size = int.from_bytes(blob[:2], "big")
    if size not in _MODULI or len(blob) < 2 + size + _TAG_BYTES:
        return False
    return not is_texty(blob[2:])


def decoded(value: str) -> bytes | None:
    """Standard base64, line ends ignored; None if it is none."""
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def is_texty(data: bytes) -> bool:
    """Whether bytes are text rather than random: of those, about one in three is printable."""
    sample = data[:4096]
    return bool(sample) and sum(byte in _PRINTABLE for byte in sample) > 0.75 * len(sample)


def _of(real: bool) -> Sealing:
    return Sealing.REAL if real else Sealing.FAKE


def _is_sops(value: str) -> bool:
    found = _SOPS.match(value)
    if not found:
        return False
    data, iv, tag = (decoded(part) for part in found.groups())
    return data is not None and iv is not None and len(iv) == _IV_BYTES and tag is not None and len(tag) == _TAG_BYTES


def _is_armored(body: str, label: str) -> bool:
    lines = [line.strip() for line in body.splitlines()]
    text = "".join(line for line in lines if line and ":" not in line and not line.startswith(("=", "-")))
    start = decoded(text[: min(len(text), 64) // 4 * 4])
    if not start:
        return False
    return start.startswith(b"age-encryption.org/v1") if label.startswith("AGE") else bool(start[0] & 0x80)
