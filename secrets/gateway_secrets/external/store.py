"""SecretStore and ClusterSecretStore as the controller needs them: who may use one, for which keys, and who it is. Pure.

``conditions`` are ESO's. The list of allowed keys is govgate's own, in an annotation, which ESO's CRD lets pass: see
:mod:`.allowed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from gateway_secrets.external.allowed import ANNOTATION, Allowed, allowed_of
from gateway_secrets.external.spec import Json, StoreRef, without_nulls
from gateway_secrets.stores.manifest import Manifest, parse_manifest

CONTROLLER = "govgate"
"""``spec.controller`` of a store that is govgate's."""
CLUSTER_STORE = "ClusterSecretStore"

Matches = Callable[[str, Sequence[str]], list[str]]
"""Those of texts that a pattern (RE2) is found in; raises what the native library raises."""


class Expression(msgspec.Struct, frozen=True):
    """One of ``matchExpressions``."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it."""
        if self.operator in ("In", "NotIn"):
            return (labels.get(self.key) in self.values) is (self.operator == "In")
        return (self.key in labels) is (self.operator == "Exists")


class Selector(msgspec.Struct, frozen=True, rename="camel"):
    """``metav1.LabelSelector``."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[Expression, ...] = ()

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it selects what has these labels; an empty one selects all."""
        return self.match_labels.items() <= labels.items() and all(one.holds(labels) for one in self.match_expressions)


class Condition(msgspec.Struct, frozen=True, rename="camel"):
    """Namespaces that may use a ClusterSecretStore; any of the three is enough."""

    namespace_selector: Selector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_regexes: tuple[str, ...] = ()


class RetrySettings(msgspec.Struct, frozen=True, rename="camel"):
    """How often a store is asked again. Not heeded: govgate's own limits hold for all stores."""

    max_retries: int | None = None
    retry_interval: str | None = None


class StoreSpec(msgspec.Struct, frozen=True, rename="camel"):
    """``spec``, but for how the provider is read. ``refreshInterval``, when the store is tried, is not heeded: it is asked
    when something is read.
    """

    provider: dict[str, Any] = {}
    controller: str = ""
    conditions: tuple[Condition, ...] = ()
    retry_settings: RetrySettings | None = None
    refresh_interval: int = 0


class Store(msgspec.Struct, frozen=True):
    """One store. ``allowed``: which namespaces may read which keys; None: all that may use it, any."""

    ref: StoreRef
    namespace: str
    uid: str
    generation: int
    spec: StoreSpec
    manifest: Manifest
    allowed: Allowed | None

    @property
    def provider(self) -> str:
        """The name in ``spec.provider``; empty if there is not just one."""
        return next(iter(self.spec.provider)) if len(self.spec.provider) == 1 else ""

    @property
    def server(self) -> str:
        """Whom it asks, where many stores ask the same one: the address of a Vault; else itself."""
        vault = self.spec.provider.get("vault")
        server = vault.get("server") if isinstance(vault, dict) else None
        return str(server or f"{self.ref} of {self.namespace}")

    @property
    def per_namespace(self) -> bool:
        """Whether its credentials are those of whoever asks, or say for which namespace they are."""
        return self.ref.kind == CLUSTER_STORE and (
            _asks_as_namespace(self.spec.provider) or _tells_namespace(self.spec.provider)
        )

    def identity(self, namespace: str) -> tuple[str, ...]:
        """Who it is when it is read for ``namespace``: what is read by one identity may be given to all who ask by it.

        A ClusterSecretStore whose credentials are those of whoever asks, or are tagged with that, is another one in each namespace:
        what AWS gives to the tag of one must not be given to another.
        """
        whose = namespace if self.per_namespace else ""
        return (self.ref.kind, self.namespace, self.ref.name, self.uid, str(self.generation), whose)

    def admits(self, namespace: str, labels: Mapping[str, str], matches: Matches) -> bool:
        """Whether ``namespace``, which has these labels, may use it at all, by its conditions."""
        if self.ref.kind != CLUSTER_STORE or not self.spec.conditions:
            return True
        return any(
            (one.namespace_selector is not None and one.namespace_selector.selects(labels))
            or namespace in one.namespaces
            or any(matches(pattern, [namespace]) for pattern in one.namespace_regexes)
            for one in self.spec.conditions
        )


def store_of(document: Json) -> Store:
    """A store as the API server gives it.

    Raises:
        msgspec.ValidationError, MisconfiguredError: it is none.
        AllowedError: its list of allowed keys is not readable: then nothing is allowed.
    """
    metadata = document["metadata"]
    manifest = parse_manifest(document, source=f"{document.get('kind')} {metadata.get('name')}")
    annotation = (metadata.get("annotations") or {}).get(ANNOTATION)
    return Store(
        StoreRef(manifest.metadata.name, manifest.kind),
        manifest.metadata.namespace if manifest.kind != CLUSTER_STORE else "",
        str(metadata.get("uid") or ""),
        int(metadata.get("generation") or 0),
        msgspec.convert(without_nulls(document.get("spec") or {}), StoreSpec),
        manifest,
        allowed_of(annotation) if annotation is not None else None,
    )


def _asks_as_namespace(value: Any) -> bool:
    """Whether a reference below ``value`` names an object without its namespace: then it is the asking one's."""
    if isinstance(value, list):
        return any(map(_asks_as_namespace, value))
    if not isinstance(value, dict):
        return False
    named = isinstance(value.get("name"), str) and not value.get("namespace")
    return named or any(_asks_as_namespace(item) for item in value.values())


def _tells_namespace(provider: Mapping[str, Any]) -> bool:
    """Whether AWS is told by a tag of the session for which namespace it is."""
    aws = provider.get("aws")
    return isinstance(aws, dict) and aws.get("sessionTagsPolicy", "None") != "None" and bool(aws.get("role"))
