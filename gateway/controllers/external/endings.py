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
from gateway_secrets.stores.errors import MisconfiguredError, NotFoundError, StoreError
from gateway_secrets.stores.vault_dynamic import VaultDynamic

AGAIN_SECONDS = 15.0
_LATEST_AGAIN_SECONDS = 300.0
"""Each pause is longer than the one before, up to this."""
_AT_A_TIME = 4
_log = logging.getLogger(__name__)


class Endings:
    """Each is tried until it is done, or the lease has ended by itself: a refusal may pass."""

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

    async def try_once(self, external: ExternalSecret, made: Made, *, leaving: bool = False) -> bool:
        """End one now; whether that is done. ``leaving``: its ExternalSecret is deleted, and what the generator is and logs in
        with may be as well: what is not there is not waited for.

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
        except NotFoundError as error:
            self.tell(external, made, f"is not ended, and lasts until it ends by itself: {error}")
        except (StoreError, ExternalError, ClusterError) as error:
            if isinstance(error, StoreError):
                await self._sessions.failed((external.namespace, made.generator, made.revision), error)
            if not leaving or not isinstance(error, MisconfiguredError | ExternalError):
                self.tell(external, made, f"is not ended yet: {error}")
                return False
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
        pause = AGAIN_SECONDS
        while self._now() < made.lease.ends:
            try:
                async with self._room:
                    if await self.try_once(external, made):
                        return
            except AuditError as error:
                self.tell(external, made, f"is not ended yet: {error}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LATEST_AGAIN_SECONDS)

    async def _source(self, external: ExternalSecret, made: Made) -> VaultDynamic:
        source = self._sessions.known(external.namespace, made.generator, made.revision)
        if source is not None:
            return source
        return await self._sessions.source(await self._sessions.find(ref_of(made.generator), external.namespace))
