"""What a sealed value is bound to: its scope, the annotations that say so, and the label of the encryption.

Source: bitnami-labs/sealed-secrets v0.40.0, ``pkg/apis/sealedsecrets/v1alpha1/sealedsecret_expansion.go``
(EncryptionLabel, SecretScope, UpdateScopeAnnotations).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

_PREFIX = "sealedsecrets.bitnami.com/"
CLUSTER_WIDE = _PREFIX + "cluster-wide"
NAMESPACE_WIDE = _PREFIX + "namespace-wide"
MANAGED = _PREFIX + "managed"
PATCH = _PREFIX + "patch"
SKIP_OWNER = _PREFIX + "skip-set-owner-references"
KEY_LABEL = _PREFIX + "sealed-secrets-key"


class Scope(StrEnum):
    """Where a sealed value may be unsealed: under one name in one namespace, anywhere in a namespace, anywhere."""

    STRICT = "strict"
    NAMESPACE_WIDE = "namespace-wide"
    CLUSTER_WIDE = "cluster-wide"


def scope_of(annotations: Mapping[str, str]) -> Scope:
    """The scope that an object's own annotations state; cluster-wide beats namespace-wide, only "true" counts."""
    if annotations.get(CLUSTER_WIDE) == "true":
        return Scope.CLUSTER_WIDE
    return Scope.NAMESPACE_WIDE if annotations.get(NAMESPACE_WIDE) == "true" else Scope.STRICT


def with_scope(annotations: Mapping[str, str], scope: Scope) -> dict[str, str]:
    """The annotations, with those about the scope replaced by the ones that state ``scope``."""
    kept = {key: value for key, value in annotations.items() if key not in {CLUSTER_WIDE, NAMESPACE_WIDE}}
    if scope is not Scope.STRICT:
        kept[CLUSTER_WIDE if scope is Scope.CLUSTER_WIDE else NAMESPACE_WIDE] = "true"
    return kept


def label_of(scope: Scope, namespace: str, name: str) -> bytes:
    """The OAEP label: ``namespace/name``, ``namespace``, or nothing."""
    if scope is Scope.CLUSTER_WIDE:
        return b""
    return (namespace if scope is Scope.NAMESPACE_WIDE else f"{namespace}/{name}").encode()
