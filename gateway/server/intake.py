"""What is accepted as a request, before anything is judged: method, path, type, size, time."""

from __future__ import annotations

import asyncio
from functools import lru_cache

import msgspec
from aiohttp import web
from aiohttp.streams import StreamReader

from gateway.core.errors import GovgateError
from gateway.core.limits import Limits
from webhooks.groups import GROUPS, guards_of

PATH = "/v1/validate"
"""Where all guards are asked; some of them, by their groups: ``/v1/validate/drift.policy``."""
_JSON = "application/json"
_RETRY_AFTER = "Retry-After: 1\r\n"


class RefusedError(GovgateError):
    """Not judged. ``status`` is HTTP's, ``reason`` a word for metrics and programs, ``shed``: an overload.

    ``headers`` are whole lines, each with its end.
    """

    def __init__(self, status: int, reason: str, text: str, *, headers: str = "", shed: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
        self.headers = headers
        self.shed = shed

    def body(self) -> bytes:
        """JSON for the client: ``{"error": …, "reason": …}``."""
        return error_body(str(self), self.reason)


class Held:
    """Bytes of request bodies in memory, over all connections of a worker."""

    def __init__(self) -> None:
        self.bytes = 0

    def take(self, count: int, limit: int) -> None:
        """Count ``count`` bytes more.

        Raises:
            RefusedError: 503, there would be more than ``limit``; nothing is counted then.
        """
        if self.bytes + count > limit:
            raise overloaded("memory", "too many bytes of request bodies are held")
        self.bytes += count


def overloaded(limit: str, text: str) -> RefusedError:
    """503: the API server's failurePolicy applies. ``limit`` names what was reached."""
    return RefusedError(503, limit, text, headers=_RETRY_AFTER, shed=True)


def error_body(text: str, reason: str) -> bytes:
    """The shape of every answer that is not an AdmissionReview."""
    return msgspec.json.encode({"error": text, "reason": reason})


@lru_cache(maxsize=64)
def asked_guards(path: str) -> frozenset[str] | None:
    """The names of the guards that are asked at this path; None: all.

    Raises:
        RefusedError: 404, nothing is there.
    """
    if path == PATH:
        return None
    prefix, _, groups = path.rpartition("/")
    guards = guards_of(groups) if prefix == PATH else None
    if guards is None:
        known = ", ".join(GROUPS)
        raise RefusedError(404, "path", f"there is nothing here; reviews go to {PATH}, or to {PATH}/GROUP of {known}")
    return guards


def check_head(request: web.BaseRequest, limits: Limits) -> None:
    """Everything that the request's head tells, but for its path.

    Raises:
        RefusedError: 405, 413 or 415.
    """
    if request.method != "POST":
        raise RefusedError(405, "method", "reviews are sent with POST", headers="Allow: POST\r\n")
    headers = request.headers
    content_type = headers.get("Content-Type", "")
    if content_type != _JSON and content_type.partition(";")[0].strip().lower() != _JSON:
        raise RefusedError(415, "content-type", f"Content-Type must be {_JSON}")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RefusedError(415, "content-encoding", "Content-Encoding is not supported")
    length = request.content_length
    if length is not None and length > limits.body_bytes:
        raise _too_large(limits)


async def read_body(content: StreamReader, limits: Limits, held: Held) -> bytes:
    """The body; its length is counted in ``held``, and the caller takes it off again.

    Raises:
        RefusedError: 408 too slow, 413 too large, 503 too many bytes held, 400 broken off; nothing stays counted.
    """
    if content.is_eof():
        body = content.read_nowait()
        if len(body) > limits.body_bytes:
            raise _too_large(limits)
        held.take(len(body), limits.held_bytes)
        return body
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(limits.body_seconds):
            await _collect(content, parts, limits, held)
    except BaseException as error:
        held.bytes -= sum(map(len, parts))
        if isinstance(error, TimeoutError):
            text = f"the body did not arrive within {limits.body_seconds:g} s"
            raise RefusedError(408, "slow-body", text) from None
        if isinstance(error, web.RequestPayloadError | ConnectionError):
            raise RefusedError(400, "broken-body", "the body broke off or is not valid HTTP") from None
        raise
    return b"".join(parts)


async def _collect(content: StreamReader, parts: list[bytes], limits: Limits, held: Held) -> None:
    size = 0
    while part := await content.readany():
        size += len(part)
        if size > limits.body_bytes:
            raise _too_large(limits)
        held.take(len(part), limits.held_bytes)
        parts.append(part)


def _too_large(limits: Limits) -> RefusedError:
    return RefusedError(413, "size", f"the body is larger than {limits.body_bytes} bytes")
