"""Passwords in addresses and command lines: URLs, MySQL's Go DSN, Authorization headers, ``curl -u``, ``sshpass``,
``docker login -p`` and the like, clients of databases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from gateway_secrets.detect import kinds
from gateway_secrets.detect.checksums import unpadded
from gateway_secrets.detect.values import is_harmless, is_random

_URL = re.compile(
    r"\b([A-Za-z][A-Za-z0-9+.-]{1,30})://(?P<user>[^\s/@:\"'<>`]{0,100}):(?P<password>[^\s@\"'<>`]{1,200})@(?=[\w\[.({$-])"
)
_DSN = re.compile(r"(?<![\w.-])(?P<user>[\w.-]{1,60}):(?P<password>[^\s:@/\"']{1,100})@(?:tcp|udp|unix)?\(")
_HEADER = re.compile(
    r"\bAuthorization\b[\"']?\]?\s{0,3}[:=,]\s{0,3}[\"'`]?(Basic|Bearer|token)\s{1,3}([A-Za-z0-9+/=_.~-]{8,2000})",
    re.IGNORECASE,
)
_CURL = re.compile(
    r"\b(?:curl|wget|http)\b[^\n]{0,300}?\s(?:-u|--user|--proxy-user)[ =]?[\"']?(?P<user>[\w.@-]{1,60}):(?P<password>[^\s\"':]{1,100})"
)
_SSHPASS = re.compile(r"\bsshpass\s{1,3}-p\s{0,2}[\"']?(?P<user>)(?P<password>[^\s\"']{1,100})")
_LOGIN = re.compile(
    r"\blogin\b[^\n]{0,200}?\s(?:-p|--password)[ =][\"']?(?P<user>)(?P<password>[^\s\"'-][^\s\"']{0,100})"
)
_MYSQL = re.compile(
    r"\bmysql(?:dump|admin)?\s[^\n]{0,200}?(?<=\s)-p[\"']?(?P<user>)(?P<password>[^\s\"'-][^\s\"']{0,100})"
)
_REDIS = re.compile(r"\bredis-cli\s[^\n]{0,200}?(?<=\s)-a\s[\"']?(?P<user>)(?P<password>[^\s\"'-][^\s\"']{0,100})")
_FORMS = (
    ("@", _URL),
    ("@", _DSN),
    ("uthorization", _HEADER),
    ("-u", _CURL),
    ("sshpass", _SSHPASS),
    ("login", _LOGIN),
    ("mysql", _MYSQL),
    ("redis-cli", _REDIS),
)
"""Each with a word that a text has, or it is not looked for."""


class Address(msgspec.Struct, frozen=True):
    """Where a password is in a text."""

    kind: str
    start: int
    end: int


def addresses_in(text: str) -> Iterator[Address]:
    """The passwords in a text that its syntax tells."""
    for word, form in _FORMS:
        for match in form.finditer(text) if word in text else ():
            if form is _HEADER:
                found, kind = _is_credential(match[1].lower(), match[2]), kinds.HEADER
            else:
                found, kind = not _is_stand_in(match["user"], match["password"]), kinds.URL_PASSWORD
            if found and not (form is _URL and match["password"].isdigit()):
                yield Address(kind, match.start(), match.end())


def _is_stand_in(user: str, password: str) -> bool:
    return is_harmless(password) or password == user or password.startswith(("$", "%s", ":"))


def _is_credential(scheme: str, value: str) -> bool:
    if scheme != "basic":
        return not is_harmless(value) and is_random(value[:200], 16)
    user, colon, password = unpadded(value.rstrip("=")).decode(errors="replace").partition(":")
    return bool(colon) and not _is_stand_in(user, password)


def is_user_and_password(value: str) -> bool:
    """Whether it is the base64 of ``user:password``, as registries have it."""
    return _is_credential("basic", value)
