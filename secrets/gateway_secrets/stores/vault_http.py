"""hvac, as far as it is used: requests to one Vault or OpenBao server, bounded, in threads. Nothing else imports it.

Its answers are read here: as large as allowed, within the deadline, numbers as they are written, errors as
:mod:`.errors`. What the server says of an error is shown in one line, without the credentials that were sent.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

import hvac
import requests
import urllib3
from hvac.adapters import RawAdapter
from requests.adapters import HTTPAdapter

from gateway_secrets.stores.errors import (
    FailingError,
    ForbiddenError,
    MisconfiguredError,
    NotFoundError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnreadyError,
    UnusableError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.threads import Threads
from gateway_secrets.stores.values import parse_json

_T = TypeVar("_T")
_CHUNK_BYTES = 64 * 1024
_CONNECT_SECONDS = 5.0
_SHOWN_CHARACTERS = 200
_MIN_SCRUBBED = 4
_OK_CODES = range(200, 300)
_REDIRECTS = range(300, 400)
_KINDS: dict[int, type[StoreError]] = {
    HTTPStatus.UNAUTHORIZED: ForbiddenError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.BAD_REQUEST: MisconfiguredError,
    HTTPStatus.METHOD_NOT_ALLOWED: MisconfiguredError,
    HTTPStatus.INTERNAL_SERVER_ERROR: FailingError,
}
"""Whatever else is no success may pass: a server that is sealed, starting, behind, or broken."""


class _Adapter(RawAdapter):  # type: ignore[misc] # hvac has no types
    """Gives decoded JSON (None without a body), or raises one of our errors."""

    def __init__(self, *, limit_bytes: int, ends: float, **settings: Any) -> None:
        super().__init__(**settings)
        self._limit = limit_bytes
        self._ends = ends

    def get_login_token(self, response: Any) -> str:
        return str(response["auth"]["client_token"])

    def request(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise UnavailableError("no time left to ask")
        options.update(stream=True, raise_exception=False, timeout=(min(left, _CONNECT_SECONDS), left))
        with super().request(method, url, *args, **options) as response:
            body = self._read(response)
            return _decoded(response, body)

    def _read(self, response: requests.Response) -> bytes:
        body = bytearray()
        while piece := _piece(response):
            body += piece
            if len(body) > self._limit:
                raise UnusableError(f"the answer is larger than {self._limit} bytes")
            if time.monotonic() > self._ends:
                raise UnavailableError("the answer took too long")
        return bytes(body)


class VaultHttp:
    """Connections to one server, kept open; any number of calls at a time, so many of them in progress."""

    def __init__(
        self, server: str, limits: StoreLimits, threads: Threads, *, ca: bytes = b"", client: bytes = b"",
        headers: Mapping[str, str] = {},
    ) -> None:  # fmt: skip
        """``ca``: the only certificates (PEM) to trust; ``client``: certificate and key (PEM) to show."""
        self._server = server.rstrip("/")
        self._limits = limits
        self._files = [_in_memory(name, data) for name, data in (("ca", ca), ("client", client)) if data]
        places = iter([f"/proc/self/fd/{descriptor}" for descriptor in self._files])
        self._session = requests.Session()
        self._session.verify = next(places) if ca else True
        self._session.cert = next(places) if client else None
        self._session.headers.update({**headers, "Accept-Encoding": "identity"})
        pool = HTTPAdapter(pool_connections=1, pool_maxsize=limits.connections, max_retries=0, pool_block=True)
        self._session.mount("https://", pool)
        self._session.mount("http://", pool)
        self._threads = threads.of_store(limits.connections, self._server)

    async def call(
        self,
        ask: Callable[[Any], _T],
        *,
        what: str,
        within: float,
        token: str = "",
        namespace: str = "",
        hidden: Sequence[str] = (),
    ) -> _T:
        """What ``ask`` makes of a client of hvac. ``what`` begins every error; ``hidden`` is shown in none.

        Raises:
            StoreError: the server refused, failed, or was not reached.
        """
        adapter = partial(_Adapter, limit_bytes=self._limits.answer_bytes, ends=time.monotonic() + within)
        client = hvac.Client(
            url=self._server, token=token, cert=False, verify=True, session=self._session, adapter=adapter,
            namespace=namespace or None, allow_redirects=False,
        )  # fmt: skip
        try:
            return await self._threads.run(ask, client)
        except StoreError as error:
            error.args = (f"{what}: {_scrubbed(str(error), (token, *hidden))}",)
            raise
        except requests.exceptions.SSLError as error:
            raise UnreadyError(f"{what}: TLS with {self._server}: {_reason(error)}") from None
        except requests.exceptions.Timeout:
            raise UnavailableError(f"{what}: {self._server} does not answer in time") from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader, UnicodeError):
            raise MisconfiguredError(
                f"{what}: the address, a credential or a header is nothing that HTTP carries"
            ) from None
        except requests.exceptions.RequestException as error:
            raise UnavailableError(f"{what}: {self._server} cannot be reached: {_reason(error)}") from None
        except OSError:
            raise UnavailableError(f"{what}: the store was closed, and its certificates with it") from None
        except (KeyError, TypeError, AttributeError):
            raise UnavailableError(f"{what}: {self._server} answers something else than Vault would") from None

    def close(self) -> None:
        """Close all connections; calls in progress come to their end, or fail."""
        self._threads.close()
        self._session.close()
        for descriptor in self._files:
            os.close(descriptor)
        self._files = []


def _piece(response: requests.Response) -> bytes:
    """What has arrived. requests itself would wait for a whole chunk, however slowly it comes."""
    try:
        return bytes(response.raw.read1(_CHUNK_BYTES))
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error) from None
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ConnectionError(error) from None


def _in_memory(name: str, data: bytes) -> int:
    """A file that has no place in any file system: requests wants names of files, and keys do not belong on disks."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(descriptor, data)
    return descriptor


def _decoded(response: requests.Response, body: bytes) -> Any:
    try:
        document = parse_json(body) if body else None
    except ValueError:
        document = None if response.status_code not in _OK_CODES else ()
    if response.status_code in _OK_CODES:
        if document == ():
            raise UnavailableError("the answer is not JSON")
        return document
    raise _error(response, document)


def _error(response: requests.Response, document: Any) -> StoreError:
    code = response.status_code
    said = _said(document, "errors")
    text = f"{code} {said or response.reason}"
    if code == HTTPStatus.NOT_FOUND:
        # Without a reason there is no such secret. With one there is no such engine, namespace or kind of path: who set up the
        # store wrongly must not be told that all secrets are gone, since some delete then what was made of them.
        reason = said or _said(document, "warnings")
        return MisconfiguredError(f"{code} {reason}") if reason else NotFoundError("no such secret, or version")
    if code == HTTPStatus.TOO_MANY_REQUESTS:
        after = response.headers.get("Retry-After", "")
        return ThrottledError(text, retry_after_seconds=float(after) if after.isdigit() else None)
    if code in _REDIRECTS:
        return MisconfiguredError(f"{code}: redirects elsewhere: name the address of the active node")
    return _KINDS.get(code, UnavailableError)(text)


def _said(document: Any, member: str) -> str:
    """A list of texts in an answer, in one line."""
    listed = document.get(member) if isinstance(document, dict) else None
    if not isinstance(listed, list):
        return ""
    return " ".join(" ".join(str(item) for item in listed).split())[:_SHOWN_CHARACTERS]


def _scrubbed(text: str, hidden: Sequence[str]) -> str:
    for value in hidden:
        if len(value) >= _MIN_SCRUBBED:
            text = text.replace(value, "…")
    return text


def _reason(error: BaseException) -> str:
    """The innermost cause, in the system's words; requests' own name pools and repeat themselves."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    pending: list[Any] = [error]
    seen: set[int] = set()
    while pending:
        found = pending.pop()
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        if not isinstance(found, requests.exceptions.RequestException):
            yield found
        pending += [*found.args, getattr(found, "reason", None), found.__cause__, found.__context__]
