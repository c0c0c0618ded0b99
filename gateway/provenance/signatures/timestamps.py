"""Time stamps of RFC 3161: the adapter of rfc3161-client, imported at the first time stamp."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.provenance.signatures.decoding import RESIGN
from gateway.provenance.signatures.refusal import RefusedError
from gateway.provenance.signatures.root import Chain, TrustedRoot

_OTHER_AUTHORITY = "give the trusted root that has the time-stamp authority the artifact was signed with"


def verify_timestamp(stamp: bytes, stamped: bytes, root: TrustedRoot) -> datetime:
    """The time at which a time-stamp authority of the root saw ``stamped``.

    Raises:
        RefusedError: at the step ``timestamp`` or ``trust-root``: malformed, of something else, by somebody else, or
            from outside of the authority's time.
    """
    from rfc3161_client import decode_timestamp_response  # noqa: PLC0415 - needed by few

    try:
        response = decode_timestamp_response(stamp)
        time = response.tst_info.gen_time
    except Exception as error:  # noqa: BLE001 - whatever the library says about malformed bytes
        reason = f"the time stamp cannot be read ({type(error).__name__})"
        raise RefusedError("timestamp", reason, RESIGN) from None
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
