"""Chains of code-signing and time-stamping certificates, complete and in order, as Notation asks for them.

Source: notaryproject/specifications, signature-specification.md, "certificate requirements"; RFC 5280. The general
verifier of cryptography is made for servers and clients and demands names that code-signing certificates do not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from gateway.core.text import shown
from gateway.provenance.signatures.decoding import RESIGN
from gateway.provenance.signatures.refusal import RefusedError

T = TypeVar("T", bound=x509.ExtensionType)

MAX_CHAIN = 10
MIN_RSA_BITS, MIN_CURVE_BITS = 2048, 256
_UNDERSTOOD = {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE}
_NOT_FOR_CODE = {
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CLIENT_AUTH,
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ExtendedKeyUsageOID.TIME_STAMPING,
    ExtendedKeyUsageOID.OCSP_SIGNING,
}
_RESIGN = "sign with a code-signing certificate under a trust anchor, or add its root as one"
_IN_TIME = "sign again; a signature outlives its certificates by a time stamp whose authority is trusted (notation.tsa)"


class Purpose(NamedTuple):
    """What the leaf is for. ``usage_critical``: whether key usages must be critical, as time-stamp authorities' are not."""

    name: str
    usage_critical: bool


CODE_SIGNING = Purpose("signing code", usage_critical=True)
TIME_STAMPING = Purpose("stamping times", usage_critical=False)


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


def ordered_chain(leaf: x509.Certificate, pool: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The leaf and those of the pool that issued it, up to one that issued itself; the first that fits is taken.

    Raises:
        RefusedError: somebody's issuer is not there, or there are too many.
    """
    chain = [leaf]
    while not _issued(chain[-1], chain[-1]):
        issuers = [one for one in pool if _issued(chain[-1], one)]
        if not issuers or len(chain) == MAX_CHAIN:
            raise _refuse(f"whoever issued the certificate of {_name(chain[-1])} is not known")
        chain.append(issuers[0])
    return tuple(chain)


def check_chain(
    chain: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    times: Sequence[datetime],
    purpose: Purpose = CODE_SIGNING,
) -> x509.Certificate:
    """The anchor that vouches for a chain which is right at each of the times.

    Raises:
        RefusedError: at the step ``certificate``.
    """
    _check_leaf(chain[0], purpose, alone=len(chain) == 1)
    for depth, certificate in enumerate(chain):
        for time in times:
            if not certificate.not_valid_before_utc <= time <= certificate.not_valid_after_utc:
                reason = f"the certificate of {_name(certificate)} is not valid at {time.isoformat()}"
                raise _refuse(reason, _IN_TIME)
        if not _is_strong(certificate):
            raise _refuse(
                f"the certificate of {_name(certificate)} has a key that is too short, or no RSA or ECDSA key"
            )
        issuer = chain[min(depth + 1, len(chain) - 1)]  # the last one is a root, and issued itself
        if not _issued(certificate, issuer):
            raise _refuse(
                f"the certificate of {_name(certificate)} was not issued by the next in the chain, or not by a good hash"
            )
        if depth:
            _check_authority(certificate, depth - 1, purpose)
    trusted = {anchor.public_bytes(Encoding.DER) for anchor in anchors}
    for certificate in chain:
        if certificate.public_bytes(Encoding.DER) in trusted:
            return certificate
    raise _refuse("none of the certificates in the chain is a trust anchor")


def _check_leaf(leaf: x509.Certificate, purpose: Purpose, *, alone: bool) -> None:
    usage = _usage(leaf, purpose)
    if usage is None or not usage.digital_signature:
        raise _refuse("the certificate is not for signatures (its key usage, which must be critical)")
    if _has_other_usages(usage):
        raise _refuse("the certificate is for more than signatures (its key usage)")
    basic = _extension(leaf, x509.BasicConstraints)
    if not alone and basic is not None and basic.value.ca:
        raise _refuse("the signer's certificate is an authority's")
    if not _is_for(purpose, _extension(leaf, x509.ExtendedKeyUsage)):
        raise _refuse(f"the certificate is not for {purpose.name}, or not only (its extended key usage)")
    _check_critical(leaf)


def _is_for(purpose: Purpose, extended: x509.Extension[x509.ExtendedKeyUsage] | None) -> bool:
    if purpose is TIME_STAMPING:
        return (
            extended is not None and extended.critical and list(extended.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
        )
    uses = set(extended.value) if extended is not None else {ExtendedKeyUsageOID.CODE_SIGNING}
    return ExtendedKeyUsageOID.CODE_SIGNING in uses and not uses & _NOT_FOR_CODE


def _usage(certificate: x509.Certificate, purpose: Purpose) -> x509.KeyUsage | None:
    found = _extension(certificate, x509.KeyUsage)
    return found.value if found is not None and (found.critical or not purpose.usage_critical) else None


def _has_other_usages(usage: x509.KeyUsage) -> bool:
    """Any that is none of a signer's; non-repudiation is."""
    issues = usage.key_cert_sign or usage.crl_sign
    return issues or usage.key_encipherment or usage.data_encipherment or usage.key_agreement


def _check_authority(certificate: x509.Certificate, below: int, purpose: Purpose) -> None:
    """``below``: how many authorities stand between it and the leaf."""
    basic, usage = _extension(certificate, x509.BasicConstraints), _usage(certificate, purpose)
    if basic is None or not basic.critical or not basic.value.ca:
        raise _refuse("a certificate of the chain is not an authority's")
    if usage is None or not usage.key_cert_sign:
        raise _refuse("an authority of the chain may not issue certificates (its key usage, which must be critical)")
    if basic.value.path_length is not None and below > basic.value.path_length:
        raise _refuse("the chain is longer than one of its authorities allows")
    _check_critical(certificate)


def _is_strong(certificate: x509.Certificate) -> bool:
    key = certificate.public_key()
    least = MIN_RSA_BITS if isinstance(key, rsa.RSAPublicKey) else MIN_CURVE_BITS
    return getattr(key, "key_size", 0) >= least


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


def _name(certificate: x509.Certificate) -> str:
    return shown(certificate.subject.rfc4514_string())


def _refuse(reason: str, remedy: str = _RESIGN) -> RefusedError:
    return RefusedError("certificate", reason, remedy)
