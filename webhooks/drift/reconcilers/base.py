"""What every reconciler module offers to the decision. Adding one is docs/reconcilers.md."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from gateway.config.drift import Actors, Mode, SyncWindows
from gateway.core.subject import Json, Subject
from webhooks.drift.facts import OwnerRef, Source
from webhooks.drift.fields import FieldsV1
from webhooks.drift.managed import Entry
from webhooks.drift.paths import Path


class Reconciler(Protocol):
    """Pure knowledge about one reconciler, under one configuration."""

    @property
    def id(self) -> str:
        """The reconciler's name in facts and configuration."""
        ...

    @property
    def section(self) -> str:
        """Its section of the configuration."""
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
    def marks(self) -> tuple[str, ...]:
        """Texts of which one stands in the JSON of each of its objects: the names of labels, of annotations."""
        ...

    @property
    def managers(self) -> Collection[str]:
        """Field managers under which it writes."""
        ...

    @property
    def sync_windows(self) -> SyncWindows:
        """What it means that its owners may not sync at present."""
        ...

    @property
    def client_side(self) -> bool:
        """Whether it applies client-side, and so declares by ``last-applied-configuration``."""
        ...

    @property
    def last_resort(self) -> bool:
        """Whether an object is its own only where no other reconciler claims it."""
        ...

    @property
    def always_tracked(self) -> bool:
        """Whether its marks stay protected on an object that it is told to leave alone."""
        ...

    def claim(self, obj: Json, subject: Subject, listed: list[Entry]) -> OwnerRef | None:
        """The owner that the markers on ``obj`` name, None where they are absent or copied from elsewhere."""
        ...

    def claim_on_create(self, obj: Json, subject: Subject) -> OwnerRef | None:
        """The owner that a new object claims; its managedFields name its creator's own manager alone."""
        ...

    def tracking(self, owner: OwnerRef, obj: Json) -> tuple[Path, ...]:
        """The metadata by which the reconciler finds the object again."""
        ...

    def stated(self, obj: Json) -> tuple[tuple[str, FieldsV1], ...]:
        """What it declares elsewhere than in managedFields, each set with the apiVersion that it is written in.

        Raises:
            UndecidedError: the declaration is not readable.
        """
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


class Defaults:
    """What most reconcilers have: they inherit it, and state what differs."""

    sync_windows = SyncWindows()
    client_side = False
    last_resort = False
    always_tracked = False

    def claim_on_create(self, obj: Json, subject: Subject) -> OwnerRef | None:  # noqa: ARG002 - the protocol's
        """Nothing on a new object tells whose it is."""
        return None

    def tracking(self, owner: OwnerRef, obj: Json) -> tuple[Path, ...]:  # noqa: ARG002 - the protocol's
        """None but managedFields."""
        return ()

    def stated(self, obj: Json) -> tuple[tuple[str, FieldsV1], ...]:  # noqa: ARG002 - the protocol's
        """Nothing: managedFields say all."""
        return ()

    def switched_off(self, obj: Json, operation: str) -> tuple[str, Path] | None:  # noqa: ARG002 - the protocol's
        """There is no such annotation."""
        return None

    def default_accounts(self, owner: OwnerRef) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """Only those that the configuration names."""
        return frozenset()


def git_place(source: Source) -> str:
    """Where to change it: `` in <repository> under <path>``, as far as it is known."""
    where = f" in {source.repository}" if source.repository else " in Git"
    return f"{where} under {source.path}" if source.path else where
