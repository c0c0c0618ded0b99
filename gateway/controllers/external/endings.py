"""Leases that are ended: what is replaced, or whose ExternalSecret is deleted, is good for nothing any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gateway.controllers.external.journal import Journal, lease_note
from gateway.controllers.external.sessions import Sessions
from gateway.core.errors import AuditError, ClusterError
from gateway_secrets.external.errors import ExternalError
from gateway_secrets.external.made import Made, ref_of
from gateway_secrets.external.spec import ExternalSecret
from gateway_secrets.stores.errors import StoreError, ThrottledError, UnavailableError
from gateway_secrets.stores.vault_dynamic import VaultDynamic

AGAIN_SECONDS = 15.0
_AT_A_TIME = 4
_log = logging.getLogger(__name__)


class Endings:
    """Each is tried until it is done, refused, or the lease has ended by itself."""

    def __init__(self, sessions: Sessions, journal: Journal, actor: str, now: Callable[[], float]) -> None:
        self._sessions = sessions
        self._journal = journal
        self._actor = actor
        self._now = now
        self._room = asyncio.Semaphore(_AT_A_TIME)
        self._tasks: set[asyncio.Task[None]] = set()

    def end(self, external: ExternalSecret, made: Made) -> None:
        """Have a lease ended, some time soon."""
        if made.lease is not None:
            task = asyncio.ensure_future(self._until_done(external, made))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def try_once(self, external: ExternalSecret, made: Made) -> bool:
        """End one now; whether that is done, or never will be.

        Raises:
            AuditError: it cannot be put on record.
        """
        if made.lease is None:
            return True
        try:
            source = await self._source(external, made)
            await lease_note(
                self._journal, self._actor, external, made.generator, path="", what=made.lease, outcome="revoked"
            )
            await source.revoke(made.lease)
        except (UnavailableError, ThrottledError, ClusterError) as error:
            self.tell(external, made, f"is not ended yet: {error}")
            return False
        except (StoreError, ExternalError) as error:
            self.tell(external, made, f"is not ended, and lasts until it ends by itself: {error}")
        return True

    def tell(self, external: ExternalSecret, made: Made, what: str) -> None:
        """Log what became of one."""
        fields = {"object": f"{external.namespace}/{external.name}", "generator": made.generator, "problem": what}
        _log.warning("a lease", extra={"fields": fields})

    async def close(self) -> None:
        """What is not ended yet ends by itself."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until_done(self, external: ExternalSecret, made: Made) -> None:
        assert made.lease is not None  # noqa: S101 - it has one
        while self._now() < made.lease.ends:
            try:
                async with self._room:
                    if await self.try_once(external, made):
                        return
            except AuditError as error:
                self.tell(external, made, f"is not ended yet: {error}")
            await asyncio.sleep(AGAIN_SECONDS)

    async def _source(self, external: ExternalSecret, made: Made) -> VaultDynamic:
        source = self._sessions.known(external.namespace, made.generator, made.revision)
        if source is not None:
            return source
        return await self._sessions.source(await self._sessions.find(ref_of(made.generator), external.namespace))
