"""What time it is, by two clocks: this gateway's own, and the API server's (the ``Date`` of its answers).

Neither is believed alone (ADR 15). A grant holds while neither says that its time is over: a clock that was set back prolongs
nothing. What is never taken back (that a grant expired, that a note goes) is written once both say so, and they agree: a clock
that jumped ahead ends nothing for good. The API server's time is carried on by the clock that only measures durations.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

from gateway.core.errors import ClusterError

APART = timedelta(minutes=1)
"""How far the two may differ: more, and one of them is wrong."""
FRESH_SECONDS = 60.0
"""How long what the API server said is carried on before it is asked again."""
_RETRY_SECONDS = 5.0
_PACE = 0.999
"""How fast what was seen goes on: durations are measured well enough for that, also where nobody corrects the measure."""
_HALF_A_SECOND = timedelta(seconds=0.5)

Ask = Callable[[], Awaitable[str]]
"""The ``Date`` header of an answer of the API server.

Raises:
    ClusterError: there is no answer.
"""


class Moment(msgspec.Struct, frozen=True):
    """A time as far as it is known. ``earliest`` and ``latest``: what the clocks say; ``now``: which of them is written down.

    ``agreed``: whether there are two that agree.
    """

    earliest: datetime
    latest: datetime
    now: datetime
    agreed: bool

    @classmethod
    def exactly(cls, now: datetime) -> Moment:
        """All clocks say the same."""
        return cls(now, now, now, agreed=True)

    def is_past(self, end: datetime) -> bool:
        """Whether it is so surely later than ``end`` that something may be written that is never taken back."""
        return self.agreed and end <= self.earliest


class Clocks:
    """Both clocks of one process. ``ask``: None without an API server; ``steady``: seconds of a clock that only goes on."""

    def __init__(
        self, own: Callable[[], datetime], ask: Ask | None, *, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._own = own
        self._ask = ask
        self._steady = steady
        self._server: tuple[datetime, float] | None = None
        self._seen: tuple[datetime, float] | None = None
        self._failed: tuple[float, str] | None = None

    async def read(self) -> Moment:
        """What time it is; the API server is asked if that was not done lately.

        Raises:
            ClusterError: it never said.
        """
        if self._ask is None or not self._is_due():
            return self._moment()
        if self._failed is None or self._steady() - self._failed[0] >= _RETRY_SECONDS:
            try:
                return await self.fresh()
            except ClusterError as error:
                self._failed = (self._steady(), str(error))
        if self._server is None:
            raise ClusterError(f"the API server's time is not known: {self._failed[1]}")
        return self._moment()

    async def fresh(self) -> Moment:
        """What time it is; the API server is asked.

        Raises:
            ClusterError: it does not say.
        """
        if self._ask is not None:
            before = self._steady()
            text = await self._ask()
            try:
                said = parsedate_to_datetime(text)
            except ValueError:
                raise ClusterError("its answer has no Date") from None
            after = self._steady()
            said = said if said.tzinfo is not None else said.replace(tzinfo=UTC)
            # Its second had begun somewhere before it was told.
            self._server = (said + _HALF_A_SECOND, (before + after) / 2)
            self._failed = None
        return self._moment()

    def problem(self) -> str:
        """That the two do not agree; empty if they do, or if that is not known."""
        if self._server is None:
            return ""
        ahead = self._own() - self._carried(self._server)
        if abs(ahead) <= APART:
            return ""
        how = "ahead of" if ahead > timedelta() else "behind"
        return (
            f"this gateway's clock is {abs(ahead).total_seconds():.0f} s {how} the API server's: grants end by the later of "
            "the two, and nothing is written of their end"
        )

    def _is_due(self) -> bool:
        return self._server is None or self._steady() - self._server[1] >= FRESH_SECONDS

    def _carried(self, read: tuple[datetime, float], *, pace: float = 1.0) -> datetime:
        return read[0] + timedelta(seconds=(self._steady() - read[1]) * pace)

    def _moment(self) -> Moment:
        own = self._own()
        server = self._carried(self._server) if self._server is not None else own
        agreed = self._server is not None and abs(own - server) <= APART
        earliest, latest = min(own, server), max(own, server)
        # What both once said is not unsaid by setting both back: it goes on as durations do, or a little slower.
        seen = self._carried(self._seen, pace=_PACE) if self._seen is not None else earliest
        if agreed and earliest >= seen:
            self._seen = (earliest, self._steady())
        return Moment(earliest, max(latest, seen), own if agreed or self._server is None else server, agreed)
