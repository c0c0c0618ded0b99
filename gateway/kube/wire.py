"""The wire format of lists and watches: pages, events, and the lines that events come in. Pure.

Source: Kubernetes API concepts, "Efficient detection of changes"; ``k8s.io/apimachinery/pkg/watch``.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.kube.errors import ResponseTooLargeError


class ListMeta(msgspec.Struct, rename="camel"):
    """``continue_`` is empty on the last page."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Page(msgspec.Struct):
    """One page of a list; the items are left undecoded, to be reduced one at a time."""

    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


class Event(msgspec.Struct):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR."""

    type: str
    object: msgspec.Raw


class Status(msgspec.Struct):
    """What an ERROR event holds."""

    code: int = 500
    reason: str = ""
    message: str = ""


class ObjectMeta(msgspec.Struct, rename="camel"):
    """What the cache itself needs of an object's metadata."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class Object(msgspec.Struct):
    """Any object, as far as the cache itself reads it."""

    metadata: ObjectMeta


decode_page = msgspec.json.Decoder(Page).decode
decode_event = msgspec.json.Decoder(Event).decode
decode_status = msgspec.json.Decoder(Status).decode
decode_object = msgspec.json.Decoder(Object).decode


class LineSplitter:
    """Cuts a stream of pieces into lines, however the pieces were cut; a line has at most ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The lines that ``piece`` completes, without their ends; empty ones are left out.

        Raises:
            ResponseTooLargeError: a line is longer than allowed.
        """
        first, newline, after = piece.partition(b"\n")
        self._rest += first
        if len(self._rest) > self._limit:
            raise ResponseTooLargeError(f"a watch event of more than {self._limit} bytes")
        if not newline:
            return
        *lines, rest = after.split(b"\n")
        complete = [bytes(self._rest), *lines]
        self._rest = bytearray(rest)
        if len(rest) > self._limit:
            raise ResponseTooLargeError(f"a watch event of more than {self._limit} bytes")
        yield from (line for line in complete if line)
