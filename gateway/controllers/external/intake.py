"""Where others tell that a secret changed: ``POST /v1/changes``, with a bearer token. What is named is read at once.

An answer says nothing about what there is: neither whether a key is known, nor who reads it.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import ssl
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path as File
from typing import TYPE_CHECKING, Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from gateway.controllers.external.names import Change
from gateway.core.errors import ConfigError
from gateway_secrets.stores.pace import TokenBucket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.config.controller import Intake

MAX_BODY_BYTES = 64 * 1024
MAX_TOKEN_BYTES = 4_096
REQUEST_SECONDS = 10.0
MAX_CHANGES = 1_000
"""In one notice."""
CHANGES_PER_SECOND = 200.0
_KEEP_ALIVE_SECONDS = 15.0
_SHUTDOWN_SECONDS = 2.0


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request."""

    changes: Annotated[tuple[Change, ...], Meta(min_length=1, max_length=MAX_CHANGES)]


Told = Callable[[list[Change]], Awaitable[None]]


class Desk:
    """Answers requests. ``told`` gets what changed."""

    def __init__(self, token_file: File, told: Told) -> None:
        self._token_file = token_file
        self._told = told
        self._bucket = TokenBucket(CHANGES_PER_SECOND, MAX_CHANGES)

    def app(self) -> web.Application:
        """As aiohttp serves it."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.add_routes([web.post("/v1/changes", self._changes)])
        return app

    async def _changes(self, request: web.Request) -> web.Response:
        if not await asyncio.to_thread(self._knows, request.headers.get("Authorization", "")):
            return web.json_response({"error": "a bearer token is needed"}, status=401, headers=_CHALLENGE)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                notice = msgspec.json.decode(await request.read(), type=Notice)
        except TimeoutError:
            return web.json_response({"error": "too slow"}, status=408)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return web.json_response({"error": str(error)[:200]}, status=400)
        except (web.RequestPayloadError, ConnectionError):
            return web.json_response({"error": "the body cannot be read"}, status=400)
        count = len(notice.changes)
        if self._bucket.take(0.0, count) is None:
            later = {"Retry-After": str(math.ceil(count / CHANGES_PER_SECOND))}
            return web.json_response({"error": "too many"}, status=429, headers=later)
        await self._told(list(notice.changes))
        return web.json_response({"accepted": count}, status=202)

    def _knows(self, header: str) -> bool:
        """Whether it is the token; the file is read each time, since it may be replaced."""
        scheme, _, given = header.partition(" ")
        try:
            token = read_token(self._token_file)
        except ConfigError:
            return False
        return scheme.lower() == "bearer" and hmac.compare_digest(_sent(given.strip()), token)


def _sent(text: str) -> bytes:
    """The bytes of a header: those that are no UTF-8 are surrogates in its text."""
    return text.encode("utf-8", "surrogateescape")


_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def read_token(file: File) -> bytes:
    """The token that is asked for.

    Raises:
        ConfigError: there is none, or one that is too short to be any good.
    """
    try:
        with file.open("rb") as opened:
            token = opened.read(MAX_TOKEN_BYTES).strip()
    except OSError as error:
        raise ConfigError(f"controller.external.intake.tokenFile: {file}: {error.strerror}") from None
    if len(token) < 16:  # noqa: PLR2004 - of characters, guessed at leisure otherwise
        raise ConfigError(f"controller.external.intake.tokenFile: {file}: has fewer than 16 characters")
    return token


@asynccontextmanager
async def serving(settings: Intake, told: Told) -> AsyncIterator[int]:
    """Serve while this lasts; the port.

    Raises:
        ConfigError: the token or the certificate cannot be used, or the port cannot be had.
    """
    file = File(settings.token_file)
    await asyncio.to_thread(read_token, file)
    runner = web.AppRunner(
        Desk(file, told).app(),
        access_log=None,
        shutdown_timeout=_SHUTDOWN_SECONDS,
        keepalive_timeout=_KEEP_ALIVE_SECONDS,
    )
    await runner.setup()
    try:
        try:
            site = web.TCPSite(runner, settings.host, settings.port, ssl_context=_tls(settings))
            await site.start()
        except OSError as error:
            raise ConfigError(f"controller.external.intake: port {settings.port}: {error.strerror}") from None
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _tls(settings: Intake) -> ssl.SSLContext | None:
    if not settings.cert_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file or None)
    except (OSError, ssl.SSLError):
        raise ConfigError("controller.external.intake: the certificate or its key cannot be used") from None
    return context
