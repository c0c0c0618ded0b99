"""Authority and certificate as Secrets hold them, registrations as they are read and changed. Pure."""

from __future__ import annotations

import base64
import binascii
import copy
import datetime as dt
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.controllers.certificates.plan import Authority, bundle_of
from gateway.core.certificates import Pair, read_pair
from gateway.core.errors import GovgateError

Json = dict[str, Any]
_LABELS = {"app.kubernetes.io/managed-by": "govgate"}
_OLDER = "older.crt"


class UnreadableError(GovgateError):
    """The authority's Secret is there and is none: made anew, all that it signed would be worth nothing at once."""


def read_authority(secret: Json | None, where: str) -> Authority | None:
    """The authority of a Secret; None without one.

    Raises:
        UnreadableError: the Secret holds something else.
    """
    if secret is None:
        return None
    pair = read_pair(_value(secret, "tls.crt"), _value(secret, "tls.key"))
    if pair is None:
        raise UnreadableError(f"{where} holds no authority: repair it, or delete it to have a new one made")
    older = _value(secret, _OLDER)
    try:
        return Authority(pair, tuple(x509.load_pem_x509_certificates(older)) if older else ())
    except ValueError:
        raise UnreadableError(f"{where}: {_OLDER} holds no certificates: repair it, or remove it") from None


def read_serving(secret: Json | None) -> Pair | None:
    """The certificate that is served; None if there is none that could be."""
    return None if secret is None else read_pair(_value(secret, "tls.crt"), _value(secret, "tls.key"))


def believed(secret: Json | None) -> tuple[x509.Certificate, ...]:
    """Whom the present certificate's Secret says to believe: what is left if the authority's Secret was lost."""
    try:
        return tuple(x509.load_pem_x509_certificates(_value(secret or {}, "ca.crt")))
    except ValueError:
        return ()


def authority_secret(name: str, namespace: str, authority: Authority, now: dt.datetime, held: Json | None) -> Json:
    """The Secret to write. ``held``: the present one, whose version it replaces."""
    older = b"".join(_pem(certificate) for certificate in authority.known(now)[1:])
    data = {"tls.crt": authority.pair.certificate_pem, "tls.key": authority.pair.key_pem}
    return _secret(name, namespace, {**data, _OLDER: older} if older else data, held)


def serving_secret(
    name: str, namespace: str, serving: Pair, *, authority: Authority, now: dt.datetime, held: Json | None
) -> Json:
    """The same of the certificate that is served, with whom to believe."""
    data = {"tls.crt": serving.certificate_pem, "tls.key": serving.key_pem, "ca.crt": bundle_of(authority, now)}
    return _secret(name, namespace, data, held)


def bundles(registration: Json, service: str, namespace: str) -> tuple[bytes, ...]:
    """The ``caBundle`` of each of its webhooks that is this Service's; empty where there is none."""
    return tuple(_decoded(client.get("caBundle", "")) for client in _clients(registration, service, namespace))


def with_bundle(registration: Json, service: str, namespace: str, bundle: bytes) -> Json:
    """The registration with this ``caBundle`` where it asks this Service."""
    changed = copy.deepcopy(registration)
    for client in _clients(changed, service, namespace):
        client["caBundle"] = base64.b64encode(bundle).decode("ascii")
    return changed


def _clients(registration: Json, service: str, namespace: str) -> list[Json]:
    found = []
    for webhook in registration.get("webhooks") or ():
        client = webhook.get("clientConfig") or {}
        named = client.get("service") or {}
        if (named.get("name"), named.get("namespace")) == (service, namespace):
            found.append(client)
    return found


def _secret(name: str, namespace: str, data: Mapping[str, bytes], held: Json | None) -> Json:
    metadata: Json = {"name": name, "namespace": namespace, "labels": _LABELS}
    kind = "kubernetes.io/tls"
    if held is not None:
        kind = held.get("type") or kind  # it can be given to a new Secret only
        metadata = {**held["metadata"], "labels": {**(held["metadata"].get("labels") or {}), **_LABELS}}
        metadata.pop("managedFields", None)
    encoded = {key: base64.b64encode(value).decode("ascii") for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": encoded}


def _value(secret: Json, key: str) -> bytes:
    return _decoded((secret.get("data") or {}).get(key, ""))


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return b""


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
