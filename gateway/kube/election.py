"""Work that one of several processes does: the one that holds a Lease, for as long as it can renew it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec

from gateway.config.controller import Election
from gateway.core.errors import ClusterError, ConfigError
from gateway.core.subject import Json
from gateway.kube.client import KubeClient
from gateway.kube.errors import ApiError
from gateway.kube.lease import Observed, lease_document, may_take, observe, released, taken
from gateway.kube.resource import ResourceType

LEASES = ResourceType("coordination.k8s.io", ("v1",), "leases")
_CONFLICT = 409
_RELEASE_SECONDS = 5.0
_log = logging.getLogger(__name__)


class Elector:
    """Holds the Lease whenever it can. ``leading``: it does, and the work runs. ``problem``: why it was not asked for."""

    def __init__(self, client: KubeClient, namespace: str, settings: Election, *, identity: str = "") -> None:
        """Prepare; nothing is asked yet.

        Raises:
            ConfigError: the times contradict each other.
        """
        if not settings.retry_seconds < settings.renew_seconds < settings.lease_seconds:
            raise ConfigError("controller.election: retrySeconds < renewSeconds < leaseSeconds must hold")
        self.identity = identity or f"{socket.gethostname()}_{os.getpid()}_{os.urandom(4).hex()}"
        self.leading = False
        self.problem = ""
        self._client = client
        self._namespace = namespace
        self._settings = settings
        self._observed: Observed | None = None

    @property
    def holder(self) -> str:
        """Who held the Lease when it was last seen; empty if nobody did."""
        return (self._observed.spec.holder_identity or "") if self._observed is not None else ""

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled: wait for the Lease, then work until it is lost. Whatever ends this, the Lease is let go.

        Raises:
            Exception: whatever ``work`` raises.
        """
        try:
            while True:
                await self._acquire()
                self.leading = True
                _log.info("leading", extra={"fields": {"identity": self.identity}})
                try:
                    await self._hold(work)
                finally:
                    self.leading = False
                _log.warning("the lease is lost", extra={"fields": {"holder": self.holder}})
        finally:
            # Shielded: being told twice to stop must not leave others waiting for the Lease to run out.
            await asyncio.shield(self._release())

    async def _acquire(self) -> None:
        while not await self._try():  # noqa: ASYNC110 - the API server is asked, nobody announces
            await asyncio.sleep(self._settings.retry_seconds)

    async def _hold(self, work: Callable[[], Awaitable[None]]) -> None:
        """Work, and renew. Returns when the Lease could not be renewed for ``renew_seconds``, or is another's."""
        task = asyncio.ensure_future(work())
        renewed = time.monotonic()
        try:
            while True:
                await asyncio.wait([task], timeout=self._settings.retry_seconds)
                if task.done():
                    task.result()
                    return
                asked = time.monotonic()
                left = renewed + self._settings.renew_seconds - asked
                held = False
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, left)):
                        held = await self._try()
                if held:
                    renewed = asked
                elif self.holder != self.identity or time.monotonic() >= renewed + self._settings.renew_seconds:
                    return
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(task, return_exceptions=True)

    async def _try(self) -> bool:
        """Take or renew the Lease; whether it is held now."""
        try:
            held = await self._write()
            self._told("")
        except ApiError as error:
            # Someone else was faster: not a problem, but not held either.
            self._told("" if error.code == _CONFLICT else str(error))
            return False
        except (ClusterError, msgspec.ValidationError) as error:
            self._told(str(error))
            return False
        return held

    async def _write(self) -> bool:
        settings, path = self._settings, LEASES.path("v1", self._namespace, self._settings.name)
        now = datetime.now(UTC)
        found = await self._client.find(path)
        if found is None:
            document = lease_document(
                self._namespace, settings.name, taken(None, self.identity, settings.lease_seconds, now)
            )
            self._see(await self._client.create(LEASES.path("v1", self._namespace), document))
            return True
        observed = self._see(found)
        if not may_take(observed, self.identity, time.monotonic()):
            return False
        spec = taken(observed.spec, self.identity, settings.lease_seconds, now)
        document = lease_document(self._namespace, settings.name, spec, observed.version)
        self._see(await self._client.replace(path, document))
        return True

    async def _release(self) -> None:
        observed = self._observed
        if observed is None or observed.spec.holder_identity != self.identity:
            return
        spec = released(observed.spec, datetime.now(UTC))
        document = lease_document(self._namespace, self._settings.name, spec, observed.version)
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                self._see(await self._client.replace(LEASES.path("v1", self._namespace, self._settings.name), document))
        except (ClusterError, TimeoutError) as error:
            _log.warning("the lease was not let go", extra={"fields": {"problem": str(error) or "timed out"}})

    def _see(self, document: Json) -> Observed:
        self._observed = observed = observe(self._observed, document, time.monotonic())
        return observed

    def _told(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("the lease cannot be asked for", extra={"fields": {"problem": problem}})
        self.problem = problem
