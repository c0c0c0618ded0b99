"""What a worker tells once a second: its checks to the supervisor, which is also its heartbeat, and gauges."""

from __future__ import annotations

import asyncio
from itertools import islice

from gateway.audit.recorder import Recorder
from gateway.server import control
from gateway.server.admission import Admission
from gateway.server.changes import problems_of
from gateway.server.metrics import WorkerGauges

HEARTBEAT_SECONDS = 1.0
_MAX_WARNINGS = 100
_UNREADY_SECONDS = 0.05
"""While a check fails: whoever waits for readiness should not wait for a heartbeat."""


class Reporter:
    """Reports for one worker."""

    def __init__(
        self, admission: Admission, recorder: Recorder, metrics: WorkerGauges, channel: control.Channel
    ) -> None:
        self._admission = admission
        self._recorder = recorder
        self._metrics = metrics
        self._channel = channel

    async def run(self) -> None:
        """Until cancelled: report."""
        while True:
            ready = self.report()
            await asyncio.sleep(HEARTBEAT_SECONDS if ready else _UNREADY_SECONDS)

    def report(self) -> bool:
        """Report once; whether every check holds."""
        checks = problems_of(self._admission.serving.assembly)
        stats = self._recorder.stats()
        if stats.full:
            checks["audit"] = f"the log has no room: {stats.full}"
        else:
            checks["audit"] = "" if stats.connected else "not connected to the writer"
        assembly = self._admission.serving.assembly
        overrunning, warnings = assembly.overrunning(), assembly.warnings()
        self._metrics.update(self._admission.in_flight, stats, overrunning=overrunning, problems=len(warnings))
        shown = dict(islice(warnings.items(), _MAX_WARNINGS))
        self._channel.send(control.Status(checks, overrunning, shown, assembly.judge.rules))
        return not any(checks.values())
