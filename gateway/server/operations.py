"""What the supervisor does beside keeping processes alive: readiness, metrics, reloads, events in the log."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.audit.client import AuditClient
from gateway.core.errors import AuditError
from gateway.server import metric_files
from gateway.server.health import Health
from gateway.server.logs import Emit
from gateway.server.metrics import SupervisorMetrics
from gateway.server.options import Options
from gateway.server.readiness import Check, worker_checks
from gateway.server.registration_watch import RegistrationWatch
from gateway.server.reload import Reloader, config_event
from gateway.server.replica import Replica
from gateway.server.slots import InForce, Slot

_POLL_SECONDS = 0.02
_EXPIRY_WARNING_SECONDS = 3 * 86_400.0


class Operations:
    """Everything of the supervisor that needs the rest of the code. ``draining`` makes it unready."""

    def __init__(
        self, options: Options, in_force: InForce, slots: Sequence[Slot], *, metrics_dir: Path, emit: Emit
    ) -> None:
        metric_files.identify("supervisor", metrics_dir)
        self.metrics = SupervisorMetrics()
        self.draining = False
        self.was_ready = False
        self._in_force = in_force
        self._slots = slots
        self._metrics_dir = metrics_dir
        self._emit = emit
        self._audit = AuditClient(in_force.config.audit, folder=Path(in_force.config.audit.state_dir))
        self._reloader = Reloader(options, in_force, slots, metrics=self.metrics, emit=emit, tell=self._tell)
        self._replica = Replica(in_force, slots)
        self._registration = RegistrationWatch(in_force, metrics=self.metrics, emit=emit, tell=self._tell)
        self._restarting = asyncio.Lock()
        self._health: Health | None = None
        self._telling = False

    async def start(self, health: socket.socket) -> None:
        """Begin: the certificate, health, the first event in the log.

        Raises:
            GovgateError: the certificate cannot be used, or there is no audit log.
        """
        self._reloader.start_tls()
        rendered = partial(metric_files.render, self._metrics_dir)
        self._health = Health(health, self.checks, rendered, self._replica.document)
        await self._health.start()
        await self._audit.start()
        self._telling = True
        config = self._in_force.config
        await self._tell("start", {"version": __version__, **config_event(config, self._in_force.source)})

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs as long as the server does."""
        return self._reloader.run(), self._recycle(), self._watch()

    async def _watch(self) -> None:
        """Begin when all is ready: what it needs takes a while to import."""
        while not self.was_ready:  # noqa: ASYNC110 - see wait_ready
            await asyncio.sleep(_POLL_SECONDS)
        await self._registration.run()

    def reload(self) -> None:
        """Reload configuration and certificate now."""
        self._reloader.ask()

    async def wait_ready(self) -> None:
        """Return when every check holds for the first time."""
        while any(check.problem for check in self.checks()):  # noqa: ASYNC110 - checks are asked, nobody announces them
            await asyncio.sleep(_POLL_SECONDS)
        self.was_ready = True

    async def restart_workers(self) -> None:
        """Replace the workers, one after the other; stop at one that does not come up again."""
        async with self._restarting:
            for slot in self._slots:
                grace = self._in_force.config.server.grace_seconds
                if self.draining or not await slot.replace(grace):
                    self._emit("error", "rolling restart stopped", {"slot": slot.name})
                    return
            self._emit("info", "workers replaced", {"workers": len(self._slots)})

    async def _recycle(self) -> None:
        """Until cancelled: replace a worker in which evaluations of rules do not end, for they never will."""
        while True:
            await asyncio.sleep(1.0)
            patience = self._in_force.config.policy.recycle_seconds
            for slot in self._slots:
                since = slot.overrunning_since
                if since is None or time.monotonic() - since < patience or self.draining:
                    continue
                self._emit("warning", "worker replaced: evaluations of rules do not end", {"slot": slot.name})
                self.metrics.recycled.inc()
                async with self._restarting:
                    if not await slot.replace(self._in_force.config.server.grace_seconds):
                        self._emit("error", "worker did not come up again", {"slot": slot.name})

    def worker_ended(self, slot: Slot) -> None:
        """Count it, and drop what was true only while it lived."""
        self.metrics.restarts.inc()
        metric_files.forget(slot.name, self._metrics_dir)

    def checks(self) -> list[Check]:
        """What readiness depends on."""
        reloader, stats = self._reloader, self._audit.stats()
        waiting = f"needs a restart: {', '.join(reloader.waiting)}" if reloader.waiting else ""
        audit = f"the log has no room: {stats.full}" if stats.full else ""
        checks = [
            Check("config", warning=reloader.config_problem or waiting),
            Check("tls", "" if self._in_force.verified.is_set() else "no certificate yet", self._tls_warning()),
            Check("audit", audit if stats.connected else "the writer is not there"),
        ]
        if self._registration.watched:
            checks.append(Check("registration", warning=self._registration.problem))
        for slot in self._slots:
            checks += worker_checks(
                slot.name,
                ready=slot.ready.is_set(),
                problem=slot.problem,
                checks=slot.checks,
                warnings=slot.warnings,
            )
        if self.draining:
            checks.append(Check("shutdown", "the server is draining"))
        return checks

    async def flush(self) -> None:
        """Write what is on its way to the log. The writer must still be there."""
        if not self._telling:
            return
        await self._tell("stop", {"version": __version__})
        try:
            await self._audit.close()
        except AuditError as error:
            self._emit("error", "audit log not flushed", {"problem": str(error)})

    async def close(self) -> None:
        """Stop answering probes."""
        if self._health is not None:
            await self._health.close()

    async def _tell(self, kind: str, detail: Mapping[str, Any]) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._audit.event(kind, detail)
        except (AuditError, TimeoutError):
            self._emit("error", "event not recorded", {"kind": kind})

    def _tls_warning(self) -> str:
        left = self._reloader.tls_expiry - time.time()
        if 0 < left < _EXPIRY_WARNING_SECONDS:
            return self._reloader.tls_problem or f"the certificate expires in {left / 3600:.0f} h"
        return self._reloader.tls_problem or ("" if left > 0 else "the certificate has expired")
