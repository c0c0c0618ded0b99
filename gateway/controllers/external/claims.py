"""Which ExternalSecrets and PushSecrets are govgate's, so that it can work beside another controller of them. Pure.

A store is govgate's if it says ``controller: govgate``; in namespaces that were handed over also if it says nothing. An
ExternalSecret is, if one of its stores is: another controller leaves it alone then. In namespaces that were handed over it is
also if none of its stores says another's name. A PushSecret is if all its stores are: of one with stores of both, another
controller would go on pushing to its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from gateway_secrets.external.store import CONTROLLER

Whose = Literal["ours", "others", "mixed", "unknown"]
ALONE_SECONDS = 60.0
"""Who works on an object tells of it in its status before that."""


class Claims(msgspec.Struct, frozen=True):
    """``patterns``: names of namespaces that were handed over, or globs."""

    patterns: tuple[str, ...] = ()

    def handed_over(self, namespace: str) -> bool:
        """Whether a namespace was."""
        return any(fnmatchcase(namespace, pattern) for pattern in self.patterns)

    def store(self, controller: str, namespace: str) -> bool:
        """Whether a store, used from a namespace, is govgate's, by its ``spec.controller``."""
        return controller == CONTROLLER or (not controller and self.handed_over(namespace))

    def external(self, controllers: Iterable[str | None], namespace: str, *, was_ours: bool = False) -> bool:
        """Whether an ExternalSecret is, by its stores' ``spec.controller``; None: there is no such store.

        ``was_ours``: nobody but govgate worked on it last. It stays so when its stores are gone: nobody else would tell of
        that, or let it be deleted.
        """
        named = list(controllers)
        if any(one == CONTROLLER for one in named):
            return True
        if was_ours and named and all(one is None for one in named):
            return True
        return self.handed_over(namespace) and all(not one for one in named)

    def pushes(self, controllers: Iterable[str | None], namespace: str, *, was_ours: bool = False) -> Whose:
        """Whose a PushSecret is, by its stores' ``spec.controller``; stores that are not there say nothing."""
        found: list[Whose] = [
            "unknown" if one is None else "ours" if self.store(one, namespace) else "others" for one in controllers
        ]
        whose = agreed(found)
        if whose == "unknown" and found and (was_ours or self.handed_over(namespace)):
            return "ours"
        return whose


def agreed(said: Iterable[Whose]) -> Whose:
    """What several say together; who does not know says nothing."""
    found = set(said) - {"unknown"}
    if len(found) > 1:
        return "mixed"
    return found.pop() if found else "unknown"


def alone_in(document: dict[str, Any], now: float) -> float | None:
    """Seconds until an object whose stores are not there is nobody's, since nobody has told of that; None: somebody has.

    Nobody is said to be its controller where no store is, so whoever works on such objects tells that the store is missing. If
    nobody does, nobody else is there. ``now``: seconds since the epoch.
    """
    metadata = document["metadata"]
    if document.get("status") or metadata.get("deletionTimestamp"):
        return None
    try:
        made = datetime.fromisoformat(str(metadata.get("creationTimestamp"))).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, made + ALONE_SECONDS - now)
