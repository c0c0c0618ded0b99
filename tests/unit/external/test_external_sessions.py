"""The VaultDynamicSecrets that are open: each is closed once, whenever it was opened."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.controllers.external import sessions
from gateway.controllers.external.sessions import Generator, Sessions
from gateway_secrets.external.spec import GeneratorRef
from gateway_secrets.stores.credentials import NoCredentials
from gateway_secrets.stores.errors import ForbiddenError


class Gated(NoCredentials):
    """Certificates: the first one once the gate is open, the others at once."""

    def __init__(self) -> None:
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def read(self, *_: str) -> bytes:
        if not self.asked.is_set():
            self.asked.set()
            await self.gate.wait()
        return b"of an authority"


def generator(name: str) -> Generator:
    provider = {
        "server": "https://vault.example.com",
        "auth": {"tokenSecretRef": {"name": "t", "key": "t"}},
        "caProvider": {"type": "Secret", "name": "ca", "key": "ca.crt"},
    }
    document = {"metadata": {"uid": name, "generation": 1}}
    return Generator(GeneratorRef("VaultDynamicSecret", name), "web", document, {"path": "a", "provider": provider})


def held() -> int:
    """The certificates that are held in memory, one for each that is open."""
    links = [_link(one) for one in Path("/proc/self/fd").iterdir()]
    return sum("memfd:ca" in one for one in links)


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except FileNotFoundError:  # of the listing itself
        return ""


@pytest.mark.parametrize("why", ["crowded", "refused"])
async def test_one_that_is_dropped_while_it_is_opened_is_closed(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It serves who waits for it; its token does not outlive it."""
    monkeypatch.setattr(sessions, "MAX_OPEN", 1)
    credentials = Gated()
    opened = Sessions(cast("Any", None), credentials)
    before = held()
    waiting = asyncio.ensure_future(opened.source(generator("a")))
    await credentials.asked.wait()
    if why == "crowded":
        await opened.source(generator("b"))
    else:
        await opened.failed(generator("a").identity, ForbiddenError("403"))
    credentials.gate.set()
    await waiting
    assert held() == before + (2 if why == "crowded" else 1)
    await opened.close()
    assert held() == before
