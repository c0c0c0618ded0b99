"""Chains of code-signing certificates, complete and in order, as Notation carries them.

Source: notaryproject/specifications, signature-specification.md, "certificate requirements"; RFC 5280. The general
verifier of cryptography is made for servers and clients and demands names that code-signing certificates do not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from gateway.core.text import shown
from gateway.provenance.signatures.decoding import RESIGN
from gateway.provenance.signatures.refusal import RefusedError

T = TypeVar("T", bound=x509.ExtensionType)

MAX_CHAIN = 10
_UNDERSTOOD = {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE}
_NOT_FOR_CODE = {
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ExtendedKeyUsageOID.TIME_STAMPING,
}


def load_chain(chain: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
    """The certificates, from the leaf to the root.

    Raises:
        RefusedError: none, too many, or one cannot be read.
    """
    if not 1 <= len(chain) <= MAX_CHAIN:
        raise RefusedError("certificate", f"the chain has {len(chain)} certificates, not 1 to {MAX_CHAIN}", RESIGN)
    try:
        certificates = tuple(x509.load_der_x509_certificate(der) for der in chain)
        for certificate in certificates:
            certificate.extensions, certificate.public_key(), certificate.subject  # decoded here, or refused
    except Exception as error:  # noqa: BLE001 - ValueError, DuplicateExtension, InvalidVersion, UnsupportedAlgorithm
        reason = f"a certificate of the chain cannot be read ({type(error).__name__})"
        raise RefusedError("certificate", reason, RESIGN) from None
    return certificates


def check_chain(
    chain: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], now: datetime
) -> x509.Certificate:
    """The anchor that vouches for a chain which is right now.

    Raises:
        RefusedError: at the step ``certificate``.
    """
    _check_leaf(chain[0], alone=len(chain) == 1)
    for depth, certificate in enumerate(chain):
        name = certificate.subject.rfc4514_string()
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise _refuse(f"the certificate of {shown(name)} is not valid at {now.isoformat()}")
        issuer = chain[min(depth + 1, len(chain) - 1)]  # the last one is a root, and issued itself
        if not _issued(certificate, issuer):
            raise _refuse(
                f"the certificate of {shown(name)} was not issued by the next in the chain, or not by a good hash"
            )
        if depth:
            _check_authority(certificate, depth - 1)
    trusted = {anchor.public_bytes(Encoding.DER) for anchor in anchors}
    for certificate in chain:
        if certificate.public_bytes(Encoding.DER) in trusted:
            return certificate
    raise _refuse("none of the certificates in the chain is a trust anchor")


def _check_leaf(leaf: x509.Certificate, *, alone: bool) -> None:
    usage = _extension(leaf, x509.KeyUsage)
    if usage is None or not usage.critical or not usage.value.digital_signature:
        raise _refuse("the certificate is not for signatures (its key usage, which must be critical)")
    basic = _extension(leaf, x509.BasicConstraints)
    if not alone and basic is not None and basic.value.ca:
        raise _refuse("the signer's certificate is an authority's")
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    if extended is not None:
        uses = set(extended.value)
        if ExtendedKeyUsageOID.CODE_SIGNING not in uses or uses & _NOT_FOR_CODE:
            raise _refuse("the certificate is not for signing code")
    _check_critical(leaf)


def _check_authority(certificate: x509.Certificate, below: int) -> None:
    """``below``: how many authorities stand between it and the leaf."""
    basic, usage = _extension(certificate, x509.BasicConstraints), _extension(certificate, x509.KeyUsage)
    if basic is None or not basic.critical or not basic.value.ca:
        raise _refuse("a certificate of the chain is not an authority's")
    if usage is None or not usage.critical or not usage.value.key_cert_sign:
        raise _refuse("an authority of the chain may not issue certificates (its key usage, which must be critical)")
    if basic.value.path_length is not None and below > basic.value.path_length:
        raise _refuse("the chain is longer than one of its authorities allows")
    _check_critical(certificate)


def _check_critical(certificate: x509.Certificate) -> None:
    unknown = [
        item.oid.dotted_string for item in certificate.extensions if item.critical and item.oid not in _UNDERSTOOD
    ]
    if unknown:
        raise _refuse(f"a certificate has the critical extension {unknown[0]}, which is not understood here")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        if not isinstance(certificate.signature_hash_algorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512):
            return False
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _extension(certificate: x509.Certificate, kind: type[T]) -> x509.Extension[T] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _refuse(reason: str) -> RefusedError:
    remedy = "sign with a code-signing certificate under a trust anchor, or add its root as one"
    return RefusedError("certificate", reason, remedy)
