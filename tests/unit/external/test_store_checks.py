"""What is said of stores, and when they are asked; which objects are named that are not ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge

from gateway.controllers.external import held
from gateway.controllers.external.claims import Claims
from gateway.controllers.external.known import Known
from gateway.controllers.external.store_checks import CAN_BE_READ, DOUBT_SECONDS, EACH_ITS_OWN, StoreChecks
from gateway.controllers.external.stores import Bounds, Stores
from gateway.controllers.not_ready import NotReady
from gateway.kube import Key
from gateway_secrets.external.store import Store
from gateway_secrets.stores.credentials import NoCredentials
from gateway_secrets.stores.errors import RejectedError, StoreError, UnavailableError
from gateway_secrets.stores.model import Metadata
from gateway_secrets.stores.reader import Reader

OWN, SHARED = Key("web", "vault"), Key("", "vault")
Said = list[tuple[Key, str, str]]


class Door:
    """A store behind which there is nothing but a login."""

    provider = "vault"

    def __init__(self, error: StoreError | None) -> None:
        self.error = error
        self.asked = 0

    async def check(self, *, within: float) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error

    async def read(self, key: str, version: str, *, within: float) -> Any:
        raise AssertionError("nothing is read")

    async def describe(self, key: str, *, within: float) -> Metadata:
        raise AssertionError("nothing is read")

    async def find(self, find: Any, *, within: float) -> Any:
        raise AssertionError("nothing is read")

    async def close(self) -> None:
        pass


def made(door: Door, key: Key = OWN, *, clock: Callable[[], float] = lambda: 0.0) -> tuple[StoreChecks, Said]:
    """Checks of one store, and what is said of it."""
    known = Known(Claims())
    token = {"name": "token", "key": "t", **({"namespace": "web"} if key.namespace else {})}
    vault = {"server": "http://bao", "path": "kv", "auth": {"tokenSecretRef": token}}
    metadata = {"name": "vault", "uid": "u", "generation": 1} | ({"namespace": "web"} if key.namespace else {})
    document = {"metadata": metadata, "spec": {"controller": "govgate", "provider": {"vault": vault}}}
    known.store_changed("SecretStore" if key.namespace else "ClusterSecretStore", key, held.store(document))

    async def opener(_store: Store, _namespace: str) -> Reader:
        return Reader(door)

    said: Said = []
    stores = Stores(NoCredentials(), Bounds(100.0), opener=opener)
    return StoreChecks(known, stores, lambda *one: said.append(one), clock=clock), said


async def until(condition: Callable[[], object], checks: StoreChecks) -> None:
    """Run them until it is so."""
    running = asyncio.create_task(checks.run())
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - of what is waited for there is no event
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (None, "Valid", CAN_BE_READ),
        (RejectedError("no such token"), "ValidationFailed", "SecretStore vault: no such token"),
    ],
)
async def test_what_is_said_was_tried(error: StoreError | None, reason: str, message: str) -> None:
    """Once it was asked, and not before."""
    door = Door(error)
    checks, said = made(door)
    checks.add(OWN)
    assert said == []
    await until(lambda: said, checks)
    assert (said, door.asked) == ([(OWN, reason, message)], 1)


async def test_a_store_that_does_not_answer_is_told_of_elsewhere() -> None:
    """By who opens stores, once: the answers to others are about the pause."""
    door = Door(UnavailableError("no answer"))
    checks, said = made(door)
    checks.add(OWN)
    await until(lambda: door.asked, checks)
    assert said == []


async def test_a_store_of_each_namespace_without_any() -> None:
    """Cannot be asked."""
    door = Door(None)
    checks, said = made(door, SHARED)
    checks.add(SHARED)
    await until(lambda: said, checks)
    assert (said, door.asked) == ([(SHARED, "ValidationUnknown", EACH_ITS_OWN)], 0)


async def test_a_store_that_is_gone_is_not_spoken_of() -> None:
    """Also if it went while it waited for its turn."""
    checks, said = made(Door(None))
    checks.add(Key("web", "gone"))
    checks.add(OWN)
    await until(lambda: said, checks)
    assert [key for key, _, _ in said] == [OWN]


async def test_a_refusal_is_looked_into_once_in_a_while() -> None:
    """However many reads are refused."""
    now = [1_000.0]
    door = Door(None)
    checks, said = made(door, clock=lambda: now[0])
    for _ in range(3):
        checks.doubt(OWN)
    await until(lambda: said, checks)
    now[0] += DOUBT_SECONDS / 2
    checks.doubt(OWN)
    checks.add(Key("web", "gone"))
    now[0] += DOUBT_SECONDS
    checks.doubt(OWN)
    await until(lambda: len(said) == 2, checks)
    assert door.asked == 2


def test_not_more_are_named_than_a_monitoring_system_bears() -> None:
    """Who is ready again makes room; a new run begins without any."""
    registry = CollectorRegistry()
    gauge = Gauge("bad", "Bad", ["kind", "namespace", "name"], registry=registry)
    named = NotReady(gauge, most=2)

    def shown() -> list[str]:
        return sorted(one.labels["name"] for metric in registry.collect() for one in metric.samples)

    for name in ("a", "b", "c", "a"):
        named.note("ExternalSecret", Key("web", name), bad=True)
    assert shown() == ["a", "b"]
    named.note("ExternalSecret", Key("web", "a"), bad=False)
    named.note("ExternalSecret", Key("web", "never"), bad=False)
    named.note("SecretStore", Key("web", "b"), bad=True)
    assert shown() == ["b", "b"]
    NotReady(gauge)
    assert shown() == []
