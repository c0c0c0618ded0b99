"""An OPA server that is not there, hangs, lies or floods: nothing is decided, it is said why, and it ends when the server is well."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.opa import OpaProcess, Strange, answering

from gateway.config.opa import Decision, Opa
from gateway.config.policy import Policy
from gateway.core.errors import UndecidedError
from gateway.core.subject import GroupVersionKind, GroupVersionResource, Subject, UserInfo
from policies.embedded import EmbeddedOpa
from policies.engine import Failed, Module, Undefined, Value
from policies.loading import load_rules
from policies.opa_server import OpaServer
from policies.remote.in_place import DecisionRules
from policies.remote.rules import RemoteRules
from policies.rule import Asked
from policies.ruleset import Outcome

pytestmark = pytest.mark.servers

RULES = [Module("main.rego", 'package main\n\ndeny contains "bad" if input.bad\n')]
SECONDS = 30.0
BAD = b'{"bad": true}'


@contextlib.asynccontextmanager
async def handed(url: str, **settings: Any) -> AsyncIterator[RemoteRules]:
    rules = await OpaServer(Opa(url=url, **settings)).load(RULES, ["data.main.deny"], {})
    try:
        yield rules
    finally:
        await rules.close()


async def asked_of(url: str, *, seconds: float = SECONDS, **settings: Any) -> Outcome:
    """What a decision of this server makes of a ConfigMap."""
    opa = Opa(url=url, decisions=(Decision(name="main", path="main/deny"),), **settings)
    rules = await load_rules(Policy(sources=(), opa=opa), EmbeddedOpa())
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "web"}}
    subject = Subject(
        uid="u", operation="CREATE", kind=GroupVersionKind("", "v1", "ConfigMap"),
        resource=GroupVersionResource("", "v1", "configmaps"), user=UserInfo("ann"), namespace="web", name="c",
        raw_object=json.dumps(item).encode(), raw_request=json.dumps({"operation": "CREATE", "object": item}).encode(),
    )  # fmt: skip
    try:
        return await rules.judge(Asked(subject), timeout_seconds=seconds)
    finally:
        await rules.close()


STRANGE = {
    "an error without a reason": ("500 Internal Server Error", b"oops"),
    "an error in JSON": ("503 Service Unavailable", b'{"code": "unavailable", "message": "later"}'),
    "a page": ("200 OK", b"<html>welcome</html>"),
    "half of an answer": ("200 OK", b'{"result": ["bad"'),
    "no object": ("200 OK", b'["bad"]'),
    "a refusal": ("404 Not Found", b'{"code": "resource_not_found", "message": "no such thing"}'),
    "no permission": (
        "401 Unauthorized",
        b'{"code": "unauthorized", "message": "request rejected by administrative policy"}',
    ),
    "nothing": ("200 OK", b""),
    "undefined": ("200 OK", b'{"decision_id": "1"}'),
    "another value": ("200 OK", b'{"result": {"bad": true}}'),
    "not UTF-8": ("200 OK", b'{"result": ["\xff"]}'),
}


async def test_strange_answers_decide_nothing() -> None:
    """Whatever is no answer of OPA's is neither a pass nor a denial: it is named, with the rule, and not asked for twice."""
    for name, (status, body) in STRANGE.items():
        async with Strange(answering(status, body, "Content-Type: application/json")) as server:
            outcome = await asked_of(server.url)

        assert outcome.findings == (), name
        assert [one.rule for one in outcome.undecided if one.reason] == ["opa/main"], name
        assert server.requests == 1, name


async def test_strange_servers_are_given_no_rules() -> None:
    """What does not take the rules as OPA does is an error that says so, and not rules that are loaded."""
    for status, body in STRANGE.values():
        async with Strange(answering(status, body, "Content-Type: application/json")) as server:
            with pytest.raises(UndecidedError, match="OPA server"):
                await OpaServer(Opa(url=server.url)).load(RULES, ["data.main.deny"], {})


async def test_a_redirect_is_not_followed() -> None:
    """A server that sends elsewhere is not one to be trusted with a token."""
    async with Strange(answering("200 OK", b'{"result": []}')) as other:
        async with Strange(
            answering("307 Temporary Redirect", b"", f"Location: {other.url}/v1/data/main/deny")
        ) as server:
            outcome = await asked_of(server.url)
        assert other.requests == 0

    assert [one.rule for one in outcome.undecided] == ["opa/main"]


async def test_connections_are_kept_and_bounded() -> None:
    """No more requests than configured are under way at a time, over as many connections; the others wait for their turn."""
    connections = running = most = 0

    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections, running, most
        connections += 1
        head = server.heads[-1]
        while True:
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"result": []}')
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")

    async with Strange(keeps) as server:
        rules = DecisionRules(Opa(url=server.url, concurrency=2, decisions=(Decision(name="a", path="a"),)))
        rows = await rules.ask_all([b'{"review": {}}'] * 6, [0], timeout_seconds=SECONDS)
        more = await asyncio.gather(*(rules.ask(b'{"review": {}}', [0], timeout_seconds=SECONDS) for _ in range(6)))
        await rules.close()

    assert [*rows, *more] == [[Value([])]] * 12
    assert (connections, most) == (2, 2)


async def test_an_answer_without_end_is_cut_off() -> None:
    """A body beyond the limit is read no further, and decides nothing."""
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"result": ["')
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with Strange(flood) as server:
        outcome = await asked_of(server.url, answer_bytes=65536)

    assert "more than 65536 bytes" in outcome.undecided[0].reason
    assert sent < 32 * 1024 * 1024


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\n", b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"res'])
async def test_a_server_that_hangs_is_waited_for_until_the_deadline(begin: bytes) -> None:
    """Before the head, within it, or within the body: at the deadline it is said that there was no answer."""

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        await writer.drain()
        await asyncio.sleep(60)

    async with Strange(hang) as server:
        began = time.monotonic()
        outcome = await asked_of(server.url, seconds=0.2)

    assert time.monotonic() - began < SECONDS
    assert "did not answer within" in outcome.undecided[0].reason


async def test_a_server_that_is_killed_is_left_alone_and_asked_again_when_it_is_back(opa: OpaProcess) -> None:
    """Failures open the breaker, which says why; the server that was started anew is given the rules, and answers as before."""
    async with handed(opa.url, breaker_failures=2, breaker_seconds=0.3) as rules:
        assert await rules.ask(BAD, [0], timeout_seconds=SECONDS) == [Value(["bad"])]
        opa.kill()
        for _ in range(3):
            [answer] = await rules.ask(b"{}", [0], timeout_seconds=SECONDS)
            assert isinstance(answer, Failed)
            assert answer.code == "unreachable"
        assert "not asked for a while" in answer.message
        assert "cannot be reached" in rules.problem

        opa.start()
        await asyncio.sleep(0.3)
        assert await rules.ask(BAD, [0], timeout_seconds=SECONDS) == [Value(["bad"])]
        assert rules.problem == ""


async def test_rules_that_a_server_has_lost_are_no_pass(opa: OpaProcess) -> None:
    """A server that was started anew between two requests has no rules: it is given them before it is believed."""
    async with handed(opa.url) as rules:
        await rules.put_data(["inventory", "x"], 1)
        opa.kill()
        opa.start()
        many = await asyncio.gather(*(rules.ask(BAD, [0], timeout_seconds=SECONDS) for _ in range(20)))
        assert opa.request("GET", "/v1/data/govgate_leases")["result"]

    assert many == [[Value(["bad"])]] * 20


async def test_a_module_that_is_taken_away_is_missed(opa: OpaProcess) -> None:
    """The server lets none of the modules go while the rules are in use; without the entry they are given again."""
    async with handed(opa.url) as rules:
        ids = [policy["id"] for policy in opa.request("GET", "/v1/policies")["result"]]
        entry, module = sorted(ids, reverse=True)
        with pytest.raises(OSError, match="400"):
            opa.request("DELETE", f"/v1/policies/{module}")
        opa.request("DELETE", f"/v1/policies/{entry}")
        opa.request("DELETE", f"/v1/policies/{module}")
        assert await rules.ask(BAD, [0], timeout_seconds=SECONDS) == [Value(["bad"])]


async def test_a_server_that_is_stopped_costs_no_more_than_the_deadline(opa: OpaProcess) -> None:
    """Connections are accepted by the kernel and nothing answers: each request ends at its deadline, then none is made."""
    async with handed(opa.url, breaker_failures=2, breaker_seconds=30.0) as rules:
        with opa.paused():
            answers = [(await rules.ask(BAD, [0], timeout_seconds=0.2))[0] for _ in range(3)]

    assert [answer.code for answer in answers if isinstance(answer, Failed)] == ["deadline", "deadline", "unreachable"]


async def test_a_request_that_is_given_up_counts_as_a_failure(opa: OpaProcess) -> None:
    """Whoever asks under a deadline shorter than the rules' own finds the breaker open all the same."""
    async with handed(opa.url, breaker_failures=1, breaker_seconds=30.0) as rules:
        with opa.paused():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await rules.ask(BAD, [0], timeout_seconds=SECONDS)
            [answer] = await rules.ask(BAD, [0], timeout_seconds=SECONDS)

    assert isinstance(answer, Failed)
    assert "given up" in answer.message


async def test_what_could_not_be_removed_is_removed_later(opa: OpaProcess) -> None:
    """An object that went while the server could not be told is not seen any more once it can be told something."""
    known = [Module("p.rego", "package p\n\nq := data.inventory\n")]
    rules = await OpaServer(Opa(url=opa.url, breaker_failures=1, breaker_seconds=0.3)).load(known, ["data.p.q"], {})
    await rules.put_data(["inventory", "x"], {"a": 1, "b": 2})
    with opa.paused():
        await rules.ask(b"{}", [0], timeout_seconds=0.2)
        with pytest.raises(UndecidedError):
            await rules.put_data(["inventory", "x", "a"], None)
    await asyncio.sleep(0.3)
    await rules.put_data(["inventory", "x", "a"], None)
    assert await rules.ask(b"{}", [0], timeout_seconds=SECONDS) == [Value({"x": {"b": 2}})]
    await rules.close()


async def test_a_server_that_is_not_there_is_waited_for_by_a_server_only(tmp_path: Path) -> None:
    """A command says at once that there is no OPA; a server that starts beside it waits, and goes on."""
    process = OpaProcess(tmp_path)
    opa = Opa(url=process.url, breaker_failures=100)
    with pytest.raises(UndecidedError, match="cannot be reached"):
        await OpaServer(opa).load(RULES, ["data.main.deny"], {})
    waiting = asyncio.create_task(OpaServer(opa, patient=True).load(RULES, ["data.main.deny"], {}))
    await asyncio.sleep(0.1)
    try:
        process.start()
        rules = await waiting
        assert await rules.ask(b"{}", [0], timeout_seconds=SECONDS) == [Value([])]
        await rules.close()
    finally:
        process.kill()


async def test_a_server_that_does_not_take_rules_in_time_is_given_up(tmp_path: Path) -> None:
    """Even one that is waited for: what starts must not start for ever."""
    opa = Opa(url=OpaProcess(tmp_path).url, load_seconds=0.3)
    with pytest.raises(UndecidedError, match="did not take the rules within"):
        await OpaServer(opa, patient=True).load(RULES, ["data.main.deny"], {})


async def test_what_was_left_behind_is_taken_away(opa: OpaProcess) -> None:
    """Rules whose lease has run out, and sessions of processes that died, go; what is in use stays."""
    async with handed(opa.url) as rules:
        mine = {policy["id"] for policy in opa.request("GET", "/v1/policies")["result"]}
        [root] = opa.request("GET", "/v1/data/govgate_leases")["result"]
        opa.request("PUT", "/v1/policies/govgate/govgate_old/1", "package govgate_old.p1\n\nf(x) := x\n")
        opa.request(
            "PUT", "/v1/policies/govgate/govgate_old/0", "package govgate_old.p0\n\nq := data.govgate_old.p1.f(1)\n"
        )
        ids = ["govgate/govgate_old/1", "govgate/govgate_old/0", "somebody/else"]
        lease = {"held": {"until": 1}, "policies": {"ids": ids}, "sessions": {}}
        opa.request("PUT", "/v1/data/govgate_leases/govgate_old", lease)
        opa.request("PUT", "/v1/policies/somebody/else", "package somebody.else_\n\nq := 1\n")
        opa.request("PUT", f"/v1/data/govgate_leases/{root}/sessions/dead", {"until": 1})
        opa.request("PUT", f"/v1/data/{root}/govgate_sessions/dead", {"inventory": {"x": 1}})

        def left() -> tuple[set[str], Any]:
            policies = opa.request("GET", "/v1/policies")["result"]
            return {policy["id"] for policy in policies}, opa.request("GET", "/v1/data/govgate_leases")["result"]

        async with handed(opa.url):
            until = time.monotonic() + SECONDS
            while "govgate_old" in left()[1] or "dead" in left()[1][root]["sessions"]:
                assert time.monotonic() < until
                await asyncio.sleep(0.05)
        policies, leases = left()

        assert policies == {*mine, "somebody/else"}
        assert list(leases) == [root]
        assert "dead" not in leases[root]["sessions"]
        assert "dead" not in opa.request("GET", f"/v1/data/{root}/govgate_sessions")["result"]
        assert await rules.ask(BAD, [0], timeout_seconds=SECONDS) == [Value(["bad"])]
        assert Undefined() not in await rules.ask(b"{}", [0], timeout_seconds=SECONDS)
