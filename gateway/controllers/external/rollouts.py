"""Workloads that opted in are restarted when what their Secrets hold has changed: once, some time after the last change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec

from gateway.controllers.external.held import HeldSecret, Json
from gateway.controllers.external.known import Index
from gateway.core.errors import ClusterError
from gateway.kube import Key, KubeClient, ResourceType, WatchCache
from gateway.kube.discovery import Pace
from gateway_secrets.external.rollout import LABEL, applied, restart_of, secrets_used

MANAGER = "govgate-restarts"
API_VERSION = "apps/v1"
KINDS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
SELECTOR = f"{LABEL}=true"
RETRY_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Workload(NamedTuple):
    """Which."""

    kind: str
    key: Key


class Rollouts:
    """Fed by the caches' events. ``secrets``: what is held now; ``mine``: whether a namespace is this process's to work on.
    ``settle_seconds``: after the last change.
    """

    def __init__(
        self, client: KubeClient, pace: Pace, key: bytes, settle_seconds: float, restarted: Callable[[], None]
    ) -> None:
        self.secrets: Callable[[Key], HeldSecret | None] = lambda _: None
        self.mine: Callable[[str], bool] = lambda _: True
        self._client = client
        self._pace = pace
        self._key = key
        self._settle_seconds = settle_seconds
        self._restarted = restarted
        self._by_secret = Index()
        self._timers: dict[Workload, asyncio.TimerHandle] = {}
        self._due: asyncio.Queue[Workload] = asyncio.Queue()
        self.caches: dict[str, WatchCache[bytes]] = {
            kind: WatchCache(
                client,
                ResourceType("apps", ("v1",), plural),
                _reduced,
                selector=SELECTOR,
                on_change=partial(self._workload_changed, kind),
            )
            for kind, plural in KINDS.items()
        }

    def secret_changed(self, key: Key) -> None:
        """A Secret did: what uses it is looked at when no more changes come."""
        for workload in self._by_secret[key]:
            self._later(Workload(*_split(workload)))

    async def run(self) -> None:
        """Look at one workload after the other, until cancelled."""
        while True:
            workload = await self._due.get()
            try:
                await self._one(workload)
            except ClusterError as error:
                fields = {"workload": f"{workload.kind} {'/'.join(workload.key)}", "problem": str(error)}
                _log.warning("workload not restarted", extra={"fields": fields})
                self._later(workload, RETRY_SECONDS)

    def close(self) -> None:
        """Nothing comes any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def _one(self, workload: Workload) -> None:
        text = self.caches[workload.kind].get(*workload.key)
        if text is None:
            return
        document: Json = msgspec.json.decode(text)
        held = {}
        for name in sorted(secrets_used(document)):
            secret = self.secrets(Key(workload.key.namespace, name))
            found = secret.document if secret is not None else None
            if found is not None:
                held[name] = found.get("data") or {}
        what = restart_of(document, held, self._key)
        if what is None:
            return
        path = ResourceType("apps", ("v1",), KINDS[workload.kind]).path("v1", *workload.key)
        await self._pace()
        await self._client.apply(path, applied(document, API_VERSION, workload.kind, what), manager=MANAGER)
        if what.restart:
            self._restarted()
            fields = {"workload": f"{workload.kind} {'/'.join(workload.key)}", "secrets": ", ".join(held)}
            _log.warning("workload restarted: its Secrets hold something else", extra={"fields": fields})

    def _workload_changed(self, kind: str, key: Key, old: bytes | None, new: bytes | None) -> None:
        workload = Workload(kind, key)
        before, after = (
            [Key(workload.key.namespace, name) for name in secrets_used(msgspec.json.decode(text))] if text else []
            for text in (old, new)
        )
        self._by_secret.put(_joined(workload), before, after)
        if new is not None:
            self._later(workload)

    def _later(self, workload: Workload, seconds: float | None = None) -> None:
        if not self.mine(workload.key.namespace):
            return
        timer = self._timers.pop(workload, None)
        if timer is not None:
            timer.cancel()
        delay = self._settle_seconds if seconds is None else seconds
        self._timers[workload] = asyncio.get_running_loop().call_later(delay, self._ready, workload)

    def _ready(self, workload: Workload) -> None:
        self._timers.pop(workload, None)
        self._due.put_nowait(workload)


def _joined(workload: Workload) -> Key:
    return Key(workload.key.namespace, f"{workload.kind}/{workload.key.name}")


def _split(key: Key) -> tuple[str, Key]:
    kind, _, name = key.name.partition("/")
    return kind, Key(key.namespace, name)


def _reduced(document: Json) -> bytes:
    """What of a workload decides."""
    metadata, template = document["metadata"], document["spec"]["template"]
    kept = {name: metadata.get(name) for name in ("name", "namespace", "uid", "annotations")}
    pod = {name: template.get("spec", {}).get(name) for name in ("volumes", "containers", "initContainers")}
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    return msgspec.json.encode({
        "metadata": kept, "spec": {"template": {"metadata": {"annotations": annotations}, "spec": pod}}
    })  # fmt: skip
