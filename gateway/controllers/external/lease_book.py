"""The leases that this process knows to be in use: what Secrets noted when they were looked at last. Pure.

A Secret that is deleted takes its note with it; what it noted is known here, and is ended with what else is.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway_secrets.external.made import Note, Replaced, ended_at

LOOK_SECONDS = 3_600.0
"""A lease that is in use is asked after so often, if it is not renewed meanwhile; and once after a start."""
_USED = float("-inf")
"""In place of the time when it is to be ended."""


class LeaseBook:
    """For each ExternalSecret, by its uid."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Replaced]] = {}
        self._looked: dict[str, float] = {}
        self._tries: dict[str, float] = {}
        self._lost: dict[str, set[str]] = {}

    def seen(self, uid: str, note: Note) -> None:
        """A Secret notes this."""
        lost = self._lost.get(uid, ())
        found = [ended_at(one, _USED) for one in note.made]
        known = {one.lease.id: one for one in (*found, *note.replaced) if one is not None and one.lease.id not in lost}
        if known:
            self._known.setdefault(uid, {}).update(known)

    def settle(self, uid: str, note: Note) -> None:
        """A Secret notes this now, and nothing else is in use."""
        self._forget(lease for lease in self._known.pop(uid, {}) if lease not in note.leases)
        self._lost.pop(uid, None)
        self.seen(uid, note)

    def ended(self, uid: str, lease: str) -> None:
        """It is no more."""
        known = self._known.get(uid, {})
        known.pop(lease, None)
        if not known:
            self._known.pop(uid, None)
        self._forget([lease])

    def lose(self, uid: str, lease: str) -> None:
        """It is no more, though a Secret notes it, until another one is there."""
        self.ended(uid, lease)
        self._lost.setdefault(uid, set()).add(lease)

    def is_lost(self, uid: str, lease: str) -> bool:
        """Whether that is known."""
        return lease in self._lost.get(uid, ())

    def in_use(self, uid: str, lease: str) -> bool:
        """Whether a Secret held it, and was not to replace it, when it was looked at last."""
        one = self._known.get(uid, {}).get(lease)
        return one is not None and one.at == _USED

    def all_of(self, uid: str) -> list[Replaced]:
        """What is in use, or was until it is ended."""
        return list(self._known.get(uid, {}).values())

    def beyond(self, uid: str, note: Note) -> list[Replaced]:
        """What a note does not name."""
        return [one for one in self.all_of(uid) if one.lease.id not in note.leases]

    def drop(self, uid: str) -> None:
        """It is no more."""
        self._lost.pop(uid, None)
        self._forget(self._known.pop(uid, {}))

    def looked(self, lease: str, now: float) -> None:
        """Vault has been asked after a lease, or has just made it."""
        self._looked[lease] = now

    def look_at(self, lease: str) -> float:
        """When Vault is to be asked after a lease, in seconds since the epoch: at once, if this process did not do that yet."""
        return self._looked.get(lease, float("-inf")) + LOOK_SECONDS

    def try_at(self, lease: str) -> float:
        """When ending it may be tried again, if that failed."""
        return self._tries.get(lease, float("-inf"))

    def tried(self, lease: str, again_at: float) -> None:
        """Ending it failed."""
        self._tries[lease] = again_at

    def _forget(self, leases: Iterable[str]) -> None:
        for lease in leases:
            self._looked.pop(lease, None)
            self._tries.pop(lease, None)
