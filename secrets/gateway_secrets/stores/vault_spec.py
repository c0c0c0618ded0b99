"""``spec.provider.vault`` (external-secrets.io/v1, ``secretstore_vault_types.go``), and the paths it leads to. Pure."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from gateway_secrets.stores.aws_spec import Jwt, Keys
from gateway_secrets.stores.errors import MisconfiguredError
from gateway_secrets.stores.manifest import CaProvider, Selector, ServiceAccount, typed

_VERSION = re.compile(r"[0-9]{1,18}\Z")


class _Part(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class AppRole(_Part, frozen=True):
    """``roleId``, or ``roleRef``, and the secret id."""

    secret_ref: Selector
    path: str = "approle"
    role_id: str = ""
    role_ref: Selector | None = None


class KubernetesAuth(_Part, frozen=True):
    """A token of ``serviceAccountRef``, else the one in ``secretRef``, else that of govgate's own pod."""

    role: str
    mount_path: str = "kubernetes"
    service_account_ref: ServiceAccount | None = None
    secret_ref: Selector | None = None


class Password(_Part, frozen=True):
    """LDAP and userpass; ``path`` as each is mounted by default."""

    username: str
    secret_ref: Selector
    path: str = ""


class AccountToken(_Part, frozen=True):
    """``expirationSeconds`` is accepted and not used, as upstream deprecates it."""

    service_account_ref: ServiceAccount
    audiences: tuple[str, ...] = ("vault",)
    expiration_seconds: int = 600


class JwtAuth(_Part, frozen=True):
    """A token in a Secret, or of a service account."""

    path: str = "jwt"
    role: str = ""
    secret_ref: Selector | None = None
    kubernetes_service_account_token: AccountToken | None = None


class CertAuth(_Part, frozen=True):
    """The client certificate of the connection is who asks."""

    client_cert: Selector
    secret_ref: Selector
    path: str = "cert"
    vault_role: str = ""


class IamAuth(_Part, frozen=True):
    """A signed request to AWS that Vault plays: signed as :mod:`.aws_identity` has it."""

    vault_role: str
    secret_ref: Keys | None = None
    path: str = "aws"
    region: str = "us-east-1"
    role: str = ""
    external_id: str = msgspec.field(name="externalID", default="")
    server_id: str = msgspec.field(name="vaultAwsIamServerID", default="")
    jwt: Jwt | None = None


class VaultAuth(_Part, frozen=True):
    """Exactly one of the methods."""

    namespace: str = ""
    token_secret_ref: Selector | None = None
    app_role: AppRole | None = None
    kubernetes: KubernetesAuth | None = None
    ldap: Password | None = None
    jwt: JwtAuth | None = None
    cert: CertAuth | None = None
    iam: IamAuth | None = None
    user_pass: Password | None = None
    gcp: dict[str, Any] | None = None


class ClientTls(_Part, frozen=True):
    """The client certificate of the connection."""

    cert_secret_ref: Selector | None = None
    key_secret_ref: Selector | None = None


class VaultSpec(_Part, frozen=True):
    """What concerns writing (``checkAndSet``) and Vault Enterprise's replicas is accepted, and not used to read."""

    server: str
    auth: VaultAuth
    path: str = ""
    version: Literal["v1", "v2"] = "v2"
    namespace: str = ""
    ca_bundle: bytes = b""
    ca_provider: CaProvider | None = None
    tls: ClientTls = ClientTls()
    headers: dict[str, str] = {}
    read_your_writes: bool = False
    forward_inconsistent: bool = False
    check_and_set: dict[str, Any] | None = None


def parse_spec(document: Any, *, where: str) -> VaultSpec:
    """``spec.provider.vault``, checked.

    Raises:
        MisconfiguredError: it is wrong; names ``where`` and the field.
    """
    spec = typed(document, VaultSpec, where=where)
    if not spec.server.startswith(("https://", "http://")):
        raise MisconfiguredError(f"{where}: server: not an http or https address")
    methods = [name for name in VaultAuth.__struct_fields__[1:] if getattr(spec.auth, name) is not None]
    if len(methods) != 1:
        raise MisconfiguredError(f"{where}: auth: needs exactly one method, and has {len(methods)}")
    if spec.auth.gcp is not None:
        raise MisconfiguredError(f"{where}: auth.gcp: is not known here; use one of the other methods")
    return spec


def data_path(spec: VaultSpec, key: str) -> str:
    """The URL path, quoted, of a secret's data: mount and ``data`` are put in where the key leaves them out.

    Raises:
        MisconfiguredError: the key leads elsewhere.
    """
    mount, rest = _split(spec, key)
    return quoted([mount, "data", rest] if spec.version == "v2" else [mount, rest], key)


def metadata_path(spec: VaultSpec, key: str) -> str:
    """The same of its metadata, or of a folder of secrets.

    Raises:
        MisconfiguredError: as :func:`data_path`.
    """
    mount, rest = _split(spec, key)
    return quoted([mount, "metadata", rest] if spec.version == "v2" else [mount, rest], key)


def secret_path(spec: VaultSpec, key: str) -> str:
    """The one name of what a key leads to: below the store's mount, or beginning with the mount if the store names none."""
    mount, rest = _split(spec, key)
    return rest.strip("/") if spec.path.strip("/") else f"{mount}/{rest.strip('/')}"


def check_version(spec: VaultSpec, version: str, key: str) -> None:
    """Whether such a version may be asked for.

    Raises:
        MisconfiguredError: it may not.
    """
    if version and spec.version == "v1":
        raise MisconfiguredError(f"{key}: KV v1 keeps no versions; leave out the version")
    if version and not _VERSION.match(version):
        raise MisconfiguredError(f"{key}: version {version!r} is no number")


def _split(spec: VaultSpec, key: str) -> tuple[str, str]:
    mount = spec.path.strip("/")
    rest = key
    if mount:
        if rest.startswith(f"{mount}/"):
            rest = rest.removeprefix(f"{mount}/")
            rest = rest.removeprefix("data/") if spec.version == "v2" else rest
        return mount, rest
    if spec.version == "v2" and "/data/" in rest:
        mount, _, rest = rest.partition("/data/")
        return mount, rest
    mount, _, rest = rest.partition("/")
    return mount, rest


def quoted(parts: list[str], key: str) -> str:
    """Parts of a path as one, as a URL has it.

    Raises:
        MisconfiguredError: they lead elsewhere.
    """
    path = "/".join(part.strip("/") for part in parts if part)
    # A client resolves dots before it sends: such a key would leave the mount.
    if any(segment in ("", ".", "..") for segment in path.split("/")) or not path.isprintable():
        raise MisconfiguredError(f"{key!r} is no path of a secret")
    return quote(path, safe="/")
