"""in-toto statements and DSSE envelopes.

Source: in-toto attestation framework, Statement v0.1 and v1; DSSE v1.0.0.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.core.canonical import sha256_digest
from gateway.core.text import shown
from gateway.provenance.evidence import Artifact
from gateway.provenance.signatures.decoding import RESIGN, read_json
from gateway.provenance.signatures.material import Claim
from gateway.provenance.signatures.refusal import RefusedError

IN_TOTO = "application/vnd.in-toto+json"
MAX_SUBJECTS = 4096


class _Signature(msgspec.Struct):
    sig: bytes


class Envelope(msgspec.Struct, rename="camel"):
    """A DSSE envelope."""

    payload: bytes
    payload_type: str
    signatures: tuple[_Signature, ...]

    @property
    def signature(self) -> bytes:
        """Its one signature."""
        return self.signatures[0].sig


class _Subject(msgspec.Struct):
    digest: dict[str, str]
    annotations: dict[str, Any] | None = None


class _Statement(msgspec.Struct, rename="camel"):
    type: Literal["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"] = msgspec.field(name="_type")
    subject: tuple[_Subject, ...]
    predicate_type: str
    predicate: msgspec.Raw = msgspec.Raw(b"null")
    """As it was written: many small values take twenty times the memory once they are objects."""


def check_envelope(envelope: Envelope) -> None:
    """Refuse an envelope of another type of payload, or with more or fewer signatures than one."""
    if envelope.payload_type != IN_TOTO:
        found = shown(envelope.payload_type)
        raise RefusedError("payload-type", f"the envelope holds {found}, not {IN_TOTO}", RESIGN)
    if len(envelope.signatures) != 1 or not envelope.signature:
        count = len(envelope.signatures)
        raise RefusedError("format", f"the envelope has {count} signatures; exactly one is accepted", RESIGN)


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """The bytes that a DSSE signature is over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def read_statement(payload: bytes, artifact: Artifact) -> Claim:
    """The statement in ``payload``, about this artifact.

    Raises:
        RefusedError: malformed, or none of its subjects is the artifact.
    """
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise RefusedError("format", "the in-toto statement is not UTF-8", RESIGN) from None
    statement = read_json(payload, _Statement, "the in-toto statement")
    if not statement.predicate_type:
        raise RefusedError("format", "the in-toto statement has no predicateType", RESIGN)
    if len(statement.subject) > MAX_SUBJECTS:
        raise RefusedError("size", f"the in-toto statement has more than {MAX_SUBJECTS} subjects", RESIGN)
    algorithm, _, value = artifact.digest.partition(":")
    for subject in statement.subject:
        if subject.digest.get(algorithm) == value:
            return Claim(
                digest=sha256_digest(payload),
                predicate_type=statement.predicate_type,
                predicate=statement.predicate.copy(),
                annotations=strings(subject.annotations),
            )
    found = ", ".join(f"{algorithm}:{subject.digest.get(algorithm, '?')}" for subject in statement.subject[:3])
    raise refuse_subject(found or "nothing", artifact)


def refuse_subject(found: str, artifact: Artifact) -> RefusedError:
    """The refusal of a signature of something else."""
    remedy = "sign this artifact; a signature copied from another one proves nothing about it"
    return RefusedError("subject", f"it is about {shown(found)}, not about {artifact.digest}", remedy)


def strings(values: dict[str, Any] | None) -> dict[str, str]:
    """Those of the values that are text."""
    return {key: value for key, value in (values or {}).items() if isinstance(value, str)}
