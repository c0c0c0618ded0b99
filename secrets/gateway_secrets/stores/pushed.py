"""What a provider keeps of a secret that is pushed, besides its value: ``metadata`` of a PushSecret. Pure.

Source: ``runtime/esutils/metadata`` of ESO, and ``PushSecretMetadataSpec`` of each provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from gateway_secrets.stores.errors import MisconfiguredError
from gateway_secrets.stores.manifest import typed
from gateway_secrets.stores.writing import MANAGED

API_VERSION = "kubernetes.external-secrets.io/v1alpha1"
KIND = "PushSecretMetadata"
MergePolicy = Literal["Merge", "Replace"]

_T = TypeVar("_T")


class _Envelope(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    api_version: str
    kind: str
    spec: dict[str, Any] = {}


class VaultMetadata(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """``spec`` for KV version 2."""

    custom_metadata: dict[str, str] = {}
    merge_policy: MergePolicy = "Merge"


class TagMetadata(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """``spec`` for AWS, as far as it is done here."""

    tags: dict[str, str] = {}
    description: str = ""


def envelope(metadata: Any, *, where: str) -> dict[str, Any]:
    """``spec`` of a PushSecretMetadata.

    Raises:
        MisconfiguredError: it is none; names ``where``.
    """
    found = typed(metadata, _Envelope, where=where)
    if (found.api_version, found.kind) != (API_VERSION, KIND):
        raise MisconfiguredError(f"{where}: is no {KIND} of {API_VERSION}")
    return found.spec


def metadata_of(metadata: Any, kind: type[_T], *, where: str) -> _T:
    """``spec`` of a PushSecretMetadata, for a provider.

    Raises:
        MisconfiguredError: it is none, or says what is not known of that provider.
    """
    return typed(envelope(metadata, where=where), kind, where=f"{where}.spec")


def wanted_pairs(shall: Mapping[str, str], present: Mapping[str, str], policy: MergePolicy) -> dict[str, str]:
    """The pairs that are to be there: the mark of what was pushed always is, whatever is said."""
    kept = present if policy == "Merge" else {}
    return {**kept, **shall, **dict([MANAGED])}
