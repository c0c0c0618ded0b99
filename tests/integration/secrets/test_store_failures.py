"""Stores that fail: sealed, throttling, slow, lying, gone and back. Each its own error; nothing hangs, nothing is said."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from support.leaks import leaks
from support.openbao import OpenBao
from support.passing import Passing

from gateway_secrets.stores.errors import ForbiddenError, MisconfiguredError, ThrottledError, UnavailableError
from gateway_secrets.stores.limits import StoreLimits
from gateway_secrets.stores.model import Reference
from gateway_secrets.stores.threads import Threads

TOKEN = {"tokenSecretRef": {"name": "vault", "key": "token"}}


@pytest.fixture
def token(bao, credentials):
    token = bao.root.auth.token.create(policies=["reader"], ttl="1h")["auth"]["client_token"]
    credentials.add("vault", token=token)


@pytest.fixture
def throttled(bao, request):
    """The real server answers 429 to more than two requests on the mount ``kv`` in a second, or as the test says."""
    bao.put("throttled/app", v="1")
    interval = getattr(request, "param", "1s")
    bao.root.write_data("sys/quotas/rate-limit/tests", data={"path": "kv/", "rate": 2, "interval": interval})
    yield
    bao.root.delete("sys/quotas/rate-limit/tests")


@pytest.mark.usefixtures("token", "throttled")
async def test_throttled_reads_succeed_in_the_end(open_vault):
    """They are sent again, not before the server asked for."""
    store = await open_vault(TOKEN)
    found = await asyncio.gather(*[store.get(Reference("throttled/app", "v")) for _ in range(5)])
    assert {secret.value for secret in found} == {b"1"}


@pytest.mark.usefixtures("token", "throttled")
@pytest.mark.parametrize("throttled", ["1h"], indirect=True)
async def test_throttling_beyond_the_deadline_is_told(open_vault):
    """As throttling, not as a failure of the server, and at once: nobody waits for a turn that comes too late."""
    store = await open_vault(TOKEN, limits=StoreLimits(retry_seconds=1e9))
    results = await asyncio.gather(
        *[store.get(Reference("throttled/app", "v")) for _ in range(8)], return_exceptions=True
    )
    errors = [type(result) for result in results if isinstance(result, Exception)]
    assert errors == [ThrottledError] * 6


async def test_a_sealed_server_is_unavailable(tmp_path, open_vault, credentials):
    """With the server's own word for it."""
    server = OpenBao(tmp_path)
    try:
        server.start()
        server.put("app", v="1")
        credentials.add("vault", token=server.root.token)
        store = await open_vault(TOKEN, server=server.url)
        assert (await store.get(Reference("app", "v"))).value == b"1"
        server.root.sys.seal()
        with pytest.raises(UnavailableError, match=r"app: 503 .*sealed"):
            await store.get(Reference("app", "v"))
        server.server.kill()
        with pytest.raises(UnavailableError, match=r"app: .*cannot be reached"):
            await store.get(Reference("app", "v"))
    finally:
        server.stop()


class Odd:
    """A server that answers as it is told; its tokens are good."""

    def __init__(self) -> None:
        self.respond = lambda _request: web.json_response({})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "lookup-self" in request.path:
            return web.json_response({"data": {"ttl": 0}})
        response = self.respond(request)
        return await response if asyncio.iscoroutine(response) else response


@pytest.fixture
async def odd():
    odd = Odd()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", odd.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    odd.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield odd
    await runner.cleanup()


async def _dribble(request):
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(500):
        await response.write(b" ")
        await asyncio.sleep(0.02)
    return response


ODD = {
    "not JSON": (lambda _: web.Response(text="<html>"), UnavailableError, "is not JSON"),
    "JSON of another shape": (lambda _: web.json_response([1]), UnavailableError, "has no 'data'"),
    "no data": (lambda _: web.json_response({"data": 1}), UnavailableError, "has no 'data'"),
    "nothing": (lambda _: web.Response(status=204), UnavailableError, "has no 'data'"),
    "a redirect": (
        lambda _: web.Response(status=307, headers={"Location": "http://127.0.0.1:9/"}),
        MisconfiguredError,
        "redirects elsewhere",
    ),
    "a bad request": (lambda _: web.json_response({"errors": ["no"]}, status=400), MisconfiguredError, "400 no"),
    "an error that is no JSON": (
        lambda _: web.Response(status=502, text="x" * 9999),
        UnavailableError,
        "502 Bad Gateway",
    ),
    "a long error": (
        lambda _: web.json_response({"errors": ["y" * 9999]}, status=500),
        UnavailableError,
        "500 y{200}$",
    ),
    "never an end": (_dribble, UnavailableError, "took too long|no answer within"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.usefixtures("token")
async def test_odd_answers_are_errors_of_the_store(odd, open_vault, kind):
    """Each in one short line, within the deadline."""
    odd.respond, error, says = ODD[kind]
    store = await open_vault(TOKEN, server=odd.url, limits=StoreLimits(deadline_seconds=1.0))
    with pytest.raises(error, match=says) as caught:
        await store.get(Reference("app"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.usefixtures("token")
async def test_a_slow_answer_does_not_keep_its_connection(odd, open_vault):
    """Past the deadline it is given up: the one connection that there may be is free for the next read."""
    store = await open_vault(TOKEN, server=odd.url, limits=StoreLimits(deadline_seconds=1.0, connections=1))
    odd.respond = _dribble
    with pytest.raises(UnavailableError):
        await store.get(Reference("app"))
    odd.respond = lambda _: web.json_response({"data": {"data": {"v": "1"}, "metadata": {"version": 1}}})
    assert (await store.get(Reference("app", "v"))).value == b"1"


async def test_what_a_server_says_back_is_not_shown(odd, open_vault, credentials):
    """A token that an error repeats is left out of it."""
    token = "hvs.repeated-Token-98/+"
    credentials.add("vault", token=token)
    odd.respond = lambda _: web.json_response({"errors": [f"token {token} is odd"]}, status=403)
    store = await open_vault(TOKEN, server=odd.url)
    with pytest.raises(ForbiddenError, match="token … is odd") as caught:
        await store.get(Reference("app"))
    assert leaks(str(caught.value), [token]) == []


@pytest.mark.usefixtures("token")
async def test_a_store_that_hangs_leaves_threads_to_the_others(bao, open_vault):
    """Of those that all share it has half, and one more; whatever else is asked of it waits for these."""
    bao.put("hangs/app", v="1")
    threads = Threads(4)
    with Passing(bao.url) as passing:
        hangs = await open_vault(TOKEN, server=passing.url, threads=threads)
        other = await open_vault(TOKEN, threads=threads)
        with passing.holding("/kv/data/"):
            reads = [asyncio.create_task(hangs.get(Reference("hangs/app", "v"))) for _ in range(10)]
            async with asyncio.timeout(60):
                while passing.count("/kv/data/") < 3:  # noqa: ASYNC110 - another thread counts
                    await asyncio.sleep(0.02)
            assert (await other.get(Reference("hangs/app", "v"))).value == b"1"
            assert passing.count("/kv/data/") == 3
        assert {secret.value for secret in await asyncio.gather(*reads)} == {b"1"}
        await hangs.close()
