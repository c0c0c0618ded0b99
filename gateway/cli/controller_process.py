"""The process of ``govgate controller``: its signals, its listener, and the controller of the configuration in force.

It is put together here, above both the loops and the server, whose listener and log it has.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from gateway.cli.scan import connected
from gateway.config import Config, load_config
from gateway.config.files import fingerprint
from gateway.core.errors import ConfigError, GovgateError
from gateway.server import listeners, logs
from gateway.server.health import Health, Rendered
from gateway.server.readiness import Check

if TYPE_CHECKING:
    import socket

    from prometheus_client import CollectorRegistry

    from gateway.controllers.frame import Controller
    from gateway.kube import KubeClient

_INFORMED = ("gateway.controllers", "gateway.kube.election")


class Options(msgspec.Struct, frozen=True):
    """What the command line says; it goes before the configuration."""

    config: Path | None
    state_dir: Path | None
    kubeconfig: Path | None
    kube_context: str
    host: str
    health_port: int | None
    no_election: bool

    def load(self) -> tuple[Config, str]:
        """The configuration with these options over it, and the file that it is from.

        Raises:
            ConfigError: the file is wrong.
            UsageError: an option is.
        """
        loaded = load_config(self.config)
        config = connected(loaded.config, self.kubeconfig, self.kube_context)
        section = config.controller
        given = {"health_host": self.host or None, "health_port": self.health_port}
        section = msgspec.structs.replace(section, **{name: one for name, one in given.items() if one is not None})
        if self.no_election:
            section = msgspec.structs.replace(
                section, election=msgspec.structs.replace(section.election, enabled=False)
            )
        return msgspec.structs.replace(config, controller=section), loaded.source


class _Working:
    """What works by one configuration."""

    def __init__(
        self, config: Config, source: str, client: KubeClient, registry: CollectorRegistry, controller: Controller
    ) -> None:
        self.config, self.source = config, source
        self.client, self.registry, self.controller = client, registry, controller


class Process:
    """One process: its signals, its listener, and the controller of the configuration in force."""

    def __init__(self, options: Options, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._emit = logs.stderr_emit()
        self._stop = asyncio.Event()
        self._working: _Working | None = None
        self._problem = ""
        logs.bridge(self._emit, informed=_INFORMED)

    async def run(self, config: Config, source: str) -> int:
        """Until SIGTERM or SIGINT.

        Raises:
            GovgateError: it cannot be begun with this configuration, or cannot go on.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(logs.loop_exception_handler(self._emit))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        section = config.controller
        with listeners.bind_one(section.health_host, section.health_port) as sock:
            health = Health(sock, self._checks, self._rendered)
            await health.start()
            self._announce(sock)
            try:
                from gateway.controllers.metrics import ReloadMetrics  # noqa: PLC0415 - when the listener answers

                self._reloads = ReloadMetrics()
                following: _Working | None = await self._prepared(config, source)
                while following is not None:
                    following = await self._in_force(following)
            finally:
                await health.close()
        self._emit("info", "stopped", {})
        return 0

    async def _prepared(self, config: Config, source: str) -> _Working:
        """What would work by a configuration; nothing is begun yet.

        Raises:
            GovgateError: it cannot be used.
        """
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - as in run

        from gateway.controllers.frame import Context, Controller  # noqa: PLC0415
        from gateway.controllers.table import MAKERS  # noqa: PLC0415
        from gateway.kube import connect  # noqa: PLC0415

        client = await connect(config.cluster)
        if client is None:
            raise ConfigError("no cluster is connected (cluster.connect in the configuration, or --kubeconfig)")
        registry = CollectorRegistry()
        self._reloads.show_in(registry)
        try:
            controller = Controller(Context(config, client, registry, self._folder), MAKERS)
        except GovgateError:
            await client.close()
            raise
        return _Working(config, source, client, registry, controller)

    async def _in_force(self, now: _Working) -> _Working | None:
        """Work by one configuration; returns what works by the next one, None to stop."""
        self._working = now
        fields: logs.Fields = {"loops": ", ".join(now.controller.names), "source": now.source}
        self._emit("info", "started", fields)
        working = asyncio.ensure_future(now.controller.run())
        changing = asyncio.ensure_future(self._changed(now))
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({working, changing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if changing.done() and not self._stop.is_set() and not working.done():
                return changing.result()
            if changing.done():
                await changing.result().client.close()
            if working.done():
                working.result()
            return None
        finally:
            for task in (working, changing, stopping):
                task.cancel()
            await asyncio.gather(working, changing, stopping, return_exceptions=True)
            self._working = None
            await now.client.close()

    async def _changed(self, now: _Working) -> _Working:
        """Wait for another configuration that can be used; until then the old one goes on."""
        seen = fingerprint((now.source,))
        while True:
            await asyncio.sleep(now.config.server.reload_seconds)
            found = fingerprint((now.source,))
            if found == seen:
                continue
            seen = found
            try:
                config, source = self._options.load()
                new = None if config == now.config else await self._prepared(config, source)
            except GovgateError as error:
                self._problem = str(error)
                self._reloads.reloaded(well=False)
                self._emit("error", "configuration not reloaded", {"problem": str(error)})
                continue
            self._problem = ""
            self._reloads.reloaded(well=True)
            if new is not None:
                return new

    def _checks(self) -> list[Check]:
        if self._working is None:
            return [Check("controller", "starting")]
        controller = self._working.controller
        checks = [Check("config", warning=self._problem), Check("election", controller.problem)]
        named = controller.checks()
        return checks + [Check(name, warning="" if why is True else str(why)) for name, why in sorted(named.items())]

    def _rendered(self, accept: str) -> Rendered:
        from prometheus_client import CollectorRegistry  # noqa: PLC0415
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415

        working = self._working
        encode, content_type = choose_encoder(accept)
        return encode(working.registry if working is not None else CollectorRegistry()), content_type

    def _announce(self, sock: socket.socket) -> None:
        self._emit("info", "listening", {"health": listeners.address(sock), "health_port": sock.getsockname()[1]})
