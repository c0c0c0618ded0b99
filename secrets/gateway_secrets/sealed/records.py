"""What govgate notes about sealed values in annotations of a SealedSecret's own metadata, never of its template.

``seal.govgate.dev/certificates`` says, for every value, which certificate it was sealed with, until when that was good,
and for which place: scope, namespace and name. ``seal.govgate.dev/digests`` holds what tells, with a key that is not in Git, whether a value's plaintext changed.
Both are bound to the sealed values as they stand: another tool that replaces one makes its note void, not wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from gateway_secrets.sealed.scope import Scope

CERTIFICATES = "seal.govgate.dev/certificates"
DIGESTS = "seal.govgate.dev/digests"
_PREFIX = "seal.govgate.dev/"

_Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class _Used(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, rename={"place": "for"}):
    """One certificate, and one place. ``keys``: those sealed so, each with the beginning of its sealed value's SHA-256."""

    sha256: _Hex
    expires: str
    keys: dict[str, str]
    place: str = ""


class _Digests(msgspec.Struct, forbid_unknown_fields=True):
    """``by``: which digest key made them."""

    by: str
    values: dict[str, str]


class Note(msgspec.Struct, frozen=True):
    """What is known about one sealed value: its certificate's fingerprint and expiry, its digest if there is one.

    ``place``: what it is bound to, as :func:`place_of` words it; empty where that is not noted.
    """

    fingerprint: str
    expires: datetime
    digest: str = ""
    place: str = ""


class Notes(msgspec.Struct, frozen=True):
    """Of a SealedSecret, by key. ``by``: the digest key's id; ``stale``: keys whose value is not the one noted."""

    values: dict[str, Note] = {}
    by: str = ""
    stale: tuple[str, ...] = ()
    unreadable: bool = False


def read_notes(annotations: Mapping[str, str], values: Mapping[str, str]) -> Notes:
    """The notes that hold for these sealed values; ``unreadable`` if an annotation is not as govgate writes it."""
    try:
        used = msgspec.json.decode(annotations.get(CERTIFICATES, "[]"), type=list[_Used])
        digests = msgspec.json.decode(annotations.get(DIGESTS, '{"by":"","values":{}}'), type=_Digests)
        noted = {
            key: (mark, Note(one.sha256, _time(one.expires), digests.values.get(key, ""), one.place))
            for one in used
            for key, mark in one.keys.items()
        }
    except (msgspec.DecodeError, ValueError):
        return Notes(unreadable=True)
    held = {key: note for key, (mark, note) in noted.items() if key in values and mark == _mark(values[key])}
    return Notes(held, digests.by, tuple(sorted(set(noted) - set(held))))


def with_notes(annotations: Mapping[str, str], values: Mapping[str, str], notes: Notes) -> dict[str, str]:
    """The annotations with the notes written into them, in an order that depends on nothing but the notes."""
    kept = {key: text for key, text in annotations.items() if key not in {CERTIFICATES, DIGESTS}}
    used: dict[tuple[str, str], _Used] = {}
    for key, note in sorted(notes.values.items()):
        which = (note.fingerprint, note.place)
        one = used.setdefault(which, _Used(note.fingerprint, f"{note.expires:%Y-%m-%dT%H:%M:%SZ}", {}, note.place))
        one.keys[key] = _mark(values[key])
    if used:
        kept[CERTIFICATES] = msgspec.json.encode([used[which] for which in sorted(used)]).decode()
    digests = {key: note.digest for key, note in sorted(notes.values.items()) if note.digest}
    if digests:
        kept[DIGESTS] = msgspec.json.encode(_Digests(notes.by, digests)).decode()
    return kept


def place_of(scope: Scope, namespace: str, name: str) -> str:
    """What a value is bound to, in words: ``strict web/db``, ``namespace-wide web``, ``cluster-wide``."""
    if scope is Scope.CLUSTER_WIDE:
        return str(scope)
    return f"{scope} {namespace}" if scope is Scope.NAMESPACE_WIDE else f"{scope} {namespace}/{name}"


def without_notes(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations without those of govgate's: what may go into a template."""
    return {key: text for key, text in annotations.items() if not is_note(key)}


def is_note(annotation: str) -> bool:
    """Whether an annotation is one of these."""
    return annotation.startswith(_PREFIX)


def _mark(value: str) -> str:
    """A sealed value is no secret: a plain hash says which one it is."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
