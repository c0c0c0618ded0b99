"""How long a store is open: until nobody reads it, whatever becomes of its manifest, its credentials, or others' keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from gateway.controllers.external.stores import Bounds, Stores
from gateway_secrets.external.store import Store, store_of
from gateway_secrets.stores.credentials import NoCredentials
from gateway_secrets.stores.errors import (
    ForbiddenError,
    MisconfiguredError,
    RejectedError,
    StoreError,
    UnavailableError,
    UnreadyError,
)
from gateway_secrets.stores.model import Find, Metadata, Payload, Reference
from gateway_secrets.stores.reader import Reader


def store(name: str = "vault", generation: int = 1, *, namespace: str = "a", server: str = "") -> Store:
    """One of a kind that nobody asks for anything here."""
    return store_of({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": name, "namespace": namespace, "uid": name, "generation": generation},
        "spec": {"controller": "govgate", "provider": {"vault": {"server": server}}},
    })  # fmt: skip


class Provider:
    """A store's client: gives what it is asked for once ``gate`` is open, or raises what is under the key."""

    provider = "test"

    def __init__(self, gate: asyncio.Event, errors: Mapping[str, BaseException]) -> None:
        self._gate = gate
        self._errors = errors
        self.reading = self.closings = 0
        self.torn = False

    async def read(self, key: str, version: str, *, within: float) -> Payload:
        self.reading += 1
        try:
            await self._gate.wait()
            if key in self._errors:
                raise self._errors[key]
            return Payload(key.encode())
        finally:
            self.reading -= 1

    async def describe(self, key: str, *, within: float) -> Metadata:
        raise NotImplementedError

    async def find(self, find: Find, *, within: float) -> Sequence[str]:
        raise NotImplementedError

    async def close(self) -> None:
        self.closings += 1
        self.torn = self.torn or self.reading > 0


class Scene:
    """Stores, and what was opened of them."""

    def __init__(self, most: int = 500, errors: Mapping[str, BaseException] | None = None) -> None:
        self.gate, self.opening = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.opening.set()
        self.errors = dict(errors or {})
        self.open_error: Exception | None = None
        self.opened: list[Provider] = []
        self.told: list[Any] = []
        self.stores = Stores(
            NoCredentials(), Bounds(100, most), opener=self._open,
            failed=lambda which, error: self.told.append((which.ref.name, type(error))),
            recovered=lambda which: self.told.append((which.ref.name, "recovered")),
        )  # fmt: skip

    async def _open(self, _store: Store, _namespace: str) -> Reader:
        await self.opening.wait()
        if self.open_error is not None:
            raise self.open_error
        self.opened.append(Provider(self.gate, self.errors))
        return Reader(self.opened[-1])

    async def read(self, key: str = "k", which: Store | None = None) -> bytes | None:
        return (await self.stores.ask(which or store(), "a", lambda reader: reader.payload(Reference(key)))).whole

    def reading(self, calls: int) -> list[asyncio.Task[bytes | None]]:
        return [asyncio.create_task(self.read(str(number))) for number in range(calls)]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that failed may be asked again at once."""
    monkeypatch.setattr("gateway.controllers.external.breaker._PAUSE_SECONDS", (0.0, 0.0))


async def test_a_store_that_changes_is_not_closed_under_who_reads_it() -> None:
    """They have their answers of what they asked; it is closed after the last one, once, and the next opens the new one."""
    scene = Scene()
    scene.gate.clear()
    reads = scene.reading(20)
    await until(lambda: bool(scene.opened) and scene.opened[0].reading == 20)
    scene.stores.changed("SecretStore", "a", "vault")
    later = asyncio.create_task(scene.read("later", store(generation=2)))
    await until(lambda: len(scene.opened) == 2)
    assert scene.opened[0].closings == 0
    scene.gate.set()
    assert await asyncio.gather(*reads) == [str(number).encode() for number in range(20)]
    assert await later == b"later"
    await until(lambda: scene.opened[0].closings > 0)
    assert [(one.closings, one.torn) for one in scene.opened] == [(1, False), (0, False)]
    assert len(scene.stores) == 1


async def test_a_store_that_changes_while_it_is_opened_is_closed_again() -> None:
    """Who waits for it has an answer; nothing stays open that nobody knows of."""
    scene = Scene()
    scene.opening.clear()
    reads = scene.reading(3)
    for _ in range(5):
        await asyncio.sleep(0)
    scene.stores.changed("SecretStore", "a", "vault")
    scene.opening.set()
    assert len(await asyncio.gather(*reads)) == 3
    await until(lambda: all(one.closings == 1 for one in scene.opened))
    assert scene.opened
    assert len(scene.stores) == 0


@pytest.mark.parametrize("error", [ForbiddenError("403"), MisconfiguredError("400")])
async def test_a_refusal_by_policy_opens_nothing_anew(error: StoreError) -> None:
    """However often it is asked for, and whoever else reads; nobody else notices."""
    scene = Scene(errors={"forbidden": error})
    for _ in range(50):
        with pytest.raises(type(error)):
            await scene.read("forbidden")
        assert await scene.read() == b"k"
    assert [one.closings for one in scene.opened] == [0]
    assert scene.told == []


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("error", [RejectedError("login refused"), UnreadyError("not trusted")])
async def test_what_its_credentials_are_refused_for_is_opened_anew(error: StoreError) -> None:
    """By the next who is let through, since they may be others by then; who reads it meanwhile is not disturbed."""
    scene = Scene(errors={"k": error})
    scene.gate.clear()
    others = scene.reading(3)
    await until(lambda: bool(scene.opened) and scene.opened[0].reading == 3)
    refused = asyncio.create_task(scene.read())
    await until(lambda: scene.opened[0].reading == 4)
    scene.gate.set()
    with pytest.raises(type(error)):
        await refused
    assert len(await asyncio.gather(*others)) == 3
    del scene.errors["k"]
    assert await scene.read() == b"k"
    await until(lambda: scene.opened[0].closings > 0)
    assert [(one.closings, one.torn) for one in scene.opened] == [(1, False), (0, False)]
    assert scene.told[0] == ("vault", type(error))
    assert scene.told[-1] == ("vault", "recovered")


async def test_credentials_that_are_refused_are_not_tried_by_everybody() -> None:
    """One finds out, and all are told why: a thousand logins that fail would lock the account."""
    scene = Scene(errors={"k": RejectedError("login refused")})
    with pytest.raises(RejectedError):
        await scene.read()
    for _ in range(20):
        with pytest.raises(UnavailableError, match="SecretStore vault: login refused"):
            await scene.read("other")
    assert len(scene.opened) == 1


@pytest.mark.parametrize("error", [ForbiddenError("no right to the credentials"), MisconfiguredError("no such Secret")])
async def test_a_store_that_cannot_be_opened_is_told_of(error: StoreError) -> None:
    """And is opened by one at a time."""
    scene = Scene()
    scene.open_error = error
    with pytest.raises((RejectedError, UnreadyError), match=str(error)):
        await scene.read()
    with pytest.raises(UnavailableError, match=str(error)):
        await scene.read()
    assert scene.told in ([("vault", RejectedError)], [("vault", UnreadyError)])


async def test_what_one_namespace_lacks_is_not_said_of_a_store_that_all_share() -> None:
    """A ClusterSecretStore that reads with the credentials of whoever asks is in order whatever one of them has."""
    scene = Scene(errors={"k": RejectedError("no such role")})
    ref = {"tokenSecretRef": {"name": "token", "key": "t"}}
    common = store_of({
        "apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "common"},
        "spec": {"controller": "govgate", "provider": {"vault": {"server": "https://vault", "path": "kv", "auth": ref}}},
    })  # fmt: skip
    with pytest.raises(RejectedError):
        await scene.read(which=common)
    assert scene.told == []


@pytest.mark.usefixtures("soon")
async def test_an_odd_error_of_who_looks_whether_it_answers_again_shuts_nobody_out() -> None:
    """The next one looks."""
    scene = Scene(errors={"away": UnavailableError("away"), "odd": RuntimeError("odd")})
    with pytest.raises(UnavailableError):
        await scene.read("away")
    for _ in range(3):
        with pytest.raises(RuntimeError):
            await scene.read("odd")
    assert await scene.read() == b"k"


async def test_no_more_are_open_than_may_be() -> None:
    """Those that nobody reads go, longest unread first; those that are read stay, even if they are too many."""
    scene = Scene(most=3)
    for number in range(5):
        await scene.read(which=store(str(number)))
    await until(lambda: [one.closings for one in scene.opened] == [1, 1, 0, 0, 0])
    assert len(scene.stores) == 3
    await scene.read(which=store("2"))
    assert len(scene.opened) == 5
    scene.gate.clear()
    reads = [asyncio.create_task(scene.read(which=store(str(number)))) for number in range(10, 15)]
    await until(lambda: sum(one.reading for one in scene.opened) == 5)
    assert len(scene.stores) == 5
    scene.gate.set()
    assert await asyncio.gather(*reads) == [b"k"] * 5
    await until(lambda: sum(one.closings for one in scene.opened) == 7)
    assert not any(one.torn for one in scene.opened)


async def test_all_are_closed_in_the_end() -> None:
    """Also those that are read, and those that changed before; and none is opened after that."""
    scene = Scene()
    scene.gate.clear()
    reads = scene.reading(2)
    await until(lambda: bool(scene.opened) and scene.opened[0].reading == 2)
    scene.stores.changed("SecretStore", "a", "vault")
    reads += [asyncio.create_task(scene.read(which=store(generation=2)))]
    await until(lambda: len(scene.opened) == 2 and scene.opened[1].reading == 1)
    await scene.stores.close()
    assert [one.closings for one in scene.opened] == [1, 1]
    with pytest.raises(UnavailableError):
        await scene.read()
    for read in reads:
        read.cancel()
    await asyncio.gather(*reads, return_exceptions=True)
    assert [one.closings for one in scene.opened] == [1, 1]


async def test_what_a_client_gives_up_is_an_error_of_the_store() -> None:
    """Not the end of who asked: clients cancel calls when they are closed, and raise what they please."""
    scene = Scene(errors={"broken": asyncio.CancelledError()})
    with pytest.raises(UnavailableError, match="broken off"):
        await scene.read("broken")
    reader = Reader(Provider(scene.gate, {"k": RuntimeError("Session is closed")}))
    scene.gate.clear()
    read = asyncio.create_task(reader.payload(Reference("k")))
    await asyncio.sleep(0)
    await reader.close()
    scene.gate.set()
    for asked in (read, reader.payload(Reference("k"))):
        with pytest.raises(UnavailableError, match="closed meanwhile"):
            await asked


@pytest.mark.usefixtures("soon")
async def test_a_server_that_hangs_is_asked_by_few_of_its_stores() -> None:
    """However many namespaces have one of it: who asks it works on nothing else. One of another server is not held up, nor one
    that had an answer; and all are read when it answers again.
    """
    of_it = [store(f"s{number}", namespace=f"n{number // 3}", server="https://hangs") for number in range(60)]
    other, fine = store("other", server="https://other"), store("fine", namespace="fine", server="https://hangs")
    scene = Scene()
    assert await scene.read("k", fine) == b"k"
    scene.open_error = UnavailableError("no answer")
    for one in (*of_it, other):
        with pytest.raises(UnavailableError):
            await scene.read("k", one)
    scene.open_error = None
    scene.opening.clear()
    reads = [asyncio.create_task(scene.read("k", one)) for one in of_it]
    await until(lambda: sum(one.done() for one in reads) == 60 - 8)
    waiting = [which.namespace for which, one in zip(of_it, reads, strict=True) if not one.done()]
    assert max(map(waiting.count, waiting)) == 2
    assert all(str(one.exception()).endswith("no answer") for one in reads if one.done())
    assert await scene.read("k", fine) == b"k"
    elsewhere = asyncio.create_task(scene.read("k", other))
    scene.opening.set()
    assert await elsewhere == b"k"
    await asyncio.gather(*reads, return_exceptions=True)
    assert [await scene.read("k", one) for one in of_it] == [b"k"] * 60
    await scene.stores.close()
