"""``spec.provider.gcpsm`` (external-secrets.io/v1, ``secretsstore_gcpsm_types.go``), and the names it leads to. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from gateway_secrets.stores.errors import MisconfiguredError
from gateway_secrets.stores.manifest import Selector, ServiceAccount, typed

GCP_ACCOUNT_ANNOTATION = "iam.gke.io/gcp-service-account"
_SECRET_ID = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")
_VERSION = re.compile(r"[A-Za-z0-9_-]{1,63}\Z")
_LABEL = re.compile(r"[\w-]{0,63}\Z")
_PLACE = re.compile(r"[a-z0-9:.-]{1,100}\Z")
_TOKEN_URL = "https://sts.googleapis.com/v1/token"  # noqa: S105 - an address
_IMPERSONATION = re.compile(
    r"https://iamcredentials\.googleapis\.com/v1/projects/-/serviceAccounts/[A-Za-z0-9@.-]{1,200}:generateAccessToken\Z"
)
_OVERRIDE = "CLOUDSDK_API_ENDPOINT_OVERRIDES_"
_HOSTS = {
    "secretmanager": "https://secretmanager.googleapis.com/",
    "sts": "https://sts.googleapis.com/",
    "iamcredentials": "https://iamcredentials.googleapis.com/",
    "securetoken": "https://securetoken.googleapis.com/",
}


class _Part(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class KeyRef(_Part, frozen=True):
    """The JSON of a service account key, or of an external account, in a Secret."""

    secret_access_key: Selector = msgspec.field(name="secretAccessKeySecretRef")


class WorkloadIdentity(_Part, frozen=True):
    """A service account of a GKE cluster, and which cluster that is; the metadata server says it if it is not set."""

    service_account_ref: ServiceAccount
    cluster_location: str = ""
    cluster_name: str = ""
    cluster_project_id: str = msgspec.field(name="clusterProjectID", default="")


class Federation(_Part, frozen=True):
    """A service account of any cluster, or an external account of which the JSON is in a ConfigMap."""

    cred_config: Selector | None = None
    service_account_ref: ServiceAccount | None = None
    audience: str = ""
    external_token_endpoint: str = ""
    aws_security_credentials: dict[str, Any] | None = None


class Auth(_Part, frozen=True):
    """One of them; without any, the identity that govgate itself has."""

    secret_ref: KeyRef | None = None
    workload_identity: WorkloadIdentity | None = None
    workload_identity_federation: Federation | None = None


class GcpSpec(_Part, frozen=True):
    """With ``location`` secrets are regional ones, and kept there."""

    project_id: str = msgspec.field(name="projectID")
    auth: Auth = Auth()
    location: str = ""
    selection: Literal["LatestOrFail", "LatestOrFetch"] = msgspec.field(
        name="secretVersionSelectionPolicy", default="LatestOrFail"
    )


class ExternalAccount(msgspec.Struct, frozen=True):
    """The JSON of an external account, as far as it is used: where tokens are exchanged, and for whom."""

    audience: str = ""
    subject_token_type: str = ""
    token_url: str = _TOKEN_URL
    service_account_impersonation_url: str = ""
    credential_source: Mapping[str, Any] = {}


def parse_spec(document: Any, *, where: str) -> GcpSpec:
    """``spec.provider.gcpsm``, checked.

    Raises:
        MisconfiguredError: it is wrong; names ``where`` and the field.
    """
    spec = typed(document, GcpSpec, where=where)
    for name, value in (("projectID", spec.project_id), ("location", spec.location or "global")):
        if not _PLACE.match(value):
            raise MisconfiguredError(f"{where}: {name}: {value!r} is none")
    auth = spec.auth
    if (
        sum(part is not None for part in (auth.secret_ref, auth.workload_identity, auth.workload_identity_federation))
        > 1
    ):
        raise MisconfiguredError(f"{where}: auth: one method, not several")
    federation = auth.workload_identity_federation
    if federation is not None:
        _check_federation(federation, f"{where}: auth.workloadIdentityFederation")
    return spec


def _check_federation(federation: Federation, where: str) -> None:
    if federation.aws_security_credentials is not None:
        raise MisconfiguredError(f"{where}: awsSecurityCredentials is not known here; use serviceAccountRef")
    if (federation.cred_config is None) == (federation.service_account_ref is None):
        raise MisconfiguredError(f"{where}: needs credConfig or serviceAccountRef")
    if federation.service_account_ref is not None and not federation.audience:
        raise MisconfiguredError(f"{where}: audience is needed with serviceAccountRef")


def external_account(document: Any, federation: Federation, *, where: str) -> ExternalAccount:
    """The JSON of an external account. It could name files, programs and addresses that are not its owner's to use.

    Raises:
        MisconfiguredError: it is none, or would reach elsewhere than where Google exchanges tokens.
    """
    if not isinstance(document, dict) or document.get("type") != "external_account":
        raise MisconfiguredError(f"{where}: not the JSON of an external account")
    account = typed(document, ExternalAccount, where=where)
    impersonated = account.service_account_impersonation_url
    if account.token_url != _TOKEN_URL or (impersonated and not _IMPERSONATION.match(impersonated)):
        raise MisconfiguredError(f"{where}: token_url and service_account_impersonation_url have to be Google's own")
    source = set(account.credential_source) - {"format", "headers"}
    url = str(account.credential_source.get("url", ""))
    if source != {"url"} or not url.startswith("https://") or url != federation.external_token_endpoint:
        raise MisconfiguredError(
            f"{where}: credential_source: a url (https) that externalTokenEndpoint repeats, and no file or program"
        )
    return account


def endpoint(name: str, location: str = "") -> str:
    """The address of an API; the variables of Google's own command name others, such as private ones."""
    default = _HOSTS[name]
    if name == "secretmanager" and location:
        default = f"https://secretmanager.{location}.rep.googleapis.com/"
    return os.environ.get(_OVERRIDE + name.upper()) or default


def authority(url: str) -> str:
    """Host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 443}"


def parent_name(spec: GcpSpec) -> str:
    """What all secrets of a store are in."""
    return f"projects/{spec.project_id}" + (f"/locations/{spec.location}" if spec.location else "")


def secret_name(spec: GcpSpec, key: str) -> str:
    """The whole name of a secret.

    Raises:
        MisconfiguredError: no secret has such a name.
    """
    if not _SECRET_ID.match(key):
        raise MisconfiguredError(f"{key!r} is no name of a secret: letters, digits, - and _")
    return f"{parent_name(spec)}/secrets/{key}"


def version_name(spec: GcpSpec, key: str, version: str) -> str:
    """The whole name of a version: a number, an alias, or the newest.

    Raises:
        MisconfiguredError: there are no such names.
    """
    if version and not _VERSION.match(version):
        raise MisconfiguredError(f"{key}: {version!r} is neither a number nor an alias")
    return f"{secret_name(spec, key)}/versions/{version or 'latest'}"


def label_filter(tags: Mapping[str, str]) -> str | None:
    """The filter for these labels; None if no secret could have them."""
    if not all(_LABEL.match(name) and _LABEL.match(value) for name, value in tags.items()):
        return None
    return " AND ".join(f"labels.{name}={value}" for name, value in tags.items())
