"""Changes while the server runs: a new configuration, a new certificate. Whole or not at all; the old one stays else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.config.files import Fingerprint, fingerprint
from gateway.config.model import Config
from gateway.core.canonical import sha256_digest
from gateway.core.errors import GovgateError
from gateway.provenance.trust.reading import trust_files
from gateway.server import control, tls
from gateway.server.logs import Emit
from gateway.server.metrics import SupervisorMetrics
from gateway.server.options import Options, keep_started
from gateway.server.slots import InForce, Slot
from policies.sources import source_files

_ANSWER_SECONDS = control.SYNC_SECONDS + 10.0

Tell = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Records an event of the gateway itself: kind and detail."""


class Reloader:
    """Watches the files and carries changes to the workers.

    ``config_problem`` and ``tls_problem`` say why what lies in the files now is not in force; ``waiting`` names
    settings that changed and need a restart; ``tls_expiry`` is in seconds since the epoch.
    """

    def __init__(
        self,
        options: Options,
        in_force: InForce,
        slots: Sequence[Slot],
        *,
        metrics: SupervisorMetrics,
        emit: Emit,
        tell: Tell,
    ) -> None:
        self.config_problem = ""
        self.tls_problem = ""
        self.tls_expiry = 0.0
        self.waiting: tuple[str, ...] = ()
        self._options = options
        self._in_force = in_force
        self._slots = slots
        self._metrics = metrics
        self._emit = emit
        self._tell = tell
        self._asked = asyncio.Event()
        self._number = 0
        self._config_seen = self._config_state()
        self._rules_seen = self._rules_state()
        self._tls_seen: Fingerprint = ()

    def start_tls(self) -> None:
        """Read the first certificate.

        Raises:
            ConfigError: it cannot be used, and there is no other.
        """
        section = self._in_force.config.server.tls
        self._tls_seen = fingerprint(tls.paths_of(section))
        material = tls.read_material(section)
        self._expires(tls.verify(material))
        self._in_force.material = material
        self._in_force.verified.set()

    def ask(self) -> None:
        """Reload now, whether or not a file changed (SIGHUP)."""
        self._asked.set()

    async def run(self) -> None:
        """Until cancelled: look for changes every ``server.reloadSeconds``."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), self._in_force.config.server.reload_seconds)
            asked = self._asked.is_set()
            self._asked.clear()
            config_state, rules_state = self._config_state(), self._rules_state()
            rules_changed = rules_state != self._rules_seen
            if asked or rules_changed or config_state != self._config_seen:
                self._config_seen, self._rules_seen = config_state, rules_state
                await self._reload_config(rules_changed=rules_changed or asked)
            self._reload_tls(asked=asked)

    async def _reload_config(self, *, rules_changed: bool) -> None:
        try:
            await self._change_config(rules_changed=rules_changed)
        except GovgateError as error:
            self.config_problem = str(error)
            self._metrics.config_reloads.labels("failure").inc()
            self._metrics.config_in_force.set(0)
            self._emit("error", "configuration not reloaded", {"problem": str(error)})
        else:
            self.config_problem = ""
            self._metrics.config_reloads.labels("success").inc()
            self._metrics.config_in_force.set(1)

    async def _change_config(self, *, rules_changed: bool) -> None:
        """Check, have every worker prepare, then commit everywhere. The workers read the rules themselves.

        Raises:
            GovgateError: the new configuration cannot be used; the old one stays.
        """
        loaded = self._options.load()
        old = self._in_force.config
        config, self.waiting = keep_started(loaded.config, old)
        if config == old and not (rules_changed and config.policy.sources):
            self._emit("info", "configuration unchanged", {"needs_restart": ", ".join(self.waiting)})
            return
        material, expiry = None, 0.0
        if config.server.tls != old.server.tls:
            material = tls.read_material(config.server.tls)
            expiry = tls.verify(material)
        prepared = await self._prepare(config)
        # Nothing awaited from here on: a worker that starts meanwhile gets the old one and the orders after it.
        self._in_force.config, self._in_force.source = config, loaded.source
        for slot in self._slots:
            late = slot not in prepared
            slot.send(control.Prepare(self._number, config, commit=True) if late else control.Commit(self._number))
        if material is not None:
            self._rotate(material, expiry)
        detail = config_event(config, loaded.source)
        self._emit("info", "configuration reloaded", {**detail, "needs_restart": ", ".join(self.waiting)})
        await self._tell("config", detail)

    async def _prepare(self, config: Config) -> list[Slot]:
        self._number += 1
        asked = [slot for slot in self._slots if slot.ready.is_set()]
        answers = [slot.prepare(self._number, config, seconds=_ANSWER_SECONDS) for slot in asked]
        problems = [problem for problem in await asyncio.gather(*answers) if problem]
        if problems:
            for slot in asked:
                slot.send(control.Abort(self._number))
            raise GovgateError(problems[0])
        return asked

    def _reload_tls(self, *, asked: bool) -> None:
        section = self._in_force.config.server.tls
        state = fingerprint(tls.paths_of(section))
        if state == self._tls_seen and not asked:
            return
        self._tls_seen = state
        try:
            material = tls.read_material(section)
            expiry = tls.verify(material)
        except GovgateError as error:
            self.tls_problem = str(error)
            self._metrics.tls_failures.inc()
            self._metrics.tls_in_force.set(0)
            self._emit("error", "certificate not reloaded", {"problem": str(error)})
            return
        self.tls_problem = ""
        self._metrics.tls_in_force.set(1)
        if material != self._in_force.material:
            self._rotate(material, expiry)

    def _rotate(self, material: tls.Material, expiry: float) -> None:
        self._in_force.material = material
        for slot in self._slots:
            slot.send(control.Rotate(material))
        self._expires(expiry)
        self._metrics.tls_reloads.inc()
        self._emit("info", "certificate reloaded", {})

    def _expires(self, expiry: float) -> None:
        self.tls_expiry = expiry
        self._metrics.tls_expiry.set(expiry)

    def _rules_state(self) -> Fingerprint:
        try:
            config = self._in_force.config
            return fingerprint([*source_files(config.policy), *trust_files(config.provenance)])
        except GovgateError as error:
            return ((str(error),),)

    def _config_state(self) -> Fingerprint:
        return fingerprint((self._in_force.source,))


def config_event(config: Config, source: str) -> dict[str, str]:
    """What is recorded of a configuration that comes into force: its digest, and all that switches enforcement off."""
    return {
        "source": source,
        "digest": sha256_digest(msgspec.json.encode(config, order="deterministic")),
        "mode": config.mode,
        "driftMode": config.drift.mode,
        "optOutNamespaces": ", ".join(config.opt_out.namespaces),
        "optOutReason": config.opt_out.reason,
    }
