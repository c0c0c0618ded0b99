"""What every format of candidate comes down to: a signature over something, and what vouches for it. Nothing is verified.

The claim (what is said about the artifact) is bound to the artifact already when these are made.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from gateway.provenance.evidence import Artifact, Format


class Question(msgspec.Struct, frozen=True):
    """What is asked: of which artifact, and when. ``content`` is the artifact itself, where it is at hand."""

    artifact: Artifact
    now: datetime
    content: bytes | None = None


class Claim(msgspec.Struct, frozen=True):
    """What is said about the artifact. ``digest`` is that of the signed payload."""

    digest: str
    predicate_type: str = ""
    predicate: msgspec.Raw = msgspec.Raw(b"null")
    annotations: dict[str, str] = {}


class Proof(msgspec.Struct, frozen=True):
    """An inclusion proof: the place in a Merkle tree of ``tree_size`` leaves, and the signed note on its root."""

    log_index: int
    root_hash: bytes
    tree_size: int
    hashes: tuple[bytes, ...]
    checkpoint: str


class Entry(msgspec.Struct, frozen=True):
    """A transparency log's entry as the signer tells it. ``promise`` is the log's signature on index, time and body."""

    log_index: int
    log_id: bytes
    kind: str
    version: str
    integrated_time: int
    body: bytes
    promise: bytes = b""
    proof: Proof | None = None


class Material(msgspec.Struct, frozen=True):
    """A signature and its surroundings.

    ``message`` is what was signed; None is the artifact itself, known by its digest. ``payload`` is the envelope's
    payload for ``dsse``. ``raw`` is the whole candidate, ``stamped`` what its time stamps are about, ``complete``
    whether it is a bundle that has to carry inclusion proofs.
    """

    format: Format
    content: Literal["dsse", "message"]
    message: bytes | None
    payload: bytes
    signature: bytes
    claim: Claim
    raw: bytes
    stamped: bytes
    certificate: bytes = b""
    hint: str = ""
    entries: tuple[Entry, ...] = ()
    timestamps: tuple[bytes, ...] = ()
    complete: bool = False
