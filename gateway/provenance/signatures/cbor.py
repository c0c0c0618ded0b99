"""CBOR within strict bounds: the adapter of cbor2, imported at the first COSE envelope.

Nothing is made of tags: the library would build dates, regular expressions, shared references and more from what anybody
sends, and that is where its own security advisories are. Source: RFC 8949; RFC 9052 section 14 on duplicate labels.
"""

from __future__ import annotations

import io
from typing import Any, NamedTuple

from gateway.core.text import shown
from gateway.provenance.signatures.decoding import RESIGN
from gateway.provenance.signatures.refusal import RefusedError

MAX_DEPTH = 8


class Tagged(NamedTuple):
    """An item with its tag, which says nothing here."""

    number: int
    value: Any


class _AllTags(dict[int, Any]):
    """What cbor2 looks a tag's meaning up in: each has the same."""

    def __missing__(self, number: int) -> Any:
        return lambda value, _immutable: Tagged(number, value)


def read_cbor(data: bytes, what: str) -> Any:
    """The one item that ``data`` is: integers, bytes, text, lists, dicts by integers or text, and :class:`Tagged`.

    Raises:
        RefusedError: at the step ``format``: malformed, followed by something, nested too deeply, with a label twice, of
            another type (floats, null, true), or written in another form than the shortest of definite length.
    """
    import cbor2  # noqa: PLC0415 - needed by few

    stream = io.BytesIO(data)
    try:
        decoder = cbor2.CBORDecoder(
            stream,
            semantic_decoders=_AllTags(),
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
        item = decoder.decode()
        plain = _is_plain(item)
    except Exception as error:  # noqa: BLE001 - CBORDecodeError, and whatever a tag in a wrong place leads to
        raise RefusedError("format", f"{what} cannot be read: {shown(str(error))}", RESIGN) from None
    if not plain:
        raise RefusedError("format", f"{what} holds a value of a type that it cannot have", RESIGN)
    if write_cbor(item) != data:
        reason = f"{what} is not CBOR in its shortest form, or something follows it"
        raise RefusedError("format", reason, RESIGN)
    return item


def write_cbor(item: Any) -> bytes:
    """An item, its numbers and lengths as short as they can be; dicts in their order."""
    import cbor2  # noqa: PLC0415 - needed by few

    return cbor2.dumps(_with_tags(item))


def _is_plain(item: Any) -> bool:
    if isinstance(item, Tagged):
        return _is_plain(item.value)
    if isinstance(item, list):
        return all(_is_plain(one) for one in item)
    if isinstance(item, dict):
        return all(type(key) in (int, str) and _is_plain(value) for key, value in item.items())
    return type(item) in (int, str, bytes)


def _with_tags(item: Any) -> Any:
    import cbor2  # noqa: PLC0415 - needed by few

    if isinstance(item, Tagged):
        return cbor2.CBORTag(item.number, _with_tags(item.value))
    if isinstance(item, list):
        return [_with_tags(one) for one in item]
    if isinstance(item, dict):
        return {key: _with_tags(value) for key, value in item.items()}
    return item
