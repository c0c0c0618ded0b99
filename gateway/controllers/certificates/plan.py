"""What is to be done next about authority, certificate and registration: a pure function of what there is.

An API server believes the authorities in a registration's ``caBundle``; a server shows a certificate by one of them. So a
new authority is first made known everywhere, then, after a while, certificates are made by it; old ones stay known until
they end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from enum import Enum

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.certificates import Pair, issued_by, names_of

AUTHORITY_DAYS = 5 * 365.0
_AUTHORITY_RENEW = dt.timedelta(days=365)


class Authority(msgspec.Struct, frozen=True):
    """Who signs now, and who signed before."""

    pair: Pair
    older: tuple[x509.Certificate, ...] = ()

    def known(self, now: dt.datetime) -> tuple[x509.Certificate, ...]:
        """All that are to be believed: the present one first."""
        return (self.pair.certificate, *(old for old in self.older if old.not_valid_after_utc > now))


class Facts(msgspec.Struct, frozen=True):
    """What there is. ``bundles``: of each registration, those of its webhooks; ``trusted_seconds``: for how long all of
    them have had the present authority.
    """

    now: dt.datetime
    authority: Authority | None
    serving: Pair | None
    bundles: Mapping[str, tuple[bytes, ...]]
    trusted_seconds: float


class Wanted(msgspec.Struct, frozen=True):
    """What there is to be: names on the certificate, days before its end at which it is renewed, and how long a new
    authority is known before it signs.
    """

    names: frozenset[str]
    renew_days: float
    overlap_seconds: float


class Step(Enum):
    """One thing to do."""

    MAKE_AUTHORITY = "make-authority"
    TRUST = "trust"
    MAKE_SERVING = "make-serving"
    WAIT = "wait"


def bundle_of(authority: Authority, now: dt.datetime) -> bytes:
    """What registrations are to have as ``caBundle``: PEM."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in authority.known(now))


def untold(bundles: Mapping[str, tuple[bytes, ...]], bundle: bytes) -> list[str]:
    """The registrations of which a webhook does not have this ``caBundle``."""
    return [name for name, found in bundles.items() if any(one != bundle for one in found)]


def next_step(facts: Facts, wanted: Wanted) -> Step:
    """What to do now; asked again after each."""
    authority = facts.authority
    if authority is None or _ends_within(authority.pair.certificate, facts.now, _AUTHORITY_RENEW):
        return Step.MAKE_AUTHORITY
    usable = facts.serving is not None and _usable(facts.serving.certificate, authority, facts.now, wanted)
    if not usable:
        # Nothing can be lost: whoever is asked with what there is cannot answer.
        return Step.MAKE_SERVING
    if untold(facts.bundles, bundle_of(authority, facts.now)):
        return Step.TRUST
    assert facts.serving is not None  # noqa: S101 - usable
    certificate = facts.serving.certificate
    old = not issued_by(certificate, authority.pair.certificate)
    if (old or _ends_within(certificate, facts.now, dt.timedelta(days=wanted.renew_days))) and (
        facts.trusted_seconds >= wanted.overlap_seconds
    ):
        return Step.MAKE_SERVING
    return Step.WAIT


def _usable(certificate: x509.Certificate, authority: Authority, now: dt.datetime, wanted: Wanted) -> bool:
    return (
        certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
        and wanted.names <= names_of(certificate)
        and any(issued_by(certificate, known) for known in authority.known(now))
    )


def _ends_within(certificate: x509.Certificate, now: dt.datetime, left: dt.timedelta) -> bool:
    return certificate.not_valid_after_utc - now <= left
