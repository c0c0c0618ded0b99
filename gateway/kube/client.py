"""The Kubernetes API as raw JSON, with every foreign error translated and every answer bounded.

Typed models would be of no use here: what is read are custom resources, reduced to a few fields at once.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
import msgspec

from gateway import __version__
from gateway.config.model import Cluster
from gateway.core.errors import ClusterError
from gateway.core.subject import Json
from gateway.kube.errors import ApiError, ResponseTooLargeError, UnreachableError

if TYPE_CHECKING:
    from gateway.kube.adapter import Session

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
USER_AGENT = f"govgate/{__version__}"

REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 10.0
MAX_RESPONSE_BYTES = 128 * 1024 * 1024
"""Of one answer; the largest are pages of lists, and real ones stay far below."""
RELOAD_SECONDS = 10.0
"""Credentials are loaded again at most this often when the API server no longer takes them."""

_MAX_ERROR_BYTES = 64 * 1024
_UNAUTHORIZED, _NOT_FOUND = 401, 404
_SUCCESSES = frozenset((200, 201))


class _Metadata(msgspec.Struct):
    continue_: str = msgspec.field(default="", name="continue")


class _Status(msgspec.Struct):
    """``meta/v1`` Status, as far as it says what went wrong."""

    reason: str = ""
    message: str = ""
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _Sent(msgspec.Struct, frozen=True):
    method: str
    document: Json | None = None
    content_type: str = "application/json"
    accept: str = "application/json"


_GET = _Sent("GET")


class KubeClient:
    """Speaks with one API server. All methods are for one event loop; concurrent use is fine."""

    def __init__(self, load: Callable[[], Awaitable[Session]], session: Session) -> None:
        self._load = load
        self._session = session
        self._loaded_at = time.monotonic()
        self._reloading = asyncio.Lock()

    async def get(self, path: str, query: Mapping[str, str] | None = None, *, accept: str = "application/json") -> Json:
        """The JSON object at ``path``. ``accept``: in which form, such as its metadata alone.

        Raises:
            ApiError: the server's answer is an error, such as 404.
            ClusterError: there was no answer, or it is not a JSON object.
        """
        try:
            return msgspec.json.decode(await self._read(path, query, _Sent("GET", accept=accept)), type=dict[str, Any])
        except msgspec.DecodeError:
            raise ClusterError(f"{path}: the answer is not a JSON object") from None

    async def find(
        self, path: str, query: Mapping[str, str] | None = None, *, accept: str = "application/json"
    ) -> Json | None:
        """As :meth:`get`; None where there is nothing at ``path``."""
        try:
            return await self.get(path, query, accept=accept)
        except ApiError as error:
            if error.code == _NOT_FOUND:
                return None
            raise

    async def create(self, path: str, document: Json) -> Json:
        """Create an object in the collection at ``path``, or ask a question that is asked so; the server's answer.

        Raises:
            ApiError: the server's answer is an error, such as 403.
            ClusterError: there was no answer, or it is not a JSON object.
        """
        return await self._write("POST", path, document)

    async def replace(self, path: str, document: Json) -> Json:
        """Replace the object at ``path``, if it is still of the version that ``document`` states; errors as :meth:`create`.

        Raises:
            ApiError: 409 where it has changed meanwhile.
        """
        return await self._write("PUT", path, document)

    async def apply(self, path: str, document: Json, *, manager: str) -> Json:
        """Server-side apply, forced: the object at ``path`` has what ``document`` states; errors as :meth:`create`."""
        query = {"fieldManager": manager, "force": "true"}
        return await self._write("PATCH", path, document, query, content_type="application/apply-patch+yaml")

    async def merge(self, path: str, document: Json) -> Json:
        """Merge ``document`` into the object at ``path``, if it is still of the version that it states; errors as :meth:`replace`."""
        return await self._write("PATCH", path, document, content_type="application/merge-patch+json")

    async def delete(self, path: str, *, only: Mapping[str, Any] | None = None) -> None:
        """Delete the object at ``path``; errors as :meth:`create`. ``only``: if it has this ``uid`` or ``resourceVersion``.

        Raises:
            ApiError: 409 where it has another.
        """
        conditions = {name: value for name, value in (only or {}).items() if value}
        await self._write("DELETE", path, {"preconditions": conditions} if conditions else {})

    async def _write(
        self,
        method: str,
        path: str,
        document: Json,
        query: Mapping[str, str] | None = None,
        *,
        content_type: str = "application/json",
    ) -> Json:
        within = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        what = _Sent(method, document, content_type)
        async with self._open(path, query, within, what) as response:
            body = await _read_bounded(response, MAX_RESPONSE_BYTES)
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            raise ClusterError(f"{path}: the answer is not a JSON object") from None

    async def read(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """The body at ``path``; errors as :meth:`get`."""
        return await self._read(path, query, _GET)

    async def _read(self, path: str, query: Mapping[str, str] | None, sent: _Sent) -> bytes:
        within = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        async with self._open(path, query, within, sent) as response:
            return await _read_bounded(response, MAX_RESPONSE_BYTES)

    async def date(self, path: str = "/version", query: Mapping[str, str] | None = None) -> str:
        """What the server's clock says, to the second: the ``Date`` header of an answer; empty without one.

        ``path``: something that may be read. Errors as :meth:`get`.
        """
        within = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        async with self._open(path, query, within) as response:
            return str(response.headers.get("Date", ""))

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], *, silence_seconds: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body at ``path`` in pieces, as they come, for as long as the server sends.

        Raises:
            ApiError, ClusterError: as :meth:`get`; also from the iterator, when nothing comes for ``silence_seconds``.
        """
        within = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence_seconds)
        async with self._open(path, query, within) as response:
            yield response.content.iter_any()

    async def close(self) -> None:
        """Close all connections; requests in progress fail."""
        await self._session.close()

    @asynccontextmanager
    async def _open(
        self,
        path: str,
        query: Mapping[str, str] | None,
        within: aiohttp.ClientTimeout,
        sent: _Sent = _GET,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        full_path = f"{path}?{urlencode(query)}" if query else path
        try:
            response = await self._send(sent, full_path, within)
            if response.status == _UNAUTHORIZED and await self._reload():
                response.release()
                response = await self._send(sent, full_path, within)
            try:
                if response.status not in _SUCCESSES:
                    raise await _error_of(response)
                yield response
            finally:
                _drop(response)
        except TimeoutError:
            raise UnreachableError(f"{path}: timed out") from None
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(f"{path}: {' '.join(str(error).split())[:300] or type(error).__name__}") from None

    async def _send(self, sent: _Sent, path: str, within: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        return await self._session.send(sent.method, path, within, sent.document, sent.content_type, accept=sent.accept)

    async def _reload(self) -> bool:
        """Load the credentials anew, unless that was just done; whether they may have changed."""
        seen = self._session
        async with self._reloading:
            if self._session is not seen:
                return True
            if time.monotonic() - self._loaded_at < RELOAD_SECONDS:
                return False
            self._loaded_at = time.monotonic()
            self._session = await self._load()
        await seen.close()
        return True


async def connect(
    cluster: Cluster, *, environ: Mapping[str, str] = os.environ, service_account: Path = SERVICE_ACCOUNT
) -> KubeClient | None:
    """A client for the configured cluster, None if there is none to connect to. No request is made yet.

    Raises:
        ClusterError: the configured credentials are not there or not usable.
    """
    if cluster.connect == "none":
        return None
    if cluster.connect == "auto" and not (
        "KUBERNETES_SERVICE_HOST" in environ and (service_account / "token").exists()
    ):
        return None
    from gateway.kube import adapter  # noqa: PLC0415 - heavy, and needed only with a cluster

    async def load() -> Session:
        if cluster.connect == "kubeconfig":
            return await adapter.from_kubeconfig(cluster.kubeconfig, cluster.context, USER_AGENT)
        return adapter.from_service_account(service_account, USER_AGENT)

    return KubeClient(load, await load())


async def connect_with(credentials: Callable[[], Awaitable[Json]]) -> KubeClient:
    """A client for the cluster of a kubeconfig that ``credentials`` makes, also anew when it is no longer taken.

    Raises:
        ClusterError: it cannot be used. What ``credentials`` raises is raised, then or by a later request.
    """
    from gateway.kube import adapter  # noqa: PLC0415 - as in connect

    async def load() -> Session:
        return await adapter.from_document(await credentials(), USER_AGENT)

    return KubeClient(load, await load())


def _drop(response: aiohttp.ClientResponse) -> None:
    """Give up the connection at once, if the body was not read to its end: the rest of a watch is no use to anybody.

    Closing it would wait for the server's TLS goodbye, and a client that is closed meanwhile would leave the socket open.
    """
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


async def _read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            raise ResponseTooLargeError(f"{response.url.path}: more than {limit} bytes")
    return bytes(body)


async def _error_of(response: aiohttp.ClientResponse) -> ApiError:
    body = await response.content.read(_MAX_ERROR_BYTES)
    try:
        status = msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        status = _Status()
    after = response.headers.get("Retry-After", "")
    return ApiError(
        response.status,
        status.reason or str(response.reason or ""),
        " ".join(status.message.split())[:300],
        retry_after_seconds=float(after) if after.isascii() and after.isdigit() else None,
        continue_=status.metadata.continue_,
    )
