"""Watches the registration in ``serve``: says when it is not as it should be, and puts it back if that is asked for.

Whoever holds the webhook's account answers for all guards already, so that the right to write this one object gives
it nothing new; the chart grants it only where ``restore`` asks for it. Deleting the registration is the way out of an
outage: it is made anew with ``restore: always`` alone.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.config.model import Registration as Settings
from gateway.core.errors import ClusterError, ConfigError
from gateway.core.subject import Json
from gateway.kube.errors import ApiError
from gateway.server.logs import Emit
from gateway.server.metrics import SupervisorMetrics
from gateway.server.registered import described, differences, made_anew, put_back
from gateway.server.slots import InForce
from gateway.server.wanted import wanted_registration

if TYPE_CHECKING:
    from gateway.kube import KubeClient
    from gateway.kube.cache import WatchCache

_LOOK_SECONDS = 5.0
_RETRY_SECONDS = 30.0
_CONFLICT = 409
_MANAGER = "govgate-serve"
_PATH = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"

Tell = Callable[[str, Mapping[str, Any]], Awaitable[None]]


class Wrong(msgspec.Struct, frozen=True):
    """What is wrong with a registration, in words; ``removed``: there is none."""

    text: str
    removed: bool = False


def judged(wanted: Json, there: Json | None) -> Wrong | None:
    """What is wrong with the one that is there, None if it is as it should be."""
    if there is None:
        return Wrong("it is not there: nothing is asked of govgate", removed=True)
    differing = differences(wanted, there)
    return Wrong(f"it was changed: {described(differing)}") if differing else None


def to_be_restored(settings: Settings, wrong: Wrong, wrong_seconds: float) -> bool:
    """Whether it is time to put it back."""
    asked = settings.restore == "always" or (settings.restore == "changed" and not wrong.removed)
    return asked and wrong_seconds >= settings.restore_after_seconds


class RegistrationWatch:
    """Runs in the supervisor."""

    def __init__(self, in_force: InForce, *, metrics: SupervisorMetrics, emit: Emit, tell: Tell) -> None:
        self._in_force = in_force
        self._settings = in_force.config.server.registration
        self._metrics = metrics
        self._emit = emit
        self._tell = tell
        self._changed = asyncio.Event()
        self._wrong: Wrong | None = None
        self._wrong_since = 0.0
        self._retry_at = 0.0
        self._seen: Json = {}
        self._unable = "not read yet"
        self._stuck = ""
        self.watched = bool(self._settings.name)

    @property
    def problem(self) -> str:
        """What somebody should look at; empty if nothing."""
        if self._unable or self._wrong is None:
            return f"cannot be watched: {self._unable}" if self._unable else ""
        return f"{self._wrong.text}; it could not be put back: {self._stuck}" if self._stuck else self._wrong.text

    async def run(self) -> None:
        """Until cancelled; returns at once where nothing is to be watched."""
        if not self.watched:
            return
        # Half a second in a thread of its own: health is answered meanwhile.
        await asyncio.to_thread(importlib.import_module, "gateway.kube.adapter")
        while True:
            try:
                await self._watch()
            except ClusterError as error:
                self._cannot(str(error))
            await asyncio.sleep(_RETRY_SECONDS)

    async def _watch(self) -> None:
        from gateway.kube import ResourceType, WatchCache, connect  # noqa: PLC0415 - only where it is asked for

        client = await connect(self._in_force.config.cluster)
        if client is None:
            raise ClusterError("no cluster is connected (cluster.connect)")
        resource = ResourceType("admissionregistration.k8s.io", ("v1",), "validatingwebhookconfigurations")
        cache: WatchCache[Json | None] = WatchCache(
            client, resource, self._ours, on_change=lambda *_: self._changed.set()
        )
        cache.start()
        try:
            while True:
                await self._look(client, cache)
                self._changed.clear()
                # Looked at every few seconds besides: the file it should equal may change, and time passes.
                try:
                    await asyncio.wait_for(self._changed.wait(), _LOOK_SECONDS)
                except TimeoutError:
                    continue
        finally:
            await cache.close()
            await client.close()

    def _ours(self, found: Json) -> Json | None:
        return found if found["metadata"]["name"] == self._settings.name else None

    async def _look(self, client: KubeClient, cache: WatchCache[Json | None]) -> None:
        if not cache.synced or cache.problem:
            if cache.problem != "not read yet":
                self._cannot(cache.problem)
            return
        there = cache.get("", self._settings.name)
        try:
            wanted = wanted_registration(self._in_force.config, self._settings)
        except ConfigError as error:
            self._cannot(str(error))
            return
        self._seen = there or self._seen
        await self._is(judged(wanted, there))
        wrong = self._wrong
        if wrong is None:
            return
        now = time.monotonic()
        if now >= self._retry_at and to_be_restored(self._settings, wrong, now - self._wrong_since):
            self._retry_at = now + _RETRY_SECONDS
            await self._restore(client, wanted, there)

    async def _is(self, wrong: Wrong | None) -> None:
        """Take over what was seen; told once, when it begins and when it ends."""
        before, self._wrong, self._unable = self._wrong, wrong, ""
        self._metrics.registration.labels(self._settings.name).set(int(wrong is None))
        if wrong == before:
            return
        name = self._settings.name
        if wrong is None:
            self._retry_at, self._stuck = 0.0, ""
            self._emit("info", "registration as it should be", {"registration": name})
            await self._tell("registration", {"name": name, "state": "as it should be"})
            return
        if before is None:
            self._wrong_since = time.monotonic()
        self._emit("warning", "registration not as it should be", {"registration": name, "problem": wrong.text})
        await self._tell("registration", {"name": name, "state": wrong.text})

    async def _restore(self, client: KubeClient, wanted: Json, there: Json | None) -> None:
        name = self._settings.name
        try:
            if there is None:
                # An apply, not a create: RBAC can limit it to the one name.
                await client.apply(f"{_PATH}/{name}", made_anew(wanted, name, self._seen), manager=_MANAGER)
            else:
                await client.replace(f"{_PATH}/{name}", put_back(wanted, there))
        except ApiError as error:
            if error.code != _CONFLICT:  # then another replica was faster
                self._refused(error)
            return
        except ClusterError as error:
            self._refused(error)
            return
        self._metrics.registration_restored.inc()
        self._emit("warning", "registration put back", {"registration": name})
        await self._tell("registration", {"name": name, "state": "put back"})

    def _refused(self, error: ClusterError) -> None:
        self._stuck = str(error)
        fields: dict[str, str | int | float | bool] = {"registration": self._settings.name, "problem": str(error)}
        self._emit("error", "registration not put back", fields)

    def _cannot(self, why: str) -> None:
        self._metrics.registration.labels(self._settings.name).set(0)
        if self._unable != why:
            self._emit("warning", "registration not watched", {"registration": self._settings.name, "problem": why})
        self._unable = why
