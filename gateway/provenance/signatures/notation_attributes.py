"""What a Notation signer signs besides the payload, however the envelope encodes it.

Source: notaryproject/specifications, signature-specification.md ("signed attributes") and signing-scheme.md. Plug-ins are
not run: a signature that demands one is refused, as the specification asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from gateway.core.text import shown
from gateway.provenance.signatures.decoding import RESIGN
from gateway.provenance.signatures.refusal import RefusedError

PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
PREFIX = "io.cncf.notary."
_SCHEME = f"{PREFIX}signingScheme"
_EXPIRY = f"{PREFIX}expiry"

Scheme = Literal["notary.x509", "notary.x509.signingAuthority"]
_TIMES: dict[Any, tuple[Scheme, str]] = {
    "notary.x509": ("notary.x509", f"{PREFIX}signingTime"),
    "notary.x509.signingAuthority": ("notary.x509.signingAuthority", f"{PREFIX}authenticSigningTime"),
}
"""The schemes, and the header in which each says when it was signed."""


class Attributes(msgspec.Struct, frozen=True):
    """``algorithm`` by its name in JWS. ``time`` is the signer's own word: it proves something only by
    ``notary.x509.signingAuthority``, whose signers are trusted to tell it. ``expiry`` is the signer's.
    """

    algorithm: str
    scheme: Scheme
    time: datetime
    expiry: datetime | None


class Protected(msgspec.Struct, frozen=True):
    """The protected headers of an envelope. ``named``: those that have no field here, by their names.

    ``read_time`` reads a time as the envelope encodes it, and is None for what is none.
    """

    algorithm: str
    critical: Any
    content_type: Any
    named: Mapping[Any, Any]
    read_time: Callable[[Any], datetime | None]


def read_attributes(protected: Protected) -> Attributes:
    """The attributes; all that must be there is, and nothing is that is not known.

    Raises:
        RefusedError: at the step ``critical-header`` or ``payload-type``.
    """
    critical, named = protected.critical, protected.named
    if not isinstance(critical, list) or _SCHEME not in critical:
        raise _refuse(f"crit does not name {_SCHEME}")
    if protected.content_type != PAYLOAD_TYPE:
        found = shown(str(protected.content_type))
        raise RefusedError("payload-type", f"the payload is a {found}, not {PAYLOAD_TYPE}", RESIGN)
    known = _TIMES.get(named.get(_SCHEME)) if isinstance(named.get(_SCHEME), str) else None
    if known is None:
        found = shown(str(named.get(_SCHEME)))
        raise _refuse(f"the signing scheme is {found}", f"sign with the scheme {' or '.join(_TIMES)}")
    scheme, time_name = known
    for name in (*critical, *named):
        if name not in (_SCHEME, _EXPIRY, time_name):
            remedy = "sign without plug-ins and extensions: what is not known here cannot be passed over"
            raise _refuse(f"{shown(str(name))} is no header of the scheme {scheme}", remedy)
    demanded = {_SCHEME} | ({_EXPIRY} & named.keys()) | ({time_name} if scheme != "notary.x509" else set())
    if sorted(critical) != sorted(demanded):
        raise _refuse(f"crit names {shown(', '.join(critical))}, not just {', '.join(sorted(demanded))}")
    time = _time(protected, time_name)
    expiry = _time(protected, _EXPIRY) if _EXPIRY in named else None
    if expiry is not None and expiry <= time:
        raise _refuse(f"it expires at {expiry.isoformat()}, before it was signed")
    return Attributes(protected.algorithm, scheme, time, expiry)


def _time(protected: Protected, name: str) -> datetime:
    if name not in protected.named:
        raise _refuse(f"{name} is missing")
    time = protected.read_time(protected.named[name])
    if time is None:
        raise _refuse(f"{name} is no time of the form that the envelope has")
    return time


def _refuse(reason: str, remedy: str = RESIGN) -> RefusedError:
    return RefusedError("critical-header", reason, remedy)
