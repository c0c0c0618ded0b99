"""Bodies without what must not be kept: a pure function of the bytes, the kind and the log's redaction key.

Values are replaced by a keyed digest, so equal plaintexts stay equal and nothing else can be told of them; structure,
key order and managedFields stay as they were, which is what a replay of drift decisions needs. Whatever cannot be
read is replaced whole. A value that looks like a digest already is digested again: nobody can smuggle one in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
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
_SPECIAL_KINDS = frozenset(
    ("Secret", "SecretList", "ConfigMap", "ConfigMapList", "TokenReview", "TokenRequest"),
)
_TOKEN_KINDS = frozenset(("TokenReview", "TokenRequest"))
_NAMED = frozenset(("annotations", "env", "args", "command", "items"))
# A member of an object without any of these is passed on unread. An escape may spell any name. Half a pair of quotes
# is enough to tell these names from managedFields' (``f:env``), and the search is faster without the second one.
_TRIGGERS = (
    b'"env',
    b'"command',
    b'"args',
    b"last-applied",
    b"/original",
    b"/applied",
    b"Secret",
    b"ConfigMap",
    b"\\u",
)

_decode_raw = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_Unreadable = (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError)


def redact(raw: bytes, kind: GroupVersionKind, key: bytes, cleartext: Collection[str] = ()) -> bytes:
    """``raw`` (the JSON bytes of an object of ``kind``) with everything secret replaced by ``hmac-sha256:<32 hex>``.

    Args:
        raw: what the API server sent; returned itself if nothing had to be replaced.
        kind: the kind that the request names; the object's own ``kind`` counts as well.
        key: the log's redaction key.
        cleartext: of ``env``, ``args`` and ``configMaps``, those that stay readable. Secrets never do.

    Total: what cannot be read becomes ``{"redacted": digest}``. The result is one line.
    """
    return Redactor(key, cleartext).redact(raw, kind)


def _triggered(raw: bytes) -> bool:
    for trigger in _TRIGGERS:  # noqa: SIM110 - a generator costs twice the time here
        if trigger in raw:
            return True
    return False


class Redactor:
    """:func:`redact` for many objects, with one key and one choice of what stays readable."""

    def __init__(self, key: bytes, cleartext: Collection[str] = ()) -> None:
        # RFC 2104, with the key's two blocks hashed once: half of the time of hmac.digest for short values.
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
        self._env = "env" not in cleartext
        self._args = "args" not in cleartext
        self._config_maps = "configMaps" not in cleartext

    def redact(self, raw: bytes, kind: GroupVersionKind) -> bytes:
        """See :func:`redact`."""
        try:
            return self._document(raw, kind.kind)
        except _Unreadable:
            return _encode({"redacted": self.digest(raw)})

    def digest(self, value: bytes) -> str:
        """HMAC-SHA-256, its first 128 bits."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return "hmac-sha256:" + outer.hexdigest()[:32]

    def _document(self, raw: bytes, hint: str) -> bytes:
        """One whole object. Most of one is managedFields, which name fields and never quote them: passed on unread."""
        members: dict[str, Any] = _decode_raw(raw)
        own = _decode(members["kind"]) if "kind" in members else ""
        if hint in _SPECIAL_KINDS or (isinstance(own, str) and own in _SPECIAL_KINDS) or b"\n" in raw:
            whole = _decode(raw)
            self._object(whole, hint)
            return _encode(whole)
        changed = False
        for name, value in members.items():
            data = bytes(value)
            if name == "metadata":
                members[name] = self._metadata(data)
                changed = changed or members[name] is not data
            elif _triggered(data):
                members[name] = self._member(name, data)
                changed = True
        if not changed:
            return raw
        return _encode({name: msgspec.Raw(value) for name, value in members.items()})

    def _member(self, name: str, data: bytes) -> bytes:
        holder = {name: _decode(data)}
        self._object(holder, "")
        return _encode(holder[name])

    def _metadata(self, data: bytes) -> bytes:
        """Of an object's own metadata, only annotations can hold what must not be kept."""
        if data[:1] != b"{":
            return self._member("metadata", data)
        members: dict[str, Any] = _decode_raw(data)
        annotations = bytes(members.get("annotations", b""))
        if not _triggered(annotations):
            return data
        members["annotations"] = msgspec.Raw(self._member("annotations", annotations))
        return _encode(members)

    def _object(self, node: dict[str, Any], hint: str) -> None:
        """Redact in place. ``hint``: the kind, where the object may leave it out (the items of a typed list)."""
        own = node.get("kind")
        if own is not None or hint:
            kinds = (own, hint)
            if "Secret" in kinds:
                self._secret(node)
                return
            if "ConfigMap" in kinds and self._config_maps:
                self._config_map(node)
            if any(kind in _TOKEN_KINDS for kind in kinds if isinstance(kind, str)):
                self._replace_key(node, "token")
        for key, value in node.items():
            if key in _NAMED:
                node[key] = self._named(key, value, own if isinstance(own, str) and own else hint)
            elif type(value) is dict:
                self._object(value, "")
            elif type(value) is list:
                self._items(value, "")

    def _named(self, key: str, value: Any, kind: str) -> Any:
        """What a member becomes whose name says what it holds; ``kind`` is the kind of the object around it."""
        if key == "env" and self._env:
            return self._environment(value)
        if key in ("args", "command") and self._args:
            return self._strings(value)
        if isinstance(value, dict):
            if key == "annotations":
                self._annotations(value, hint=kind)
            else:
                self._object(value, "")
        elif isinstance(value, list):
            self._items(value, kind.removesuffix("List") if key == "items" and kind.endswith("List") else "")
        return value

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
            return self._document(value.encode(), hint).decode()
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
