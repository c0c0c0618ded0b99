"""As much of DER as time stamps need before they can be read: elements, and one around others. Source: X.690."""

from __future__ import annotations

from typing import NamedTuple

_LONG_FORM = 0x80
_MAX_LENGTH_BYTES = 4


class Element(NamedTuple):
    """Where an element is: from ``start`` to ``end``, what is in it from ``content``."""

    tag: int
    start: int
    content: int
    end: int


def elements(data: bytes, start: int, end: int) -> list[Element]:
    """The elements one after the other that fill ``data`` from ``start`` to ``end``.

    Raises:
        ValueError: they do not, or one has an indefinite length.
    """
    found: list[Element] = []
    while start < end:
        if start + 2 > end:
            raise ValueError("cut short")
        tag, length, content = data[start], data[start + 1], start + 2
        if length & _LONG_FORM:
            more = length & ~_LONG_FORM
            if not 1 <= more <= _MAX_LENGTH_BYTES:
                raise ValueError("of a length that is not supported")
            length, content = int.from_bytes(data[content : content + more], "big"), content + more
        if content + length > end:
            raise ValueError("longer than what it is in")
        found.append(Element(tag, start, content, content + length))
        start = content + length
    return found


def enclose(tag: int, content: bytes) -> bytes:
    """An element with this content."""
    size = len(content)
    if size < _LONG_FORM:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM | len(length))) + length + content
