"""The background scan as a loop: when a scan is due, what becomes of it, and its summaries."""

from __future__ import annotations

import asyncio
import logging
import time

from gateway.config.controller import Scan
from gateway.config.files import Fingerprint, fingerprint
from gateway.controllers.frame import Checks, Context, WornOutError
from gateway.controllers.metrics import ScanMetrics
from gateway.controllers.scan.publish import Publisher
from gateway.controllers.scan.report import summary_of
from gateway.controllers.scan.results import Results
from gateway.controllers.scan.scan import Pass, Progress, RulesChangedError
from gateway.controllers.scan.store import FILE, Generation, Store
from gateway.controllers.scan.tally import Counts
from gateway.controllers.scan.threads import in_thread
from gateway.core.errors import ClusterError, GovgateError
from gateway.kube.pace import Pacer
from gateway.provenance.metrics import ProvenanceMetrics
from policies.sources import source_files
from webhooks.standing import Standing, assemble_standing

_SYNC_SECONDS = 60.0
_POLL_SECONDS = 1.0
_PUBLISH_SECONDS = 30.0
"""Before summaries that could not all be written are tried again."""
_log = logging.getLogger(__name__)


def scan_loop(context: Context) -> ScanLoop | None:
    """The loop, if the configuration asks for it, and there are rules."""
    policy = context.config.policy
    if not context.config.controller.scan.enabled or not (policy.sources or policy.opa.decisions):
        return None
    return ScanLoop(context)


def due(last: Generation | None, digest: str, settings: Scan, now: float) -> bool:
    """Whether to scan: for the first time, after the interval, or because other rules are in force."""
    if last is None or last.rules != digest:
        return True
    return not last.started <= now < last.started + settings.interval_seconds


class ScanLoop:
    """Scans when it is due, and publishes what was found."""

    name = "scan"
    everywhere = False

    def __init__(self, context: Context) -> None:
        self._config = context.config
        self._settings = context.config.controller.scan
        self._client = context.client
        self._path = context.folder / FILE
        self._metrics = ScanMetrics(context.registry)
        self._meter = ProvenanceMetrics(context.registry)
        self._pace = Pacer(self._settings.requests_per_second, self._settings.burst)
        self._publisher = Publisher(context.client, self._settings.reports, self._pace, self._metrics)
        self._standing: Standing | None = None
        self._unread = ""
        self._worn_since: float | None = None
        self._rules_problem = ""
        self._seen: Fingerprint = ()

    def checks(self) -> Checks:
        """Whether what the rules need was read, all types could be, and the rules are those that lie in the files."""
        if self._standing is None:
            return {}
        return {**self._standing.checks(), "types": self._unread or True, "files": self._rules_problem or True}

    async def run(self) -> None:
        """Until cancelled. A scan that was interrupted goes on.

        Raises:
            GovgateError: a scan failed.
        """
        self._seen = self._files()
        self._standing = await assemble_standing(self._config, self._client, meter=self._meter)
        try:
            store = await in_thread(Store, self._path)
            try:
                await self._scan_on(store)
            finally:
                store.close()
        finally:
            standing, self._standing = self._standing, None
            await standing.close()

    async def _scan_on(self, store: Store) -> None:
        last, publish_at = store.complete(), 0.0
        if last is not None:
            self._show()
        while True:
            self._check_wear()
            standing = await self._reloaded()
            await standing.synced(_SYNC_SECONDS)
            if due(last, standing.digest, self._settings, time.time()):
                last, publish_at = await self._once(standing, store) or last, 0.0
            if last is not None and not last.published and time.monotonic() >= publish_at:
                if await self._publish(standing):
                    await in_thread(store.published, last)
                    last = store.complete()
                else:
                    publish_at = time.monotonic() + _PUBLISH_SECONDS
            await asyncio.sleep(min(_POLL_SECONDS, self._config.server.reload_seconds))

    async def _once(self, standing: Standing, store: Store) -> Generation | None:
        """One scan; None if other rules came into force meanwhile."""
        seen = Progress()

        def count(now: Progress) -> None:
            self._metrics.objects.inc(now.objects - seen.objects)
            self._metrics.requests.inc(now.requests - seen.requests)
            self._metrics.restarts.inc(now.restarts - seen.restarts)
            seen.objects, seen.requests, seen.restarts = now.objects, now.requests, now.restarts
            self._check_wear()

        one = Pass(self._client, standing, store, self._settings, pace=self._pace, clock=time.time, progress=count)
        try:
            generation = await one.run()
        except RulesChangedError:
            self._metrics.runs.labels("interrupted").inc()
            _log.info("scan begun anew: the rules changed")
            return None
        except Exception:
            self._metrics.runs.labels("failed").inc()
            raise
        count(one.progress)
        self._metrics.runs.labels("incomplete" if self._show() else "complete").inc()
        return generation

    def _check_wear(self) -> None:
        """Evaluations that do not end take this process's processors, and there is no ending them but with it.

        Raises:
            WornOutError: they have run on for too long.
        """
        running = self._standing.overrunning() if self._standing is not None else 0
        self._metrics.overrunning.set(running)
        if not running:
            self._worn_since = None
            return
        now = time.monotonic()
        self._worn_since = self._worn_since if self._worn_since is not None else now
        if now - self._worn_since > self._config.policy.recycle_seconds:
            raise WornOutError("evaluations of rules do not end: another process has to go on")

    async def _publish(self, standing: Standing) -> bool:
        if not self._settings.reports.enabled:
            return True
        try:
            with Results(self._path) as results:
                return await self._publisher.publish(results, standing.infos)
        except ClusterError as error:
            _log.warning("reports not written", extra={"fields": {"problem": str(error)}})
            return False

    async def _reloaded(self) -> Standing:
        """The rules in force: those that lie in the files now, if they can be used."""
        standing = self._standing
        assert standing is not None  # noqa: S101 - while the loop runs there are rules
        files = self._files()
        if files == self._seen:
            return standing
        self._seen = files
        try:
            new = await assemble_standing(self._config, self._client, meter=self._meter)
        except GovgateError as error:
            self._rules_problem = str(error)
            _log.warning("rules not reloaded", extra={"fields": {"problem": str(error)}})
            return standing
        self._rules_problem, self._standing = "", new
        await standing.close()
        return new

    def _files(self) -> Fingerprint:
        try:
            return fingerprint(source_files(self._config.policy))
        except GovgateError as error:
            return ((str(error),),)

    def _show(self) -> bool:
        """The last whole scan in metrics, checks and the log; whether something could not be read."""
        with Results(self._path) as results:
            generation, problems = results.generation, results.problems()
            total = Counts()
            for _, counts in results.namespaces():
                total.add(counts)
        finished = generation.finished or 0.0
        self._metrics.finished.set(finished)
        self._metrics.duration.set(max(0.0, finished - generation.started))
        self._metrics.judged.set(total.judged)
        self._metrics.problems.set(len(problems))
        for result, number in summary_of(total).items():
            self._metrics.results.labels(result).set(number)
        self._unread = "; ".join(f"{name}: {why}" for name, why in problems.items())
        seconds = round(finished - generation.started, 1)
        fields = {"objects": total.judged, "unread_types": len(problems), "seconds": seconds, **summary_of(total)}
        _log.info("whole scan", extra={"fields": fields})
        return bool(problems)
