"""The HTTP interface of a controller, as kubeseal calls it: the certificate, can this be opened, seal it anew.

Open to everybody in the cluster, as Bitnami's (v0.40.0, ``pkg/controller/server.go``): so nothing secret leaves it, templates
are not filled in, and what one caller can ask for is bounded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from gateway_secrets.sealed.documents import read_documents
from gateway_secrets.sealed.errors import InputError, KeyFileError, MalformedBlobError, SealError, UnsealError
from gateway_secrets.sealed.keyring import KeyRing
from gateway_secrets.sealed.objects import Sealed, sealed_of
from gateway_secrets.sealed.sealing import Sealing, reencrypt, unseal_values

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_VALUES = 1_000
"""In one object: each costs an operation with every key."""
MAX_AT_ONCE = 2
MAX_WAITING = 32

PEM = "application/x-pem-file"


class Endpoints:
    """The handlers. ``ring``: gives the keys as they are now. Opening runs in threads, a bounded number at once."""

    def __init__(self, ring: Callable[[], KeyRing], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._ring = ring
        self._now = now
        self._gate = asyncio.Semaphore(MAX_AT_ONCE)
        self._waiting = 0

    def routes(self) -> list[web.RouteDef]:
        """What to add to an application."""
        return [
            web.get("/v1/cert.pem", self.certificate),
            web.post("/v1/verify", self.verify),
            web.post("/v1/rotate", self.rotate),
        ]

    async def certificate(self, _request: web.Request) -> web.Response:
        """The certificate to seal with. 503 while there is none."""
        try:
            return web.Response(body=self._ring().newest.certificate.pem, content_type=PEM)
        except KeyFileError as error:
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    async def verify(self, request: web.Request) -> web.Response:
        """200 if the keys open the object in the body, 409 if not, 400 if it is none."""
        ring = self._ring()

        def opens(sealed: Sealed) -> web.Response:
            unseal_values(sealed, ring.keys)
            return web.Response()

        return await self._about(request, opens)

    async def rotate(self, request: web.Request) -> web.Response:
        """The object in the body, sealed with the newest key, under the name, namespace and scope that it has."""
        ring = self._ring()

        def again(sealed: Sealed) -> web.Response:
            sealing = Sealing(ring.newest.certificate, self._now(), notes=False)
            made = _as_sealed_by_the_controller(reencrypt(sealed, ring.keys, sealing).document)
            return web.Response(body=msgspec.json.encode(made), content_type="application/json")

        return await self._about(request, again)

    async def _about(self, request: web.Request, answer: Callable[[Sealed], web.Response]) -> web.Response:
        if self._waiting >= MAX_WAITING:
            return _text(HTTPStatus.TOO_MANY_REQUESTS, "too many requests: try again later")
        self._waiting += 1
        try:
            body = await _body(request)
            async with self._gate:
                return await asyncio.to_thread(_answered, body, answer)
        except InputError as error:
            return _text(HTTPStatus.BAD_REQUEST, str(error))
        finally:
            self._waiting -= 1


def _answered(body: bytes, answer: Callable[[Sealed], web.Response]) -> web.Response:
    """The answer about the one object in a body; in a thread."""
    try:
        documents = read_documents(body, source="the body")
        if len(documents) != 1 or not isinstance(documents[0].value, dict):
            raise InputError("the body must be one SealedSecret")
        sealed = sealed_of(documents[0].value, where="the object")
        if len(sealed.values) > MAX_VALUES:
            raise InputError(f"the object has more than {MAX_VALUES} values")
        return answer(sealed)
    except (UnsealError, MalformedBlobError) as error:
        return _text(HTTPStatus.CONFLICT, str(error))
    except KeyFileError as error:
        return _text(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    except SealError as error:
        return _text(HTTPStatus.BAD_REQUEST, str(error))


async def _body(request: web.Request) -> bytes:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise InputError(f"the body is larger than {MAX_BODY_BYTES:,} bytes")
    body = bytearray()
    async for chunk in request.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise InputError(f"the body is larger than {MAX_BODY_BYTES:,} bytes")
    return bytes(body)


def _as_sealed_by_the_controller(document: dict[str, Any]) -> dict[str, Any]:
    """Without the status, which is not the client's to keep."""
    return {key: value for key, value in document.items() if key != "status"}


def _text(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n")
