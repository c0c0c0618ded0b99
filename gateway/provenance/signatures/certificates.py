"""Certificates of signers by identity: who issued them and when, that a log has them, and whom they name.

Source: Fulcio's certificate specification (OIDs below 1.3.6.1.4.1.57264.1); RFC 6962 section 3.2 (the signed
certificate timestamp). The chain is verified by cryptography.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.provenance.signatures.decoding import RESIGN
from gateway.provenance.signatures.identities import Named
from gateway.provenance.signatures.keys import KeyKindError, PublicKey
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.root import Chain, TrustedRoot

_ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_USER_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7")
_UTF8 = 0x0C
_LONG_FORM = 0x80
_OTHER_ROOT = "give the trusted root (trusted_root.json) of the Sigstore instance that the artifact was signed with"


@contextlib.contextmanager
def _reading(what: str) -> Iterator[None]:
    """Whatever cryptography says about a certificate's bytes becomes a refusal."""
    try:
        yield
    except RefusedError:
        raise
    except Exception as error:  # noqa: BLE001 - ValueError, ExtensionNotFound, DuplicateExtension and more
        reason = f"the certificate's {what} cannot be read ({type(error).__name__})"
        raise RefusedError("certificate", reason, RESIGN) from None


class Leaf:
    """A signer's certificate, read but not trusted."""

    def __init__(self, der: bytes) -> None:
        with _reading("content"):
            self.certificate = x509.load_der_x509_certificate(der)
            self.named = Named(_subject(self.certificate), _issuer(self.certificate))
            key = self.certificate.public_key()
        try:
            self.key = PublicKey(key)
        except KeyKindError as error:
            raise RefusedError("certificate", f"the certificate's key is not accepted: {error}", RESIGN) from None

    def check_issued(
        self, times: Sequence[datetime], root: TrustedRoot, *, unlogged: bool = False
    ) -> tuple[datetime | None, ...]:
        """Refuse a certificate that no authority of the root issued, or that was not good at each of ``times``.

        Its entry in a certificate log is checked too: its signed timestamp, once, and within the log's own time.
        ``unlogged``: it need not have one, if the root's instance has no certificate log at all.

        Returns when each of what was compared with the times ends: the certificate, its authority, its window.
        """
        with _reading("extensions"):
            self._check_usage()
        chain = self._find_chain(times, root)
        if not unlogged or root.names_certificate_logs:
            with _reading("signed timestamp"):
                self._check_logged(chain.certificates[0], root)
        return self.certificate.not_valid_after_utc, chain.valid.end, chain.window.end

    def _check_usage(self) -> None:
        extensions = self.certificate.extensions
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        extended = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if not usage.digital_signature or ExtendedKeyUsageOID.CODE_SIGNING not in extended:
            raise RefusedError("certificate", "the certificate is not for signing code", RESIGN)

    def _find_chain(self, times: Sequence[datetime], root: TrustedRoot) -> Chain:
        """The authority that issued it, and counted at each of the times; signatures are the same at any of them."""
        for time in times:
            if not _valid(self.certificate, time):
                reason = f"the certificate was not valid at {time.isoformat()}, when the signature was made"
                remedy = "sign again, and keep the log entry or time stamp that proves when"
                raise RefusedError("certificate", reason, remedy)
        issued = [chain for chain in root.authorities if _issued(self.certificate, chain, times)]
        if not issued:
            reason = "no authority of the trusted root issued the certificate"
            raise RefusedError("certificate", reason, _OTHER_ROOT)
        for chain in issued:
            if all(chain.window.holds(time) for time in times):
                return chain
        reason = f"the certificate's authority counts from {issued[0].window}, not at {times[0].isoformat()}"
        raise RefusedError("trust-root", reason, _OTHER_ROOT)

    def _check_logged(self, issuer: x509.Certificate, root: TrustedRoot) -> None:
        extension = self.certificate.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps)
        stamps = list(extension.value)
        if len(stamps) != 1:
            reason = f"the certificate has {len(stamps)} signed timestamps; exactly one is accepted"
            raise RefusedError("certificate-log", reason, RESIGN)
        stamp = stamps[0]
        logs = [log for log in root.certificate_logs if log.id == stamp.log_id]
        if not logs:
            raise RefusedError("trust-root", "the certificate's log is not in the trusted root", _OTHER_ROOT)
        time = _utc(stamp.timestamp)
        in_force = [log for log in logs if log.window.holds(time)]
        if not in_force:
            reason = f"the certificate's log counts from {logs[0].window}, not at {time.isoformat()}"
            raise RefusedError("trust-root", reason, _OTHER_ROOT)
        right_hash = isinstance(stamp.signature_hash_algorithm, hashes.SHA256)
        if not right_hash or not in_force[0].key.verifies(stamp.signature, _stamped(self.certificate, issuer, stamp)):
            raise RefusedError("certificate-log", "the certificate's signed timestamp is not by its log", RESIGN)


def _valid(certificate: x509.Certificate, time: datetime) -> bool:
    return certificate.not_valid_before_utc <= time <= certificate.not_valid_after_utc


def _issued(leaf: x509.Certificate, chain: Chain, times: Sequence[datetime]) -> bool:
    """Whether the chain issued the leaf, and all of it was valid at each of the times.

    The authority's own certificates are all anchors, as the trusted root says. The verifier looks at one time only, so
    their validity is compared with each here.
    """
    if not all(chain.valid.holds(time) for time in times):
        return False
    extended = x509.ExtendedKeyUsage, verification.Criticality.NON_CRITICAL, None
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(chain.certificates)))
        .time(times[0])
        .extension_policies(
            ca_policy=verification.ExtensionPolicy.webpki_defaults_ca().may_be_present(*extended),
            ee_policy=verification.ExtensionPolicy.webpki_defaults_ee().may_be_present(*extended),
        )
        .build_client_verifier()
    )
    try:
        found = verifier.verify(leaf, []).chain
    except Exception:  # noqa: BLE001 - VerificationError, UnsupportedGeneralNameType, ValueError: all are no
        return False
    return found[1:2] == [chain.certificates[0]]


def _stamped(
    leaf: x509.Certificate,
    issuer: x509.Certificate,
    stamp: x509.certificate_transparency.SignedCertificateTimestamp,
) -> bytes:
    """What a certificate log signs for a precertificate: RFC 6962 section 3.2."""
    der = issuer.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    body = leaf.tbs_precertificate_bytes
    milliseconds = round(_utc(stamp.timestamp).timestamp() * 1000)
    return b"".join(
        (
            b"\x00\x00",  # v1, certificate_timestamp
            milliseconds.to_bytes(8, "big"),
            b"\x00\x01",  # precert_entry
            hashlib.sha256(der).digest(),
            len(body).to_bytes(3, "big"),
            body,
            len(stamp.extension_bytes).to_bytes(2, "big"),
            stamp.extension_bytes,
        )
    )


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC)


def _subject(certificate: x509.Certificate) -> str:
    """The one name: a URI, a mail address, or Fulcio's user name."""
    names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    if len(names) != 1:
        raise RefusedError("certificate", f"the certificate has {len(names)} names; exactly one is accepted", RESIGN)
    name = names[0]
    if isinstance(name, x509.UniformResourceIdentifier | x509.RFC822Name):
        return name.value
    if isinstance(name, x509.OtherName) and name.type_id == _USER_NAME:
        return _utf8(name.value)
    raise RefusedError("certificate", "the certificate's name is of an unknown kind", RESIGN)


def _issuer(certificate: x509.Certificate) -> str:
    """Who vouched for the name; where both extensions are there, they agree."""
    found = {}
    for extension in certificate.extensions:
        if extension.oid in (_ISSUER_V1, _ISSUER_V2) and isinstance(extension.value, x509.UnrecognizedExtension):
            value = extension.value.value
            found[extension.oid] = _utf8(value) if extension.oid == _ISSUER_V2 else value.decode()
    if len(set(found.values())) != 1:
        raise RefusedError("certificate", "the certificate does not say who vouched for its name", RESIGN)
    return next(iter(found.values()))


def _utf8(der: bytes) -> str:
    """A DER UTF8String of up to 65,535 bytes."""
    if len(der) < 2 or der[0] != _UTF8:  # noqa: PLR2004 - tag and length
        raise ValueError("not a UTF8String")
    length, start = der[1], 2
    if length & _LONG_FORM:
        start = 2 + (length & ~_LONG_FORM)
        if start > 4:  # noqa: PLR2004
            raise ValueError("too long")
        length = int.from_bytes(der[2:start], "big")
    if len(der) != start + length:
        raise ValueError("of another length than it says")
    return der[start:].decode()
