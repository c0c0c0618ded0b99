"""Lists of tags, from a registry that gives them in pages, or wrongly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web
from support.registries import FaultyRegistry, Handler, respond

from gateway.config.provenance import RegistrySettings
from gateway.provenance.oci.budget import Budget
from gateway.provenance.oci.errors import (
    BudgetError,
    MalformedError,
    NotFoundError,
    RegistryError,
    TooLargeError,
    UnreachableError,
)
from gateway.provenance.oci.hosts import Hosts
from gateway.provenance.oci.limits import Limits
from gateway.provenance.oci.reference import Reference
from gateway.provenance.oci.registry import Registry

LIST = "tags/list"


@pytest.fixture
async def faulty() -> AsyncIterator[FaultyRegistry]:
    async with FaultyRegistry().serve() as registry:
        yield registry


def paged(pages: Sequence[Sequence[str]]) -> Handler:
    """Gives one page after the other."""

    async def handler(request: web.Request) -> web.Response:
        at = int(request.query.get("last", "0"))
        headers = {"Link": f'</v2/a/b/tags/list?last={at + 1}>; rel="next"'} if at + 1 < len(pages) else {}
        return web.json_response({"name": "a/b", "tags": list(pages[at])}, headers=headers)

    return handler


async def tags(faulty: FaultyRegistry, *, requests: int = 20, limits: Limits | None = None) -> tuple[str, ...]:
    client = Registry(Hosts([RegistrySettings((faulty.host,), plain_http=True)]), limits)
    try:
        budget = Budget(seconds=60, requests=requests)
        return await client.repository(Reference(faulty.host, "a/b", "v1"), budget).tags()
    finally:
        await client.close()


async def test_all_pages_are_read(faulty: FaultyRegistry) -> None:
    """In their order, each tag once; what can be no tag never becomes part of a URL."""
    faulty.faults = [(LIST, paged([["1.0.0", "../../x", "a b", ""], ["1.0.0", "2.0.0"], []]))]
    assert await tags(faulty) == ("1.0.0", "2.0.0")


async def test_a_part_of_a_list_is_no_answer(faulty: FaultyRegistry) -> None:
    """The newest version may be in the rest: more pages or tags than are read, or more requests than there may be."""
    faulty.faults = [(LIST, paged([[f"1.0.{index}"] for index in range(9)]))]
    for limits in (Limits(tags_pages=8), Limits(tags=8)):
        with pytest.raises(TooLargeError, match="8"):
            await tags(faulty, limits=limits)
    assert len(await tags(faulty, limits=Limits(tags_pages=9, tags=9))) == 9
    with pytest.raises(BudgetError):
        await tags(faulty, requests=8)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 404, NotFoundError),
        (b"", 503, UnreachableError),
        (b"[]", 200, MalformedError),
        (b"{}", 200, MalformedError),
        (b'{"tags": [7]}', 200, MalformedError),
        (b'{"tags": ["\xff"]}', 200, MalformedError),
        (b"[" * 100_000, 200, MalformedError),
        (b'{"tags": ["1"]}' + b" " * 5_000_000, 200, TooLargeError),
    ],
)
async def test_what_is_no_list_is_an_error(
    faulty: FaultyRegistry, body: bytes, status: int, error: type[RegistryError]
) -> None:
    """Of its class; never a list without tags."""
    faulty.faults = [(LIST, respond(status, body))]
    with pytest.raises(error):
        await tags(faulty, limits=Limits(backoff_seconds=0.01))


async def test_a_repository_may_have_no_tags(faulty: FaultyRegistry) -> None:
    """Which some registries write as null."""
    faulty.faults = [(LIST, respond(200, json.dumps({"name": "a/b", "tags": None}).encode()))]
    assert await tags(faulty) == ()
