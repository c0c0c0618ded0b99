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

    from gateway.controllers.frame import Controller

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


class Process:
    """One process: its signals, its listener, and the controller of the configuration in force."""

    def __init__(self, options: Options, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._emit = logs.stderr_emit()
        self._stop = asyncio.Event()
        self._controller: Controller | None = None
        self._problem = ""
        logs.bridge(self._emit, informed=_INFORMED)

    async def run(self, config: Config, source: str) -> int:
        """Until SIGTERM or SIGINT."""
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
                following: tuple[Config, str] | None = (config, source)
                while following is not None:
                    following = await self._in_force(*following)
            finally:
                await health.close()
        self._emit("info", "stopped", {})
        return 0

    async def _in_force(self, config: Config, source: str) -> tuple[Config, str] | None:
        """Work with one configuration; returns the next one, None to stop.

        Raises:
            GovgateError: it cannot be begun with.
        """
        from prometheus_client import CollectorRegistry  # noqa: PLC0415 - when the listener answers

        from gateway.controllers.frame import Context, Controller  # noqa: PLC0415
        from gateway.controllers.table import MAKERS  # noqa: PLC0415
        from gateway.kube import connect  # noqa: PLC0415

        client = await connect(config.cluster)
        if client is None:
            raise ConfigError("no cluster is connected (cluster.connect in the configuration, or --kubeconfig)")
        self._registry = CollectorRegistry()
        try:
            self._controller = Controller(Context(config, client, self._registry, self._folder), MAKERS)
            fields: logs.Fields = {"loops": ", ".join(self._controller.names), "source": source}
            self._emit("info", "started", fields)
            working = asyncio.ensure_future(self._controller.run())
            changing = asyncio.ensure_future(self._changed(config, source))
            stopping = asyncio.ensure_future(self._stop.wait())
            try:
                await asyncio.wait({working, changing, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if working.done():
                    working.result()
                return changing.result() if changing.done() and not self._stop.is_set() else None
            finally:
                for task in (working, changing, stopping):
                    task.cancel()
                await asyncio.gather(working, changing, stopping, return_exceptions=True)
        finally:
            self._controller = None
            await client.close()

    async def _changed(self, config: Config, source: str) -> tuple[Config, str]:
        """Wait for another configuration that can be used."""
        seen = fingerprint((source,))
        while True:
            await asyncio.sleep(config.server.reload_seconds)
            now = fingerprint((source,))
            if now == seen:
                continue
            seen = now
            try:
                new = self._options.load()
            except GovgateError as error:
                self._problem = str(error)
                self._emit("error", "configuration not reloaded", {"problem": str(error)})
                continue
            self._problem = ""
            if new[0] != config:
                return new

    def _checks(self) -> list[Check]:
        controller = self._controller
        if controller is None:
            return [Check("controller", "starting")]
        checks = [Check("config", warning=self._problem), Check("election", controller.problem)]
        named = controller.checks()
        return checks + [Check(name, warning="" if why is True else str(why)) for name, why in sorted(named.items())]

    def _rendered(self, accept: str) -> Rendered:
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415

        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def _announce(self, sock: socket.socket) -> None:
        self._emit("info", "listening", {"health": listeners.address(sock), "health_port": sock.getsockname()[1]})
