"""The stores that are open: one reader for each identity, whose token, rate and connections all share who read it.

A reader that is not wanted any more is closed once nobody uses it; until then it serves those who do.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from gateway.controllers.external.breaker import Breaker, Probes
from gateway_secrets.external.store import Store
from gateway_secrets.stores.credentials import Credentials
from gateway_secrets.stores.errors import (
    MisconfiguredError,
    RejectedError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnreadyError,
    of_login,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.outcomes import outcome_of
from gateway_secrets.stores.reader import Reader
from gateway_secrets.stores.table import open_reader
from gateway_secrets.stores.threads import Threads

_CLOSE_SECONDS = 5.0
_WHOLE = (UnavailableError, ThrottledError, RejectedError, UnreadyError)
"""What concerns all that is in a store. Else it has answered, whatever it thinks of one secret."""
_log = logging.getLogger(__name__)

Identity = tuple[str, ...]
Opener = Callable[[Store, str], Awaitable[Reader]]
Logins = Callable[[str, str], None]
_T = TypeVar("_T")


class Bounds(msgspec.Struct, frozen=True):
    """Of all stores. ``open``: at a time; ``threads``: that wait for answers, shared by those whose clients block."""

    requests_per_second: float
    open: int = 500
    threads: int = 64


class _Lent:
    """A reader, and how many use it."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.users = 0
        self.wanted = True


class _Open:
    """One identity. ``shown``: how it is says how the store is. ``users``: who ask, and have no answer yet. ``gone``: it is not
    among the stores any more.
    """

    def __init__(self, identity: Identity) -> None:
        # One that reads with the credentials of each namespace is not broken because one of them has none.
        self.shown = not identity[-1]
        self.turn = asyncio.Lock()
        self.lent: _Lent | None = None
        self.users = 0
        self.gone = False
        self.breaker = Breaker()


class Stores:
    """Opened when they are read first, closed when they changed, or others are needed more."""

    def __init__(
        self,
        credentials: Credentials,
        bounds: Bounds,
        *,
        recovered: Callable[[Store], None] = lambda _: None,
        failed: Callable[[Store, StoreError], None] = lambda _store, _error: None,
        asked: Callable[[Store, str, float], None] = lambda _store, _outcome, _seconds: None,
        logins: Logins = lambda _provider, _outcome: None,
        opener: Opener | None = None,
    ) -> None:
        """``logins`` is told what came of each login, by kind of store; ``failed`` is told of a store that does not answer, or cannot be opened; ``recovered``, when it answers again; ``asked``,
        what came of each question, and how many seconds that took.
        """
        self._credentials = credentials
        rate = bounds.requests_per_second
        self.limits = StoreLimits(requests_per_second=rate, burst_requests=max(1, round(rate)))
        self._most = bounds.open
        self.threads = Threads(bounds.threads)
        self._recovered = recovered
        self._told_failed = failed
        self._asked = asked
        self._logins = logins
        self._opener = opener or self._open
        self._stores: OrderedDict[Identity, _Open] = OrderedDict()
        self._lent: set[_Lent] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._probes = Probes()
        self._closed = False
        self._crowded = False

    def __len__(self) -> int:
        return len(self._lent)

    async def ask(
        self, store: Store, namespace: str, question: Callable[[Reader], Awaitable[_T]], *, about: str = ""
    ) -> _T:
        """The answer of a store, asked on behalf of a namespace. ``about``: what errors begin with. Those that concern all of the
        store do not say it: they are told to others as well.

        Raises:
            StoreError: it cannot be opened, does not answer, or refuses.
        """
        if self._closed:
            raise UnavailableError("stores are not read any more")
        identity = store.identity(namespace)
        opened = self._stores.setdefault(identity, _Open(identity))
        self._stores.move_to_end(identity)
        whose = store.server, store.namespace or namespace
        if opened.breaker.failing and not self._probes.room(*whose):
            raise UnavailableError(opened.breaker.problem)
        refusal = opened.breaker.refusal(time.monotonic())
        if refusal:
            raise UnavailableError(refusal)
        probing = self._probes.one(*whose) if opened.breaker.failing else contextlib.nullcontext()
        opened.users += 1
        self._make_room()
        began = time.monotonic()
        try:
            with probing:
                answer = await self._answer(opened, store, namespace, question)
        except StoreError as error:
            self._failed(opened, store, error, about)
            self._asked(store, outcome_of(error), time.monotonic() - began)
            raise
        except BaseException:
            opened.breaker.abandoned()
            raise
        finally:
            opened.users -= 1
            if opened.gone:
                self._let_go(opened)  # it was opened by who had asked before that
            self._make_room()
        self._answered(opened, store)
        self._asked(store, "answered", time.monotonic() - began)
        return answer

    def changed(self, kind: str, namespace: str, name: str) -> None:
        """A store is another one now, or no more: what is open of it is closed once nobody reads it."""
        for identity in [one for one in self._stores if one[:3] == (kind, namespace, name)]:
            self._remove(identity)

    async def close(self) -> None:
        """Close all, whoever reads them; tokens that were obtained are given back."""
        self._closed = True
        for identity in list(self._stores):
            self._remove(identity)
        for lent in list(self._lent):
            self._close(lent)
        while self._closing:
            await asyncio.gather(*self._closing, return_exceptions=True)

    async def _open(self, store: Store, namespace: str) -> Reader:
        if store.provider == "file":
            raise MisconfiguredError(
                f"{store.ref}: provider file reads files of the controller's own machine: not for a cluster"
            )
        return await open_reader(
            store.manifest, credentials=self._credentials, namespace=namespace, limits=self.limits,
            threads=self.threads, logins=self._logins,
        )  # fmt: skip

    async def _answer(
        self, opened: _Open, store: Store, namespace: str, question: Callable[[Reader], Awaitable[_T]]
    ) -> _T:
        lent = await self._reader(opened, store, namespace)
        lent.users += 1
        try:
            return await question(lent.reader)
        except (RejectedError, UnreadyError):
            # What it was opened with may be other by now: who is let through next opens it anew. A refusal by policy is
            # neither: whoever opens it, and however often, it stays one.
            if opened.lent is lent:
                self._let_go(opened)
            raise
        finally:
            lent.users -= 1
            self._settle(lent)

    async def _reader(self, opened: _Open, store: Store, namespace: str) -> _Lent:
        async with opened.turn:
            if opened.lent is None:
                with of_login():
                    reader = await self._opener(store, namespace)
                opened.lent = _Lent(reader)
                self._lent.add(opened.lent)
            return opened.lent

    def _failed(self, opened: _Open, store: Store, error: StoreError, about: str) -> None:
        if not isinstance(error, _WHOLE):
            self._answered(opened, store)
            return
        text, name = str(error).removeprefix(f"{about}: "), str(store.ref)
        error.args = (text if text.startswith(name) else f"{name}: {text}",)
        new = opened.breaker.failed(error, time.monotonic())
        error.args = (opened.breaker.problem,)
        if new and not isinstance(error, ThrottledError) and opened.shown:
            self._told_failed(store, error)

    def _answered(self, opened: _Open, store: Store) -> None:
        if opened.breaker.answered():
            self._recovered(store)

    def _make_room(self) -> None:
        over = len(self._stores) - self._most
        if over <= 0:
            return
        if not self._crowded:
            self._crowded = True
            fields = {"open": self._most, "setting": "controller.external.openStores"}
            _log.warning("more stores are read than may be open: each is logged in to anew", extra={"fields": fields})
        idle = (identity for identity, one in self._stores.items() if not one.users)
        for identity in list(itertools.islice(idle, over)):
            self._remove(identity)

    def _remove(self, identity: Identity) -> None:
        opened = self._stores.pop(identity)
        opened.gone = True
        self._let_go(opened)

    def _let_go(self, opened: _Open) -> None:
        lent, opened.lent = opened.lent, None
        if lent is not None:
            lent.wanted = False
            self._settle(lent)

    def _settle(self, lent: _Lent) -> None:
        """Close a reader that is not wanted, if nobody uses it."""
        if not lent.wanted and not lent.users and lent in self._lent:
            self._close(lent)

    def _close(self, lent: _Lent) -> None:
        self._lent.remove(lent)
        task = asyncio.ensure_future(_closed(lent.reader))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _closed(reader: Reader) -> None:
    with contextlib.suppress(StoreError, TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await reader.close()
