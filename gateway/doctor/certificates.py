"""Certificates: their ends, and whether who is asked is believed. Pure."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Sequence

import msgspec
from cryptography import x509

from gateway.core.certificates import issued_by, names_of
from gateway.core.finding import Finding, Resource
from gateway.core.subject import Json
from gateway.doctor.registrations import resource_of, service_of
from gateway.doctor.rules import Result, found, undecided

SOON = dt.timedelta(days=7)


class Shown(msgspec.Struct, frozen=True):
    """Certificates that were found somewhere. ``where``: in words; ``served``: the first is what the webhook shows."""

    about: Resource
    where: str
    pem: bytes
    served: bool = False


def check_ends(shown: Sequence[Shown], now: dt.datetime) -> list[Result]:
    """Those that are not valid now, or end within a week; a chain ends with its first end."""
    results: list[Result] = []
    for one in shown:
        certificates = read(one.pem)
        if not certificates:
            results.append(
                found("certificate-expired", one.about, f"{one.where} holds no certificate", field=one.where)
            )
            continue
        results += _ends(one, certificates, now)
    return results


def _ends(one: Shown, certificates: Sequence[x509.Certificate], now: dt.datetime) -> list[Finding]:
    # Of several authorities the last one's end matters, of a chain the first one's.
    ends = [certificate.not_valid_after_utc for certificate in certificates]
    end = min(ends) if one.served else max(ends)
    begin = certificates[0].not_valid_before_utc
    if begin > now and one.served:
        return [
            found("certificate-expired", one.about, f"{one.where} is valid from {begin:%F %R} UTC", field=one.where)
        ]
    if end <= now:
        return [found("certificate-expired", one.about, f"{one.where} ended {end:%F %R} UTC", field=one.where)]
    if end - now <= SOON:
        left = (end - now) / dt.timedelta(days=1)
        text = f"{one.where} ends {end:%F %R} UTC, in {left:.1f} days"
        return [found("certificate-expires", one.about, text, field=one.where)]
    return []


def check_trust(there: Json, shown: Sequence[Shown]) -> list[Result]:
    """Whether each webhook's ``caBundle`` believes what is served."""
    name = str((there.get("metadata") or {}).get("name"))
    about = resource_of(name)
    served = [(one, certificates) for one in shown if one.served and (certificates := read(one.pem))]
    results: list[Result] = []
    for webhook in there.get("webhooks") or ():
        field = f"webhooks[name={webhook.get('name')}].clientConfig.caBundle"
        bundle = bundle_of(webhook)
        authorities = read(bundle)
        if not authorities:
            what = "holds no certificate in PEM" if bundle else "is empty"
            text = f"caBundle {what}: the API server believes the authorities of its own machine only"
            results.append(found("registration-trust", about, text, field=field))
            continue
        if not served:
            results.append(
                undecided("registration-trust", f"{name} {field}", "no certificate that is served could be read")
            )
        for one, certificates in served:
            why = _disbelieved(certificates, authorities, webhook)
            if why:
                results.append(found("registration-trust", about, f"{one.where}: {why}", field=field))
    return results


def _disbelieved(chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate], webhook: Json) -> str:
    """Why the chain is not believed; empty if it is. The first is the server's, each other may have signed it."""
    believed = list(authorities)
    for certificate in reversed(chain[1:]):
        if any(issued_by(certificate, one) for one in believed):
            believed.append(certificate)
    leaf = chain[0]
    if leaf not in authorities and not any(issued_by(leaf, one) for one in believed):
        return "what is served is not signed by an authority of caBundle"
    service = service_of(webhook)
    if service is not None and f"{service[1]}.{service[0]}.svc" not in names_of(leaf):
        return f"what is served is not for {service[1]}.{service[0]}.svc"
    return ""


def bundle_of(webhook: Json) -> bytes:
    """Its ``caBundle``, decoded; empty if there is none that could be."""
    try:
        return base64.b64decode((webhook.get("clientConfig") or {}).get("caBundle") or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        return b"?"


def read(pem: bytes) -> list[x509.Certificate]:
    """The certificates in it; none if it holds something else."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []
