"""Single values of SOPS files: their form, their decryption, and the bytes that the MAC is made of.

Source: github.com/getsops/sops v3, aes/cipher.go (form, AAD) and sops.go (ToBytes).
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway_secrets.detect.structure import decoded
from gateway_secrets.sops.errors import MalformedError, TamperedError

_VALUE = re.compile(r"ENC\[AES256_GCM,data:([^,]*),iv:([^,]+),tag:([^,]+),type:(str|int|float|bool|bytes|comment)\]\Z")
_TAG_BYTES = 16
_NONCE_BYTES = 32


class Plain(msgspec.Struct, frozen=True):
    """A decrypted value: its bytes as they were encrypted, and the type that it had."""

    data: bytes
    kind: str

    def value(self) -> Any:
        """As JSON has it; bytes that are no text as they are.

        Raises:
            MalformedError: it is not of its own type.
        """
        try:
            text = self.data.decode()
            if self.kind == "int":
                return int(text)
            if self.kind == "float":
                return float(text)
        except ValueError:
            if self.kind in {"str", "bytes", "comment"}:
                return self.data
            raise MalformedError("a value is not of the type that it states") from None
        return text.lower() == "true" if self.kind == "bool" else text


def decrypt(text: str, key: bytes, path: str) -> Plain:
    """Decrypt a value. ``path``: the keys that lead to it, each followed by ``:``; it is authenticated too.

    Raises:
        MalformedError: it is not built as an encrypted value.
        TamperedError: it, or its place, is not what was encrypted.
    """
    if not text:
        return Plain(b"", "str")  # an empty string is left as it is
    found = _VALUE.match(text)
    parts = [decoded(part) for part in found.groups()[:3]] if found else []
    if found is None or any(part is None for part in parts):
        raise MalformedError(f"{path.removesuffix(':')}: is not encrypted, or not built as an encrypted value")
    data, nonce, tag = (part or b"" for part in parts)
    if len(tag) != _TAG_BYTES or len(nonce) not in range(8, 129):
        raise MalformedError(f"{path.removesuffix(':')}: is not built as an encrypted value")
    try:
        return Plain(AESGCM(key).decrypt(nonce, data + tag, path.encode()), found[4])
    except InvalidTag:
        raise TamperedError(f"{path.removesuffix(':')}: was changed, moved, or encrypted with another key") from None


def encrypt(plain: Plain, key: bytes, path: str) -> str:
    """Encrypt a value, as :func:`decrypt` reads it. An empty string stays one."""
    if not plain.data and plain.kind == "str":
        return ""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, plain.data, path.encode())
    data, iv, tag = (base64.b64encode(x).decode() for x in (sealed[:-_TAG_BYTES], nonce, sealed[-_TAG_BYTES:]))
    return f"ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{plain.kind}]"


def aad(path: Sequence[str]) -> str:
    """What is authenticated beside a value: the keys that lead to it; of a comment that no key leads to, a colon."""
    return ":".join(path) + ":"


def plain_bytes(value: str | float) -> bytes:
    """What the MAC covers of a value that is not encrypted."""
    if isinstance(value, bool):
        return b"True" if value else b"False"
    if isinstance(value, float):
        text = format(Decimal(repr(value)), "f")
        return (text.rstrip("0").rstrip(".") if "." in text else text).encode()
    return str(value).encode()
