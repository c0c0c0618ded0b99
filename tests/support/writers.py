"""People and reconcilers who write to a real API server without pause, and remember what became of each request."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import ge
from typing import Self

import aiohttp
from support.api import APPLY, MERGE, Json
from support.cluster import Cluster, wait_for
from support.users import User

CLIENTS = 6
PAUSE_SECONDS = 0.08


@dataclass(frozen=True)
class Write:
    """One that is made again and again. ``%d`` in the body is a number, another each time; in the path, the client's."""

    name: str
    user: User
    path: str
    body: str
    right: str
    """What must become of it: ``allowed`` or ``denied``."""
    applied: bool = False
    """Server-side apply, as reconcilers do; else a merge patch."""


@dataclass(frozen=True)
class Outcome:
    """``said``: allowed, denied, lost (nobody answered the API server) or strange."""

    write: Write
    phase: str
    said: str
    message: str


class Writers:
    """Clients, each with its turn of all the writes, one after the other, while the context lasts; in their own thread.

    A request belongs to the phase in which it began.
    """

    def __init__(self, cluster: Cluster, writes: Sequence[Write]) -> None:
        self.outcomes: list[Outcome] = []
        self._phase = "start"
        self._cluster, self._writes = cluster, writes
        self._ended = [0] * CLIENTS
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def phase(self, name: str) -> None:
        """What begins from now on belongs to it."""
        self._phase = name

    def more(self) -> None:
        """Return when what is on its way has ended, and each client has made some more requests."""
        enough = [count + 3 for count in self._ended]
        wait_for(lambda: all(map(ge, self._ended, enough)), seconds=90)

    def said(self, phase: str) -> Counter[str]:
        """What became of the requests of a phase."""
        return Counter(one.said for one in list(self.outcomes) if one.phase == phase)

    def wrong(self) -> list[Outcome]:
        """Those that were answered otherwise than they must be."""
        return [one for one in list(self.outcomes) if one.said not in ("lost", one.write.right)]

    async def _run(self) -> None:
        tls = ssl.create_default_context(cafile=self._cluster.ca_file)
        connector = aiohttp.TCPConnector(ssl=tls, limit=CLIENTS)
        async with aiohttp.ClientSession(self._cluster.url, connector=connector) as session:
            await asyncio.gather(*(self._client(session, number) for number in range(CLIENTS)))

    async def _client(self, session: aiohttp.ClientSession, number: int) -> None:
        turn = itertools.islice(itertools.cycle(self._writes), number, None)
        while not self._stopping.is_set():
            write, phase = next(turn), self._phase
            body = write.body.replace("%d", str(next(self._numbers)))
            said, message = await self._make(session, write, write.path.replace("%d", str(number)), body)
            self.outcomes.append(Outcome(write, phase, said, message))
            self._ended[number] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _make(self, session: aiohttp.ClientSession, write: Write, path: str, body: str) -> tuple[str, str]:
        headers = {"Authorization": f"Bearer {write.user.token}", "Content-Type": APPLY if write.applied else MERGE}
        query = {"fieldManager": write.user.program, **({"force": "true"} if write.applied else {})}
        async with session.patch(path, data=body, headers=headers, params=query) as response:
            return verdict(response.status, await response.json())


def verdict(status: int, document: Mapping[str, object] | Json) -> tuple[str, str]:
    """What the API server's answer says about the webhook's, and its words."""
    message = str(document.get("message", ""))
    if status < 300:
        return "allowed", ""
    if "failed calling webhook" in message:
        return "lost", message
    if status == 403 and "denied the request" in message:
        return "denied", message
    return "strange", f"{status} {message}"
