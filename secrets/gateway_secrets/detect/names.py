"""What the name of a setting says of its value. The last words of a name decide: ``token_ttl`` is a time."""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache


class Telling(IntEnum):
    """``SECRET``: a secret, if it looks random; ``PASSWORD``: a secret, whatever it looks like."""

    NOTHING = 0
    SECRET = 1
    PASSWORD = 2


_JOIN = re.compile(r"([a-z0-9])([A-Z])")
_SEPARATE = re.compile(r"[^A-Za-z0-9]+")
_PASSWORD = re.compile(r"(?:^|_)(?:\w*password|\w*passwd|\w*passphrase|pwd|pass|requirepass)\d?$")
KEYS = tuple(
    """
    api access secret private encryption signing account master shared app application service preshared routing
    integration jwt hmac aes crypto cipher license admin session cookie webhook fernet django storage
    subscription certificate root stripe sendgrid datadog mailgun server write deploy security auth client
    """.split()  # noqa: SIM905 - read as words
)
"""Words that make a secret of a ``key`` after them; that of a client is one as ``client_key_data``."""
_SECRET = re.compile(
    rf"""(?:^|_)(?:
      \w*secret | \w*token | \w*credential | credentials | secret_value
    | (?:\w+_)?(?:{"|".join(word for word in KEYS if word != "client")})_key(?:_base)?
    | \w*(?:api|access|secret)key | (?:private|preshared|sharedaccess|account|signing|encryption|master|shared|auth)key
    | client_key_data
    )$""",
    re.VERBOSE,
)
_NEVER = re.compile(
    r"forgot|checksum|hash|digest|sha\d|fingerprint|thumbprint|public|publishable|placeholder|example|length|pattern"
)
WEAK = frozenset(("key", "value", "default"))
"""Names that are completed by what they are in."""


@lru_cache(maxsize=8192)
def telling(name: str, parent: str = "") -> Telling:
    """What a name says; ``parent``: the name that it stands below, which completes ``key`` and ``value``."""
    plain = plain_name(name)
    if plain in WEAK and parent:
        plain = f"{plain_name(parent)}_{plain}" if plain == "key" else plain
        plain = plain_name(parent) if plain in {"value", "default"} else plain
    if not plain or len(plain) > 100 or _NEVER.search(plain):  # noqa: PLR2004 - no name of a setting is longer
        return Telling.NOTHING
    if _PASSWORD.search(plain):
        return Telling.PASSWORD
    return Telling.SECRET if _SECRET.search(plain) else Telling.NOTHING


def plain_name(name: str) -> str:
    """In lower case, its words joined by ``_``."""
    return _SEPARATE.sub("_", _JOIN.sub(r"\1_\2", name[:120])).strip("_").lower()
