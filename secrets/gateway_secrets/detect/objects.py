"""Credentials in a Kubernetes object: what its kind says about its values counts, beside what they look like."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gateway.audit.redact import APPLIED_ANNOTATIONS
from gateway_secrets.detect import kinds
from gateway_secrets.detect.formats import tokens_in
from gateway_secrets.detect.hit import Hit
from gateway_secrets.detect.kinds import KINDS
from gateway_secrets.detect.paths import Place
from gateway_secrets.detect.structure import Sealing, decoded, is_sealed, sealing
from gateway_secrets.detect.text import in_text
from gateway_secrets.detect.tree import Walk, in_document
from gateway_secrets.detect.values import is_harmless

_BENIGN = re.compile(
    r"""(?:^|[-_.])(?:user|username|login|host|hostname|port|database|db|dbname|name|url|uri|endpoint|server|region|bucket
    |type|project|groups|issuer|email|crt|cert|pub|namespace|insecure|enabled|known_hosts|authentication|signing|ns|driver|id|version|expiration|description|tls|ssl|sslmode|scheme|realm|audience)$""",
    re.VERBOSE | re.IGNORECASE,
)
_DOCKER = (".dockerconfigjson", ".dockercfg")
_MAX_NESTING = 3
_NOTES = "seal.govgate.dev/"
"""Annotations that govgate writes into SealedSecrets (:mod:`gateway_secrets.sealed.records`)."""

_decode = msgspec.json.Decoder().decode


def in_object(document: dict[str, Any], nesting: int = 0) -> list[Hit]:
    """The credentials in an object. ``document``: decoded JSON with an ``apiVersion`` and a ``kind``."""
    walk = Walk()
    kind, group = document.get("kind"), str(document.get("apiVersion", "")).rpartition("/")[0]
    rest = document
    if kind == "Secret" and not group:
        _secret(document, walk)
        rest = {key: value for key, value in document.items() if key not in {"data", "stringData"}}
    elif kind == "SealedSecret" and group == "bitnami.com":
        rest = _sealed(document, walk)
    metadata = rest.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if isinstance(annotations, dict):
        others = _annotations(annotations, walk, nesting)
        rest = {**rest, "metadata": {**(metadata or {}), "annotations": others}}
    walk.node(rest, None, "", "", 0)
    return walk.hits


def _annotations(annotations: dict[str, Any], walk: Walk, nesting: int) -> dict[str, Any]:
    """Judges those whose form is known; the others."""
    place = Place(Place(None, "metadata"), "annotations")
    others = {}
    for name, value in annotations.items():
        if name in APPLIED_ANNOTATIONS:
            _applied(value, Place(place, name), walk, nesting)
        elif name.startswith(_NOTES) and isinstance(value, str):
            # Digests and fingerprints, by the keys that they are of: no name in there says what a value is.
            for token in tokens_in(value):
                walk.add(Hit(token.kind, str(Place(place, name))))
        else:
            others[name] = value
    return others


def _secret(document: dict[str, Any], walk: Walk) -> None:
    for map_name in ("data", "stringData"):
        values = document.get(map_name)
        for name, value in values.items() if isinstance(values, dict) else ():
            if isinstance(value, str):
                _secret_value(name, value, Place(Place(None, map_name), name), walk, encoded=map_name == "data")


def _secret_value(name: str, value: str, place: Place, walk: Walk, *, encoded: bool) -> None:
    found = sealing(value)
    if found is not Sealing.NONE:
        if found is Sealing.FAKE:
            walk.add(Hit(kinds.FAKE_ENCRYPTED, str(place)))
        return
    plain = decoded(value) if encoded else None
    text = value if plain is None else plain.decode(errors="replace")
    if is_harmless(text) or sealing(text) is Sealing.REAL:
        return
    if name in _DOCKER:
        if _registry(text):
            walk.add(Hit(kinds.KUBERNETES_SECRET, str(place), 1, KINDS[kinds.REGISTRY].title))
        return
    inside = in_text(text.encode(errors="replace"))
    if inside or not _BENIGN.search(name):
        holds = KINDS[inside[0].kind].title if inside and not inside[0].field else ""
        walk.add(Hit(kinds.KUBERNETES_SECRET, str(place), 1, holds))


def _registry(text: str) -> bool:
    """Whether the configuration of a Docker client holds credentials; what cannot be read may."""
    try:
        return bool(in_document(_decode(text)))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return True


def _sealed(document: dict[str, Any], walk: Walk) -> dict[str, Any]:
    """Judges the sealed values; the object without them."""
    spec = document.get("spec")
    if not isinstance(spec, dict):
        return document
    values = spec.get("encryptedData")
    for name, value in values.items() if isinstance(values, dict) else ():
        if isinstance(value, str) and (is_harmless(value) or is_sealed(value)):
            continue  # a template's or a generator's, or what it says it is
        if value:
            walk.add(Hit(kinds.FAKE_SEALED, str(Place(Place(Place(None, "spec"), "encryptedData"), name))))
    return {**document, "spec": {key: value for key, value in spec.items() if key != "encryptedData"}}


def _applied(value: Any, place: Place, walk: Walk, nesting: int) -> None:
    """What a tool last applied: the whole object again, as JSON."""
    try:
        inner = _decode(value) if isinstance(value, str) else None
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        inner = None
    if isinstance(inner, dict) and nesting < _MAX_NESTING:
        for hit in in_object(inner, nesting + 1):
            walk.add(Hit(hit.kind, f"{place}.{hit.field}", 1, hit.holds))
    elif isinstance(value, str):
        walk.value(value, place, "", "")
