"""What a generator made for an ExternalSecret, noted on the Secret: so that a restart makes nothing anew, and leases can be ended. Pure.

The note is the annotation ``secrets.govgate.dev/generated`` (begun as :mod:`.record` says). It holds no value: times, names, the id
of the lease, and a keyed digest of the values; and of what was replaced, which leases are to be ended when, so that no restart
forgets one. It is authentic by a digest of its own: whoever may write Secrets must not be able to have other leases ended, with
the rights of the generator.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

import msgspec

from gateway_secrets.external.record import GENERATED, annotations_of, prefix_of
from gateway_secrets.external.spec import ExternalSecret, GeneratorRef, Json, Spec
from gateway_secrets.external.status import synced_version
from gateway_secrets.stores.vault_dynamic_spec import Lease

FINALIZER = "secrets.govgate.dev/leases"
"""Of ExternalSecrets: leases are ended before the object is gone."""
RENEWED_AT = 0.5
"""A lease is renewed when this part of its life is over."""
REPLACED_AT = 1.0 / 6.0
"""A secret is replaced when no more than this part of its first lease is left, and it cannot be renewed."""
LEAST_SECONDS = 15.0
"""Between two that are made, unless the refresh interval is shorter."""
MAX_REPLACED = 50
"""So many of those that were replaced are noted: with more, the oldest are ended at once."""
_NOTHING = b"[]"


class Made(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of ``dataFrom``, what made it, and when.

    ``where``: the field of the entry. ``revision``: of the generator; ``version``: of the ExternalSecret, as in its status.
    ``at``: seconds since the epoch. ``mark``: of the values, which have the names ``keys``. ``seconds``: of the lease at first.
    """

    where: str
    generator: str
    revision: str
    version: str
    at: float
    mark: str
    keys: tuple[str, ...] = ()
    lease: Lease | None = None
    seconds: float = 0.0

    def replaced_at(self, spec: Spec, least: float = 0.0) -> float | None:
        """When another is made, in seconds since the epoch; None: never, by the refresh policy. ``least``: between refreshes."""
        interval = spec.refresh_seconds(least)
        if interval <= 0:
            return None
        soonest, at = self.at + min(interval, LEAST_SECONDS), self.at + interval
        if self.lease is not None:
            at = min(at, self.lease.ends - self.seconds * REPLACED_AT)
        return max(soonest, at)

    def renewed_at(self) -> float | None:
        """When its lease is renewed; None: never."""
        if self.lease is None or not self.lease.renewable or self.lease.seconds <= self.seconds * REPLACED_AT:
            return None
        return self.lease.due(RENEWED_AT)

    def has_ended(self, spec: Spec, now: float, least: float = 0.0) -> bool:
        """Whether it is no good any more, and by the refresh policy nothing takes its place."""
        return self.lease is not None and self.lease.ends <= now and self.replaced_at(spec, least) is None

    def is_for(self, external: ExternalSecret, revision: str, now: float, least: float = 0.0) -> bool:
        """Whether it is still what the ExternalSecret wants."""
        if external.spec.refresh_policy == "CreatedOnce":
            return True
        end = self.replaced_at(external.spec, least)
        same = (self.revision, self.version) == (revision, synced_version(external))
        return same and (end is None or self.at <= now < end)


class Replaced(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be ended: by which generator, of which revision, it was made, and ``at`` which time that is due, in seconds since
    the epoch.
    """

    generator: str
    revision: str
    lease: Lease
    at: float


class Note(msgspec.Struct, frozen=True):
    """What a Secret says. ``made``: what it holds; ``replaced``: what it held, which may still be in use."""

    made: tuple[Made, ...] = ()
    replaced: tuple[Replaced, ...] = ()

    @property
    def leases(self) -> frozenset[str]:
        """The ids of all that it names."""
        several: list[Made | Replaced] = [*self.made, *self.replaced]
        return frozenset(one.lease.id for one in several if one.lease is not None)


class _Note(msgspec.Struct, frozen=True):
    made: msgspec.Raw
    mac: str
    replaced: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def ended_at(made: Made, at: float) -> Replaced | None:
    """What is to be ended of something, ``at`` that time, or when it ends by itself; None: it has no lease."""
    lease = made.lease
    return Replaced(made.generator, made.revision, lease, min(at, lease.ends)) if lease is not None else None


def replaced_by(
    made: Sequence[Made], before: Note, seen: Sequence[Replaced], now: float, grace: float
) -> tuple[Replaced, ...]:
    """What a Secret notes to be ended when it holds ``made``: what it had noted, or is known to have held (``seen``), and lasts.

    ``grace``: seconds for what used the old one until now. The oldest go, where there are more than a note holds.
    """
    held = {one.lease.id for one in made if one.lease is not None}
    found = {one.lease.id: one for one in before.replaced}
    former: list[Made | Replaced] = [*before.made, *seen]
    for one in former:
        if one.lease is not None:
            at = min(now + grace, one.lease.ends)
            found.setdefault(one.lease.id, Replaced(one.generator, one.revision, one.lease, at))
    last = [old for lease, old in found.items() if lease not in held and old.lease.ends > now]
    return tuple(sorted(last, key=lambda one: (one.at, one.lease.id))[-MAX_REPLACED:])


def generator_name(ref: GeneratorRef) -> str:
    """What a generator is called in notes."""
    return f"{ref.kind}/{ref.name}"


def ref_of(name: str) -> GeneratorRef:
    """The generator of that name."""
    kind, _, own = name.partition("/")
    return GeneratorRef(kind, own)


def note_name(external: ExternalSecret) -> str:
    """Of the annotation."""
    return f"{prefix_of(external)}/{GENERATED}"


def note_of(note: Note, external: ExternalSecret, key: bytes) -> str:
    """The annotation; empty for nothing."""
    if not note.made and not note.replaced:
        return ""
    made = msgspec.json.encode(sorted(note.made, key=lambda one: one.where))
    replaced = msgspec.json.encode(note.replaced)
    mac = _mac(made, replaced, external, key)
    more = msgspec.Raw(replaced) if note.replaced else msgspec.UNSET
    return msgspec.json.encode(_Note(msgspec.Raw(made), mac, more)).decode()


def note_in(secret: Json | None, external: ExternalSecret, key: bytes) -> Note:
    """What a Secret says was made for an ExternalSecret; nothing, if that is not govgate's own note of it."""
    text = annotations_of(secret).get(note_name(external))
    try:
        note = msgspec.json.decode(text, type=_Note) if text is not None else None
        if note is None:
            return Note()
        made = bytes(note.made)
        replaced = bytes(note.replaced) if isinstance(note.replaced, msgspec.Raw) else _NOTHING
        if not hmac.compare_digest(note.mac.encode(), _mac(made, replaced, external, key).encode()):
            return Note()
        return Note(
            msgspec.json.decode(made, type=tuple[Made, ...]), msgspec.json.decode(replaced, type=tuple[Replaced, ...])
        )
    except (msgspec.DecodeError, UnicodeError):
        return Note()


def mark_of(values: Mapping[str, bytes], key: bytes) -> str:
    """Of values."""
    parts = [(name, value.hex()) for name, value in sorted(values.items())]
    return hmac.digest(key, b"values " + msgspec.json.encode(parts), "sha256").hex()


def recovered(made: Made, data: Mapping[str, bytes], key: bytes) -> dict[str, bytes] | None:
    """The values, out of the Secret that holds them as they were made; None if it does not."""
    found = {name: data[name] for name in made.keys if name in data}
    return found if hmac.compare_digest(mark_of(found, key), made.mark) else None


def _mac(made: bytes, replaced: bytes, external: ExternalSecret, key: bytes) -> str:
    whose = msgspec.json.encode([external.namespace, external.name, external.uid])
    # Both are JSON, and two texts of it are never one: where nothing is to be ended, it is as before there was such a thing.
    text = made if replaced == _NOTHING else made + b" " + replaced
    return hmac.digest(key, b"made %s %s" % (whose, text), "sha256").hex()
