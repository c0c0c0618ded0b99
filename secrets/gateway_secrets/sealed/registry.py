"""``clusters.yaml``: which clusters there are, and the certificate that each one's secrets are sealed with.

clusters:
  - name: prod-eu
    certificate: certs/prod-eu.pem    # a file, from this one's folder
    expires: 2036-11-24               # not later than this, whatever the certificate says
    namespaces: [web, api]            # where Secrets without a namespace go
  - name: prod-us
    certificate: https://sealed.prod-us.example.com/v1/cert.pem
    fingerprint: 3f0c…                # SHA-256 of the certificate: no other one is taken
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from gateway_secrets.sealed.addresses import is_url, shown
from gateway_secrets.sealed.certificate import Certificate, parse_certificate
from gateway_secrets.sealed.documents import read_documents
from gateway_secrets.sealed.errors import CertificateError, InputError
from gateway_secrets.sealed.files import read_file

_LOCAL = frozenset(("localhost", "127.0.0.1", "::1"))
_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9](?:[-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$")]
_Fingerprint = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Fa-f:]{64,95}$")]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cluster. ``certificate``: a file or a URL; ``fingerprint``: its SHA-256 in hex, colons allowed."""

    name: _Name
    certificate: str
    expires: date | None = None
    fingerprint: _Fingerprint = ""
    namespaces: tuple[str, ...] = ()

    @property
    def until(self) -> datetime | None:
        """The end of the day ``expires``."""
        return datetime.combine(self.expires, time.max, UTC) if self.expires is not None else None


class _Registry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    clusters: tuple[Entry, ...]


class Cluster(msgspec.Struct, frozen=True):
    """A cluster with its certificate. ``source``: where that is from, for messages."""

    entry: Entry
    certificate: Certificate
    source: str

    @property
    def doubtful(self) -> str:
        """Why it could be somebody else's certificate, if it could: fetched in the clear, and not pinned."""
        parts = urlsplit(self.entry.certificate)
        if parts.scheme != "http" or self.entry.fingerprint or parts.hostname in _LOCAL:
            return ""
        return f"{self.source}: came without TLS, and no registry pins its fingerprint: it could be anybody's"


def read_registry(path: Path, names: Sequence[str] = ()) -> list[Entry]:
    """The clusters of a registry, all or those named, in the registry's order.

    Raises:
        InputError: it is none, or does not know a name.
        FileError: it cannot be read.
    """
    documents = read_documents(read_file(path).data, source=str(path))
    if len(documents) != 1:
        raise InputError(f"{path}: is no registry of clusters: it must be one document")
    try:
        found = msgspec.convert(documents[0].value, _Registry).clusters
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}") from None
    known = [entry.name for entry in found]
    if len(set(known)) < len(known):
        raise InputError(f"{path}: a name is there twice")
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise InputError(f"{path}: has no cluster {', '.join(unknown)} (it has {', '.join(known)})")
    here = path.parent
    return [
        entry
        if is_url(entry.certificate)
        else msgspec.structs.replace(entry, certificate=str(here / entry.certificate))
        for entry in found
        if not names or entry.name in names
    ]


def entry_of(certificate: str) -> Entry:
    """The entry of a certificate that was named by itself: its host, or its file's name, is the cluster's."""
    if is_url(certificate):
        return Entry(urlsplit(certificate).hostname or "cluster", certificate)
    return Entry(Path(certificate).stem or "cluster", certificate)


async def load(entries: Sequence[Entry]) -> list[Cluster]:
    """Each cluster with its certificate, read or fetched.

    Raises:
        CertificateError: one is no certificate to seal with, or not the one that the registry pins.
        FileError, RemoteError: one cannot be had.
    """
    urls = [entry.certificate for entry in entries if is_url(entry.certificate)]
    fetched = await _fetched(urls) if urls else {}
    clusters = []
    for entry in entries:
        name = entry.certificate
        source = shown(name) if is_url(name) else name
        data = fetched[name] if is_url(name) else read_file(Path(name.removeprefix("file://"))).data
        certificate = parse_certificate(data, source=source)
        if entry.fingerprint and entry.fingerprint.replace(":", "").lower() != certificate.fingerprint:
            raise CertificateError(
                f"{source}: is not the certificate that the registry pins for {entry.name}: it is {certificate.fingerprint}"
            )
        clusters.append(Cluster(entry, certificate, source))
    return clusters


async def _fetched(urls: Sequence[str]) -> dict[str, bytes]:
    from gateway_secrets.sealed.remote import fetch  # noqa: PLC0415 - slow to import, and seldom needed

    return dict(zip(urls, await fetch(urls), strict=True))
