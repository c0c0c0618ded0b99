"""Checks that some formats of tokens carry in themselves: what fails is no token, but something made to look like one."""

from __future__ import annotations

import base64
import binascii
import string
import zlib

import msgspec

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)

_CRC_DIGITS = 6
_AGE_WORDS = 58
"""260 bits of data and 30 of checksum."""


class _Header(msgspec.Struct):
    alg: str


def github(token: str) -> bool:
    """The last six digits are the CRC-32 of what follows the prefix, in base 62 (GitHub's and npm's tokens)."""
    body = token.partition("_")[2]
    text, check = body[:-_CRC_DIGITS], body[-_CRC_DIGITS:]
    return base62(zlib.crc32(text.encode())) == check


def base62(number: int) -> str:
    """A 32-bit number as six digits, most significant first."""
    digits = ""
    for _ in range(_CRC_DIGITS):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits


def grafana(token: str) -> bool:
    """After the last ``_``, the CRC-32 of all before it, in hex."""
    body, _, check = token.rpartition("_")
    return f"{zlib.crc32(body.encode()):08x}" == check


def age(token: str) -> bool:
    """Bech32 (BIP 173), upper case, of 32 bytes."""
    prefix, _, data = token.lower().rpartition("1")
    if len(data) != _AGE_WORDS or any(c not in _BECH32 for c in data):
        return False
    words = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + [_BECH32.index(c) for c in data]
    check = 1
    for word in words:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ word
        for bit, generator in enumerate(_GENERATORS):
            check ^= generator if top >> bit & 1 else 0
    return check == 1


def jwt(token: str) -> bool:
    """The header is JSON and names an algorithm; ``none`` signs nothing (RFC 7515)."""
    header = unpadded(token.partition(".")[0])
    try:
        return msgspec.json.decode(header, type=_Header).alg.lower() != "none"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def pypi(token: str) -> bool:
    """A macaroon of version 2 whose location is pypi.org, or the test index."""
    body = unpadded(token.removeprefix("pypi-"))
    return body.startswith(b"\x02\x01") and b"pypi.org" in body[:24]


def unpadded(text: str) -> bytes:
    """Base64 of either alphabet, without its padding; empty if it is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
