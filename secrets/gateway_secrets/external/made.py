"""What a generator made for an ExternalSecret, noted on the Secret: so that a restart makes nothing anew, and leases can be ended. Pure.

The note is the annotation ``secrets.govgate.dev/generated`` (begun as :mod:`.record` says). It holds no value: times, names, the id
of the lease, and a keyed digest of the values. It is authentic by a digest of its own: whoever may write Secrets must not be able
to have other leases ended, with the rights of the generator.
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

    def is_for(self, external: ExternalSecret, revision: str, now: float, least: float = 0.0) -> bool:
        """Whether it is still what the ExternalSecret wants."""
        if external.spec.refresh_policy == "CreatedOnce":
            return True
        end = self.replaced_at(external.spec, least)
        same = (self.revision, self.version) == (revision, synced_version(external))
        return same and (end is None or self.at <= now < end)


class _Note(msgspec.Struct, frozen=True):
    made: msgspec.Raw
    mac: str


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


def note_of(made: Sequence[Made], external: ExternalSecret, key: bytes) -> str:
    """The annotation; empty for nothing."""
    if not made:
        return ""
    text = msgspec.json.encode(sorted(made, key=lambda one: one.where))
    return msgspec.json.encode(_Note(msgspec.Raw(text), _mac(text, external, key))).decode()


def made_in(secret: Json | None, external: ExternalSecret, key: bytes) -> tuple[Made, ...]:
    """What a Secret says was made for an ExternalSecret; nothing, if that is not govgate's own note of it."""
    text = annotations_of(secret).get(note_name(external))
    try:
        note = msgspec.json.decode(text, type=_Note) if text is not None else None
        if note is None or not hmac.compare_digest(note.mac.encode(), _mac(bytes(note.made), external, key).encode()):
            return ()
        return msgspec.json.decode(note.made, type=tuple[Made, ...])
    except (msgspec.DecodeError, UnicodeError):
        return ()


def mark_of(values: Mapping[str, bytes], key: bytes) -> str:
    """Of values."""
    parts = [(name, value.hex()) for name, value in sorted(values.items())]
    return hmac.digest(key, b"values " + msgspec.json.encode(parts), "sha256").hex()


def recovered(made: Made, data: Mapping[str, bytes], key: bytes) -> dict[str, bytes] | None:
    """The values, out of the Secret that holds them as they were made; None if it does not."""
    found = {name: data[name] for name in made.keys if name in data}
    return found if hmac.compare_digest(mark_of(found, key), made.mark) else None


def _mac(text: bytes, external: ExternalSecret, key: bytes) -> str:
    whose = msgspec.json.encode([external.namespace, external.name, external.uid])
    return hmac.digest(key, b"made %s %s" % (whose, text), "sha256").hex()
