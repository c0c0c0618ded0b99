"""From what a store holds to the bytes that a reference asks for. Pure, but for paths, which gjson itself resolves.

As the External Secrets Operator does it (``runtime/esutils``, ``runtime/decoding``, ``providers/v1/*``): a property is
a literal key first, then a gjson path. Where it differs: what cannot be given without loss is an error.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from gateway.native import paths
from gateway.native.library import NativeError
from gateway_secrets.stores.errors import MisconfiguredError, NotFoundError, UnusableError
from gateway_secrets.stores.model import Conversion, Decoding, Payload

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_STANDARD = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_URL_SAFE = re.compile(rb"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2}==|[A-Za-z0-9_-]{3}=)?")
_ESCAPES = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029"})
_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


class Number(str):
    """A number of a JSON document, as it was written: a float would change it."""

    __slots__ = ()


def document_payload(whole: bytes, *, version: str = "", created: str = "") -> Payload:
    """Of a store that holds bytes: its literal keys are those of the JSON object that it is, if it is one."""
    return Payload(whole, fields_of(whole), version=version, created=created)


def fields_of(document: bytes) -> dict[str, bytes] | None:
    """The members of a JSON object: strings unquoted, null as nothing, anything else as it is written."""
    try:
        members = _decode_object(document)
        return {key: _text(bytes(value)) for key, value in members.items()}
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _text(raw: bytes) -> bytes:
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str).encode()
    return b"" if raw == b"null" else raw


def select(payload: Payload, name: str, *, key: str) -> bytes:
    """The part of a payload that is called ``name``; the whole without a name. ``key`` is for errors alone.

    Raises:
        NotFoundError: there is no such property.
        UnusableError: it cannot be looked into, or not be given whole.
        NativeMissingError: ``name`` is a path, and there is no native library.
    """
    if not name:
        if payload.whole is None:
            raise UnusableError(f"{key}: holds values that are not UTF-8, and cannot be given as JSON: name a property")
        return payload.whole
    if payload.fields is not None and name in payload.fields:
        return payload.fields[name]
    document, path = payload.whole, name
    if payload.nested == "field":
        first, _, path = name.partition(".")
        document = (payload.fields or {}).get(first)
        if document is None or not path:
            raise NotFoundError(f"{key}: has no property {name!r}")
    try:
        found = paths.get(document or b"", path)
    except NativeError as error:
        raise UnusableError(f"{key}: cannot look up property {name!r}: {error}") from None
    if found is None:
        raise NotFoundError(f"{key}: has no property {name!r}")
    return found


def matching_names(pattern: str, names: list[str]) -> list[str]:
    """The names that an RE2 pattern matches; all of them without one.

    Raises:
        MisconfiguredError: it is no pattern.
        NativeMissingError: there is no native library.
    """
    try:
        return paths.matching(pattern, names) if pattern else names
    except NativeError as error:
        raise MisconfiguredError(f"find.name: {error}") from None


def as_map(payload: Payload, name: str, *, key: str) -> dict[str, bytes]:
    """All key and value pairs of a payload, or of the JSON object that is its property ``name``.

    Raises:
        NotFoundError, UnusableError: as :func:`select`; it is no JSON object.
    """
    found = payload.fields if not name else fields_of(select(payload, name, key=key))
    if found is None:
        what = f"property {name!r}" if name else "the value"
        raise UnusableError(f"{key}: {what} is no JSON object, whose keys could be taken")
    return dict(found)


def decode(value: bytes, strategy: Decoding, *, key: str) -> bytes:
    """``value`` decoded as the strategy says: as Go's ``encoding/base64`` does, padding needed, line breaks ignored.

    Raises:
        UnusableError: it is not so encoded.
    """
    compact = value.replace(b"\n", b"").replace(b"\r", b"")
    if strategy in ("Base64", "Auto") and _STANDARD.fullmatch(compact):
        return base64.b64decode(compact)
    if strategy in ("Base64URL", "Auto") and _URL_SAFE.fullmatch(compact):
        return base64.urlsafe_b64decode(compact)
    if strategy in ("None", "Auto"):
        return value
    raise UnusableError(f"{key}: the value is not {strategy}, as decodingStrategy says")


def convert_keys(values: Mapping[str, bytes], strategy: Conversion) -> dict[str, bytes]:
    """The same values under keys that a Secret may have.

    Raises:
        UnusableError: two keys become the same.
    """
    converted: dict[str, bytes] = {}
    for key, value in values.items():
        new = "".join(char if _is_allowed(char) else _replacement(char, strategy) for char in key)
        if new in converted:
            raise UnusableError(f"two keys become {new!r} by conversionStrategy {strategy}")
        converted[new] = value
    return converted


def _is_allowed(char: str) -> bool:
    return char in "-._" or unicodedata.category(char)[0] in "LN"


def _replacement(char: str, strategy: Conversion) -> str:
    return f"_U{ord(char):04x}_" if strategy == "Unicode" else "_"


def parse_json(text: bytes) -> Any:
    """JSON values, numbers as they are written.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(_word: str) -> NoReturn:
    raise ValueError("not JSON")


def go_json(value: Any, *, html: bool) -> bytes:
    """As Go's ``encoding/json`` writes it: compact, keys in order, ``<>&`` escaped if ``html``."""
    return "".join(_write(value, html)).encode()


def _write(value: Any, html: bool) -> list[str]:
    if isinstance(value, Number):
        return [value]
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False).translate(_ESCAPES)
        return [text.translate(_HTML) if html else text]
    if isinstance(value, list):
        return ["[", *_joined([_write(item, html) for item in value]), "]"]
    if isinstance(value, dict):
        members = [[*_write(key, html), ":", *_write(value[key], html)] for key in sorted(value)]
        return ["{", *_joined(members), "}"]
    return [json.dumps(value)]


def _joined(items: list[list[str]]) -> list[str]:
    pieces: list[str] = []
    for index, item in enumerate(items):
        pieces += [",", *item] if index else item
    return pieces
