"""What the decision is told besides the request: owners, their service accounts, their intent, their inventories."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple, Protocol

import msgspec

from gateway.core.subject import Subject


class OwnerRef(msgspec.Struct, frozen=True):
    """A reconciler's own object: one Kustomization, HelmRelease or Application."""

    reconciler: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """``namespace/name``, for people; the name alone of what has no namespace."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class ObjectKey(NamedTuple):
    """An object, whatever version it is asked for in; ``namespace`` is empty for a cluster-scoped one."""

    group: str
    kind: str
    namespace: str
    name: str


class Source(msgspec.Struct, frozen=True):
    """Where the owner's manifests come from; each part may be empty. URLs carry no credentials."""

    repository: str = ""
    path: str = ""
    revision: str = ""


class IgnoreRule(msgspec.Struct, frozen=True):
    """Fields that the owner tells its reconciler to leave alone, and for which objects.

    ``group``, ``kind``, ``name``, ``namespace`` are full-match patterns, empty for all; ``labels`` and ``annotations``
    are label selectors as text. ``pointers`` are JSON pointers (RFC 6901), ``expressions`` jq paths, ``managers`` names
    of field managers whose fields are left alone. ``exact``: name and namespace are compared literally, group and kind
    as globs (Argo CD); otherwise all four are regular expressions (Flux).
    """

    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    labels: str = ""
    annotations: str = ""
    pointers: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    exact: bool = False


class SyncWindow(msgspec.Struct, frozen=True):
    """A time in which an owner may sync, or may not (``denies``), as its project has it.

    ``length`` is None for a window that cannot be read. ``manual``: a person may sync all the same.
    """

    denies: bool
    schedule: str
    length: timedelta | None
    time_zone: str = ""
    manual: bool = False


class Owner(msgspec.Struct, frozen=True):
    """What is known of an owner.

    ``accounts``: user names that act for it. ``paused``: why it does not reconcile at present, empty if it does.
    ``lenient``: it only warns about drift. ``windows``: when it may sync; at any time where there are none.
    """

    accounts: frozenset[str] = frozenset()
    paused: str = ""
    lenient: bool = False
    ignore: tuple[IgnoreRule, ...] = ()
    source: Source = Source()
    windows: tuple[SyncWindow, ...] = ()


class Facts(Protocol):
    """Look-ups into what was cached; none of them waits."""

    @property
    def connected(self) -> bool:
        """Whether a cluster is watched at all."""
        ...

    def looks_for(self, reconciler: str) -> bool:
        """Whether this reconciler's owners are looked for: if not, one that is not known may exist all the same."""
        ...

    def problem(self, reconciler: str) -> str:
        """Why nothing is known about this reconciler's owners yet; empty when the cache is good."""
        ...

    def owner(self, ref: OwnerRef) -> Owner | None:
        """What is known of the owner; None if there is none in this cluster."""
        ...

    def inventory(self, key: ObjectKey) -> tuple[OwnerRef, ...]:
        """The owners that list this object in their own inventory."""
        ...


class NoFacts:
    """No cluster is connected: nothing is known but what the request carries."""

    connected = False

    def looks_for(self, reconciler: str) -> bool:  # noqa: ARG002 - the protocol's
        """Nothing is looked for."""
        return False

    def problem(self, reconciler: str) -> str:  # noqa: ARG002 - the protocol's
        """Nothing was to be known."""
        return ""

    def owner(self, ref: OwnerRef) -> Owner | None:  # noqa: ARG002 - the protocol's
        """No owner is known."""
        return None

    def inventory(self, key: ObjectKey) -> tuple[OwnerRef, ...]:  # noqa: ARG002 - the protocol's
        """No inventory is known."""
        return ()


Opened = Callable[[Subject], tuple[str, ...]]
"""Fields of an object, as findings name them, that were changed under a break-glass grant: they stay its owner's."""


def nothing_opened(_subject: Subject) -> tuple[str, ...]:
    """No grants are known."""
    return ()
