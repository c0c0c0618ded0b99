"""Answers that a healthy API server seldom gives, from a scripted one on the loopback interface."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.config.model import Cluster as ClusterConfig
from gateway.core.errors import ClusterError
from gateway.kube import ApiError, CacheLimits, ResourceType, WatchCache, connect

CONFIG_MAPS = ResourceType("", ("v1",), "configmaps")
QUICK = CacheLimits(backoff_seconds=0.02, max_backoff_seconds=0.1, max_event_bytes=2000)


def _item(name, version="1", **fields):
    return {"metadata": {"name": name, "namespace": "a", "resourceVersion": version}, **fields}


def _event(kind, item):
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def _page(*items, version="10", more=""):
    return web.json_response({"metadata": {"resourceVersion": version, "continue": more}, "items": list(items)})


def _error(code, reason, **headers):
    status = {"kind": "Status", "code": code, "reason": reason, "message": "as scripted"}
    return web.json_response(status, status=code, headers=headers)


class Scripted:
    """Answers lists and watches with what was scripted for them, in order; then lists are empty and watches silent."""

    def __init__(self) -> None:
        self.lists = []
        self.watches = []
        self.watch_delay_seconds = 0.0
        self.asked = []
        """Query, Authorization and time of each list and watch."""

    async def answer(self, request):
        if request.path == "/api/v1":
            return web.json_response({"resources": [{"name": "configmaps"}]})
        self.asked.append((dict(request.query), request.headers.get("Authorization"), time.monotonic()))
        if "watch" not in request.query:
            return self.lists.pop(0) if self.lists else _page()
        await asyncio.sleep(self.watch_delay_seconds)
        scripted = self.watches.pop(0) if self.watches else None
        if isinstance(scripted, web.Response):
            return scripted
        response = web.StreamResponse()
        await response.prepare(request)
        if scripted is None:
            await asyncio.sleep(30)
        else:
            await response.write(scripted)
        return response

    def queries(self, kind):
        return [query for query, _, _ in self.asked if ("watch" in query) is (kind == "watch")]


@asynccontextmanager
async def client_for(script, tmp_path):
    app = web.Application()
    app.router.add_get("/{path:.*}", script.answer)
    async with TestServer(app) as server:
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": str(server.make_url("")).rstrip("/")}}],
            "users": [{"name": "u", "user": {"token": "first"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(kubeconfig))
        client = await connect(ClusterConfig(connect="kubeconfig", kubeconfig=str(path)))
        try:
            yield client
        finally:
            await client.close()


@asynccontextmanager
async def cache_for(script, tmp_path, *, on_change=None, limits=QUICK):
    async with client_for(script, tmp_path) as client:
        cache = WatchCache(client, CONFIG_MAPS, lambda d: d["metadata"]["name"], on_change=on_change, limits=limits)
        cache.start()
        try:
            yield cache
        finally:
            await cache.close()


async def until(condition, *, seconds=10.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - caches are polled by their readers
            await asyncio.sleep(0.01)


async def test_retry_after_is_honoured(tmp_path):
    """Told to come back in a second (429), the cache does not come back sooner."""
    script = Scripted()
    script.lists = [_error(429, "TooManyRequests", **{"Retry-After": "1"}), _page(_item("x"))]
    async with cache_for(script, tmp_path) as cache:
        await until(lambda: cache.problem.startswith("429"))
        await until(lambda: cache.get("a", "x"))
    first, second = (at for query, _, at in script.asked if "watch" not in query)
    assert second - first >= 1.0


async def test_a_list_that_expires_between_pages_begins_anew(tmp_path):
    """When a continue token is no longer good (410), nothing of the half list is kept, and the next one counts."""
    script = Scripted()
    script.lists = [_page(_item("old"), more="token"), _error(410, "Expired"), _page(_item("new"))]
    changes = []
    async with cache_for(
        script, tmp_path, on_change=lambda key, old, new: changes.append((key.name, old, new))
    ) as cache:
        await until(lambda: cache.synced)
        assert [key.name for key, _ in cache.items()] == ["new"]
    assert changes == [("new", None, "new")]
    assert [query.get("continue") for query in script.queries("list")] == [None, "token", None]


@pytest.mark.parametrize(
    "gone",
    [
        _event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"}),
        lambda: _error(410, "Expired"),
    ],
    ids=["event", "response"],
)
async def test_a_version_that_is_too_old_leads_to_a_new_list(tmp_path, gone):
    """Whether the watch is refused (410) or ends so: a new list replaces what was held."""
    script = Scripted()
    script.lists = [_page(_item("old")), _page(_item("new"), version="20")]
    script.watches = [gone() if callable(gone) else gone]
    async with cache_for(script, tmp_path) as cache:
        await until(lambda: cache.get("a", "new"))
        assert cache.get("a", "old") is None
        await until(lambda: len(script.queries("watch")) == 2)
    assert [query["resourceVersion"] for query in script.queries("watch")] == ["10", "20"]


async def test_bookmarks_move_the_watch_on(tmp_path):
    """A watch is taken up again from the last bookmark, with no new list."""
    script = Scripted()
    script.watches = [_event("BOOKMARK", _item("", version="55"))]
    async with cache_for(script, tmp_path):
        await until(lambda: len(script.queries("watch")) == 2)
    assert [query["resourceVersion"] for query in script.queries("watch")] == ["10", "55"]
    assert all(query["allowWatchBookmarks"] == "true" for query in script.queries("watch"))
    assert len(script.queries("list")) == 1


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (b"<html>proxy error</html>\n", "unreadable answer"),
        (_event("SURPRISE", _item("x")), "unknown watch event"),
        (_event("ADDED", _item("x", data="y" * 3000)), "more than 2000 bytes"),
        (_event("ERROR", {"code": 500, "reason": "InternalError", "message": "etcd"}), "500 InternalError: etcd"),
    ],
    ids=["not JSON", "unknown type", "too large", "server error"],
)
async def test_a_broken_watch_is_told_and_taken_up_again(tmp_path, sent, problem):
    """What cannot be understood is shown as a problem, with a pause before the next attempt; what was read stays."""
    script = Scripted()
    script.lists = [_page(_item("kept"))]
    script.watches = [sent] * 3
    problems = set()
    async with cache_for(script, tmp_path) as cache:
        await until(lambda: problems.add(cache.problem) or (len(script.watches) == 0 and not cache.problem))
        assert cache.get("a", "kept") == "kept"
    assert any(problem in told for told in problems)


async def test_a_failing_change_handler_does_not_leave_a_cache_that_looks_good(tmp_path):
    """A bug in the handler shows as a problem of a cache that is not synced any more."""

    def broken(key, old, new):
        if key.name == "bad":
            raise ZeroDivisionError

    script = Scripted()
    script.lists = [_page(_item("good"))]
    script.watches = [_event("ADDED", _item("bad"))]
    script.watch_delay_seconds = 0.3
    async with cache_for(script, tmp_path, on_change=broken, limits=CacheLimits()) as cache:
        await until(lambda: cache.synced)
        await until(lambda: "ZeroDivisionError" in cache.problem)
        assert not cache.synced


async def test_a_right_that_was_taken_away_ends_being_synced(tmp_path):
    """Refused (403) after it could read, the cache does not go on to claim that it knows everything."""
    script = Scripted()
    script.lists = [_page(_item("x")), _error(403, "Forbidden")]
    script.watches = [_error(403, "Forbidden")]
    script.watch_delay_seconds = 0.3
    async with cache_for(script, tmp_path, limits=CacheLimits(max_backoff_seconds=0.5)) as cache:
        await until(lambda: cache.synced)
        await until(lambda: "403" in cache.problem)
        assert not cache.synced
        await until(lambda: cache.synced and not cache.problem)


async def test_no_answer_loop_runs_hot(tmp_path):
    """Watches that end at once, again and again, are not asked for without a pause."""
    script = Scripted()
    script.watches = [b""] * 1000
    limits = CacheLimits(backoff_seconds=0.1)
    async with cache_for(script, tmp_path, limits=limits) as cache:
        await until(lambda: cache.synced)
        await asyncio.sleep(1.5)
    assert 2 <= len(script.queries("watch")) <= 8


async def test_credentials_are_loaded_again_when_refused(tmp_path, monkeypatch):
    """A token that is refused (401) is read anew from the kubeconfig, once; then the request is repeated."""
    monkeypatch.setattr("gateway.kube.client.RELOAD_SECONDS", 0.0)
    script = Scripted()
    script.lists = [_error(401, "Unauthorized"), _page(_item("x"))]
    async with client_for(script, tmp_path) as client:
        path = tmp_path / "kubeconfig"
        path.write_text(path.read_text().replace("first", "second"))
        assert (await client.get("/api/v1/configmaps"))["items"][0]["metadata"]["name"] == "x"
    assert [token for _, token, _ in script.asked] == ["Bearer first", "Bearer second"]


async def test_credentials_that_stay_refused_are_an_error(tmp_path):
    """With nothing new to try, a 401 is what the caller gets."""
    script = Scripted()
    script.lists = [_error(401, "Unauthorized")]
    async with client_for(script, tmp_path) as client:
        with pytest.raises(ApiError, match="401 Unauthorized"):
            await client.get("/api/v1/configmaps")


async def test_answers_are_bounded(tmp_path, monkeypatch):
    """An answer larger than allowed is an error, not memory."""
    monkeypatch.setattr("gateway.kube.client.MAX_RESPONSE_BYTES", 100)
    script = Scripted()
    script.lists = [_page(_item("x", data="y" * 1000))]
    async with client_for(script, tmp_path) as client:
        with pytest.raises(ClusterError, match="more than 100 bytes"):
            await client.get("/api/v1/configmaps")


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (ClusterConfig(connect="kubeconfig", kubeconfig="/nonexistent"), "kubeconfig: there is no /nonexistent$"),
        (ClusterConfig(connect="in-cluster"), "service account: "),
    ],
)
async def test_missing_credentials_are_said_to_be_missing(tmp_path, config, problem):
    """Credentials that are configured but not there are one clear error."""
    with pytest.raises(ClusterError, match=problem):
        await connect(config, environ={}, service_account=tmp_path)
