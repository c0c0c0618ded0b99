"""Bodies without what must not be kept: a pure function of the bytes, the kind and the log's redaction key.

Values are replaced by a keyed digest, so equal plaintexts stay equal and nothing else can be told of them; structure,
key order and managedFields stay as they were, which is what a replay of drift decisions needs. Whatever cannot be
read is replaced whole. A value that looks like a digest already is digested again: nobody can smuggle one in.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Collection
from typing import Any

import msgspec

from gateway.core.subject import GroupVersionKind

APPLIED_ANNOTATIONS = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        "banzaicloud.com/last-applied",
        "kapp.k14s.io/original",
        "objectset.rio.cattle.io/applied",
    )
)
"""Annotations in which a tool keeps the whole object as it last applied it."""

SECRET_ANNOTATIONS = frozenset(
    (
        "argocd.argoproj.io/tracking-id",
        "argocd.argoproj.io/installation-id",
        "kustomize.toolkit.fluxcd.io/reconcile",
        "kustomize.toolkit.fluxcd.io/ssa",
        "kustomize.toolkit.fluxcd.io/prune",
        "meta.helm.sh/release-name",
        "meta.helm.sh/release-namespace",
    )
)
"""Annotations of a Secret that are kept: those by which reconcilers mark what is theirs. The rest are digested."""

_SECRET_PLAIN = frozenset(("apiVersion", "kind", "type", "immutable"))
_TOKEN_KINDS = frozenset(("TokenReview", "TokenRequest"))
# A body without any of these needs no decoding. An escape may spell any name, and a line break would split a record
# of a JSON-lines export. No leading quote: the search is several times faster without so common a first byte.
_TRIGGERS = (b'env"', b'command"', b'args"', b"last-applied", b"/original", b"/applied", b"Secret", b"ConfigMap", b"\\u", b"\n")

_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_Unreadable = (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError)


def redact(raw: bytes, kind: GroupVersionKind, key: bytes, cleartext: Collection[str] = ()) -> bytes:
    """``raw`` (the JSON bytes of an object of ``kind``) with everything secret replaced by ``hmac-sha256:<32 hex>``.

    Args:
        raw: what the API server sent.
        kind: the kind that the request names; the object's own ``kind`` counts as well.
        key: the log's redaction key.
        cleartext: of ``env``, ``args`` and ``configMaps``, those that stay readable. Secrets never do.

    Total: what cannot be read becomes ``{"redacted": digest}``.
    """
    redactor = _Redactor(key, frozenset(cleartext))
    if kind.kind not in _TOKEN_KINDS and not _triggered(raw) and not _special(kind.kind):
        return raw
    try:
        return redactor.document(raw, kind.kind)
    except _Unreadable:
        return _encode({"redacted": redactor.digest(raw)})


def _triggered(raw: bytes) -> bool:
    return any(trigger in raw for trigger in _TRIGGERS)


def _special(kind: str) -> bool:
    return kind.removesuffix("List") in ("Secret", "ConfigMap")


class _Redactor:
    def __init__(self, key: bytes, cleartext: frozenset[str]) -> None:
        self._key = key
        self._env = "env" not in cleartext
        self._args = "args" not in cleartext
        self._config_maps = "configMaps" not in cleartext

    def digest(self, value: bytes) -> str:
        return "hmac-sha256:" + hmac.digest(self._key, value, "sha256").hex()[:32]

    def document(self, raw: bytes, hint: str) -> bytes:
        """One whole object. Members without a trigger are passed on unread: most of one is managedFields."""
        members: dict[str, Any] = _decode_raw(raw)
        own = _decode(members["kind"]) if "kind" in members else ""
        kind = own if isinstance(own, str) else ""
        if b"\n" in raw or _special(kind) or _special(hint) or hint in _TOKEN_KINDS or kind in _TOKEN_KINDS:
            whole = _decode(raw)
            self._object(whole, hint)
            return _encode(whole)
        for name, value in members.items():
            if _triggered(bytes(value)):
                members[name] = self._metadata(value) if name == "metadata" else self._member(name, value)
        return _encode(members)

    def _member(self, name: str, raw: msgspec.Raw) -> msgspec.Raw:
        holder = {name: _decode(raw)}
        self._object(holder, "")
        return msgspec.Raw(_encode(holder[name]))

    def _metadata(self, raw: msgspec.Raw) -> msgspec.Raw:
        """Only annotations can hold anything here; managedFields name fields and never quote their values."""
        if b"\\u" in bytes(raw):
            return self._member("metadata", raw)
        members: dict[str, Any] = _decode_raw(raw)
        annotations = members.get("annotations")
        if annotations is not None:
            members["annotations"] = self._member("annotations", annotations)
        return msgspec.Raw(_encode(members))

    def _object(self, node: dict[str, Any], hint: str) -> None:
        """Redact in place. ``hint``: the kind, where the object may leave it out (the items of a typed list)."""
        own = node.get("kind")
        kinds = (own, hint)
        if "Secret" in kinds:
            self._secret(node)
            return
        if "ConfigMap" in kinds and self._config_maps:
            self._config_map(node)
        if not _TOKEN_KINDS.isdisjoint(kind for kind in kinds if isinstance(kind, str)):
            self._replace_key(node, "token")
        name = own if isinstance(own, str) and own else hint
        items_hint = name.removesuffix("List") if name.endswith("List") else ""
        for key, value in node.items():
            if key == "annotations" and isinstance(value, dict):
                self._annotations(value, hint=name)
            elif key == "env" and self._env:
                node[key] = self._environment(value)
            elif key in ("args", "command") and self._args:
                node[key] = self._strings(value)
            elif isinstance(value, dict):
                self._object(value, "")
            elif isinstance(value, list):
                self._items(value, items_hint if key == "items" else "")

    def _items(self, values: list[Any], hint: str) -> None:
        for value in values:
            if isinstance(value, dict):
                self._object(value, hint)
            elif isinstance(value, list):
                self._items(value, hint)

    def _secret(self, node: dict[str, Any]) -> None:
        for key, value in node.items():
            if key in ("data", "stringData") and isinstance(value, dict):
                node[key] = {name: self._secret_value(item, encoded=key == "data") for name, item in value.items()}
            elif key == "metadata" and isinstance(value, dict):
                annotations = value.get("annotations")
                if isinstance(annotations, dict):
                    self._annotations(annotations, hint="Secret", keep=SECRET_ANNOTATIONS)
                elif annotations is not None:
                    value["annotations"] = self.digest(_encode(annotations))
            elif key not in _SECRET_PLAIN:
                node[key] = self.digest(_encode(value))

    def _secret_value(self, value: Any, *, encoded: bool) -> Any:
        if not isinstance(value, str):
            return self.digest(_encode(value))
        if encoded:
            try:
                return self.digest(base64.b64decode(value, validate=True))
            except (binascii.Error, ValueError):
                pass
        return self.digest(value.encode())

    def _config_map(self, node: dict[str, Any]) -> None:
        for key, encoded in (("data", False), ("binaryData", True)):
            value = node.get(key)
            if isinstance(value, dict):
                node[key] = {name: self._secret_value(item, encoded=encoded) for name, item in value.items()}
            elif value is not None:
                node[key] = self.digest(_encode(value))

    def _annotations(self, values: dict[str, Any], *, hint: str, keep: frozenset[str] | None = None) -> None:
        for name, value in values.items():
            if name in APPLIED_ANNOTATIONS:
                values[name] = self._last_applied(value, hint)
            elif keep is not None and name not in keep:
                values[name] = self.digest(value.encode() if isinstance(value, str) else _encode(value))

    def _last_applied(self, value: Any, hint: str) -> str:
        if not isinstance(value, str):
            return self.digest(_encode(value))
        try:
            return self.document(value.encode(), hint).decode()
        except _Unreadable:
            return self.digest(value.encode(errors="replace"))

    def _environment(self, value: Any) -> Any:
        """A container's list of names and values; some custom resources have a map instead."""
        if isinstance(value, list):
            for item in value:
                if isinstance(item, dict) and "value" in item:
                    item["value"] = self._strings(item["value"])
            return value
        return self._strings(value)

    def _strings(self, value: Any) -> Any:
        """``value`` with every scalar in it replaced; nothing inside can be told apart from what surrounds it."""
        if isinstance(value, str):
            return self.digest(value.encode())
        if isinstance(value, list):
            return [self._strings(item) for item in value]
        if isinstance(value, dict):
            return {key: self._strings(item) for key, item in value.items()}
        return value if value is None else self.digest(_encode(value))

    def _replace_key(self, node: dict[str, Any], name: str) -> None:
        """Replace every member called ``name`` at any depth."""
        for key, value in node.items():
            if key == name:
                node[key] = self._strings(value)
            elif isinstance(value, dict):
                self._replace_key(value, name)
