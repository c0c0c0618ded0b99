"""Which namespaces' SealedSecrets are govgate's, so that it can work beside Bitnami's controller. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

import msgspec


class Claims(msgspec.Struct, frozen=True):
    """``patterns``: names of namespaces, or globs with ``*`` and ``?``."""

    patterns: tuple[str, ...]

    def __contains__(self, namespace: str) -> bool:
        return any(fnmatchcase(namespace, pattern) for pattern in self.patterns)

    @property
    def watched(self) -> tuple[str, ...]:
        """The namespaces to watch, each by itself: rights in them are enough. All at once (an empty name) if there is a glob."""
        if any("*" in pattern or "?" in pattern for pattern in self.patterns):
            return ("",)
        return tuple(dict.fromkeys(self.patterns))
