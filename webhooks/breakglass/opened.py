"""What was changed under grants, by object. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.core.subject import Subject
from webhooks.breakglass.grant import Changed, Grant, Use
from webhooks.drift.facts import ObjectKey


class Open(msgspec.Struct, frozen=True):
    """One field of one object, as the latest use left it."""

    grant: Grant
    use: Use
    changed: Changed

    @property
    def key(self) -> ObjectKey:
        """The object."""
        about = self.use.object
        return ObjectKey(about.api_version.rpartition("/")[0], about.kind, about.namespace, about.name)


class Opened:
    """The fields that grants let people change, each as it was changed last."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        latest: dict[tuple[ObjectKey, str], Open] = {}
        for grant in grants:
            for use in grant.status.uses:
                for changed in use.fields:
                    one = Open(grant, use, changed)
                    held = latest.get((one.key, changed.field))
                    if held is None or (held.use.time, held.use.id) < (use.time, use.id):
                        latest[one.key, changed.field] = one
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
