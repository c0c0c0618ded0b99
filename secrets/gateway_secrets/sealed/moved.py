"""Sealed values that cannot be opened where they stand: what is noted says that they are sealed for somewhere else.

Pure, and nothing is opened. Without notes, an update shows one thing all the same: a sealed value that stays while the
scope changes was sealed for the former one.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from gateway_secrets.sealed.objects import Sealed
from gateway_secrets.sealed.records import Note, place_of, read_notes
from gateway_secrets.sealed.scope import Scope


class Difference(StrEnum):
    """What is another: name or namespace, or the scope."""

    PLACE = "place"
    SCOPE = "scope"


class Moved(msgspec.Struct, frozen=True):
    """One value that was sealed for another place than it stands at."""

    key: str
    difference: Difference
    message: str


def moved(sealed: Sealed, before: Sealed | None = None) -> Iterator[Moved]:
    """What is sealed for somewhere else. ``before``: what the object was, where that is known.

    An object that names no namespace may be in any: nothing is said of that.
    """
    notes = _noted(sealed)
    for key, value in sealed.values.items():
        place = notes[key].place if key in notes else ""
        if not place and before is not None and before.values.get(key) == value:
            place = place_of(before.scope, before.namespace, before.name)
        scope, _, where = place.partition(" ")
        here = place_of(sealed.scope, sealed.namespace or where.partition("/")[0], sealed.name)
        if not place or place == here:
            continue
        same = scope == sealed.scope
        said = f"is sealed {_worded(place)}, and stands {_worded(here)}: it cannot be opened"
        yield Moved(key, Difference.PLACE if same else Difference.SCOPE, said)


def hinted(sealed: Sealed) -> tuple[str, str] | None:
    """Field and message where the template names another place: kubeseal writes there what it sealed for, and notes nothing.

    None where notes tell, which is better; a template may say anything.
    """
    if sealed.scope is Scope.CLUSTER_WIDE or any(note.place for note in _noted(sealed).values()):
        return None
    inner = sealed.template.get("metadata") or {}
    fields = ("namespace", "name") if sealed.scope is Scope.STRICT else ("namespace",)
    for field, own in zip(fields, (sealed.namespace, sealed.name), strict=False):
        if own and inner.get(field) not in {None, "", own}:
            said = f"its template names another {field}: if it was sealed for that one, it cannot be opened here"
            return f"spec.template.metadata.{field}", said
    return None


def _noted(sealed: Sealed) -> dict[str, Note]:
    return read_notes(sealed.annotations, sealed.values).values


def _worded(place: str) -> str:
    scope, _, where = place.partition(" ")
    if not where:
        return "for all namespaces (cluster-wide)"
    return f"for any name in namespace {where}" if scope == "namespace-wide" else f"for {where} alone (strict)"
