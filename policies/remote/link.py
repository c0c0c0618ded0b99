"""One server, asked within bounds: so many requests at a time, each with a deadline, none while it is known to fail."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gateway.config.opa import Opa
from gateway.core.errors import ConfigError
from policies.remote.breaker import Breaker
from policies.remote.client import OpaClient, translated
from policies.remote.credentials import read_credentials
from policies.remote.errors import RefusedError, UnreachableError, UnusableAnswerError

_LOOK_SECONDS = 1.0
"""How often it is looked whether the files of certificates and the token are others."""

_Stamp = tuple[tuple[int, int, int] | None, ...]
T = TypeVar("T")


class _Session:
    """A client, closed when it was replaced and nobody uses it any more."""

    def __init__(self, client: OpaClient) -> None:
        self.client = client
        self.users = 0
        self.retired = False

    async def leave(self) -> None:
        """One user less."""
        self.users -= 1
        await self.close_if_idle()

    async def close_if_idle(self) -> None:
        """Close it, if it is time."""
        if self.retired and not self.users:
            await self.client.close_connection()


class Link:
    """The way to a server. What it is asked is a function of its client."""

    def __init__(self, opa: Opa, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.opa = opa
        self._clock = clock
        self._breaker = Breaker(opa.breaker_failures, opa.breaker_seconds, clock)
        self._slots = asyncio.Semaphore(opa.concurrency)
        self._files = tuple(filter(None, (opa.ca_file, opa.cert_file, opa.key_file, opa.token_file)))
        self._stamp: _Stamp = ()
        self._looked = float("-inf")
        self._session: _Session | None = None
        self._unread = ""

    @property
    def problem(self) -> str:
        """Why the server is not asked, or with what it should not be; empty if all is well."""
        return self._breaker.problem or self._unread

    async def call(self, what: Callable[[OpaClient], Awaitable[T]], timeout_seconds: float) -> T:
        """Ask, once.

        Raises:
            UnreachableError: there is no answer, in time or at all; or the server is left alone at the moment.
            RefusedError: the server says no, and why.
            UnusableAnswerError: the answer is too large, or cannot be read.
            ConfigError: a file that is needed cannot be read.
        """
        if not self._breaker.admit():
            problem = f"the OPA server is not asked for a while: {self._breaker.problem}"
            raise UnreachableError("unreachable", problem)
        # A request that is cancelled is a failure as well: whoever asked has waited as long as they could.
        problem = "the OPA server did not answer before the request was given up"
        try:
            with translated(timeout_seconds):
                async with asyncio.timeout(timeout_seconds), self._slots:
                    result = await self._ask(what)
        except (RefusedError, UnusableAnswerError):
            problem = ""
            raise
        except (UnreachableError, ConfigError) as error:
            problem = str(error)
            raise
        else:
            problem = ""
            return result
        finally:
            if problem:
                self._breaker.failed(problem)
            else:
                self._breaker.succeeded()

    async def close(self) -> None:
        """Close connections; requests in flight fail."""
        if self._session is not None:
            await self._session.client.close_connection()
            self._session = None

    async def _ask(self, what: Callable[[OpaClient], Awaitable[T]]) -> T:
        session = await self._current()
        session.users += 1
        try:
            return await what(session.client)
        finally:
            await session.leave()

    async def _current(self) -> _Session:
        """The session with what the files hold now. While new files are no good, the old one goes on."""
        now = self._clock()
        if self._session is not None and now - self._looked < _LOOK_SECONDS:
            return self._session
        self._looked = now
        stamp = tuple(map(_stamp, self._files))
        if self._session is not None and stamp == self._stamp:
            return self._session
        try:
            credentials = read_credentials(self.opa)
        except ConfigError as error:
            if self._session is None:
                raise
            self._unread = str(error)
            return self._session
        client = OpaClient(self.opa, credentials)
        await client.__aenter__()
        old, self._session, self._stamp, self._unread = self._session, _Session(client), stamp, ""
        if old is not None:
            old.retired = True
            await old.close_if_idle()
        return self._session


async def several(one: Callable[[bytes], Awaitable[T]], documents: Sequence[bytes], *, at_a_time: int) -> list[T]:
    """Ask about each document; the time for one begins when it is its turn."""
    gate = asyncio.Semaphore(at_a_time)

    async def in_turn(document: bytes) -> T:
        async with gate:
            return await one(document)

    return list(await asyncio.gather(*map(in_turn, documents)))


def _stamp(path: str) -> tuple[int, int, int] | None:
    with contextlib.suppress(OSError):
        found = Path(path).stat()
        return found.st_mtime_ns, found.st_ino, found.st_size
    return None
