"""Which ExternalSecrets are govgate's, so that it can work beside another controller of them. Pure.

A store is govgate's if it says ``controller: govgate``; in namespaces that were handed over also if it says nothing. An
ExternalSecret is, if one of its stores is; and in namespaces that were handed over, if none of them says another's name.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec

from gateway_secrets.external.store import CONTROLLER


class Claims(msgspec.Struct, frozen=True):
    """``patterns``: names of namespaces that were handed over, or globs."""

    patterns: tuple[str, ...] = ()

    def handed_over(self, namespace: str) -> bool:
        """Whether a namespace was."""
        return any(fnmatchcase(namespace, pattern) for pattern in self.patterns)

    def store(self, controller: str, namespace: str) -> bool:
        """Whether a store, used from a namespace, is govgate's, by its ``spec.controller``."""
        return controller == CONTROLLER or (not controller and self.handed_over(namespace))

    def external(self, controllers: Iterable[str | None], namespace: str) -> bool:
        """Whether an ExternalSecret is, by its stores' ``spec.controller``; None: there is no such store."""
        named = list(controllers)
        if any(one == CONTROLLER for one in named):
            return True
        return self.handed_over(namespace) and all(not one for one in named)
