"""``spec.provider.kubernetes`` (external-secrets.io/v1), and the connection that it describes. Pure."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from gateway.config.yaml import read_yaml
from gateway.core.errors import ConfigError
from gateway.core.subject import Json
from gateway_secrets.stores.errors import MisconfiguredError
from gateway_secrets.stores.manifest import CaProvider, Selector, ServiceAccount, typed

_CLUSTER_FIELDS = ("server", "certificate-authority-data", "tls-server-name")
_USER_FIELDS = ("token", "client-certificate-data", "client-key-data")
_IN_CLUSTER = "https://kubernetes.default.svc"


class _Part(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Server(_Part, frozen=True):
    """Which API server, and by which authority it is known."""

    url: str = _IN_CLUSTER
    ca_bundle: bytes = b""
    ca_provider: CaProvider | None = None


class CertAuth(_Part, frozen=True):
    """A client certificate."""

    client_cert: Selector
    client_key: Selector


class TokenAuth(_Part, frozen=True):
    """A token."""

    bearer_token: Selector


class Auth(_Part, frozen=True):
    """Exactly one of them."""

    cert: CertAuth | None = None
    token: TokenAuth | None = None
    service_account: ServiceAccount | None = None


class KubernetesSpec(_Part, frozen=True):
    """``authRef`` names a kubeconfig, and then nothing else is needed."""

    server: Server = Server()
    auth: Auth | None = None
    auth_ref: Selector | None = None
    remote_namespace: str = "default"


def parse_spec(document: Any, *, where: str) -> KubernetesSpec:
    """``spec.provider.kubernetes``, checked. Without credentials of its own a store would read with govgate's.

    Raises:
        MisconfiguredError: it is wrong; names ``where`` and the field.
    """
    spec = typed(document, KubernetesSpec, where=where)
    auth = spec.auth or Auth()
    given = [part for part in (spec.auth_ref, auth.cert, auth.token, auth.service_account) if part is not None]
    if len(given) != 1:
        raise MisconfiguredError(f"{where}: needs authRef, or auth with exactly one method")
    if spec.auth_ref is None and not spec.server.url.startswith("https://"):
        raise MisconfiguredError(f"{where}: server.url: not an https address")
    return spec


def kubeconfig(cluster: Json, user: Json) -> Json:
    """A kubeconfig of one cluster and one user."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "store", "cluster": cluster}],
        "users": [{"name": "store", "user": user}],
        "contexts": [{"name": "store", "context": {"cluster": "store", "user": "store"}}],
        "current-context": "store",
    }


def encoded(data: bytes) -> str:
    """As a kubeconfig holds certificates and keys."""
    return base64.b64encode(data).decode()


def sanitised(text: bytes, *, where: str) -> Json:
    """The current context of somebody's kubeconfig, with what is inline in it: neither programs nor files.

    Raises:
        MisconfiguredError: it is none, or needs what may not be used.
    """
    try:
        document = read_yaml(text.decode(), source=where)
    except (ConfigError, UnicodeDecodeError):
        raise MisconfiguredError(f"{where}: not a kubeconfig") from None
    document = document if isinstance(document, dict) else {}
    context = _named(document, "contexts", "context", document.get("current-context"), where)
    cluster = _named(document, "clusters", "cluster", context.get("cluster"), where)
    user = _named(document, "users", "user", context.get("user"), where)
    left_out = sorted({*cluster, *user} - {*_CLUSTER_FIELDS, *_USER_FIELDS})
    if left_out:
        raise MisconfiguredError(
            f"{where}: a kubeconfig in a Secret may hold tokens and certificates inline, not {', '.join(left_out)}"
        )
    return kubeconfig(cluster, user)


def _named(document: Json, plural: str, singular: str, name: Any, where: str) -> Json:
    for item in document.get(plural) or []:
        if isinstance(item, dict) and item.get("name") == name and isinstance(item.get(singular), dict):
            found: Json = item[singular]
            return found
    raise MisconfiguredError(f"{where}: a kubeconfig without the {singular} of its current context")
