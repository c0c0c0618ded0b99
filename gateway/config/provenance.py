"""Configuration of provenance: who is trusted to sign what, and how registries are reached.

A TrustPolicy of the cluster (``govgate.dev/v1alpha1``) has the same fields below ``spec``, its name in ``metadata``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.core.guard import OnError

Mode = Literal["deny", "warn", "audit"]
Format = Literal["cosign-legacy", "cosign-legacy-attestation", "sigstore-bundle", "notation-jws", "notation-cose"]
Time = Annotated[str, Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2}))?$", max_length=40)]
"""RFC 3339, such as ``2026-01-31T00:00:00Z``; empty for none."""
Pem = Annotated[str, Meta(max_length=65_536)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)]
Pattern = Annotated[str, Meta(min_length=1, max_length=512)]


class _Section(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class ObjectKey(_Section, frozen=True):
    """A key of a Secret or a ConfigMap. ``namespace`` empty: the gateway's own."""

    name: Name
    key: Annotated[str, Meta(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]
    namespace: Annotated[str, Meta(pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$", max_length=63)] = ""


class TrustedKey(_Section, frozen=True):
    """A public key, as text, in a file or in an object of the cluster, and when it is good. ``hash`` empty: what the key's
    own kind suggests.
    """

    id: str = ""
    pem: Pem = ""
    file: str = ""
    secret_key_ref: ObjectKey | None = None
    config_map_key_ref: ObjectKey | None = None
    hash: Literal["", "sha256", "sha384", "sha512"] = ""
    padding: Literal["pkcs1v15", "pss"] = "pkcs1v15"
    not_before: Time = ""
    not_after: Time = ""
    revoked_at: Time = ""


class TrustedIdentity(_Section, frozen=True):
    """Who may sign without a key. ``subject`` exactly, or ``subject_regexp`` (RE2), which must be anchored."""

    issuer: Annotated[str, Meta(min_length=1, max_length=2048)]
    subject: Annotated[str, Meta(max_length=2048)] = ""
    subject_regexp: Annotated[str, Meta(max_length=2048)] = ""


class TrustedRoot(_Section, frozen=True):
    """A Sigstore TrustedRoot (JSON), as text, in a file or in an object; none of them: the public-good instance's."""

    json: Annotated[str, Meta(max_length=1_048_576)] = ""
    file: str = ""
    secret_key_ref: ObjectKey | None = None
    config_map_key_ref: ObjectKey | None = None


class Certificates(_Section, frozen=True):
    """Certificates in PEM, as text, in a file or in an object of the cluster."""

    pem: Pem = ""
    file: str = ""
    secret_key_ref: ObjectKey | None = None
    config_map_key_ref: ObjectKey | None = None


class Notation(Certificates, frozen=True):
    """Trust anchors of Notation signatures (root certificates), and who may sign (RFC 4514), if not everybody under them.

    ``tsa``: of time-stamp authorities; with ``require_timestamp`` a signature needs their word. ``signing_authority``: of
    services that sign for others and tell the time. Each is a type of Notation's trust stores, the section's own is ``ca``.
    """

    subjects: tuple[str, ...] = ()
    tsa: Certificates = Certificates()
    require_timestamp: bool = False
    signing_authority: Certificates = Certificates()


class TrustAuthority(_Section, frozen=True):
    """Somebody trusted, by any of the keys, identities or Notation anchors, with what must be proven besides."""

    name: Name
    keys: tuple[TrustedKey, ...] = ()
    identities: tuple[TrustedIdentity, ...] = ()
    trusted_root: TrustedRoot = TrustedRoot()
    notation: Notation = Notation()
    require_log: bool = False
    allow_tsa_only: bool = False
    allow_no_log: bool = False


class Attestation(_Section, frozen=True):
    """A statement that must be there. ``rego``: a module with a rule ``allow``, asked about the predicate.

    ``authorities``: whose word counts; none: that of all in the policy. ``match``: whether the rule must accept one of such
    statements, or all that there are (and at least one).
    """

    predicate_type: Annotated[str, Meta(min_length=1, max_length=512)]
    authorities: tuple[Name, ...] = ()
    rego: Annotated[str, Meta(max_length=65_536)] = ""
    match: Literal["any", "all"] = "any"


class TrustPolicySpec(_Section, frozen=True):
    """Which artifacts, who must have signed them, and what else must be stated about them.

    ``repositories``: globs over registry and repository; ``*`` stays within a part, ``**`` does not. ``match``: whether one
    authority is enough, or all must have signed. ``signature``: whether a signature is needed, or attestations are enough.
    ``sources``: what is demanded of the objects that fetch: that they verify by themselves.
    ``artifact_types``: those that are accepted; none: all.
    """

    repositories: Annotated[tuple[Pattern, ...], Meta(min_length=1)]
    authorities: Annotated[tuple[TrustAuthority, ...], Meta(min_length=1, max_length=32)]
    mode: Mode = "deny"
    match: Literal["any", "all"] = "any"
    signature: bool = True
    attestations: Annotated[tuple[Attestation, ...], Meta(max_length=32)] = ()
    formats: tuple[Format, ...] = (
        "sigstore-bundle",
        "cosign-legacy",
        "cosign-legacy-attestation",
        "notation-jws",
        "notation-cose",
    )
    artifact_types: tuple[str, ...] = ()
    sources: Mode | Literal["off"] = "warn"


class TrustPolicy(TrustPolicySpec, frozen=True, kw_only=True):
    """The same with its name, as the configuration file has it."""

    name: Name


class RegistrySettings(_Section, frozen=True):
    """How registries are reached. ``hosts`` with their ports; ``plain_http``: without TLS; ``ca_file``: whose certificates.

    ``cert_file`` and ``key_file``: the certificate that is shown to them and to their token servers.
    ``token_hosts``: hosts of token servers that are not surely its own.
    """

    hosts: Annotated[tuple[str, ...], Meta(min_length=1)]
    plain_http: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    token_hosts: tuple[str, ...] = ()


class Provenance(_Section, frozen=True):
    """The provenance guard. Without policies it has nothing to say.

    ``unmatched``: what becomes of an artifact that no policy is about. ``timeout_seconds`` and ``max_requests`` bound one
    artifact's verification. ``docker_config``: a file with credentials, ``config.json`` or ``.dockerconfigjson``.
    ``pull_secrets``: whether the credentials and certificates that the judged object names are read from the cluster;
    ``crossplane_namespace``: where those of Crossplane's packages are. ``argo_repositories``: whether those are that Argo CD has, in its namespace (``drift.argoCD.namespace``).
    ``reference_namespaces``: globs; whose Secrets and ConfigMaps TrustPolicies of the cluster may have keys from, beside
    the gateway's own. ``reference_seconds``: how often they are read again. ``crossplane_registry``: where Crossplane takes
    packages from that name no registry (its ``--registry``; versions from 2.0 on take none).
    """

    policies: tuple[TrustPolicy, ...] = ()
    unmatched: Literal["ignore", "audit", "warn", "deny"] = "ignore"
    on_error: OnError = OnError.DENY
    exempt_namespaces: tuple[str, ...] = ("kube-system", "kube-node-lease")
    timeout_seconds: Annotated[float, Meta(gt=0, le=30)] = 8.0
    max_requests: Annotated[int, Meta(ge=4, le=1_000)] = 64
    max_artifacts: Annotated[int, Meta(ge=1, le=1_000)] = 32
    cache_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 3_600.0
    cache_entries: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    registries: tuple[RegistrySettings, ...] = ()
    docker_config: str = ""
    pull_secrets: bool = False
    crossplane_namespace: Name = "crossplane-system"
    argo_repositories: bool = False
    reference_namespaces: tuple[str, ...] = ()
    reference_seconds: Annotated[float, Meta(ge=1, le=3_600)] = 30.0
    crossplane_registry: Annotated[str, Meta(min_length=1, max_length=255)] = "xpkg.crossplane.io"
