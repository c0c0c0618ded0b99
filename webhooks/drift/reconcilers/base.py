"""What every reconciler module offers to the decision. Adding one is docs/drift.md, "Adding a reconciler"."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from gateway.config.drift import Actors, Mode
from gateway.core.subject import Json, Subject
from webhooks.drift.facts import OwnerRef, Source
from webhooks.drift.managed import Entry
from webhooks.drift.paths import Path


class Reconciler(Protocol):
    """Pure knowledge about one reconciler, under one configuration."""

    @property
    def id(self) -> str:
        """The reconciler's name in facts and configuration."""
        ...

    @property
    def title(self) -> str:
        """The reconciler's name for people, with the kind of its owners."""
        ...

    @property
    def mode(self) -> Mode | None:
        """The mode for its objects, None to use the guard's."""
        ...

    @property
    def actors(self) -> Actors:
        """Who acts for all of its owners."""
        ...

    @property
    def mark(self) -> str:
        """The name of the label or annotation without which an object is none of its own."""
        ...

    @property
    def managers(self) -> Collection[str]:
        """Field managers under which it writes."""
        ...

    @property
    def client_side(self) -> bool:
        """Whether it applies client-side, and so declares by ``last-applied-configuration``."""
        ...

    def claim(self, obj: Json, subject: Subject, listed: list[Entry]) -> OwnerRef | None:
        """The owner that the markers on ``obj`` name, None where they are absent or copied from elsewhere."""
        ...

    def claim_on_create(self, obj: Json, subject: Subject) -> OwnerRef | None:
        """The owner that a new object claims; it has no managedFields to confirm it yet."""
        ...

    def tracking(self, owner: OwnerRef, obj: Json) -> tuple[Path, ...]:
        """The metadata by which the reconciler finds the object again."""
        ...

    def switched_off(self, obj: Json, operation: str) -> tuple[str, Path] | None:
        """The annotation on the object that tells the reconciler to leave it alone, and its path."""
        ...

    def default_accounts(self, owner: OwnerRef) -> frozenset[str]:
        """User names that act for the owner where nothing else is known of it."""
        ...

    def remedy(self, owner: OwnerRef, source: Source) -> str:
        """How to change the object properly, for a person."""
        ...
