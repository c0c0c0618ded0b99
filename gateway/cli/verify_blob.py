"""``govgate verify-blob``: one Sigstore bundle against one file, without a network."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gateway.cli import exits
from gateway.cli.evidence_view import evidence_lines
from gateway.cli.output import print_document
from gateway.core.errors import ConfigError, UsageError
from gateway.core.text import shown
from gateway.provenance.evidence import (
    Artifact,
    Authority,
    Candidate,
    Evidence,
    Hash,
    Identity,
    Key,
    Levels,
    Rejected,
    Signed,
)
from gateway.provenance.signatures import verify_candidates
from gateway.provenance.signatures.decoding import MAX_BYTES
from gateway.provenance.signatures.root import MAX_ROOT_BYTES

_DIGEST = re.compile(r"(sha256:[0-9a-f]{64})|(sha512:[0-9a-f]{128})")
_IN_MEMORY = 64 * 1024 * 1024
"""Files up to this size are verified whole; of larger ones only the digest is known, which some keys cannot do with."""
_CHUNK = 1024 * 1024
_MAX_KEY_BYTES = 64 * 1024


def verify_blob(
    file_or_digest: str,
    *,
    bundle: Path,
    key: Annotated[tuple[Path, ...], Parameter(name=["--key"], negative=())] = (),
    key_hash: Literal["auto", "sha256", "sha384", "sha512"] = "auto",
    identity: str = "",
    identity_regexp: str = "",
    issuer: str = "",
    trusted_root: Path | None = None,
    predicate_type: str = "",
    require_log: Annotated[bool, Parameter(negative=())] = False,
    allow_tsa_only: Annotated[bool, Parameter(negative=())] = False,
    allow_no_log: Annotated[bool, Parameter(negative=())] = False,
    output: Annotated[Literal["table", "json", "yaml"], Parameter(name=["--output", "-o"])] = "table",
) -> int:
    """Verify one Sigstore bundle: a signature of a file, or an attestation about it. There is no network involved.

    Prints who signed, when, by which log, and what is said; or the step that failed and what to do. Exit code 3 when the
    bundle proves nothing, 1 when something could not be read.

    Parameters
    ----------
    file_or_digest
        The file, or its digest (sha256:… or sha512:…); ./sha256:… is a file of that name.
    bundle
        The Sigstore bundle, in JSON.
    key
        A public key in PEM; repeatable, any of them may have signed. A log entry in the bundle must be right.
    key_hash
        The hash that the keys sign with; auto is what their kind suggests (P-384: sha384, P-521: sha512, else sha256).
    identity
        Who must have signed: the certificate's URI or mail address, exactly. Needs --issuer.
    identity_regexp
        The same as a regular expression (RE2) that the whole name must match.
    issuer
        Who vouched for the identity: the OIDC issuer, exactly.
    trusted_root
        The trusted root of the Sigstore instance (trusted_root.json); else that of the public-good instance, as it was
        when this version of govgate was locked.
    predicate_type
        Accept only an attestation of this type; without it only a signature is accepted.
    require_log
        Demand a transparency-log entry of signatures by key too.
    allow_tsa_only
        Accept a signature by identity that has only a time stamp.
    allow_no_log
        Accept one that has nothing, while its certificate is valid.
    output
        table for people; json or yaml is the evidence.
    """
    if bool(key) == bool(identity or identity_regexp):
        raise UsageError("name who must have signed: --key, or --identity (or --identity-regexp) with --issuer")
    if bool(issuer) != bool(identity or identity_regexp):
        raise UsageError("--issuer goes with --identity or --identity-regexp")
    hashed: Hash = "" if key_hash == "auto" else key_hash
    authority = Authority(
        name="",
        keys=tuple(Key(pem=_read(path, _MAX_KEY_BYTES).decode(errors="replace"), hash=hashed) for path in key),
        identities=(Identity(issuer, identity, identity_regexp),) if issuer else (),
        trusted_root=_read(trusted_root, MAX_ROOT_BYTES) if trusted_root else b"",
        levels=Levels(require_log=require_log, allow_tsa_only=allow_tsa_only, allow_no_log=allow_no_log),
    )
    digest, content = _artifact(file_or_digest)
    candidate = Candidate("sigstore-bundle", _read(bundle, MAX_BYTES + 1))
    evidence = verify_candidates(Artifact(digest), (candidate,), (authority,), datetime.now(UTC), content=content)
    evidence = _only(evidence, predicate_type)
    if output == "table":
        print("\n".join(evidence_lines(evidence)))
    else:
        print_document(evidence, output)
    return exits.CLEAN if evidence.signed else exits.DENIED


def _artifact(file_or_digest: str) -> tuple[str, bytes | None]:
    """The digest, and the content if it is at hand and small enough."""
    if _DIGEST.fullmatch(file_or_digest):
        return file_or_digest, None  # whatever files there are: which artifact is meant is not for the folder to say
    if file_or_digest.startswith(("sha256:", "sha512:")):
        reason = "it begins like a digest, which is sha256: and 64, or sha512: and 128 hexadecimal digits in lower case"
        raise UsageError(f"{shown(file_or_digest)}: {reason}; a file of this name is ./{shown(file_or_digest)}")
    path, parts, size = Path(file_or_digest), list[bytes](), 0
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if size <= _IN_MEMORY:
                parts.append(chunk)
            else:
                parts.clear()
    return f"sha256:{digest.hexdigest()}", b"".join(parts) if size <= _IN_MEMORY else None


def _only(evidence: Evidence, predicate_type: str) -> Evidence:
    """Those statements that are of the type asked for; without one, those that are signatures."""
    kept, others = list[Signed](), list[Rejected]()
    for signed in evidence.signed:
        if signed.predicate_type == predicate_type if predicate_type else signed.is_signature:
            kept.append(signed)
        else:
            others.append(_another(signed, predicate_type))
    return Evidence(evidence.artifact, tuple(kept), (*evidence.rejected, *others))


def _another(signed: Signed, predicate_type: str) -> Rejected:
    """The refusal of a statement that was verified, and is of another type than the one asked for."""
    found = shown(signed.predicate_type)
    if predicate_type:
        reason = "it is a signature" if signed.is_signature else f"it is an attestation of {found}"
        remedy = f"give the bundle of an attestation of {predicate_type}"
    else:
        reason = f"it is an attestation of {found}, by the right signer, and no signature of the file"
        remedy = f"give the bundle of a signature; or, to accept this attestation, --predicate-type {found}"
    return Rejected(signed.format, signed.source, "payload-type", reason, remedy)


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise ConfigError(f"{path} has more than {most} bytes")
    return data
