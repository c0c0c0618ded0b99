"""Secrets and SealedSecrets as they stand in manifests, checked for what sealing depends on."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway_secrets.sealed.errors import InputError
from gateway_secrets.sealed.scope import Scope, scope_of

API_VERSION = "bitnami.com/v1alpha1"
KIND = "SealedSecret"
MAX_SECRET_BYTES = 1024 * 1024
"""Of all values together: what the API server takes (``MaxSecretSize`` of its API)."""

_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_LINE_BREAKS = re.compile(r"[\r\n]+")
_OF_THE_SERVER = frozenset(
    (
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    )
)
COPIES = frozenset(
    ("kubectl.kubernetes.io/last-applied-configuration", "kubecfg.ksonnet.io/last-applied-configuration")
)
"""Annotations that hold the whole Secret once more, in plain text."""


class Secret(msgspec.Struct, frozen=True):
    """A Secret. ``metadata``: all that goes into the template, but for name and namespace; ``values``: decoded."""

    name: str
    namespace: str
    values: dict[str, bytes]
    metadata: dict[str, Any] = {}
    type: str = ""
    immutable: bool | None = None

    @property
    def annotations(self) -> dict[str, str]:
        """Its annotations."""
        found: dict[str, str] = self.metadata.get("annotations") or {}
        return found

    def __repr__(self) -> str:
        return f"Secret({self.namespace}/{self.name}, {len(self.values)} values)"


class Sealed(msgspec.Struct, frozen=True):
    """A SealedSecret: the parts that mean something here, and the whole ``document``."""

    name: str
    namespace: str
    annotations: dict[str, str]
    values: dict[str, str]
    template: dict[str, Any]
    document: dict[str, Any]

    @property
    def scope(self) -> Scope:
        """As its own metadata states it, not its template's."""
        return scope_of(self.annotations)

    def __str__(self) -> str:
        return f"SealedSecret {self.namespace}/{self.name}" if self.namespace else f"SealedSecret {self.name}"


def secret_of(value: Mapping[str, Any], *, where: str) -> Secret:
    """A Secret from its manifest; ``stringData`` wins over ``data``, what the API server adds is left out.

    Raises:
        InputError: it is none, or no API server would take it.
    """
    if (value.get("apiVersion"), value.get("kind")) != ("v1", "Secret"):
        if value.get("kind") == KIND:
            raise InputError(f"{where}: is sealed already (govgate seal reencrypt seals with a new certificate)")
        raise InputError(f"{where}: is a {_word(value.get('kind'))}, not a Secret: only Secrets are sealed")
    metadata = _mapping(value, "metadata", where)
    immutable = value.get("immutable")
    if immutable is not None and not isinstance(immutable, bool):
        raise InputError(f"{where}: immutable must be true or false")
    kept = {key: item for key, item in metadata.items() if key not in _OF_THE_SERVER}
    for field in ("annotations", "labels"):
        texts = _texts(metadata, field, where)
        kept[field] = {key: item for key, item in texts.items() if key not in COPIES}
        if not kept[field]:
            del kept[field]
    return Secret(
        _text(kept.pop("name", ""), "metadata.name", where),
        _text(kept.pop("namespace", ""), "metadata.namespace", where),
        _values(value, where),
        kept,
        _text(value.get("type"), "type", where),
        immutable,
    )


def sealed_of(value: Mapping[str, Any], *, where: str) -> Sealed:
    """A SealedSecret from its manifest. The values are not looked into.

    Raises:
        InputError: it is none.
    """
    if value.get("kind") != KIND or value.get("apiVersion") != API_VERSION:
        raise InputError(f"{where}: is a {_word(value.get('kind'))}, not a {KIND} of {API_VERSION}")
    metadata, spec = _mapping(value, "metadata", where), _mapping(value, "spec", where)
    if spec.get("data") is not None:
        raise InputError(f"{where}: has the values in spec.data, a form that was given up in 2019: seal it anew")
    template = _mapping(spec, "template", where)
    _check_template(template, f"{where}: spec.template")
    _texts(metadata, "labels", where)
    return Sealed(
        _text(metadata.get("name"), "metadata.name", where),
        _text(metadata.get("namespace"), "metadata.namespace", where),
        _texts(metadata, "annotations", where),
        _texts(spec, "encryptedData", where),
        template,
        dict(value),
    )


def check_secret(secret: Secret, *, where: str) -> None:
    """What no API server would take is not worth sealing.

    Raises:
        InputError: a bad name, a bad key, too large.
    """
    if NAME.fullmatch(secret.name) is None:
        raise InputError(f"{where}: {'has no name (--name)' if not secret.name else 'its name is no DNS name'}")
    if secret.namespace and NAMESPACE.fullmatch(secret.namespace) is None:
        raise InputError(f"{where}: its namespace is no DNS label")
    for key in secret.values:
        check_key(key, where=where)
    check_size(secret.values, where=where)


def check_key(key: str, *, where: str) -> None:
    """A key of a Secret: letters, digits, ``-``, ``_`` and ``.``; at most 253; not ``.``, nor beginning with ``..``.

    Raises:
        InputError: it is none.
    """
    if _KEY.fullmatch(key) is None or key == "." or key.startswith(".."):
        raise InputError(
            f"{where}: {msgspec.json.encode(key).decode()} cannot be a key of a Secret (letters, digits, - _ .)"
        )


def check_size(values: Mapping[str, bytes], *, where: str) -> None:
    """Refuse more than a Secret may hold.

    Raises:
        InputError: it is too large.
    """
    size = sum(map(len, values.values()))
    if size > MAX_SECRET_BYTES:
        raise InputError(f"{where}: has values of {size:,} bytes; a Secret may hold {MAX_SECRET_BYTES:,}")


def field_at(path: str, key: str) -> str:
    """The path of a key below a field: in brackets where it is no plain word."""
    plain = key.replace("-", "").replace("_", "").isalnum()
    return f"{path}.{key}" if plain else f"{path}[{msgspec.json.encode(key).decode()}]"


def _check_template(template: Mapping[str, Any], where: str) -> None:
    """What is read of a template later: the CRD lets anything pass in its metadata."""
    metadata = _mapping(template, "metadata", where)
    for field in ("name", "namespace"):
        _text(metadata.get(field), f"metadata.{field}", where)
    for field in ("annotations", "labels"):
        _texts(metadata, field, where)
    _text(template.get("type"), "type", where)
    if not isinstance(template.get("immutable"), bool | None):
        raise InputError(f"{where}: immutable must be true or false")
    for key, text in _mapping(template, "data", where).items():
        _text(text, f"data.{key}", where)


def _values(value: Mapping[str, Any], where: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for key, text in _mapping(value, "data", where).items():
        if text is not None and not isinstance(text, str):
            raise InputError(f"{where}: data.{key} is no text: write it as base64, in quotes")
        try:
            found[key] = binascii.a2b_base64(_LINE_BREAKS.sub("", text or ""), strict_mode=True)
        except ValueError:
            raise InputError(f"{where}: data.{key} is no base64 (plain text goes into stringData)") from None
    for key, text in _mapping(value, "stringData", where).items():
        if text is not None and not isinstance(text, str):
            raise InputError(f"{where}: stringData.{key} is no text: put it in quotes")
        found[key] = (text or "").encode()
    return found


def _mapping(value: Mapping[str, Any], field: str, where: str) -> dict[str, Any]:
    found = value.get(field)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InputError(f"{where}: {field} is no mapping")
    return found


def _texts(value: Mapping[str, Any], field: str, where: str) -> dict[str, str]:
    found = _mapping(value, field, where)
    for key, item in found.items():
        if not isinstance(item, str):
            raise InputError(f"{where}: {field}.{key} is no text: put it in quotes")
    return dict(found)


def _text(value: Any, field: str, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{where}: {field} is no text: put it in quotes")
    return value


def _word(kind: Any) -> str:
    return kind if isinstance(kind, str) and kind.isalnum() else "something"
