"""Leases that are ended: what is replaced, or whose ExternalSecret is deleted, is good for nothing any more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from gateway.controllers.external.journal import Journal, lease_note
from gateway.controllers.external.sessions import Sessions
from gateway.controllers.external.telling import Notices
from gateway.core.errors import AuditError, ClusterError
from gateway_secrets.external.errors import ExternalError
from gateway_secrets.external.made import Replaced, ref_of
from gateway_secrets.external.spec import ExternalSecret
from gateway_secrets.stores.errors import MisconfiguredError, NotFoundError, StoreError
from gateway_secrets.stores.vault_dynamic import VaultDynamic

AGAIN_SECONDS = 15.0
_LATEST_AGAIN_SECONDS = 300.0
"""Each pause is longer than the one before, up to this."""
_AT_A_TIME = 4
CLOSE_SECONDS = 5.0
_log = logging.getLogger(__name__)


class Endings:
    """Each is tried until it is done, or the lease has ended by itself: a refusal may pass.

    What a Secret notes is ended when that is due, by whoever looks at it (:meth:`try_once`); what no Secret notes is in the
    hands of this process (:meth:`end`).
    """

    in_use: Callable[[str, str], bool] = staticmethod(lambda _uid, _lease: False)
    """Whether a lease of an ExternalSecret is one that a Secret holds: it may be so again by the time that it is to be ended."""

    def __init__(
        self, sessions: Sessions, journal: Journal, actor: str, now: Callable[[], float], notices: Notices
    ) -> None:
        self._sessions = sessions
        self._journal = journal
        self._actor = actor
        self._now = now
        self._notices = notices
        self._room = asyncio.Semaphore(_AT_A_TIME)
        self._tasks: dict[asyncio.Task[None], tuple[ExternalSecret, Replaced]] = {}

    def end(self, external: ExternalSecret, one: Replaced | None) -> None:
        """Have a lease ended once that is due, or some time soon after; nothing, for None."""
        if one is not None:
            task = asyncio.ensure_future(self._until_done(external, one))
            self._tasks[task] = (external, one)
            task.add_done_callback(lambda task: self._tasks.pop(task, None))

    async def try_once(self, external: ExternalSecret, one: Replaced, *, leaving: bool = False) -> bool:
        """End one now; whether that is done. ``leaving``: its ExternalSecret is deleted, and what the generator is and logs in
        with may be as well: what is not there is not waited for.

        It is on record before it is tried, and what came of it after that: one that is said to be revoked is.

        Raises:
            AuditError: it cannot be put on record.
        """
        try:
            source = await self._source(external, one)
            await self._note(external, one, "revoking")
            try:
                await source.revoke(one.lease)
            except StoreError as error:
                await self._note(external, one, error)
                raise
            await self._note(external, one, "revoked")
        except NotFoundError as error:
            await self._left(external, one, error)
        except (StoreError, ExternalError, ClusterError) as error:
            if isinstance(error, StoreError):
                await self._sessions.failed((external.namespace, one.generator, one.revision), error)
            if not leaving or not isinstance(error, MisconfiguredError | ExternalError):
                self.tell(external, one.generator, f"is not ended yet: {error}")
                return False
            await self._left(external, one, error)
        return True

    def tell(self, external: ExternalSecret, generator: str, what: str) -> None:
        """Log what became of one."""
        fields = {"object": f"{external.namespace}/{external.name}", "generator": generator, "problem": what}
        _log.warning("a lease", extra={"fields": fields})

    async def close(self) -> None:
        """What is due is tried once more, as far as that goes within a moment; what is not ended then ends by itself."""
        pending = [(external, one) for external, one in self._tasks.values() if one.at <= self._now()]
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(self._last(*one) for one in pending))

    async def _last(self, external: ExternalSecret, one: Replaced) -> None:
        with contextlib.suppress(AuditError):
            async with self._room:
                if not self.in_use(external.uid, one.lease.id):
                    await self.try_once(external, one)

    async def _until_done(self, external: ExternalSecret, one: Replaced) -> None:
        pause = AGAIN_SECONDS
        await asyncio.sleep(max(0.0, one.at - self._now()))
        while self._now() < one.lease.ends:
            try:
                async with self._room:
                    if self.in_use(external.uid, one.lease.id) or await self.try_once(external, one):
                        return
            except AuditError as error:
                self.tell(external, one.generator, f"is not ended yet: {error}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LATEST_AGAIN_SECONDS)

    async def _left(self, external: ExternalSecret, one: Replaced, error: Exception) -> None:
        what = f"is not ended, and lasts until it ends by itself: {error}"
        self.tell(external, one.generator, what)
        await self._notices.say(external, "LeaseNotRevoked", f"what {one.generator} made {what}")

    async def _note(self, external: ExternalSecret, one: Replaced, outcome: str | StoreError) -> None:
        await lease_note(self._journal, self._actor, external, one.generator, path="", lease=one.lease, outcome=outcome)

    async def _source(self, external: ExternalSecret, one: Replaced) -> VaultDynamic:
        source = self._sessions.known(external.namespace, one.generator, one.revision)
        if source is not None:
            return source
        return await self._sessions.source(await self._sessions.find(ref_of(one.generator), external.namespace))
