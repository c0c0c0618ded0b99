"""Time stamps of RFC 3161: the adapter of rfc3161-client, imported at the first time stamp."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509

from gateway.provenance.signatures.decoding import RESIGN
from gateway.provenance.signatures.der import elements, enclose
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.root import Chain, TrustedRoot
from gateway.provenance.signatures.x509chain import MAX_CHAIN, TIME_STAMPING, check_chain, ordered_chain

_OTHER_AUTHORITY = "give the trusted root that has the time-stamp authority the artifact was signed with"
_OTHER_ANCHOR = "add the root certificate of the time-stamp authority that the artifact was signed with (notation.tsa)"
_BASELINE = "0.4.0.2023.1.1"
"""The policy of RFC 3628: a second of accuracy, where the stamp names none."""
_GRANTED = b"\x30\x03\x02\x01\x00"
_SEQUENCE, _CERTIFICATES = 0x30, 0xA0


class Stamped(msgspec.Struct, frozen=True):
    """When an authority saw something: ``time``, and between what times that may really have been."""

    time: datetime
    earliest: datetime
    latest: datetime


def verify_timestamp(stamp: bytes, stamped: bytes, root: TrustedRoot) -> datetime:
    """The time at which a time-stamp authority of the root saw ``stamped``.

    Raises:
        RefusedError: at the step ``timestamp`` or ``trust-root``: malformed, of something else, by somebody else, or
            from outside of the authority's time.
    """
    response = _decode(stamp)
    time: datetime = response.tst_info.gen_time
    if not root.timestamp_authorities:
        raise RefusedError("trust-root", "the trusted root has no time-stamp authority", _OTHER_AUTHORITY)
    made_by = [chain for chain in root.timestamp_authorities if _is_by(response, stamped, chain)]
    if not made_by:
        reason = "the time stamp is not of this signature, or not by an authority of the trusted root"
        raise RefusedError("timestamp", reason, _OTHER_AUTHORITY)
    if not any(chain.window.holds(time) for chain in made_by):
        reason = f"the time stamp is of {time.isoformat()}; its authority counts from {made_by[0].window}"
        raise RefusedError("trust-root", reason, _OTHER_AUTHORITY)
    return time


def verify_token(token: bytes, stamped: bytes, anchors: Sequence[x509.Certificate]) -> Stamped:
    """When an authority saw ``stamped``, by a TimeStampToken, whose certificates lead to one of the anchors.

    The certificates are the token's own; they have to meet what Notation demands of them, at the time they tell.

    Raises:
        RefusedError: at the step ``timestamp``: malformed, of something else, or by somebody else.
    """
    response = _decode(_response(token))
    try:
        chain = _signers(response, anchors)
        stamp = _stamped(response.tst_info)
        check_chain(chain, anchors, (stamp.time,), TIME_STAMPING)
    except RefusedError as error:
        raise RefusedError("timestamp", f"the time stamp's authority: {error.reason}", _OTHER_ANCHOR) from None
    except Exception as error:  # noqa: BLE001 - of certificates that cannot be read, of times that there are not
        raise _unreadable(error) from None
    if not _verifies(response, stamped, anchors):
        reason = "the time stamp is not of this signature, or not by the authority that it names"
        raise RefusedError("timestamp", reason, RESIGN)
    return stamp


def _decode(stamp: bytes) -> Any:
    from rfc3161_client import decode_timestamp_response  # noqa: PLC0415 - needed by few

    try:
        response = decode_timestamp_response(stamp)
        response.tst_info.gen_time  # noqa: B018 - decoded here, or refused
    except Exception as error:  # noqa: BLE001 - whatever the library says about malformed bytes
        raise _unreadable(error) from None
    return response


def _unreadable(error: Exception) -> RefusedError:
    return RefusedError("timestamp", f"the time stamp cannot be read ({type(error).__name__})", RESIGN)


def _response(token: bytes) -> bytes:
    """A token as the response that the library reads: a TimeStampResp that says "granted"."""
    return enclose(_SEQUENCE, _GRANTED + _in_order(token))


def _in_order(token: bytes) -> bytes:
    """The token with its certificates in DER's order, which the library demands and authorities do not keep.

    They are not among what is signed: SignedData has them beside (RFC 5652 section 5.1).
    """
    try:
        (outer,) = elements(token, 0, len(token))
        _, content = elements(token, outer.content, outer.end)
        (signed,) = elements(token, content.content, content.end)
        carried = next(one for one in elements(token, signed.content, signed.end) if one.tag == _CERTIFICATES)
        inside = elements(token, carried.content, carried.end)
    except (ValueError, StopIteration):
        return token  # the library says what is wrong with it
    ordered = b"".join(sorted(token[one.start : one.end] for one in inside))
    return token[: carried.content] + ordered + token[carried.end :]


def _signers(response: Any, anchors: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The certificates of whoever signed the token: its one signer's, which the token has once, up to a root."""
    signed = response.signed_data
    carried = [x509.load_der_x509_certificate(der) for der in signed.certificates]
    if len(carried) > MAX_CHAIN:
        raise RefusedError("timestamp", f"its token has {len(carried)} certificates, more than {MAX_CHAIN}", RESIGN)
    (signer,) = signed.signer_infos
    named = (signer.issuer, signer.serial_number)
    leaves = [one for one in carried if (one.issuer, one.serial_number) == named]
    if len(leaves) != 1:
        raise RefusedError("timestamp", "its token has not exactly one certificate of its signer", RESIGN)
    return ordered_chain(leaves[0], (*anchors, *carried))


def _stamped(info: Any) -> Stamped:
    given, time = info.accuracy, info.gen_time
    told = timedelta()
    if given is not None:
        parts = {"seconds": given.seconds, "milliseconds": given.millis, "microseconds": given.micros}
        told = abs(timedelta(**{name: value or 0 for name, value in parts.items()}))
    if not told and info.policy.dotted_string == _BASELINE:
        told = timedelta(seconds=1)
    return Stamped(time, time - told, time + told)


def _verifies(response: Any, stamped: bytes, roots: Sequence[x509.Certificate]) -> bool:
    from rfc3161_client import VerifierBuilder  # noqa: PLC0415 - needed by few

    try:
        return bool(VerifierBuilder(roots=list(roots)).build().verify_message(response, stamped))
    except Exception:  # noqa: BLE001 - every way in which the library says no
        return False


def _is_by(response: Any, stamped: bytes, chain: Chain) -> bool:
    from rfc3161_client import VerifierBuilder  # noqa: PLC0415 - needed by few

    leaf, *rest = chain.certificates
    try:
        builder = VerifierBuilder().tsa_certificate(leaf).add_root_certificate(rest[-1] if rest else leaf)
        for certificate in rest[:-1]:
            builder = builder.add_intermediate_certificate(certificate)
        return bool(builder.build().verify_message(response, stamped))
    except Exception:  # noqa: BLE001 - every way in which the library says no
        return False
