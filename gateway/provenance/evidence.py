"""The vocabulary of provenance: what was signed, what may be a signature, who is trusted, and what was found.

Three parts meet here. The registry side finds :class:`Candidate` objects for an :class:`Artifact`;
:func:`gateway.provenance.signatures.verify_candidates` judges them against :class:`Authority` settings and makes
:class:`Evidence` of them, without any I/O; trust policies are evaluated over evidence, afresh each time. It is called

    verify_candidates(artifact, candidates, authorities, now) -> Evidence

with ``now`` aware, and raises ConfigError for an authority that cannot be used, never for a candidate.

Evidence says what is true of the bytes, not what is enough: an attestation is a verified statement too, and only a
policy knows which predicate it needs. All of it is JSON by msgspec (camelCase), so that it can be saved and judged again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

import msgspec

COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type by which cosign v3 says "this is a signature"; every other one is an attestation."""

Format = Literal["cosign-legacy", "cosign-legacy-attestation", "sigstore-bundle", "notation-jws", "notation-cose"]
FORMATS: tuple[Format, ...] = get_args(Format)
Hash = Literal["", "sha256", "sha384", "sha512"]
Level = Literal["log", "tsa", "authority", "none"]
"""What proves when it was signed: a log, a time-stamp authority, a Notation signing authority's own word, or nothing."""
Step = Literal[
    "size",
    "format",
    "media-type",
    "payload-type",
    "subject",
    "signature",
    "key",
    "key-validity",
    "algorithm",
    "critical-header",
    "certificate",
    "certificate-log",
    "identity",
    "log-entry",
    "log-proof",
    "log-checkpoint",
    "log-promise",
    "timestamp",
    "level",
    "trust-root",
    "sigstore",
]


class _Struct(msgspec.Struct, frozen=True, rename="camel"):
    pass


class Artifact(_Struct, frozen=True):
    """The thing signed. ``digest`` is ``sha256:…`` or ``sha512:…`` of the manifest (or of a blob, whose types are "").

    ``media_type`` is the manifest's, ``artifact_type`` its artifactType or its config's media type, ``size`` in bytes.
    """

    digest: str
    media_type: str = ""
    artifact_type: str = ""
    size: int = 0


class Candidate(_Struct, frozen=True):
    """What may be a signature or an attestation; nothing of it is believed.

    ``payload`` is the layer's bytes, ``annotations`` those of the layer's descriptor, ``media_type`` the layer's, and
    ``source`` the digest of the manifest that holds it. ``signature``: a detached signature, decoded; None where the
    format keeps it in the payload or in the annotations (cosign's legacy formats are read from there).
    """

    format: Format
    payload: bytes
    signature: bytes | None = None
    annotations: dict[str, str] = {}
    media_type: str = ""
    source: str = ""


class Key(_Struct, frozen=True):
    """A public key that is trusted, and when.

    ``hash`` "" is what the key's own kind suggests (P-256 and RSA: SHA-256, P-384: SHA-384, P-521: SHA-512); tools
    differ for the larger curves, so it can be set. Ed25519 takes none. ``padding`` is of RSA keys only.
    The times are compared with the time that is *proven* for a signature; with none proven, with now, and a key that
    was revoked at all is then not accepted.
    """

    pem: str
    id: str = ""
    """Shown to people; "" is ``sha256:`` and the digest of the key itself (of its SubjectPublicKeyInfo)."""
    hash: Hash = ""
    padding: Literal["pkcs1v15", "pss"] = "pkcs1v15"
    not_before: datetime | None = None
    not_after: datetime | None = None
    revoked_at: datetime | None = None


class Identity(_Struct, frozen=True):
    """Who may sign without a key: exactly one of ``subject`` and ``subject_regexp``, and always the issuer, exactly.

    A regular expression (RE2) must match the whole subject, whether or not it is anchored.
    """

    issuer: str
    subject: str = ""
    subject_regexp: str = ""


class Levels(_Struct, frozen=True):
    """What must be proven besides the signature.

    ``require_log``: a signature by key needs an entry in a transparency log as well (if there is one it must be right
    anyway). Signatures by identity always need one, unless one of the other two is asked for by name:
    ``allow_tsa_only``: a time-stamp authority of the trusted root is enough. ``allow_no_log``: nothing but the
    certificate vouches for the time: it must be valid now. With either, a certificate need not be in a certificate log
    if the trusted root names none at all (as GitHub's for private repositories). Notation's signatures have no log: with
    ``require_log`` none is accepted, and of the other two neither concerns them.
    """

    require_log: bool = False
    allow_tsa_only: bool = False
    allow_no_log: bool = False


class Authority(_Struct, frozen=True):
    """Somebody trusted: any of the keys, any of the identities, or any certificate under the Notation trust anchors.

    ``trusted_root`` is a Sigstore TrustedRoot (JSON); empty is the public-good instance's, as the sigstore package
    carries it. The Notation trust anchors are certificates in PEM, of the three types of Notation's trust stores:
    ``notation_anchors`` (ca) for the scheme ``notary.x509``, ``notation_signing_authorities`` (signingAuthority) for
    ``notary.x509.signingAuthority``, ``notation_timestamp_authorities`` (tsa) for time stamps of the former, demanded with
    ``notation_require_timestamp``. ``notation_subjects``, if any, are the distinguished names (RFC 4514) that a leaf may
    have. ``formats``: which formats are accepted from it.
    """

    name: str
    keys: tuple[Key, ...] = ()
    identities: tuple[Identity, ...] = ()
    trusted_root: bytes = b""
    levels: Levels = Levels()
    notation_anchors: str = ""
    notation_subjects: tuple[str, ...] = ()
    notation_signing_authorities: str = ""
    notation_timestamp_authorities: str = ""
    notation_require_timestamp: bool = False
    formats: tuple[Format, ...] = FORMATS


class Signer(_Struct, frozen=True, omit_defaults=True):
    """Who signed: ``key`` is a key's id; or ``identity`` and ``issuer`` are of a certificate.

    For Notation these are the leaf's distinguished name, and the trust anchor's.
    """

    key: str = ""
    identity: str = ""
    issuer: str = ""


class LogEntry(_Struct, frozen=True):
    """A verified entry of a transparency log. ``origin`` names the log, ``kind`` the entry, such as ``dsse 0.0.1``."""

    index: int
    origin: str
    kind: str


class Signed(_Struct, frozen=True):
    """One verified statement about the artifact.

    ``time`` is the time proven by a log or a time-stamp authority. ``predicate_type`` is "" for the formats that can
    only be signatures; ``predicate`` is the attestation's, as JSON. ``annotations`` are the signer's own, and signed.
    ``statement`` is the digest of the signed payload, ``source`` that of the manifest it was found in.
    ``valid_until``: after this time it may not hold any more, for something that counts only while it is valid now ends:
    a certificate, a Notation signature, a window of the trusted root, a key. None: it holds for ever, because its time
    is proven (or because nothing of that ends). It has to be verified again then; nobody may keep it for longer.
    """

    authority: str
    format: Format
    signer: Signer
    time: datetime | None
    level: Level
    log: LogEntry | None
    predicate_type: str
    predicate: msgspec.Raw
    statement: str
    source: str
    annotations: dict[str, str] = {}
    valid_until: datetime | None = None

    @property
    def is_signature(self) -> bool:
        """Whether it says "I sign this", rather than something about it."""
        return self.predicate_type in ("", COSIGN_SIGN)


class Rejected(_Struct, frozen=True):
    """One candidate that was not accepted: the step that failed, why, and what a person can do.

    ``authority`` is whose terms it did not meet; "" where it is nobody's: malformed, or about another artifact.
    """

    format: Format
    source: str
    step: Step
    reason: str
    remedy: str
    authority: str = ""


class Evidence(_Struct, frozen=True):
    """All that the candidates prove about the artifact. One that is not accepted never hides one that is.

    ``complete``: there are no others: everything that is listed about the artifact was looked at, and could be read.
    """

    artifact: Artifact
    signed: tuple[Signed, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    complete: bool = False
