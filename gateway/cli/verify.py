"""``govgate verify``: the signatures of an OCI artifact."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from gateway.ci.artifact import Verified, gather, judge, read_saved
from gateway.ci.report import REPORTERS, Format
from gateway.ci.report.words import totals
from gateway.cli import exits
from gateway.cli.evidence_view import run_lines
from gateway.cli.output import print_document
from gateway.cli.verify_access import Access, credential_of, opened
from gateway.config import load_config
from gateway.config.model import Config
from gateway.config.provenance import (
    Attestation,
    Certificates,
    Notation,
    TrustAuthority,
    TrustedIdentity,
    TrustedKey,
    TrustedRoot,
    TrustPolicy,
)
from gateway.core.errors import GovgateError, UsageError
from gateway.provenance.evidence import Levels
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.pull import pull as pull_artifact
from gateway.provenance.oci.reference import LayoutReference, Reference, parse_any
from gateway.provenance.trust.reading import Trust, concerns, read_policy
from gateway.provenance.verifier import ReadyTrust, make_ready

_COMMAND_LINE = "command-line"
_PULL_SECONDS = 600.0
Many = Parameter(negative=())


def verify(
    reference: str,
    *,
    key: Annotated[tuple[Path, ...], Many] = (),
    key_hash: Literal["", "sha256", "sha384", "sha512"] = "",
    identity: str = "",
    identity_regexp: str = "",
    issuer: str = "",
    notation_ca: Path | None = None,
    notation_tsa: Path | None = None,
    trusted_root: Path | None = None,
    require_log: Annotated[bool, Many] = False,
    allow_tsa_only: Annotated[bool, Many] = False,
    allow_no_log: Annotated[bool, Many] = False,
    attestation: Annotated[tuple[str, ...], Many] = (),
    evidence: Path | None = None,
    pull: Path | None = None,
    plain_http: Annotated[bool, Many] = False,
    ca_file: str = "",
    username: str = "",
    password_stdin: Annotated[bool, Many] = False,
    token_file: Path | None = None,
    timeout_seconds: float = 60.0,
    output: Annotated[Format, Parameter(name=["--output", "-o"])] = "table",
    config: Path | None = None,
    fail_on: Literal["deny", "warn"] = "deny",
) -> int:
    """Verify an OCI artifact: who signed it, when, in which log; or which step failed.

    Without --key, --identity and --notation-ca, by the trust policies of the configuration that are about it. Exit code 3 when it is
    not signed as it must be, 1 when that cannot be found out.

    Parameters
    ----------
    reference
        REGISTRY/REPO:TAG, REGISTRY/REPO@sha256:…, or oci-layout:PATH for a folder. A tag is resolved once.
    key
        A public key (PEM) that must have signed; repeatable: any of them.
    key_hash
        The hash that the keys sign with; else what is usual for their kind.
    identity
        Who must have signed without a key: the certificate's subject, exactly. Needs --issuer.
    identity_regexp
        The same as a regular expression (RE2), anchored by ^ and $.
    issuer
        The issuer of the identity, exactly.
    notation_ca
        Root certificates (PEM) of whoever must have signed with Notation.
    notation_tsa
        Root certificates (PEM) of the time-stamp authorities that prove when; else certificates must be valid now.
    trusted_root
        A Sigstore TrustedRoot (JSON); else that of the public-good instance, as installed.
    require_log
        Signatures by keys must be in a transparency log as well.
    allow_tsa_only
        Signatures by identities need no log, if a time-stamp authority of the trusted root vouches for the time.
    allow_no_log
        Nor that: the certificate must be valid now.
    attestation
        A predicate type that must be attested by the same key or identity; repeatable.
    evidence
        What -o json printed before: judged offline, its signatures verified anew. Needs a reference with a digest.
    pull
        A folder to unpack the artifact into, once it is verified; it must not be there, or be empty.
    plain_http
        Speak to this registry without TLS.
    ca_file
        Certificates (PEM) of whoever issued the registry's.
    username
        Who logs in, with --password-stdin; else credentials are those of the docker command.
    password_stdin
        Read the password from standard input.
    token_file
        A file with a bearer token for the registry.
    timeout_seconds
        For everything that is asked of the registry, without --pull.
    output
        table for people; json and yaml with the evidence; sarif, junit, github, gitlab, markdown for what shows findings.
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    fail_on
        What makes the command fail.
    """
    loaded = load_config(config)
    parsed = parse_any(reference)
    levels = Levels(require_log, allow_tsa_only, allow_no_log)
    given = _given(key, key_hash, _identity(identity, identity_regexp, issuer), _notation(notation_ca, notation_tsa))
    if given is not None:
        policies = [_command_line(given, levels, trusted_root, attestation)]
    elif levels != Levels() or trusted_root is not None or attestation or key_hash:
        raise UsageError(
            "--key, --identity or --notation-ca must be there too: else the configuration's trust policies say what is needed"
        )
    else:
        policies = _configured(loaded.config, parsed, loaded.source)
    if evidence is not None and pull is not None:
        raise UsageError("--evidence asks no registry: there is nothing to pull")
    access = Access(
        loaded.config.provenance,
        plain_http=plain_http,
        ca_file=ca_file,
        credential=credential_of(username, password_stdin=password_stdin, token_file=token_file),
        timeout_seconds=timeout_seconds,
    )
    verified = asyncio.run(_verify(parsed, policies, access, evidence, pull))
    return _finish(verified, output, fail_on, pulled=pull)


async def _verify(
    reference: Reference | LayoutReference,
    policies: list[Trust],
    access: Access,
    evidence: Path | None,
    into: Path | None,
) -> Verified:
    now, on_error = datetime.now(UTC), access.settings.on_error
    ready = [await make_ready(trust, trial=False) for trust in policies]
    try:
        if evidence is not None:
            saved = read_saved(evidence)
            if reference.digest != saved.digest or saved.reference != str(reference):
                raise UsageError(f"{evidence} is about {saved.reference}: name that, with its digest")
            return await judge(saved, ready, now, on_error=on_error)
        async with opened(reference, access) as (source, digest):
            saved = await gather(source, reference, digest, ready, now)
            verified = await judge(saved, ready, now, on_error=on_error)
        if into is not None and verified.satisfied:
            longer = msgspec.structs.replace(access, timeout_seconds=max(_PULL_SECONDS, access.timeout_seconds))
            async with opened(reference, longer, digest=digest) as (source, _):
                await pull_artifact(source, digest, into, Limits())
        return verified
    finally:
        _close(ready)


def _close(policies: list[ReadyTrust]) -> None:
    for one in policies:
        one.close()


def _given(
    keys: tuple[Path, ...], key_hash: str, identity: TrustedIdentity | None, notation: Notation | None
) -> TrustAuthority | None:
    if sum((bool(keys), identity is not None, notation is not None)) > 1:
        raise UsageError("one of --key, --identity and --notation-ca: a trust policy can name several authorities")
    if keys:
        trusted = tuple(msgspec.convert({"file": str(path), "hash": key_hash}, TrustedKey) for path in keys)
        return TrustAuthority("key", keys=trusted)
    if notation is not None:
        return TrustAuthority("notation", notation=notation)
    return TrustAuthority("identity", identities=(identity,)) if identity is not None else None


def _notation(anchors: Path | None, stamping: Path | None) -> Notation | None:
    if anchors is None:
        if stamping is not None:
            raise UsageError("--notation-tsa needs --notation-ca: a time stamp by itself is nobody's signature")
        return None
    return Notation(file=str(anchors), tsa=Certificates(file=str(stamping) if stamping is not None else ""))


def _identity(subject: str, pattern: str, issuer: str) -> TrustedIdentity | None:
    if not subject and not pattern:
        if issuer:
            raise UsageError("--issuer needs --identity: by itself it would accept anybody")
        return None
    if not issuer:
        raise UsageError("--identity needs --issuer: an identity is one of whoever vouches for it")
    return TrustedIdentity(issuer, subject, pattern)


def _command_line(one: TrustAuthority, levels: Levels, root: Path | None, attestations: tuple[str, ...]) -> Trust:
    authority = msgspec.structs.replace(
        one,
        trusted_root=TrustedRoot(file=str(root) if root is not None else ""),
        require_log=levels.require_log,
        allow_tsa_only=levels.allow_tsa_only,
        allow_no_log=levels.allow_no_log,
    )
    wanted = tuple(Attestation(predicate_type) for predicate_type in attestations)
    policy = TrustPolicy(repositories=("**",), authorities=(authority,), attestations=wanted, name=_COMMAND_LINE)
    return read_policy(policy, source="command line")


def _configured(config: Config, reference: Reference | LayoutReference, source: str) -> list[Trust]:
    about = [policy for policy in config.provenance.policies if concerns(policy, reference.name)]
    found = [read_policy(policy, source=source) for policy in about]
    if not found:
        raise GovgateError(
            f"no trust policy is about {reference.name} ({source}): name --key, or --identity and --issuer,"
            " or add one to provenance.policies"
        )
    return found


def _finish(verified: Verified, output: Format, fail_on: str, *, pulled: Path | None) -> int:
    run = verified.run
    if output in {"json", "yaml"}:
        print_document(verified.document(), "json" if output == "json" else "yaml")
    elif output == "table":
        print("\n".join(run_lines(verified)))
    else:
        sys.stdout.write(REPORTERS[output](run))
    if pulled is not None:
        done = f"unpacked into {pulled}" if verified.satisfied else "nothing was unpacked: it is not verified"
        print(f"govgate: {done}", file=sys.stderr)
    print(totals(run), file=sys.stderr)
    if run.denied:
        return exits.DENIED
    return exits.WARNED if run.warned and fail_on == "warn" else exits.CLEAN
