"""What was changed under grants, by object. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.core.subject import Subject
from webhooks.breakglass.grant import Changed, Grant, Use
from webhooks.drift.facts import ObjectKey


class Open(msgspec.Struct, frozen=True):
    """One field of one object, as the latest use left it.

    ``earlier``: the uses before that one since Git was last known to agree, the oldest first, under whichever grants. A use is
    counted before its write: whether the latest one became of anything is not known, so the earlier ones count as well.
    """

    grant: Grant
    use: Use
    changed: Changed
    earlier: tuple[Open, ...] = ()

    @property
    def before(self) -> str:
        """The digest of the value before the oldest of them; empty if it has none."""
        return (*self.earlier, self)[0].changed.before

    @property
    def operations(self) -> frozenset[str]:
        """What was done."""
        return frozenset(one.use.operation for one in (*self.earlier, self))

    @property
    def grants(self) -> frozenset[str]:
        """The names of all grants that hold a part of this record."""
        return frozenset(one.grant.name for one in (*self.earlier, self))

    @property
    def key(self) -> ObjectKey:
        """The object."""
        about = self.use.object
        return ObjectKey(about.api_version.rpartition("/")[0], about.kind, about.namespace, about.name)


class Opened:
    """The fields that grants let people change, each as it was changed last, with how it was before."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        latest: dict[tuple[ObjectKey, str], Open] = {}
        made = [Open(grant, use, changed) for grant in grants for use in grant.status.uses for changed in use.fields]
        for one in sorted(made, key=lambda one: (one.use.time, one.use.id)):
            place = (one.key, one.changed.field)
            latest[place] = _after(latest.get(place), one)
        self._by_object: dict[ObjectKey, dict[str, Open]] = {}
        for (key, field), one in sorted(latest.items(), key=lambda item: item[0]):
            self._by_object.setdefault(key, {})[field] = one

    def objects(self) -> list[tuple[ObjectKey, list[Open]]]:
        """Each object with what was changed of it, in order."""
        return [(key, list(held.values())) for key, held in self._by_object.items()]

    def of(self, key: ObjectKey) -> list[Open]:
        """What was changed of one object."""
        return list(self._by_object.get(key, {}).values())

    def fields(self, subject: Subject) -> tuple[str, ...]:
        """The fields that were changed of the object a request is about."""
        if not self._by_object:
            return ()
        key = ObjectKey(subject.kind.group, subject.kind.kind, subject.object_namespace, subject.name)
        return tuple(field for field in self._by_object.get(key, ()) if field)

    def kinds(self) -> frozenset[tuple[str, str]]:
        """Group and kind of the objects."""
        return frozenset((key.group, key.kind) for key in self._by_object)


def _after(last: Open | None, one: Open) -> Open:
    """The latest use, with those that go before it: none where it met a value that no use knows, which is the owner's then."""
    if last is None:
        return one
    chain = (*last.earlier, msgspec.structs.replace(last, earlier=()))
    known = {value for each in chain for value in (each.changed.before, each.changed.after)}
    met = one.changed.before
    anew = bool(met) and "" not in known and met not in known
    return one if anew else msgspec.structs.replace(one, earlier=chain)
