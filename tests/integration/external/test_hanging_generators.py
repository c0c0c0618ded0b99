"""A Vault that takes connections and never answers: its generators fail, and cost the others nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from aiohttp import web

from gateway.controllers.external.sessions import Generator, Sessions
from gateway_secrets.external.spec import GeneratorRef
from gateway_secrets.stores.credentials import NoCredentials
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.threads import Threads

MADE = {"lease_id": "x/1", "lease_duration": 60, "renewable": True, "data": {"password": "made"}}


class TokenGiven(NoCredentials):
    """The same for each namespace."""

    async def read(self, kind: str, namespace: str, name: str, key: str) -> bytes:
        return b"token"


class Hanging:
    """Takes connections, and counts them."""

    def __init__(self) -> None:
        self.taken = 0
        self.enough = asyncio.Event()
        self.awaited = 1
        self._end = asyncio.Event()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            self._end.set()  # or threads would wait for their answers when the test is over
            server.close()

    async def _take(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        if self.taken >= self.awaited:
            self.enough.set()
        await self._end.wait()
        writer.close()


class Answering:
    """Makes secrets; of ``broken`` paths it says that it cannot."""

    def __init__(self, broken: Sequence[str] = ()) -> None:
        self._broken = broken
        self.asked: list[str] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its address."""
        app = web.Application()
        app.add_routes([web.route("*", "/{path:.*}", self._answer)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.match_info["path"].removeprefix("v1/")
        self.asked.append(path)
        if path in self._broken:
            return web.json_response({"errors": ["the database is away"]}, status=500)
        return web.json_response({"data": {"ttl": 0}} if path.startswith("auth/") else MADE)


def generator(
    server: str, name: str = "g", *, namespace: str = "web", path: str = "db/creds/x", **auth: Any
) -> Generator:
    provider = {"server": server, "auth": {"tokenSecretRef": {"name": "vault", "key": "token"}, **auth}}
    document = {"metadata": {"uid": f"{namespace}/{name}", "generation": 1}}
    ref = GeneratorRef("VaultDynamicSecret", name)
    return Generator(ref, namespace, document, {"path": path, "provider": provider})


def sessions(threads: int = 64, **limits: Any) -> Sessions:
    return Sessions(cast("Any", None), TokenGiven(), Threads(threads), StoreLimits(**limits))


async def made(of: Sessions, *generators: Generator) -> list[str]:
    """What each makes, or why it does not."""

    async def one(by: Generator) -> str:
        return (await (await of.source(by)).generate()).values["password"].decode()

    found = await asyncio.gather(*map(one, generators), return_exceptions=True)
    return [one if isinstance(one, str) else f"{type(one).__name__}: {one}" for one in found]


async def test_threads_are_left_to_others() -> None:
    """However many generators of however many namespaces ask the one that hangs."""
    hanging = Hanging()
    hanging.awaited = 10
    async with hanging.serving() as stuck, Answering().serving() as other:
        of = sessions(threads=16, deadline_seconds=300.0)
        waiting = [
            asyncio.ensure_future(made(of, generator(stuck, str(number % 5), namespace=f"n{number // 5}")))
            for number in range(100)
        ]
        await asyncio.wait_for(hanging.enough.wait(), 60)
        assert await made(of, generator(other)) == ["made"]
        assert hanging.taken == 10  # two of the first half, and the other half
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    await of.close()


async def test_one_asks_for_all_who_log_in_alike() -> None:
    """Once it is known that nobody has an answer; all others are told at once, in words that are true of all, and hold nothing."""
    hanging = Hanging()
    async with hanging.serving() as stuck:
        of = sessions(deadline_seconds=0.5)
        generators = [generator(stuck, str(number), path=f"db/creds/{number}") for number in range(20)]
        await made(of, *generators)
        before = hanging.taken
        for _ in range(3):
            for problem in await made(of, *generators):
                assert problem.startswith("UnavailableError: ")
                assert "db/creds" not in problem
        assert hanging.taken - before < 40, "three, of sixty; and those of the first twenty that were late"
        elsewhere = generator(stuck, namespace="elsewhere")
        await made(of, elsewhere)
        assert hanging.taken > before, "another namespace finds out by itself"
    await of.close()


async def test_an_engine_that_fails_is_no_matter_of_the_others() -> None:
    """Its server answers: whoever asks it for something else has it, with the same login, and however often that is."""
    answering = Answering(broken=["db/creds/away"])
    async with answering.serving() as server:
        of = sessions()
        away = generator(server, "away", path="db/creds/away")
        for _ in range(5):
            broken, fine = await made(of, away, generator(server, "fine"))
            assert broken == "FailingError: db/creds/away: 500 the database is away"
            assert fine == "made"
        assert answering.asked.count("db/creds/away") == 5
    await of.close()


async def test_they_share_the_rate_of_a_store() -> None:
    """As many requests as one store may have, however many generators there are; of another login they are others."""
    async with Answering().serving() as server:
        of = sessions(requests_per_second=0.001, burst_requests=3)
        found = await made(of, *(generator(server, str(number)) for number in range(4)))
        assert found[:3] == ["made"] * 3
        assert found[3].startswith("ThrottledError: more is asked of this store than its rate allows")
        assert await made(of, generator(server, namespace="elsewhere")) == ["made"]
    await of.close()
