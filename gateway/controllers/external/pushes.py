"""PushSecrets: Secrets of the cluster into stores, as long as the loop of ExternalSecrets runs, with its stores and its audit log.

One that names stores of govgate's and of others' is nobody's here: another controller would push to its own, and each would
write over what the other notes of what is stored.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

from gateway.controllers.contests import Contests
from gateway.controllers.external.push_held import HeldPush, Labels, held_push
from gateway.controllers.external.push_status import PUSHES
from gateway.controllers.external.push_worker import PushWorker, State
from gateway.controllers.metrics import PushMetrics
from gateway.controllers.not_ready import NotReady
from gateway.controllers.queue import WorkQueue
from gateway.controllers.states import States
from gateway.core.errors import ClusterError
from gateway.kube import Key, KubeClient, WatchCache, is_outdated
from gateway.tasks import lasting
from gateway_secrets.external.push_spec import KIND
from gateway_secrets.external.spec import StoreRef

_WORKERS = 8
_SHARE = 2
"""Of one namespace, at a time: a quarter, as of ExternalSecrets. A store that does not answer keeps nobody else waiting."""
_log = logging.getLogger(__name__)


class Pushes:
    """Has pushed what is to be pushed. ``mine``: whether a namespace is this process's to work on."""

    def __init__(
        self,
        client: KubeClient,
        worker: PushWorker,
        mine: Callable[[str], bool],
        *,
        metrics: PushMetrics,
        not_ready: NotReady,
    ) -> None:
        self._worker = worker
        self._mine = mine
        self._not_ready = not_ready
        self._states = States(metrics.objects, ("synced", "failed", "mixed"))
        self._contests = Contests("PushSecrets that govgate works on are worked on by somebody else, too")
        self._queue = WorkQueue(_SHARE)
        self.cache: WatchCache[HeldPush] = WatchCache(client, PUSHES, held_push, on_change=self._changed)

    @property
    def problem(self) -> str:
        """Why PushSecrets cannot be read; empty if they can, or the cluster does not know any."""
        return f"{PUSHES}: {self.cache.problem}" if self.cache.problem and not self.cache.absent else ""

    @property
    def contest(self) -> str:
        """Who else works on the same ones; empty if nobody does."""
        mixed = sorted("/".join(key) for key in self._states.which("mixed"))
        named = f"only some stores of these PushSecrets are govgate's: {', '.join(mixed[:5])}" if mixed else ""
        return "; ".join(filter(None, (self._contests.problem(time.monotonic()), named)))

    def store_changed(self, ref: StoreRef, namespace: str, before: Labels | None, after: Labels | None) -> None:
        """A store did, of a namespace or of none: those that are pushed to it, or were, are looked at. Its labels, before and after."""
        for key in [key for key, held in self._near(namespace) if held.concerned(ref, before, after)]:
            self._add(key)

    def store_labelled(self, ref: StoreRef, namespace: str, before: Labels, after: Labels) -> None:
        """Nothing of a store changed but its labels, by which others may choose it."""
        for key in [key for key, held in self._near(namespace) if held.chooses_otherwise(ref, before, after)]:
            self._add(key)

    def _near(self, namespace: str) -> Iterator[tuple[Key, HeldPush]]:
        """Those that may be pushed to a store of a namespace, or of none."""
        return ((key, held) for key, held in self.cache.items() if namespace in ("", key.namespace))

    async def run(self) -> None:
        """Until cancelled."""
        self.cache.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(_WORKERS):
                    tasks.create_task(lasting(self._work()))
        finally:
            self._queue.close()
            await self.cache.close()

    def _changed(self, key: Key, old: HeldPush | None, new: HeldPush | None) -> None:
        if new is None:
            self._queue.forget(key)
            self._worker.forget(key)
            self._is(key, None)
        elif old is None or old.trigger != new.trigger:
            self._add(key)
        elif new.stranger and (new.stranger, new.stranger_at) != (old.stranger, old.stranger_at):
            if self._states.of(key) in ("synced", "failed"):
                contest = self._contests.note(key, new.stranger, time.monotonic())
                fields = {"object": "/".join(key), "writer": new.stranger, "times": contest.times}
                _log.warning("somebody else works on a PushSecret of govgate's", extra={"fields": fields})
            self._add(key)

    def _add(self, key: Key) -> None:
        if self._mine(key.namespace):
            self._queue.add(key)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            wait = self._contests.wait(key, time.monotonic())
            if wait:
                self._queue.retry(key, wait)
                continue
            try:
                done, again = await self._one(key)
            except Exception as error:  # noqa: BLE001 - whatever is odd about one, the others go on; no text: it may hold a value
                problem = str(error) if isinstance(error, ClusterError) else f"internal error: {type(error).__name__}"
                if not is_outdated(error):
                    _log.warning(
                        "PushSecret not pushed", extra={"fields": {"object": "/".join(key), "problem": problem}}
                    )
                done, again = False, None
            except BaseException:
                self._queue.release(key)
                raise
            if done:
                self._queue.done(key, again)
            else:
                self._queue.retry(key)

    async def _one(self, key: Key) -> tuple[bool, float | None]:
        """Look at one; whether that is done, and when it is looked at again."""
        held = self.cache.get(*key)
        if held is None:
            return True, None
        found = await self._worker.look(key, held, self._states.of(key))
        if self.cache.get(*key) is not None:
            self._is(key, found.state)
        return found.done, found.again_in

    def _is(self, key: Key, state: State | None) -> None:
        self._states.note(key, state)
        self._not_ready.note(KIND, key, bad=state == "failed")
