"""A worker's end of the log: builds records, hands them to the writer, and knows what is on disk.

Keeps to the configured promise: ``durable`` returns after the acknowledgement, ``batched`` at once. A connection
that breaks is opened again and what was not acknowledged is sent again; the writer knows what it has by its id.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.audit.bodies import BodyCapture
from gateway.audit.chain import Draft, draft_event, rfc3339
from gateway.audit.link import Link, connect
from gateway.audit.queue import Queue, Waiting
from gateway.audit.record import decision_draft
from gateway.audit.recorder import RecorderStats
from gateway.audit.state import open_state, state_folder
from gateway.audit.wire import Ack, Entries, Entry, Message
from gateway.config.model import Audit
from gateway.core.errors import AuditError, AuditFullError
from gateway.core.subject import Subject
from gateway.core.verdict import Verdict

SEND_BYTES = 256 * 1024
"""So much is sent at once, without waiting for more."""
_RECONNECT_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class AuditClient:
    """One worker's recorder. Use from one event loop; :meth:`start` before, :meth:`close` after."""

    def __init__(self, config: Audit, *, folder: Path | None = None) -> None:
        self._config = config
        self._durable = config.mode == "durable"
        self._refuse = config.on_full == "refuse"
        self._linger = 0.0 if self._durable else config.flush_seconds / 4
        self._folder = folder or state_folder(config.state_dir)
        self._queue = Queue(config.queue_records)
        self._link: Link | None = None
        self._run: asyncio.Task[None] | None = None
        self._flushing = False
        self._resent = 0
        self._full = ""
        self._recorded = 0
        self._acknowledged = 0
        self._lost = 0
        self._loss: tuple[int, int, int] | None = None

    async def start(self) -> None:
        """Read the redaction key and connect; a writer that is not there yet is waited for in the background.

        Raises:
            AuditError: there is no state folder.
        """
        self._bodies = BodyCapture(self._config.bodies, open_state(self._folder).redaction_key)
        self._loop = asyncio.get_running_loop()
        self._run = asyncio.create_task(self._keep_connected(), name="audit")

    async def record(self, subject: Subject, verdict: Verdict, *, rules: str, timings: dict[str, int]) -> None:
        """Record one decision (see :meth:`gateway.audit.recorder.Recorder.record`)."""
        if self._full and self._refuse:
            raise AuditFullError(f"the audit log has no room: {self._full}")
        now = time.time_ns()
        if not self._queue.has_room():
            if not self._refuse:
                self._count_loss(now)
                return
            await self._queue.room()
        captured = self._bodies.capture(subject, verdict)
        draft = decision_draft(subject, verdict, rules=rules, timings=timings, bodies=captured.bodies, time_ns=now)
        refers = tuple(filter(None, (captured.bodies.object, captured.bodies.old_object)))
        waiting = self._put(Entry(draft, refers, captured.new))
        if waiting.done is not None:
            await waiting.done

    async def event(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Record something about the gateway itself (see :meth:`gateway.audit.recorder.Recorder.event`)."""
        draft = draft_event(kind, detail)
        await self._queue.room()
        self._put(Entry(draft))

    def stats(self) -> RecorderStats:
        """How it stands at this moment."""
        oldest = self._queue.oldest
        return RecorderStats(
            connected=self._link is not None,
            recorded=self._recorded,
            lost=self._lost,
            queued_records=len(self._queue),
            queued_bytes=self._queue.bytes,
            lag_seconds=self._loop.time() - oldest if oldest is not None else 0.0,
            full=self._full,
        )

    async def close(self, *, timeout_seconds: float = 10.0) -> None:
        """Write what is queued, and stop.

        Raises:
            AuditError: not everything could be written in time; says how many records were not.
        """
        deadline = self._loop.time() + timeout_seconds
        while len(self._queue) and self._loop.time() < deadline:
            self._flush()
            await asyncio.sleep(0.005)
        if self._run is not None:
            self._run.cancel()
            await asyncio.gather(self._run, return_exceptions=True)
        if self._link is not None:
            self._link.close()
        left = len(self._queue) + (self._loss[0] if self._loss else 0)
        self._queue.fail(lambda: AuditError("the audit client is closed"))
        if left:
            raise AuditError(f"{left} audit records could not be written before the end")

    def _put(self, entry: Entry) -> Waiting:
        done = self._loop.create_future() if self._durable and not self._full else None
        waiting = Waiting(entry, self._loop.time(), done)
        self._queue.put(waiting)
        if not self._flushing:
            self._flushing = True
            if self._linger:
                self._loop.call_later(self._linger, self._flush)
            else:
                self._loop.call_soon(self._flush)
        return waiting

    def _flush(self) -> None:
        """Send what is queued, as far as the connection takes it; acknowledgements and reconnects call again."""
        self._flushing = False
        link = self._link
        while link is not None and link.writable and self._queue.unsent:
            batch = self._queue.take(SEND_BYTES)
            link.send(Entries(tuple(batch), resent=self._resent > 0))
            self._resent = max(0, self._resent - len(batch))

    async def _keep_connected(self) -> None:
        failures = 0
        while True:
            try:
                link = await connect(self._folder, self._on_message, self._flush)
            except (OSError, AuditError):
                await asyncio.sleep(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
                failures += 1
                continue
            failures = 0
            self._acknowledged = 0
            self._resent = self._queue.unsend()
            self._link = link
            self._full = ""
            self._chain_loss()
            self._flush()
            try:
                await link.lost
            finally:
                self._link = None
                link.close()

    def _on_message(self, message: Message) -> None:
        if not isinstance(message, Ack):
            raise AuditError("audit protocol: expected an acknowledgement")
        count = message.committed - self._acknowledged
        self._acknowledged = message.committed
        self._recorded += count
        self._full = message.full
        self._queue.acknowledge(count)
        if message.full:
            self._on_full(message.full)
        else:
            self._chain_loss()
        if self._queue.unsent and not self._flushing:
            self._flush()

    def _on_full(self, reason: str) -> None:
        """Whoever waits is answered now: refused, or let through with the record still queued."""
        if self._refuse:
            self._queue.fail(lambda: AuditFullError(f"the audit log has no room: {reason}"))
        else:
            self._queue.release()

    def _count_loss(self, now: int) -> None:
        count, since, _ = self._loss or (0, now, now)
        self._loss = (count + 1, since, now)
        self._lost += 1

    def _chain_loss(self) -> None:
        """Say in the log itself how many decisions are missing from it, and when they were made, if there is room."""
        if self._loss is None or not self._queue.has_room():
            return
        count, since, until = self._loss
        self._loss = None
        draft: Draft = draft_event("loss", {"count": count, "since": rfc3339(since), "until": rfc3339(until)})
        self._put(Entry(draft))
