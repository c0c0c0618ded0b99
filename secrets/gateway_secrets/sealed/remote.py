"""Controllers of sealed secrets over HTTP: their certificate, whether they can open an object, sealing it again.

The paths are those of Bitnami's controller: ``/v1/cert.pem``, ``/v1/verify``, ``/v1/rotate``. The only module here that
talks to a network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import aiohttp
import msgspec

from gateway_secrets.sealed.addresses import controller_url, shown
from gateway_secrets.sealed.certificate import MAX_BYTES
from gateway_secrets.sealed.errors import RemoteError
from gateway_secrets.sealed.objects import API_VERSION, KIND

TIMEOUT_SECONDS = 20.0
_AT_ONCE = 8
_MAX_ANSWER_BYTES = 16 * 1024 * 1024


async def fetch(urls: Sequence[str]) -> list[bytes]:
    """What stands at each address, several at a time.

    Raises:
        RemoteError: one could not be fetched.
    """
    async with _session() as session:
        return await _all([_ask(session, "GET", url, None, MAX_BYTES) for url in urls], (HTTPStatus.OK,))


async def verify(base: str, documents: Sequence[dict[str, Any]]) -> list[bool]:
    """Whether the controller can open each object.

    Raises:
        RemoteError: it could not be asked, or did not answer as it should.
    """
    url = controller_url(base, "/v1/verify")
    async with _session() as session:
        asked = [_ask(session, "POST", url, document, _MAX_ANSWER_BYTES) for document in documents]
        answers = await _gathered(asked)
    return [_expect(url, answer, (HTTPStatus.OK, HTTPStatus.CONFLICT))[0] == HTTPStatus.OK for answer in answers]


async def rotate(base: str, documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each object as the controller seals it anew with its present key. Bitnami's leaves out what kind of object it is.

    Raises:
        RemoteError: it could not be asked, or could not do so.
    """
    url = controller_url(base, "/v1/rotate")
    async with _session() as session:
        asked = [_ask(session, "POST", url, document, _MAX_ANSWER_BYTES) for document in documents]
        bodies = await _all(asked, (HTTPStatus.OK,))
    try:
        return [{"apiVersion": API_VERSION, "kind": KIND} | msgspec.json.decode(body, type=_Object) for body in bodies]
    except msgspec.DecodeError:
        raise RemoteError(
            f"{shown(url)}: did not answer with an object: is it a controller of sealed secrets?"
        ) from None


_Object = dict[str, Any]
_Answer = tuple[str, int, bytes]


async def _ask(
    session: aiohttp.ClientSession, method: str, url: str, document: dict[str, Any] | None, limit: int
) -> _Answer:
    body = None if document is None else msgspec.json.encode(document)
    headers = {} if document is None else {"Content-Type": "application/json"}
    try:
        async with session.request(method, url, data=body, headers=headers, max_redirects=3) as response:
            content = await response.content.read(limit + 1)
            while len(content) <= limit and (more := await response.content.read(limit + 1 - len(content))):
                content += more
            if response.url.scheme != "https" and url.startswith("https:"):
                raise RemoteError(f"{shown(url)}: leads to an address without TLS")
            if len(content) > limit:
                raise RemoteError(f"{shown(url)}: answered with more than {limit:,} bytes")
            return url, response.status, content
    except TimeoutError:
        raise RemoteError(f"{shown(url)}: did not answer within {TIMEOUT_SECONDS:.0f} s") from None
    except (aiohttp.ClientError, ValueError) as error:
        reason = getattr(getattr(error, "os_error", None), "strerror", None) or type(error).__name__
        raise RemoteError(f"{shown(url)}: cannot be reached: {reason}") from None


async def _gathered(asked: Sequence[Any]) -> list[_Answer]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(question: Any) -> _Answer:
        async with gate:
            answer: _Answer = await question
            return answer

    return list(await asyncio.gather(*map(one, asked)))


async def _all(asked: Sequence[Any], good: Sequence[int]) -> list[bytes]:
    return [_expect(answer[0], answer, good)[1] for answer in await _gathered(asked)]


def _expect(url: str, answer: _Answer, good: Sequence[int]) -> tuple[int, bytes]:
    """Status and body, if the status is a good one. The body of another is not shown: it may quote what was sent."""
    _, status, content = answer
    if status not in good:
        raise RemoteError(f"{shown(url)}: answered with HTTP {status}")
    return status, content


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS), trust_env=True)
