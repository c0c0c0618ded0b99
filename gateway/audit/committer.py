"""What the writer does all day: gather entries, commit them, answer; and sign, prune and obey in between.

Commits run in a thread, one at a time; what arrives meanwhile makes the next one. In batched mode a commit also waits
for half of ``flushSeconds``. An acknowledgement leaves after the commit's sync, never before. With no room nothing is
dropped: workers are told, reading stops at a bound, and the same entries are tried again until there is room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from gateway.audit.connection import Connection
from gateway.audit.log import Log
from gateway.audit.wire import Command, Done, Entries, Entry
from gateway.config.model import Audit
from gateway.core.errors import AuditError, AuditFullError

BATCH_RECORDS = 4_096
BATCH_BYTES = 16 * 1024 * 1024
BACKLOG_BYTES = 64 * 1024 * 1024
"""With so much waiting, no more is read from the workers."""
_RETRY_SECONDS = 0.25
_RETENTION_SECONDS = 30.0
_STEP_SECONDS = 0.01

T = TypeVar("T")
Say = Callable[[dict[str, Any]], None]


class Committer:
    """Takes entries from connections, commits them in batches and answers. ``say`` gets what operators should see."""

    def __init__(self, log: Log, config: Audit, say: Say) -> None:
        self._log = log
        self._config = config
        self._say = say
        self._linger = 0.0 if config.mode == "durable" else config.flush_seconds / 2
        self._pending: deque[tuple[Connection, Entry, bool]] = deque()
        self._pending_bytes = 0
        self._commands: deque[tuple[Connection, Command]] = deque()
        self._connections: set[Connection] = set()
        self._arrived = asyncio.Event()
        self._stopping = False
        self._full = ""
        self._batch_records = BATCH_RECORDS
        self._told = log.newest_checkpoint
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="audit-commit")

    def connected(self, connection: Connection) -> None:
        """A worker, or the command line, has come."""
        self._connections.add(connection)
        if self._full:
            connection.acknowledge(self._full)

    def disconnected(self, connection: Connection) -> None:
        """It has gone; what it has sent is committed all the same."""
        self._connections.discard(connection)

    def take(self, connection: Connection, message: Entries | Command) -> None:
        """Something arrived."""
        if isinstance(message, Command):
            self._commands.append((connection, message))
        else:
            for entry in message.entries:
                self._pending.append((connection, entry, message.resent))
                self._pending_bytes += entry.size
            if self._pending_bytes > BACKLOG_BYTES:
                for other in self._connections:
                    other.pause()
        self._arrived.set()

    def stop(self) -> None:
        """Commit what is there and leave :meth:`run`."""
        self._stopping = True
        self._arrived.set()

    async def run(self) -> None:
        """Commit until :meth:`stop`, then sign the end.

        Raises:
            AuditFullError: at the end there was no room for what had arrived.
            AuditError: the log cannot be written and waiting will not help.
        """
        loop = asyncio.get_running_loop()
        every: dict[Callable[[], Any], float] = {
            self._log.checkpoint: self._config.checkpoint_seconds,
            self._log.retain: _RETENTION_SECONDS,
        }
        due = {work: loop.time() + seconds for work, seconds in every.items()}
        while not self._stopping:
            try:
                worked = await self._commit_pending()
                for work, when in due.items():
                    if loop.time() >= when:
                        await self._call(work)
                        due[work] = loop.time() + every[work]
                worked = await self._obey() or worked
                if not worked:
                    await self._rest(min(due.values()) - loop.time())
                elif self._log.has_work:
                    # Under a load that never pauses the work that can wait still has its turn.
                    await self._call(self._log.step)
                await self._has_room()
            except AuditFullError as error:
                await self._has_no_room(str(error))
        try:
            while self._pending:
                await self._commit_pending()
        except AuditFullError as error:
            raise AuditFullError(f"{len(self._pending)} records could not be written: {error}") from error
        await self._call(self._log.close)
        self._pool.shutdown()

    async def _rest(self, seconds: float) -> None:
        """Nothing to commit: a piece of the work that can wait, or sleep until something is due or arrives."""
        busy = await self._call(self._log.step)
        self._arrived.clear()
        if self._pending or self._commands or self._stopping:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_STEP_SECONDS if busy else max(0.0, seconds)):
                await self._arrived.wait()

    async def _commit_pending(self) -> bool:
        """Commit one batch; False if there was none."""
        if not self._pending:
            return False
        if self._linger and len(self._pending) < self._batch_records and not self._stopping:
            await asyncio.sleep(self._linger)
        batch = self._next_batch()
        entries = [entry for _, entry, _ in batch]
        resent = any(again for _, _, again in batch)
        await self._call(lambda: self._log.append(entries, resent=resent))
        self._batch_records = BATCH_RECORDS
        self._acknowledge(batch)
        return True

    def _next_batch(self) -> list[tuple[Connection, Entry, bool]]:
        batch = []
        size = 0
        for item in self._pending:
            batch.append(item)
            size += item[1].size
            if len(batch) >= self._batch_records or size >= BATCH_BYTES:
                break
        return batch

    def _acknowledge(self, batch: list[tuple[Connection, Entry, bool]]) -> None:
        for connection, entry, _ in batch:
            self._pending.popleft()
            self._pending_bytes -= entry.size
            connection.committed += 1
        for connection in {connection for connection, _, _ in batch}:
            connection.acknowledge(self._full)
        if self._pending_bytes <= BACKLOG_BYTES // 2:
            for connection in self._connections:
                connection.resume()

    async def _obey(self) -> bool:
        if not self._commands:
            return False
        connection, command = self._commands.popleft()
        try:
            connection.send(Done(await self._call(lambda: obey(self._log, command))))
        except AuditError as error:
            connection.send(Done("", str(error)))
        return True

    async def _has_room(self) -> None:
        """After a round without an error: if the log was full, see whether it takes a write again."""
        if not self._full:
            return
        await self._call(self._log.probe)
        self._say({"event": "room", "waiting": len(self._pending)})
        self._tell_full("")

    async def _has_no_room(self, reason: str) -> None:
        # A smaller batch may fit where a large one does not.
        self._batch_records = max(1, min(self._batch_records, len(self._pending)) // 2)
        if reason != self._full:
            self._say({"event": "full", "reason": reason, "waiting": len(self._pending)})
            self._tell_full(reason)
        if not self._stopping:
            await asyncio.sleep(_RETRY_SECONDS)

    def _tell_full(self, reason: str) -> None:
        self._full = reason
        for connection in self._connections:
            connection.acknowledge(reason)

    async def _call(self, work: Callable[[], T]) -> T:
        result = await asyncio.get_running_loop().run_in_executor(self._pool, work)
        if self._log.newest_checkpoint != self._told:
            self._told = self._log.newest_checkpoint
            self._say({"event": "checkpoint", "note": self._told})
        return result


def obey(log: Log, command: Command) -> str:
    """Carry out a command of the command line; returns what it answers.

    Raises:
        AuditError: there is no such command, or it failed.
    """
    if command.name == "rotate":
        return log.rotate()
    if command.name == "prune":
        return str(log.prune(command.through, "command"))
    raise AuditError(f"audit protocol: no command {command.name!r}")
