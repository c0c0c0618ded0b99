"""What govgate notes on a Secret: where its values are from, what of it is an ExternalSecret's, and a mark of that.

For people: ``secrets.govgate.dev/store``, ``/key``, ``/version`` and ``/refreshed``. For govgate: ``/record``. Where several
ExternalSecrets add to one Secret, each has its own, whose names begin with its uid. The mark is keyed: a plain digest of a
weak password, as ESO notes one, tells the password to whoever may read annotations. Pure.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from gateway_secrets.external.collect import Source
from gateway_secrets.external.spec import ExternalSecret, Json

PREFIX = "secrets.govgate.dev"
MERGING = frozenset(("Merge", "CreateOrMerge"))
MAX_NOTE = 4_000
GENERATED = "generated"
"""The last part of the name of a note of :mod:`.made`, which is authentic by itself."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """``keys`` are noted where the Secret holds others', too; ``labels`` and ``annotations`` always. ``name``, ``uid``: whose."""

    name: str
    uid: str
    mark: str
    keys: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()


def prefix_of(external: ExternalSecret) -> str:
    """What the names of its annotations begin with."""
    merging = external.spec.target.creation_policy in MERGING
    return f"{external.uid}.{PREFIX}" if merging and external.uid else PREFIX


def record_in(secret: Json | None, prefix: str) -> Record | None:
    """What is noted on a Secret; None if there is nothing that can be read."""
    text = annotations_of(secret).get(f"{prefix}/record")
    try:
        return msgspec.json.decode(text, type=Record) if text is not None else None
    except (msgspec.DecodeError, UnicodeError):
        return None


def notes(sources: Sequence[Source], prefix: str) -> dict[str, str]:
    """The annotations for people, but for the time. Of several sources, in order, with commas."""
    stores = dict.fromkeys(one.store for one in sources)
    listed = {
        "store": ",".join(stores),
        "key": ",".join(one.key for one in sources),
        "version": ",".join(one.version for one in sources),
    }
    return {f"{prefix}/{name}": _short(text) for name, text in listed.items() if text.strip(",")}


def refreshed(now: datetime) -> str:
    """When what is written was read."""
    return f"{now:%Y-%m-%dT%H:%M:%SZ}"


def marked(secret: Json, record: Record, key: bytes, prefix: str) -> Record:
    """The record with the mark of what is its own in ``secret``."""
    return msgspec.structs.replace(record, mark=_digest(secret, record, key, prefix))


def intact(secret: Json, external: ExternalSecret, key: bytes) -> bool:
    """Whether all that is an ExternalSecret's in a Secret is as it was written."""
    prefix = prefix_of(external)
    record = record_in(secret, prefix)
    if record is None or record.uid != external.uid:
        return False
    return hmac.compare_digest(record.mark.encode(), _digest(secret, record, key, prefix).encode())


def annotations_of(secret: Json | None) -> dict[str, str]:
    """Its annotations."""
    found: dict[str, str] = ((secret or {}).get("metadata") or {}).get("annotations") or {}
    return found


def _digest(secret: Json, record: Record, key: bytes, prefix: str) -> str:
    metadata = secret.get("metadata") or {}
    data = secret.get("data") or {}
    owned = [one.get("uid") for one in metadata.get("ownerReferences") or [] if one.get("controller") is True]
    own = {name: value for name, value in annotations_of(secret).items() if name.startswith(f"{prefix}/")}
    own.pop(f"{prefix}/record", None)
    own.pop(f"{prefix}/refreshed", None)
    own.pop(f"{prefix}/{GENERATED}", None)
    message = [
        record.uid,
        _part(data, record.keys) if prefix != PREFIX else data,
        _part(metadata.get("labels") or {}, record.labels),
        _part(annotations_of(secret), record.annotations),
        own,
        [secret.get("type") or "Opaque", secret.get("immutable") is True] if prefix == PREFIX else [],
        owned if prefix == PREFIX else [],
    ]
    return hmac.digest(key, msgspec.json.encode(message, order="sorted"), "sha256").hex()


def _part(values: Mapping[str, str], names: Sequence[str]) -> dict[str, str | None]:
    return {name: values.get(name) for name in names}


def _short(text: str) -> str:
    return text if len(text) <= MAX_NOTE else f"{text[:MAX_NOTE]}…"
