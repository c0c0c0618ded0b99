"""Each read of a secret in the audit log, before what was read is used: who, for whom, which path and version; never a value.

The log is the one of the controller's state folder. If a server writes it, the records go to that server's writer; else the
controller writes it itself, many records at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from gateway.audit.chain import draft_event
from gateway.audit.client import AuditClient
from gateway.audit.log import Log
from gateway.audit.state import LogInUseError, create_state, writer_lock
from gateway.audit.wire import Entry
from gateway.config.model import Audit
from gateway.core.errors import AuditError
from gateway_secrets.external.spec import ExternalSecret
from gateway_secrets.stores.errors import StoreError
from gateway_secrets.stores.outcomes import outcome_of
from gateway_secrets.stores.vault_dynamic_spec import Lease

KIND = "secret-read"
MADE = "secret-made"
"""What Vault made, and what of it was ended."""
_BATCH = 4_096
_log = logging.getLogger(__name__)


class Journal(Protocol):
    """Where reads are recorded, and what else is done with secrets of stores (``kind``)."""

    async def note(self, detail: Mapping[str, Any], kind: str = KIND) -> None:
        """Record one; when this returns, it is on disk, or in the hands of the log's writer.

        Raises:
            AuditError: it cannot be recorded.
        """
        ...


async def lease_note(
    journal: Journal,
    actor: str,
    external: ExternalSecret,
    generator: str,
    *,
    path: str,
    lease: Lease | None,
    outcome: str | StoreError,
) -> None:
    """Record that a secret was made, is to be ended or was, or why not; of its lease a digest, which gives no rights.

    Raises:
        AuditError: it cannot be recorded.
    """
    digest = hashlib.sha256(lease.id.encode()).hexdigest()[:16] if lease is not None else ""
    await journal.note(
        {
            "actor": {"username": actor},
            "for": {"kind": "ExternalSecret", "namespace": external.namespace, "name": external.name},
            "provider": "vault", "generator": generator, "key": path, "lease": digest,
            "outcome": outcome_of(outcome) if isinstance(outcome, StoreError) else outcome,
        },
        MADE,
    )  # fmt: skip


class _Handed:
    """Over a server's writer."""

    def __init__(self, client: AuditClient) -> None:
        self._client = client

    async def note(self, detail: Mapping[str, Any], kind: str = KIND) -> None:
        await self._client.event(kind, detail)


class _Own:
    """Into a log that this process writes: what comes while a commit is made is in the next one."""

    def __init__(self, log: Log, pool: ThreadPoolExecutor) -> None:
        self._log = log
        self._pool = pool
        self._waiting: list[tuple[Entry, asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()

    async def note(self, detail: Mapping[str, Any], kind: str = KIND) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((Entry(draft_event(kind, detail)), done))
        self._arrived.set()
        await done

    async def run(self, checkpoint_seconds: float) -> None:
        """Commit until cancelled, and sign where the log stands from time to time."""
        loop = asyncio.get_running_loop()
        signed_at = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(checkpoint_seconds):
                    await self._arrived.wait()
            self._arrived.clear()
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            if self._waiting:
                self._arrived.set()
            await self._commit(batch)
            if loop.time() - signed_at >= checkpoint_seconds:
                signed_at = loop.time()
                await self._upkeep()

    async def _commit(self, batch: list[tuple[Entry, asyncio.Future[None]]]) -> None:
        loop = asyncio.get_running_loop()
        problem: AuditError | None = None
        try:
            await loop.run_in_executor(self._pool, self._log.append, [entry for entry, _ in batch])
        except AuditError as error:
            problem = error
        except asyncio.CancelledError:
            problem = AuditError("the controller stops")
            raise
        finally:
            for _, done in batch:
                if not done.done():
                    done.set_exception(problem) if problem is not None else done.set_result(None)

    async def _upkeep(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            for work in (self._log.checkpoint, self._log.retain, self._log.step):
                await loop.run_in_executor(self._pool, work)
        except AuditError as error:
            _log.warning("audit log not kept up", extra={"fields": {"problem": str(error)}})


@contextlib.asynccontextmanager
async def journal(folder: Path, config: Audit) -> AsyncIterator[Journal]:
    """The journal of a state folder, for as long as this lasts.

    Raises:
        AuditError: there is no log, and none can be made.
    """
    state = create_state(folder)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(writer_lock(folder))
        except LogInUseError:
            client = AuditClient(config, folder=folder)
            await client.start()
            try:
                yield _Handed(client)
            finally:
                await client.close()
            return
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="audit-commit") as pool:
            log = await loop.run_in_executor(pool, lambda: Log(state, config, purpose="controller"))
            own = _Own(log, pool)
            running = asyncio.create_task(own.run(config.checkpoint_seconds), name="journal")
            try:
                yield own
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await loop.run_in_executor(pool, log.close)
