"""Backups of a controller's keys: each key's Secret sealed for a certificate whose private key is kept elsewhere. Pure.

A backup is a file of SealedSecrets, one for each key: ``govgate seal recover`` gives the Secrets back. Which key one holds
is noted in it, by the fingerprint of the key's certificate, which is no secret. When a key was put into a backup is noted
at its own Secret, where the cluster can see it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from gateway_secrets.sealed.certificate import Certificate, parse_certificate
from gateway_secrets.sealed.errors import CertificateError, SealError
from gateway_secrets.sealed.keyring import is_key
from gateway_secrets.sealed.keys import key_of_secret
from gateway_secrets.sealed.objects import Sealed, sealed_of, secret_of
from gateway_secrets.sealed.scope import KEY_LABEL, Scope
from gateway_secrets.sealed.sealing import Sealing, recovered, seal_secret, unseal_values

BACKED_UP = "seal.govgate.dev/backed-up"
"""Annotation of a key's Secret: when it was put into a backup, and for which certificate."""
HOLDS = "seal.govgate.dev/holds-key"
"""Annotation of a SealedSecret in a backup: the fingerprint of the key's certificate."""
_SECONDS = "%Y-%m-%dT%H:%M:%SZ"

Json = dict[str, Any]


class Key(msgspec.Struct, frozen=True):
    """A key as its Secret shows it, and since when it is in a backup; None: it is in none that is known of."""

    name: str
    fingerprint: str
    since: datetime
    backed_up: datetime | None = None


class Keys(msgspec.Struct, frozen=True):
    """The newest first. ``problems``: of Secrets that should be keys, and whose certificate cannot be read."""

    keys: tuple[Key, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def last(self) -> datetime | None:
        """When a key was put into a backup last; None if none ever was."""
        return max((key.backed_up for key in self.keys if key.backed_up is not None), default=None)

    @property
    def missing(self) -> tuple[Key, ...]:
        """Those that are in no backup."""
        return tuple(key for key in self.keys if key.backed_up is None)


class Backup(msgspec.Struct, frozen=True):
    """``documents``: what it holds. ``held``: the Secrets that went into it. ``former``: how many keys are no more.
    ``problems``: of Secrets that are no keys that can be used, and so not in it.
    """

    documents: list[Json]
    held: list[Json]
    former: int
    problems: tuple[str, ...] = ()


def keys_of(secrets: Iterable[Mapping[str, Any]]) -> Keys:
    """The keys among some Secrets, those that are no longer used included; nothing private is read."""
    found, problems = [], []
    for secret in secrets:
        if not is_backed_up_key(secret):
            continue
        metadata = secret["metadata"]
        name = str(metadata.get("name", ""))
        try:
            certificate = _certificate(secret, f"Secret {name}")
        except CertificateError as error:
            problems.append(str(error))
            continue
        at = _time((metadata.get("annotations") or {}).get(BACKED_UP))
        found.append(Key(name, certificate.fingerprint, certificate.not_before, at))
    found.sort(key=lambda key: (key.since, key.fingerprint), reverse=True)
    return Keys(tuple(found), tuple(problems))


def is_backed_up_key(secret: Mapping[str, Any]) -> bool:
    """Whether a Secret belongs into a backup: it is a key, or was one (labelled ``compromised``, say)."""
    return is_key(secret) or KEY_LABEL in ((secret.get("metadata") or {}).get("labels") or {})


def note(certificate: Certificate, now: datetime) -> str:
    """What :data:`BACKED_UP` says."""
    return f"{now:{_SECONDS}} {certificate.fingerprint[:16]}"


def backup(secrets: Sequence[Json], former: Sequence[Json], sealing: Sealing) -> Backup:
    """A backup: every key, sealed anew, and of the former backup what it holds of keys that are no more.

    What the former one says of keys that are there is not relied on: whoever could write it may have changed it.

    Raises:
        SealError: the former one holds another key of the same name.
    """
    made, held, problems = [], [], []
    for secret in secrets:
        name = str((secret.get("metadata") or {}).get("name", ""))
        try:
            _, certificate = key_of_secret(secret, source=f"Secret {name}")
            document = seal_secret(secret_of(secret, where=f"Secret {name}"), Scope.STRICT, sealing).document
        except SealError as error:
            problems.append(str(error))
            continue
        document["metadata"].setdefault("annotations", {})[HOLDS] = certificate.fingerprint
        made.append(document)
        held.append(secret)
    known, places = {holds(one) for one in made}, {_place(one) for one in made}
    kept = [one for one in former if holds(one) not in known]
    for one in kept:
        if _place(one) in places:
            raise SealError(f"the backup holds another key by the name {_place(one)[1]}: write into another one")
    return Backup([*kept, *made], held, len(kept), tuple(problems))


def holds(document: Mapping[str, Any]) -> str:
    """Which key a SealedSecret of a backup says that it holds; empty if it says nothing."""
    annotations = (document.get("metadata") or {}).get("annotations") or {}
    found = annotations.get(HOLDS) if isinstance(annotations, dict) else None
    return found if isinstance(found, str) else ""


def opened(document: Mapping[str, Any], keys: Sequence[RSAPrivateKey]) -> str:
    """Which key a SealedSecret of a backup does hold.

    Raises:
        SealError: none of the private keys opens it, or it holds no key.
    """
    sealed: Sealed = sealed_of(document, where="the backup")
    secret, _ = recovered(sealed, unseal_values(sealed, keys))
    key, certificate = key_of_secret(secret, source=str(sealed))
    if key.public_key() != certificate.public_key:
        raise SealError(f"{sealed}: its certificate is not of its key")
    return certificate.fingerprint


def in_backup(keys: Keys, fingerprints: Iterable[str], at: datetime) -> Keys:
    """The same, as a backup of that time holds them: whatever their Secrets say."""
    held = frozenset(fingerprints)
    found = (msgspec.structs.replace(key, backed_up=at if key.fingerprint in held else None) for key in keys.keys)
    return Keys(tuple(found), keys.problems)


def _place(document: Mapping[str, Any]) -> tuple[str, str]:
    metadata = document.get("metadata") or {}
    return str(metadata.get("namespace", "")), str(metadata.get("name", ""))


def _certificate(secret: Mapping[str, Any], source: str) -> Certificate:
    encoded = (secret.get("data") or {}).get("tls.crt")
    try:
        data = base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except (binascii.Error, ValueError):
        data = b""
    return parse_certificate(data, source=source)


def _time(text: Any) -> datetime | None:
    """The time of a note; anybody may have written it."""
    try:
        return datetime.strptime(str(text).partition(" ")[0], _SECONDS).replace(tzinfo=UTC)
    except ValueError:
        return None
