"""Who a certificate is of, and whether that is somebody expected. Patterns are RE2's, and match the whole name."""

from __future__ import annotations

from typing import Any

import msgspec
import re2

from gateway.core.errors import ConfigError
from gateway.core.text import shown
from gateway.provenance.evidence import Identity

MAX_PATTERN = 1024
_MEMORY = 1024 * 1024


class Named(msgspec.Struct, frozen=True):
    """What a certificate says about its holder."""

    subject: str
    issuer: str

    def __str__(self) -> str:
        return f"{shown(self.subject)} (issuer {shown(self.issuer)})"


class Matcher:
    """One identity of an authority, ready to be compared."""

    def __init__(self, identity: Identity) -> None:
        """Raises ConfigError for an identity that matches anybody, or nobody, or cannot be read."""
        if not identity.issuer:
            raise ConfigError("an identity needs its issuer")
        if bool(identity.subject) == bool(identity.subject_regexp):
            raise ConfigError("an identity needs exactly one of subject and subjectRegexp")
        self._identity = identity
        self._pattern: Any = _compile(identity.subject_regexp) if identity.subject_regexp else None

    def matches(self, named: Named) -> bool:
        """Whether it is this one."""
        if named.issuer != self._identity.issuer:
            return False
        if self._pattern is None:
            return named.subject == self._identity.subject
        return self._pattern.fullmatch(named.subject) is not None


def _compile(pattern: str) -> Any:
    if len(pattern) > MAX_PATTERN:
        raise ConfigError(f"subjectRegexp has more than {MAX_PATTERN} characters")
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, ValueError, TypeError):
        raise ConfigError(f"subjectRegexp is not a regular expression of RE2: {shown(pattern)}") from None
