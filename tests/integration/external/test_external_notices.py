"""Changes that others tell of, over a real listener: read at once, and only from who shows the token."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from support.cluster import wait_for
from support.controller import ControllerProcess
from support.external_site import NEVER, SECONDS, Site

pytestmark = pytest.mark.native
TOKEN = "token-of-the-tests"


def tell(process: ControllerProcess, body: Any, *, token: str = TOKEN) -> int:
    """The status of the answer."""
    wait_for(lambda: process.events("changes are taken"), seconds=SECONDS)
    port = process.events("changes are taken")[-1]["port"]
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urlopen(Request(f"http://127.0.0.1:{port}/v1/changes", data, headers), timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_what_changed_is_read_at_once(site: Site, running: ControllerProcess) -> None:
    """By its key, whatever its refresh interval; keys that nobody reads are accepted alike."""
    site.put("db", password="one")
    site.create(refreshInterval=NEVER)
    site.wait_values(password="one")
    site.put("db", password="two")
    wait_for(
        lambda: tell(running, {"changes": [{"key": f"{site.namespace}/db"}, {"key": "nobody"}]}) == 202, seconds=SECONDS
    )
    site.wait_values(password="two")
    site.put("db", password="three")
    change = {"key": f"{site.namespace}/db", "store": site.store_name}
    wait_for(lambda: tell(running, {"changes": [change]}) == 202, seconds=SECONDS)
    site.wait_values(password="three")


@pytest.mark.parametrize(
    ("body", "token", "status"),
    [
        ({"changes": [{"key": "a"}]}, "", 401),
        ({"changes": [{"key": "a"}]}, "another-token-of-the-tests", 401),
        ({"changes": [{"key": "a"}]}, TOKEN[:-1], 401),
        ({"changes": []}, TOKEN, 400),
        ({"changes": [{"key": "a", "value": "x"}]}, TOKEN, 400),
        (b"{", TOKEN, 400),
        (b"x" * 100_000, TOKEN, 413),
    ],
)
def test_what_is_not_taken(running: ControllerProcess, body: Any, token: str, status: int) -> None:
    """Without the token nothing is looked at; with it, only what can be read."""
    assert tell(running, body, token=token) == status


def test_more_changes_than_can_be_looked_at_are_for_later(running: ControllerProcess) -> None:
    """They are counted, and not the notices that they come in; what comes later is taken."""
    many = {"changes": [{"key": f"nobody/reads/{number}"} for number in range(1_000)]}
    wait_for(lambda: tell(running, many) == 429, seconds=SECONDS)
    wait_for(lambda: tell(running, {"changes": [{"key": "one"}]}) == 202, seconds=SECONDS)
