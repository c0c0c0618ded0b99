"""A worker's part in changes of configuration and certificate: one after the other, each whole or not at all."""

from __future__ import annotations

import asyncio
import time

from gateway.core.errors import GovgateError
from gateway.provenance.meter import Meter
from gateway.server import control, logs
from gateway.server.acceptor import Acceptor
from gateway.server.admission import Admission, Serving
from gateway.server.connections import Listener
from gateway.server.deadline import MAX_SECONDS
from webhooks.assembly import Assembly, assemble

_POLL_SECONDS = 0.05

Change = control.Prepare | control.Commit | control.Abort | control.Rotate


class Changes:
    """Carries out :data:`Change` orders in the order they came. ``meter`` counts, whatever configuration is in force."""

    def __init__(
        self,
        admission: Admission,
        listener: Listener,
        acceptor: Acceptor,
        channel: control.Channel,
        *,
        meter: Meter,
    ) -> None:
        self._admission = admission
        self._listener = listener
        self._acceptor = acceptor
        self._channel = channel
        self._meter = meter
        self._orders: asyncio.Queue[Change] = asyncio.Queue()
        self._prepared: tuple[int, Serving] | None = None
        self._retired: set[asyncio.Task[None]] = set()

    def put(self, order: Change) -> None:
        """Queue one order."""
        self._orders.put_nowait(order)

    async def run(self) -> None:
        """Until cancelled: carry out what is queued."""
        while True:
            order = await self._orders.get()
            match order:
                case control.Prepare():
                    await self._prepare(order)
                case control.Commit():
                    await self._commit(order.number)
                case control.Abort():
                    await self._forget()
                case control.Rotate():
                    await self._rotate(order)

    async def _prepare(self, order: control.Prepare) -> None:
        await self._forget()
        problem = ""
        try:
            assembly = await assemble(order.config, meter=self._meter, counting=True)
        except GovgateError as error:
            problem = str(error)
        else:
            self._prepared = (order.number, Serving(assembly, order.config.server.limits))
            problem = await wait_ready(assembly)
            if problem:
                await self._forget()
        self._channel.send(control.Prepared(order.number, problem))
        if order.commit:
            await self._commit(order.number)

    async def _commit(self, number: int) -> None:
        if self._prepared is None or self._prepared[0] != number:
            return
        old, (_, new) = self._admission.serving, self._prepared
        self._prepared = None
        self._admission.serving = new
        self._listener.limits = new.limits
        retiring = asyncio.create_task(_close_later(old.assembly))
        self._retired.add(retiring)
        retiring.add_done_callback(self._retired.discard)

    async def _forget(self) -> None:
        if self._prepared is not None:
            _, serving = self._prepared
            self._prepared = None
            await serving.assembly.close()

    async def _rotate(self, order: control.Rotate) -> None:
        try:
            await self._acceptor.serve(order.material)
        except (GovgateError, OSError) as error:
            self._channel.send(control.Log("error", "certificate not put in force", logs.place(error)))


async def wait_ready(assembly: Assembly) -> str:
    """Wait for all checks of ``assembly`` to hold, for :data:`.control.SYNC_SECONDS` at most; why one still does not, or
    an empty text.
    """
    until = time.monotonic() + control.SYNC_SECONDS
    while True:
        problems = problems_of(assembly)
        failing = [f"{name}: {problem}" for name, problem in problems.items() if problem]
        if not failing or time.monotonic() > until:
            return "; ".join(failing)
        await asyncio.sleep(_POLL_SECONDS)


def problems_of(assembly: Assembly) -> dict[str, str]:
    """The assembly's checks: an empty text where one holds."""
    return {name: "" if holds is True else (holds or "not ready") for name, holds in assembly.ready().items()}


async def _close_later(assembly: Assembly) -> None:
    """Reviews that began with the old assembly still ask it; none of them lasts longer than this."""
    await asyncio.sleep(MAX_SECONDS)
    await assembly.close()
