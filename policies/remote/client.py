"""The connection to an OPA server: opa-python-client, with what it does not offer by itself.

Its ``AsyncOpaClient`` (3.0) knows requests and addresses. It takes neither a private authority nor a Unix socket, follows
redirects, reads answers of any size and leaves out what an error says; all of this is decided where a session is made,
which the client leaves to its subclasses. Every error becomes one of :mod:`policies.remote.errors` here.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import msgspec
from opa_client import AsyncOpaClient
from opa_client.errors import DeleteDataError, DeletePolicyError, PatchDataError, PolicyNotFoundError, RegoParseError

from gateway.config.opa import Opa, address_of
from policies.remote.credentials import Credentials
from policies.remote.errors import RefusedError, ServerFaultError, UnreachableError, UnusableAnswerError, reason_of

_CHUNK_BYTES = 256 * 1024
_SERVER_ERROR = 500
_FAULTS = frozenset((401, 403, 408, 429))
"""Answers that are not about what was asked; so is every 5xx without an error of an evaluation."""
_EVALUATION = "eval_"


class OpaClient(AsyncOpaClient):  # type: ignore[misc]  # it carries no types
    """One session with a server. ``credentials`` hold for its whole life."""

    def __init__(self, opa: Opa, credentials: Credentials) -> None:
        address = address_of(opa.url)
        super().__init__(
            host=address.host,
            port=address.port,
            ssl=address.tls,
            token=credentials.token or None,
            retries=0,
            timeout=opa.load_seconds,
        )
        self._opa = opa
        self._tls = credentials.tls
        self._socket = address.socket

    async def _init_session(self) -> None:
        """Make the session: the client's own would know the system's authorities only, and no bounds."""
        limit = self._opa.concurrency
        self._connector = (
            aiohttp.UnixConnector(self._socket, limit=limit)
            if self._socket
            else aiohttp.TCPConnector(ssl=self._tls or True, limit=limit, ttl_dns_cache=10)
        )
        timeout = aiohttp.ClientTimeout(total=self.timeout, sock_connect=self._opa.connect_seconds)
        self._session = aiohttp.ClientSession(
            headers=self.headers,
            connector=self._connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=type("_Answer", (_Answer,), {"limit": self._opa.answer_bytes}),
        )

    @contextlib.asynccontextmanager
    async def _request(self, method: str, url: str, **kwargs: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """The client's, without redirects (a token is for one server), and sent in pieces.

        A kept connection that turns out to have ended is not an answer: the request is sent by another one, at once and
        once. Nothing else is ever tried again.
        """
        if "json" in kwargs:
            kwargs["data"] = msgspec.json.encode(kwargs.pop("json"))
            kwargs["headers"] = {"Content-Type": "application/json", **(kwargs.get("headers") or {})}
        body = kwargs.pop("data", None)
        async with contextlib.AsyncExitStack() as stack:
            for last in (False, True):
                # A large body in one piece would hold up everything else.
                data = None if body is None else io.BytesIO(body)
                sent = super()._request(method, url, allow_redirects=False, data=data, **kwargs)
                try:
                    response = await stack.enter_async_context(sent)
                    break
                except aiohttp.ClientConnectorError:
                    raise
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    if last:
                        raise
            yield response


class _Answer(aiohttp.ClientResponse):
    """An answer that is read up to a limit, and says what is wrong with the request as the server put it."""

    limit = 0

    async def read(self) -> bytes:
        """The body.

        Raises:
            UnusableAnswerError: it goes on beyond the limit; the connection is not used again.
        """
        if self._body is None:
            parts: list[bytes] = []
            size = 0
            async for part in self.content.iter_chunked(_CHUNK_BYTES):
                size += len(part)
                if size > self.limit:
                    self.close()
                    raise UnusableAnswerError(
                        "result_too_large", f"the OPA server's answer has more than {self.limit} bytes"
                    )
                parts.append(part)
            self._body = b"".join(parts)
        return self._body

    def raise_for_status(self) -> None:
        """Nothing: :meth:`json` tells, with what the body says."""

    async def json(self, **_: Any) -> Any:
        """The document.

        Raises:
            RefusedError: the server says what is wrong with the request, or with the rules it is about.
            UnusableAnswerError: it holds a number that no float is.
            ServerFaultError: anything but that.
        """
        body = await self.read()
        try:
            document = msgspec.json.decode(body)
        except msgspec.ValidationError as error:
            raise UnusableAnswerError("result", f"the value cannot be read: {error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ServerFaultError(f"HTTP {self.status}, and no JSON") from None
        if not isinstance(document, dict):
            raise ServerFaultError(f"HTTP {self.status}, and JSON that is no answer of OPA's")
        if self.status == 200:  # noqa: PLR2004 - OK
            return document
        refused = RefusedError.of(self.status, document)
        evaluated = any(error.code.startswith(_EVALUATION) for error in refused.errors)
        if self.status in _FAULTS or (self.status >= _SERVER_ERROR and not evaluated) or self.status < 400:  # noqa: PLR2004
            raise ServerFaultError(f"HTTP {self.status}: {refused}"[:300])
        raise refused


# Errors themselves are seen before the client sees them; it raises these where it takes an answer for an error.
_FOUND_ODD = (DeleteDataError, DeletePolicyError, PatchDataError, PolicyNotFoundError, RegoParseError)


@contextlib.contextmanager
def translated(seconds: float) -> Iterator[None]:
    """Errors of the client and of what it runs on, as ours. ``seconds``: how long it was waited for."""
    try:
        yield
    except TimeoutError:
        raise UnreachableError("deadline", f"the OPA server did not answer within {seconds:g} s") from None
    except aiohttp.ClientConnectorCertificateError as error:
        raise UnreachableError(
            "tls", f"the OPA server's certificate is not accepted: {error.certificate_error}"
        ) from None
    except (aiohttp.ClientConnectorError, ssl.SSLError, OSError) as error:
        raise UnreachableError("unreachable", f"the OPA server cannot be reached: {reason_of(error)}") from None
    except (aiohttp.ClientError, asyncio.IncompleteReadError, ValueError) as error:
        raise UnreachableError("server", f"the OPA server's answer is broken: {reason_of(error)}") from None
    except _FOUND_ODD:
        raise ServerFaultError("it answers what OPA would not") from None
