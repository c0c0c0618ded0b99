"""The ExternalSecret, field by field (``apis/externalsecrets/v1/externalsecret_types.go``), with the CRD's defaults."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.core.durations import parse_duration
from gateway_secrets.stores.model import Conversion, Decoding, NullBytes, Reference

GROUP = "external-secrets.io"
VERSION = "v1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ExternalSecret"
DEFAULT_INTERVAL = "1h"

Json = dict[str, Any]
Creation = Literal["Owner", "Orphan", "Merge", "None", "CreateOrMerge"]
Deletion = Literal["Retain", "Delete", "Merge"]


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    pass


class StoreRef(_Part, frozen=True):
    """Which store; no name: the one of ``secretStoreRef``."""

    name: str = ""
    kind: Literal["SecretStore", "ClusterSecretStore"] = "SecretStore"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def store_ref(name: str, kind: object) -> StoreRef:
    """The store of a name, by what is written as its kind: any other than a ClusterSecretStore is a SecretStore."""
    return StoreRef(name, "ClusterSecretStore" if kind == "ClusterSecretStore" else "SecretStore")


class GeneratorRef(_Part, frozen=True):
    """An object of the group ``generators.external-secrets.io`` that makes values."""

    kind: str
    name: str
    api_version: str = "generators.external-secrets.io/v1alpha1"


class SourceRef(_Part, frozen=True):
    """Another source than ``secretStoreRef``."""

    store_ref: StoreRef | None = None
    generator_ref: GeneratorRef | None = None


class Entry(_Part, frozen=True):
    """``data[]``: one key of the Secret."""

    secret_key: str
    remote_ref: Reference
    source_ref: SourceRef | None = None


class FindName(_Part, frozen=True):
    """A pattern (RE2) of names."""

    regexp: str = ""


class FindRef(_Part, frozen=True):
    """``dataFrom[].find``."""

    path: str = ""
    name: FindName = FindName()
    tags: dict[str, str] = {}
    conversion_strategy: Conversion = "Default"
    decoding_strategy: Decoding = "None"
    null_byte_policy: NullBytes = "Ignore"


class RegexpRewrite(_Part, frozen=True):
    """Keys by ``regexp.ReplaceAllString`` of Go."""

    source: str
    target: str


class TransformRewrite(_Part, frozen=True):
    """Keys by a template, in which ``.value`` is the key."""

    template: str


class MergeRewrite(_Part, frozen=True):
    """The members of the values, which are JSON objects, in place of the values, or in one of them."""

    into: str = ""
    priority: tuple[str, ...] = ()
    priority_policy: Literal["Strict", "IgnoreNotFound"] = "Strict"
    conflict_policy: Literal["Error", "Ignore"] = "Error"
    strategy: Literal["Extract", "JSON"] = "Extract"


class Rewrite(_Part, frozen=True):
    """Exactly one of them."""

    regexp: RegexpRewrite | None = None
    transform: TransformRewrite | None = None
    merge: MergeRewrite | None = None


class EntryFrom(_Part, frozen=True):
    """``dataFrom[]``: many keys of the Secret."""

    extract: Reference | None = None
    find: FindRef | None = None
    rewrite: tuple[Rewrite, ...] = ()
    source_ref: SourceRef | None = None

    @property
    def generator(self) -> GeneratorRef | None:
        """What makes the values, if nothing is read."""
        return self.source_ref.generator_ref if self.source_ref is not None else None


class TemplateItem(_Part, frozen=True):
    """A key that holds a template: of a value, or of keys and values (YAML)."""

    key: str
    template_as: Literal["Values", "KeysAndValues"] = "Values"


class TemplateRef(_Part, frozen=True):
    """A ConfigMap or Secret of the same namespace that holds templates."""

    name: str
    items: tuple[TemplateItem, ...]


class TemplateFrom(_Part, frozen=True):
    """Templates from elsewhere. ``target`` is ``Data``, ``Annotations`` or ``Labels``, in any case. ``valuesDecodingStrategy``: of
    what they make.
    """

    config_map: TemplateRef | None = None
    secret: TemplateRef | None = None
    literal: str | None = None
    target: str = "Data"
    values_decoding_strategy: Decoding = "None"


class TemplateMeta(_Part, frozen=True):
    """Templates of the Secret's metadata; ``finalizers`` are none, and stand as they are."""

    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()


class Template(_Part, frozen=True):
    """What the Secret is made of, besides what was read."""

    type: str = ""
    engine_version: Literal["v2"] = "v2"
    metadata: TemplateMeta = TemplateMeta()
    merge_policy: Literal["Replace", "Merge"] = "Replace"
    data: dict[str, str] = {}
    template_from: tuple[TemplateFrom, ...] = ()


class Target(_Part, frozen=True):
    """The Secret. ``manifest``, another object in its place, is not done here."""

    name: str = ""
    creation_policy: Creation = "Owner"
    deletion_policy: Deletion = "Retain"
    immutable: bool = False
    template: Template | None = None
    manifest: Any = None


class Spec(_Part, frozen=True):
    """``spec``. ``syncWindows``, when not to refresh, is not done here."""

    secret_store_ref: StoreRef = StoreRef()
    target: Target = Target()
    refresh_policy: Literal["", "Periodic", "CreatedOnce", "OnChange"] = ""
    refresh_interval: str = DEFAULT_INTERVAL
    sync_windows: Any = None
    data: tuple[Entry, ...] = ()
    data_from: tuple[EntryFrom, ...] = ()

    def interval_seconds(self) -> float:
        """Between two refreshes; 0: there is none after the first.

        Raises:
            ValueError: it is no duration.
        """
        return max(0.0, parse_duration(self.refresh_interval))

    def refresh_seconds(self, least: float) -> float:
        """Between two refreshes that time alone brings, at least ``least``; 0: there are none.

        Raises:
            ValueError: the interval is no duration.
        """
        seconds = self.interval_seconds() if self.refresh_policy in ("", "Periodic") else 0.0
        return max(seconds, least) if seconds > 0 else 0.0

    def store_of(self, source: SourceRef | None) -> StoreRef:
        """The store of an entry: its own, else that of the whole."""
        own = source.store_ref if source is not None else None
        return own if own is not None and own.name else self.secret_store_ref

    def stores(self) -> tuple[StoreRef, ...]:
        """All stores that are read, each once, in order."""
        entries = [one.source_ref for one in self.data]
        entries += [one.source_ref for one in self.data_from if one.generator is None]
        return tuple(dict.fromkeys(self.store_of(source) for source in entries))


class ExternalSecret(msgspec.Struct, frozen=True):
    """One object. ``annotations`` and ``labels`` are its own."""

    name: str
    namespace: str
    uid: str
    generation: int
    annotations: dict[str, str]
    labels: dict[str, str]
    spec: Spec

    @property
    def target_name(self) -> str:
        """Of the Secret."""
        return self.spec.target.name or self.name


def without_nulls(value: Any) -> Any:
    """The same without members that are null: to Go's decoder they are not there."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def spec_of(document: Json) -> Spec:
    """What an ExternalSecret says.

    Raises:
        msgspec.ValidationError: it is no such object; the text names the path below ``spec``.
    """
    return msgspec.convert(without_nulls(document.get("spec") or {}), Spec)


def external_of(document: Json) -> ExternalSecret:
    """One object as the API server gives it.

    Raises:
        msgspec.ValidationError: as :func:`spec_of`.
    """
    metadata = document["metadata"]
    return ExternalSecret(
        str(metadata.get("name") or ""),
        str(metadata.get("namespace") or ""),
        str(metadata.get("uid") or ""),
        int(metadata.get("generation") or 0),
        dict(metadata.get("annotations") or {}),
        dict(metadata.get("labels") or {}),
        spec_of(document),
    )
