"""GET over HTTP as registries need it: bounded, patient within the deadline, careful where credentials go."""

from __future__ import annotations

import asyncio
import random
import ssl
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import IO, NamedTuple

import aiohttp
from yarl import URL

from gateway import __version__
from gateway.core.errors import ConfigError
from gateway.provenance.meter import Answer as Counted
from gateway.provenance.meter import Meter, NoMeter
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.errors import (
    MalformedError,
    RegistryError,
    ThrottledError,
    TooLargeError,
    UnreachableError,
)
from gateway.provenance.oci.hosts import Hosts, named, stranger
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.tls import Material
from gateway.provenance.oci.zone import Zone, is_public, public_socket

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_OK, _THROTTLED, _SERVER_ERROR = 200, 429, 500
_COUNTED: dict[int, Counted] = {401: "unauthorised", 403: "unauthorised", 404: "not-found", _THROTTLED: "throttled"}
_DROPPED_BYTES = 64 * 1024
_HEADERS = {"User-Agent": f"govgate/{__version__}", "Accept-Encoding": "identity"}


class Sink(NamedTuple):
    """Takes at most ``limit`` bytes of a body; emptied before each attempt."""

    file: IO[bytes]
    limit: int


class Request(NamedTuple):
    """A GET, or the POST of a ``form``.

    ``headers`` with ``Authorization`` go to the host of ``url``, and not to another that it redirects to. ``what`` names
    the thing in errors (the URL does not: it may hold a token). ``owner`` and ``tls``: see :meth:`Hosts.tls`; a client
    certificate goes no further than the headers.
    """

    url: URL
    sink: Sink
    what: str
    headers: Mapping[str, str] = {}
    form: Mapping[str, str] | None = None
    owner: str = ""
    tls: Material = Material()


class Answer(NamedTuple):
    """A final answer, its body in the sink if it is a success. ``url`` is where it came from, after redirects."""

    status: int
    headers: Mapping[str, str]
    url: URL
    challenges: tuple[str, ...]


class Transport:
    """Connections to registries, kept alive. For one event loop; concurrent use is fine."""

    def __init__(self, hosts: Hosts, limits: Limits, meter: Meter | None = None) -> None:
        self.hosts = hosts
        self._meter = meter or NoMeter()
        self._limits = limits
        self._sessions: dict[Zone, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close all connections."""
        while self._sessions:
            await self._sessions.popitem()[1].close()

    async def send(self, request: Request, budget: Budget) -> Answer:
        """The answer, whatever its status but 429 and 5xx: then it is asked again while there is time.

        Raises:
            UnreachableError, ThrottledError, MalformedError, TooLargeError: as their names say.
        """
        what, host = request.what, request.url.host
        for attempt in range(1, self._limits.attempts + 1):
            last = attempt == self._limits.attempts
            jitter = random.uniform(0.5, 1.5)  # noqa: S311 - nothing depends on it
            wait_seconds = self._limits.backoff_seconds * 2 ** (attempt - 1) * jitter
            try:
                answer = await self._follow(request, budget)
            except UnreachableError:
                if last or wait_seconds >= budget.seconds:
                    raise
            else:
                if answer.status == _THROTTLED:
                    asked = retry_after(answer.headers.get("Retry-After", ""), datetime.now(UTC))
                    wait_seconds = wait_seconds if asked is None else asked
                    if last or wait_seconds >= budget.seconds:
                        raise ThrottledError(f"{what}: {host} asks to wait (HTTP 429)")
                elif answer.status < _SERVER_ERROR:
                    return answer
                elif last or wait_seconds >= budget.seconds:
                    raise UnreachableError(f"{what}: {host} answers HTTP {answer.status}")
            await asyncio.sleep(wait_seconds)
        raise UnreachableError(f"{what}: no answer")

    async def _follow(self, request: Request, budget: Budget) -> Answer:
        for _ in range(self._limits.redirects + 1):
            request.sink.file.seek(0)
            request.sink.file.truncate()
            budget.spend(request.what)
            try:
                answer = await self._once(request, budget)
            except RegistryError as error:
                self._meter.requested(error.kind)
                raise
            self._meter.requested(_counted(answer.status))
            if answer.status not in _REDIRECTS:
                return answer
            at = request.url
            if request.form is not None:
                raise MalformedError(f"{request.what}: {at.host} redirects what is no GET")
            target = self._target(at, answer.headers.get("Location", ""), request.what)
            headers = dict(request.headers)
            if target.origin() != at.origin():
                headers.pop("Authorization", None)
                request = request._replace(owner="")
            request = request._replace(url=target, headers=headers)
        raise MalformedError(f"{request.what}: more than {self._limits.redirects} redirects")

    def _target(self, at: URL, location: str, what: str) -> URL:
        target = stranger(location, at=at, encoded=True) if location else None
        if target is None:
            raise MalformedError(f"{what}: {at.host} redirects to nowhere")
        if target.scheme == "http" and not self.hosts.plain(named(target)):
            raise MalformedError(f"{what}: {at.host} redirects to plain HTTP at {target.host}")
        return target

    async def _once(self, request: Request, budget: Budget) -> Answer:
        what, url, form = request.what, request.url, request.form
        tls, proxy, zone = self._tls(request), _proxy(url), budget.zone
        if proxy is not None and zone == "public":
            zone = "anywhere"  # of the proxy: it knows whom it may ask; an address in a URL is seen here
            if _is_address(url.host) and not is_public(url.host or ""):
                raise _stranger(what, url)
        try:
            async with (
                asyncio.timeout(budget.seconds),
                self._open(zone).request(
                    "GET" if form is None else "POST",
                    url,
                    headers={**_HEADERS, **request.headers},
                    data=None if form is None else dict(form),
                    ssl=tls,
                    proxy=proxy,
                    allow_redirects=False,
                ) as response,
            ):
                await _read(response, request.sink, what)
                challenges = tuple(response.headers.getall("WWW-Authenticate", ()))
                return Answer(response.status, response.headers, url, challenges)
        except TimeoutError:
            raise UnreachableError(f"{what}: {url.host} did not answer in time") from None
        except (ssl.SSLError, aiohttp.ClientSSLError) as error:
            hint = ""
            if "WRONG_VERSION_NUMBER" in str(error):
                hint = "; a registry without TLS is named in provenance.registries with plainHttp (--plain-http)"
            raise UnreachableError(f"{what}: {url.host}: TLS: {_short(error)}{hint}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if zone == "public" and isinstance(error, aiohttp.ClientConnectorError):
                raise _stranger(what, url) from None
            raise UnreachableError(f"{what}: cannot reach {url.host}: {_short(error)}") from None

    def _tls(self, request: Request) -> ssl.SSLContext | bool:
        try:
            return self.hosts.tls(request.url, request.owner, request.tls)
        except ConfigError as error:
            raise MalformedError(f"{request.what}: TLS with {request.url.host}: {error}") from None

    def _open(self, zone: Zone) -> aiohttp.ClientSession:
        session = self._sessions.get(zone)
        if session is None:
            limits = self._limits
            session = self._sessions[zone] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=limits.connections,
                    limit_per_host=limits.connections_per_host,
                    socket_factory=public_socket if zone == "public" else None,
                ),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=limits.connect_seconds, sock_read=limits.silence_seconds
                ),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return session


def _counted(status: int) -> Counted:
    if status >= _SERVER_ERROR:
        return "unreachable"
    return _COUNTED.get(status, "ok" if status == _OK or status in _REDIRECTS else "malformed")


def retry_after(text: str, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header, a number or a date (RFC 9110); None if it says nothing."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError):
        return None


async def _read(response: aiohttp.ClientResponse, sink: Sink, what: str) -> None:
    """The body of a success into the sink; another one is read, so that the connection is kept, and dropped."""
    success = response.status == _OK
    limit = sink.limit if success else _DROPPED_BYTES
    count = response.content_length or 0
    if count <= limit:
        count = 0
        async for piece in response.content.iter_chunked(65_536):
            count += len(piece)
            if count > limit:
                break
            if success:
                sink.file.write(piece)
    if count > limit:
        response.close()
        if success:
            raise TooLargeError(f"{what}: larger than {limit} bytes")


def _proxy(url: URL) -> str | None:
    """As the environment says (``HTTPS_PROXY``, ``NO_PROXY``); never for loopback."""
    host = url.host or ""
    if host in {"localhost", "127.0.0.1", "::1"} or urllib.request.proxy_bypass_environment(named(url)):  # type: ignore[attr-defined]
        return None
    return urllib.request.getproxies_environment().get(url.scheme)


def _is_address(host: str | None) -> bool:
    try:
        ip_address(host or "")
    except ValueError:
        return False
    return True


def _stranger(what: str, url: URL) -> UnreachableError:
    """One text for all that can keep a connection from a registry that nobody named."""
    return UnreachableError(
        f"{what}: {url.host} is not reached at a public address, and no policy names it: if it is to be asked, name the"
        " host in a policy's repositories, or in provenance.registries"
    )


def _short(error: BaseException) -> str:
    """The library's text without an address that may hold a token."""
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL):
        return type(error).__name__
    return " ".join(str(error).split())[:200] or type(error).__name__
