"""``spec.provider.azurekv`` (external-secrets.io/v1, ``secretstore_azurekv_types.go``), and what it leads to. Pure."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from gateway_secrets.stores.errors import MisconfiguredError
from gateway_secrets.stores.manifest import Selector, ServiceAccount, typed

CLIENT_ANNOTATION = "azure.workload.identity/client-id"
TENANT_ANNOTATION = "azure.workload.identity/tenant-id"
DEFAULT_AUDIENCE = "api://AzureADTokenExchange"
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}\Z")
_VERSION = re.compile(r"[0-9a-f]{32}\Z")
_CLOUDS = {
    "PublicCloud": ("https://login.microsoftonline.com", ".vault.azure.net"),
    "USGovernmentCloud": ("https://login.microsoftonline.us", ".vault.usgovcloudapi.net"),
    "ChinaCloud": ("https://login.chinacloudapi.cn", ".vault.azure.cn"),
    "GermanCloud": ("https://login.microsoftonline.de", ".vault.microsoftazure.de"),
}
Kind = Literal["secret", "key", "cert"]


class _Part(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class AuthSecret(_Part, frozen=True):
    """Who a service principal is, and its secret or its certificate with its key (PEM)."""

    client_id: Selector | None = None
    tenant_id: Selector | None = None
    client_secret: Selector | None = None
    client_certificate: Selector | None = None


class CustomCloud(_Part, frozen=True):
    """A cloud of one's own: where tokens are given, and where vaults are."""

    active_directory_endpoint: str
    key_vault_endpoint: str = ""
    key_vault_dns_suffix: str = msgspec.field(name="keyVaultDNSSuffix", default="")
    resource_manager_endpoint: str = ""
    audience: str = ""


class AzureSpec(_Part, frozen=True):
    """``useAzureSDK`` chooses between two of ESO's implementations, and is not used."""

    vault_url: str
    auth_type: Literal["ServicePrincipal", "ManagedIdentity", "WorkloadIdentity"] = "ServicePrincipal"
    tenant_id: str = ""
    environment_type: Literal["PublicCloud", "USGovernmentCloud", "ChinaCloud", "GermanCloud", "AzureStackCloud"] = (
        "PublicCloud"
    )
    auth_secret_ref: AuthSecret | None = None
    service_account_ref: ServiceAccount | None = None
    identity_id: str = ""
    use_azure_sdk: bool = msgspec.field(name="useAzureSDK", default=False)
    custom_cloud_config: CustomCloud | None = None

    @property
    def login(self) -> str:
        """Where tokens are given."""
        custom = self.custom_cloud_config
        return custom.active_directory_endpoint if custom is not None else _CLOUDS[self.environment_type][0]


def parse_spec(document: Any, *, where: str) -> AzureSpec:
    """``spec.provider.azurekv``, checked. Tokens are sent to vaults of the cloud that gave them, and to no others.

    Raises:
        MisconfiguredError: it is wrong; names ``where`` and the field.
    """
    spec = typed(document, AzureSpec, where=where)
    if (spec.environment_type == "AzureStackCloud") != (spec.custom_cloud_config is not None):
        raise MisconfiguredError(f"{where}: environmentType AzureStackCloud needs customCloudConfig, no other has it")
    for name, url in (("vaultUrl", spec.vault_url), ("activeDirectoryEndpoint", spec.login)):
        if not _is_https(url):
            raise MisconfiguredError(f"{where}: {name}: not an https address")
    if spec.custom_cloud_config is None:
        suffix = _CLOUDS[spec.environment_type][1]
        if not (urlsplit(spec.vault_url).hostname or "").endswith(suffix):
            raise MisconfiguredError(f"{where}: vaultUrl: vaults of {spec.environment_type} are at NAME{suffix}")
    if spec.auth_type == "ServicePrincipal":
        _check_principal(spec, where)
    return spec


def _check_principal(spec: AzureSpec, where: str) -> None:
    given = spec.auth_secret_ref or AuthSecret()
    if not spec.tenant_id:
        raise MisconfiguredError(f"{where}: tenantId is needed with authType ServicePrincipal")
    if given.client_id is None or (given.client_secret is None) == (given.client_certificate is None):
        raise MisconfiguredError(f"{where}: authSecretRef: needs clientId, and clientSecret or clientCertificate")


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        return False


def object_of(key: str) -> tuple[Kind, str]:
    """``NAME``, ``secret/NAME``, ``key/NAME`` or ``cert/NAME``.

    Raises:
        MisconfiguredError: it is none of these.
    """
    kind, slash, name = key.partition("/")
    if not slash:
        kind, name = "secret", key
    if kind not in ("secret", "key", "cert") or not _NAME.match(name):
        raise MisconfiguredError(f"{key!r}: a name is letters, digits and -, after secret/, key/, cert/ or nothing")
    return kind, name  # type: ignore[return-value] # one of them


def check_version(version: str, key: str) -> None:
    """Whether such a version may be asked for.

    Raises:
        MisconfiguredError: it may not.
    """
    if version and not _VERSION.match(version):
        raise MisconfiguredError(f"{key}: {version!r} is no version: 32 hexadecimal digits")
