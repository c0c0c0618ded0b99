"""What the Secret holds: the values, or what templates make of them; its type, labels and annotations.

Source: ``externalsecret_controller_template.go`` and ``pkg/controllers/templating/parser.go`` of ESO. Order: what was
read (with ``mergePolicy: Merge``), ``templateFrom``, ``data``; whoever comes later wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.config.yaml import read_yaml
from gateway.core.errors import ConfigError
from gateway_secrets.external.errors import ContentError
from gateway_secrets.external.fault_parts import is_key
from gateway_secrets.external.renderer import Renderer, rendered
from gateway_secrets.external.spec import ExternalSecret, Template, TemplateFrom, TemplateRef
from gateway_secrets.stores.errors import StoreError
from gateway_secrets.stores.model import Decoding
from gateway_secrets.stores.values import decode

MAX_SECRET_BYTES = 1024 * 1024
"""Of all values together: what the API server takes."""
MAX_METADATA_BYTES = 256 * 1024
_NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "argocd.argoproj.io/",
    "meta.helm.sh/",
    "external-secrets.io/",
    "secrets.govgate.dev/",
)
"""What says something of the ExternalSecret alone: who applies it, from where, and how it is handled."""

Documents = Mapping[tuple[str, str], Mapping[str, bytes]]
"""ConfigMaps and Secrets with templates, by kind and name."""


class Content(msgspec.Struct, frozen=True):
    """``type`` is empty where nothing is said of it."""

    data: dict[str, bytes]
    labels: dict[str, str]
    annotations: dict[str, str]
    type: str = ""
    finalizers: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Content({len(self.data)} keys)"


class _Piece(NamedTuple):
    """One template: ``key`` of what it makes, empty if it makes keys and values."""

    target: str
    key: str
    text: str
    where: str
    decoding: Decoding = "None"

    def made(self, output: bytes) -> dict[str, bytes]:
        """The values that it makes, by key."""
        pairs = {self.key: output} if self.key else _pairs(output, self.where)
        try:
            return {key: decode(value, self.decoding, key=key) for key, value in pairs.items()}
        except StoreError:
            raise ContentError(f"{self.where}: what the template makes is not {self.decoding}") from None


def templates_needed(template: Template | None) -> list[tuple[str, str]]:
    """Kind and name of the objects that hold templates."""
    needed = []
    for source in template.template_from if template is not None else ():
        needed += [("ConfigMap", source.config_map.name)] if source.config_map is not None else []
        needed += [("Secret", source.secret.name)] if source.secret is not None else []
    return list(dict.fromkeys(needed))


async def content_of(
    external: ExternalSecret, values: Mapping[str, bytes], documents: Documents, renderer: Renderer
) -> Content:
    """What the Secret shall hold.

    Raises:
        ContentError: a template fails, makes no key of a Secret, or it would be too large.
    """
    template = external.spec.target.template
    if template is None:
        copied = _copied(external.labels), _copied(external.annotations)
        return _bounded(Content(dict(values), *copied))
    made = await filled_in(template, values, documents, renderer, where="spec.target.template")
    own = template.data or template.template_from
    if not own or template.merge_policy == "Merge":
        made["data"] = dict(values) | made["data"]
    for key in made["data"]:
        if not is_key(key):
            raise ContentError(f"spec.target.template: makes {key[:80]!r}, which cannot be a key of a Secret")
    labels, annotations = _texts(made["labels"]), _texts(made["annotations"])
    return _bounded(Content(made["data"], labels, annotations, template.type, template.metadata.finalizers))


async def filled_in(
    template: Template, values: Mapping[str, bytes], documents: Documents, renderer: Renderer, *, where: str
) -> dict[str, dict[str, bytes]]:
    """What a template makes: ``data``, ``labels`` and ``annotations``. ``where``: its field.

    Raises:
        ContentError: it fails.
    """
    pieces = _pieces(template, documents, where)
    texts = await rendered(renderer, [one.text for one in pieces], values, [one.where for one in pieces])
    made: dict[str, dict[str, bytes]] = {"data": {}, "labels": {}, "annotations": {}}
    for piece, text in zip(pieces, texts, strict=True):
        made[piece.target] |= piece.made(text)
    return made


def _pieces(template: Template, documents: Documents, where: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    for index, source in enumerate(template.template_from):
        pieces += _from(source, documents, f"{where}.templateFrom[{index}]")
    pieces += [_Piece("data", key, text, f"{where}.data[{key}]") for key, text in template.data.items()]
    for target, texts in (("labels", template.metadata.labels), ("annotations", template.metadata.annotations)):
        pieces += [_Piece(target, key, text, f"{where}.metadata.{target}[{key}]") for key, text in texts.items()]
    return pieces


def _from(source: TemplateFrom, documents: Documents, where: str) -> list[_Piece]:
    target = source.target.lower() or "data"
    if target not in ("data", "labels", "annotations"):
        raise ContentError(f"{where}.target: is none of Data, Annotations and Labels")
    pieces = []
    for kind, ref in (("ConfigMap", source.config_map), ("Secret", source.secret)):
        pieces += _of_object(kind, ref, documents, target, where) if ref is not None else []
    if source.literal is not None:
        pieces.append(_Piece(target, "", source.literal, f"{where}.literal"))
    return [piece._replace(decoding=source.values_decoding_strategy) for piece in pieces]


def _of_object(kind: str, ref: TemplateRef, documents: Documents, target: str, where: str) -> list[_Piece]:
    found = documents.get((kind, ref.name))
    if found is None:
        raise ContentError(f"{where}: there is no {kind} {ref.name}")
    pieces = []
    for item in ref.items:
        if item.key not in found:
            raise ContentError(f"{where}: {kind} {ref.name} has no key {item.key!r}")
        try:
            text = found[item.key].decode()
        except UnicodeDecodeError:
            raise ContentError(f"{where}: {item.key!r} of {kind} {ref.name} is not UTF-8") from None
        key = item.key if item.template_as == "Values" else ""
        pieces.append(_Piece(target, key, text, f"{where}, {kind} {ref.name}, {item.key}"))
    return pieces


def _pairs(text: bytes, where: str) -> dict[str, bytes]:
    """The mapping of texts that a template made, as YAML."""
    try:
        found = read_yaml(text.decode(), source="the template's output") if text.strip() else {}
    except (UnicodeDecodeError, ConfigError):
        # What the reader says may show a part of the text.
        raise ContentError(f"{where}: what the template makes is not YAML") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ContentError(f"{where}: what the template makes is no mapping")
    return {key: _text_of(item, where) for key, item in found.items()}


def _text_of(item: Any, where: str) -> bytes:
    """A scalar as ``sigs.k8s.io/yaml`` puts it into a map of texts."""
    if isinstance(item, str):
        return item.encode()
    if item is None:
        return b""
    if isinstance(item, bool | int):
        return str(item).lower().encode()
    if isinstance(item, float) and "e" not in repr(item) and "n" not in repr(item):
        return repr(item).removesuffix(".0").encode()
    raise ContentError(f"{where}: what the template makes is no mapping of texts: put the values in quotes")


def _copied(pairs: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in pairs.items() if not key.startswith(_NOT_COPIED)}


def _texts(values: Mapping[str, bytes]) -> dict[str, str]:
    try:
        return {key: value.decode() for key, value in values.items()}
    except UnicodeDecodeError:
        raise ContentError("spec.target.template.metadata: makes what is not UTF-8") from None


def _bounded(content: Content) -> Content:
    size = sum(map(len, content.data.values()))
    if size > MAX_SECRET_BYTES:
        raise ContentError(f"the Secret would have values of {size:,} bytes; it may hold {MAX_SECRET_BYTES:,}")
    metadata = sum(len(key) + len(value) for key, value in content.annotations.items())
    if metadata > MAX_METADATA_BYTES - 8 * 1024:  # with room for govgate's own
        raise ContentError(f"the Secret would have annotations of {metadata:,} bytes")
    return content
