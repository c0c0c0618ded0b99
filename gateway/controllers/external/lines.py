"""What generators share that log in alike to one server: its rate, and that a server which does not answer is asked by one."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import TypeVar
from weakref import WeakValueDictionary

import msgspec

from gateway.controllers.external.breaker import Breaker, Probes
from gateway.controllers.external.held import Json
from gateway_secrets.stores.errors import (
    FailingError,
    RejectedError,
    StoreError,
    ThrottledError,
    UnavailableError,
    UnreadyError,
)
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.pace import Pace

_T = TypeVar("_T")
_OF_EACH = ("path", "version")
"""Of ``spec.provider.vault``, what does not matter to who logs in."""


class Line:
    """To one server, as one login. For one event loop. ``whose``: the server, and the namespace."""

    def __init__(
        self, limits: StoreLimits, whose: tuple[str, str], probes: Probes, recovered: Callable[[], None]
    ) -> None:
        self._whose = whose
        self._probes = probes
        self._pace = Pace(limits)
        self._breaker = Breaker()
        self._recovered = recovered

    async def call(self, ask: Callable[[float], Awaitable[_T]], about: str) -> _T:
        """The answer of ``ask``, which is told how many seconds are left. ``about``: what its errors begin with; what concerns all
        who ask does not say it.

        Raises:
            StoreError: what ``ask`` raised, or did for somebody else, as long as nobody has an answer.
        """
        if self._breaker.failing and not self._probes.room(*self._whose):
            raise UnavailableError(self._breaker.problem)
        refusal = self._breaker.refusal(time.monotonic())
        if refusal:
            raise UnavailableError(refusal)
        try:
            with self._probes.one(*self._whose) if self._breaker.failing else nullcontext():
                answer = await self._pace.call(ask)
        except StoreError as error:
            if not _of_all(error):
                self._answered()
                raise
            error.args = (str(error).removeprefix(f"{about}: "),)
            self._breaker.failed(error, time.monotonic())
            error.args = (self._breaker.problem,)
            raise
        except BaseException:
            self._breaker.abandoned()
            raise
        self._answered()
        return answer

    def _answered(self) -> None:
        if self._breaker.answered():
            self._recovered()


class Lines:
    """Those that are in use. ``recovered`` is told of a namespace for whose generators a server answers again."""

    def __init__(self, limits: StoreLimits, recovered: Callable[[str], None] = lambda _: None) -> None:
        self._limits = limits
        self._recovered = recovered
        self._probes = Probes()
        self._lines: WeakValueDictionary[tuple[str, bytes], Line] = WeakValueDictionary()

    def of(self, namespace: str, provider: Json) -> Line:
        """That of a generator of a namespace. ``provider``: its ``spec.provider``."""
        login = {name: value for name, value in provider.items() if name not in _OF_EACH}
        key = namespace, msgspec.json.encode(login, order="sorted")
        whose = str(provider.get("server")), namespace
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(self._limits, whose, self._probes, lambda: self._recovered(namespace))
        return line


def _of_all(error: StoreError) -> bool:
    """Whether an error concerns all that is asked for with this login; a failing engine does not, though it has no answer."""
    if isinstance(error, FailingError):
        return False
    return isinstance(error, UnavailableError | ThrottledError | RejectedError | UnreadyError)
