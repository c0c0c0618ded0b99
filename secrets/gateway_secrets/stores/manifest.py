"""SecretStore and ClusterSecretStore (external-secrets.io/v1), as far as opening one store needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from gateway.config.yaml import read_yaml
from gateway.core.errors import ConfigError
from gateway_secrets.stores.errors import MisconfiguredError

MAX_MANIFEST_BYTES = 1024 * 1024
API_VERSION = "external-secrets.io/v1"

_T = TypeVar("_T")


class Selector(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``SecretKeySelector``: one key of a Secret (or, for CAs, of a ConfigMap)."""

    name: str = ""
    key: str = ""
    namespace: str = ""


class CaProvider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a bundle of CA certificates (PEM) is."""

    type: Literal["Secret", "ConfigMap"]
    name: str
    key: str = ""
    namespace: str = ""


class ServiceAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``ServiceAccountSelector``: whose token is asked for, and for whom."""

    name: str
    namespace: str = ""
    audiences: tuple[str, ...] = ()


class _ObjectMeta(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""


class _Spec(msgspec.Struct, frozen=True):
    provider: dict[str, Any]
    controller: str = ""


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """The object; ``spec.provider`` is decoded by the store of that name."""

    api_version: str
    kind: Literal["SecretStore", "ClusterSecretStore"]
    spec: _Spec
    metadata: _ObjectMeta = _ObjectMeta()

    @property
    def label(self) -> str:
        """What to call it in messages."""
        return f"{self.kind} {self.metadata.name or '(without a name)'}"


def read_manifest(path: Path) -> Manifest:
    """The one store in a file.

    Raises:
        MisconfiguredError: it cannot be read, or is no store.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
        if len(data) > MAX_MANIFEST_BYTES:
            raise MisconfiguredError(f"{path}: larger than {MAX_MANIFEST_BYTES} bytes")
        document = read_yaml(data.decode(), source=str(path))
    except OSError as error:
        raise MisconfiguredError(f"cannot read the store {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise MisconfiguredError(f"{path}: not UTF-8 at byte {error.start}") from None
    except ConfigError as error:
        raise MisconfiguredError(str(error)) from None
    return parse_manifest(document, source=str(path))


def parse_manifest(document: Any, *, source: str) -> Manifest:
    """A store from JSON values.

    Raises:
        MisconfiguredError: it is none; names ``source`` and the field.
    """
    manifest = typed(document, Manifest, where=source)
    if manifest.api_version != API_VERSION:
        raise MisconfiguredError(f"{source}: apiVersion is {manifest.api_version!r}; what is read is {API_VERSION}")
    return manifest


def typed(document: Any, kind: type[_T], *, where: str) -> _T:
    """``document`` as ``kind``.

    Raises:
        MisconfiguredError: it is not; names ``where`` and the path below it. No value is shown: it may be a secret.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        place = path.rstrip("`")
        if problem.startswith("Invalid enum value"):
            problem = "not one of the values that are known here"
        raise MisconfiguredError(f"{where}{place and ': '}{place.lstrip('.')}: {problem}") from None
