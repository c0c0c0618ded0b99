"""When something is to be done about what Vault made, in seconds since the epoch. Pure.

``least``: seconds between two refreshes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.controllers.external.lease_book import LeaseBook
from gateway_secrets.external.generators import DYNAMIC
from gateway_secrets.external.made import Made, Note, Replaced
from gateway_secrets.external.spec import Spec
from gateway_secrets.stores.vault_dynamic_spec import Lease

_AGAIN_SECONDS = 15.0
LATEST_AGAIN_SECONDS = 300.0
_AGAIN_AT = 1.0 / 8.0
"""What could not be renewed, or ended, is tried again when this part of what is left of its lease is over, within these bounds."""


def times_of(spec: Spec, note: Note, book: LeaseBook, now: float, least: float) -> list[float]:
    """When a lease that a Secret notes is to be renewed, ended or asked after, or another secret made."""
    due = [at for one in note.made for at in _due(spec, one, book, now, least)]
    return [*due, *_replacements(spec, note.made, least), *(end_at(one, book) for one in note.replaced)]


def to_come(times: Iterable[float], now: float) -> float | None:
    """The first that is not over."""
    return min((at for at in times if at > now), default=None)


def anew_at(spec: Spec, noted: Sequence[Made], good: Sequence[Made], now: float, least: float) -> float | None:
    """When another secret is to be made: at once, where something is missing of what is wanted, or was ``noted``."""
    times = _replacements(spec, good, least)
    wanted = {f"spec.dataFrom[{at}]" for at, kind in enumerate(_kinds(spec)) if kind == DYNAMIC}
    missing = (wanted | {one.where for one in noted}) - {one.where for one in good}
    if missing and spec.refresh_seconds(least) > 0:
        times.append(now)
    return min(times, default=None)


def end_at(one: Replaced, book: LeaseBook) -> float:
    """When what was replaced is to be ended: later than it says, if that failed."""
    return max(one.at, book.try_at(one.lease.id))


def pause(lease: Lease, now: float) -> float:
    """Seconds until renewing or ending it is tried again."""
    return min(max((lease.ends - now) * _AGAIN_AT, _AGAIN_SECONDS), LATEST_AGAIN_SECONDS)


def _due(spec: Spec, made: Made, book: LeaseBook, now: float, least: float) -> list[float]:
    """When something is to be done about a lease in use: it is renewed, is asked after, or has ended for good."""
    if made.lease is None or made.lease.ends <= now:
        return []
    times, due = [book.look_at(made.lease.id)], made.renewed_at()
    if due is not None:
        times.append(due if due > now else now + pause(made.lease, now))
    if made.replaced_at(spec, least) is None:
        times.append(made.lease.ends)
    return times


def _replacements(spec: Spec, made: Sequence[Made], least: float) -> list[float]:
    return [at for one in made if (at := one.replaced_at(spec, least)) is not None]


def _kinds(spec: Spec) -> list[str]:
    """Of the generators of each entry."""
    return [one.generator.kind if one.generator is not None else "" for one in spec.data_from]
