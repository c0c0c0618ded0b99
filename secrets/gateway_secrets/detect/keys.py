"""Private keys in texts: PEM, OpenSSH, OpenPGP, PuTTY. One that a passphrase protects is no plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway_secrets.detect.checksums import unpadded

MARK = b"PRIVATE KEY"
PUTTY = b"PuTTY-User-Key-File-"

_BEGIN = re.compile(r"-----BEGIN ((?:[A-Z0-9]{2,10} ){0,2})PRIVATE KEY(?: BLOCK)?-----")
# Line ends may be escaped, as in JSON within a string; lines may be indented, as in YAML.
_BODY = re.compile(r"(?:\\+[rn]|\s|[A-Za-z0-9+/=]){1,6000}")
_LEAST = 40
"""Base64 characters: an Ed25519 key in PKCS #8 has 64."""
_HEADERS = re.compile(r"(?:\\+[rn]|\s){1,8}(?:[A-Z][A-Za-z-]{1,20}: [^\n\\]{0,100}(?:\\+[rn]|\s){1,8}){1,6}")
_WINDOW = 9000


def private_keys(text: str) -> Iterator[tuple[int, int]]:
    """Where in a text private keys begin and end that nothing protects."""
    for begin in _BEGIN.finditer(text):
        rest = text[begin.end() : begin.end() + _WINDOW]
        headers = _HEADERS.match(rest)
        if headers and "ENCRYPTED" in headers[0]:
            continue
        body = _BODY.match(rest, headers.end() if headers else 0)
        if body is None or "ENCRYPTED" in begin[1]:
            continue
        key = re.sub(r"\\+[rn]|\s", "", body[0])
        if len(key) >= _LEAST and not (begin[1] == "OPENSSH " and _is_protected(key)):
            yield begin.start(), begin.end() + body.end()
    at = text.find("PuTTY-User-Key-File-")
    if at >= 0 and "Encryption: none" in text[at : at + 200] and "Private-Lines:" in text[at : at + _WINDOW]:
        yield at, min(at + _WINDOW, len(text))


def _is_protected(key: str) -> bool:
    """Whether an OpenSSH key names a cipher. Source: openssh/PROTOCOL.key."""
    start = unpadded(key[:64])
    return start.startswith(b"openssh-key-v1\0") and start[15:23] != b"\0\0\0\4none"
