"""The endpoints that kubeseal calls, on a listener of their own: in each process, whoever leads."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.controllers.frame import Checks, Context
from gateway.controllers.sealed.keeper import Keeper
from gateway.core.errors import ConfigError
from gateway_secrets.sealed.endpoints import Endpoints

REQUEST_SECONDS = 30.0
_SHUTDOWN_SECONDS = 2.0
_KEEP_ALIVE_SECONDS = 15.0
_log = logging.getLogger(__name__)


def endpoints_loop(context: Context) -> EndpointsLoop | None:
    """The loop, if it is asked for."""
    return EndpointsLoop(context) if context.config.controller.sealed.endpoints.enabled else None


class EndpointsLoop:
    """Serves ``/v1/cert.pem``, ``/v1/verify`` and ``/v1/rotate``. It reads the keys, and makes none."""

    name = "sealed-endpoints"
    everywhere = True

    def __init__(self, context: Context) -> None:
        sealed = context.config.controller.sealed
        self._settings = sealed.endpoints
        self._keys = (context.client, sealed.key_namespace or context.config.cluster.own_namespace)
        self._keeper: Keeper | None = None

    def checks(self) -> Checks:
        """Whether the keys can be read."""
        return {"keys": self._keeper.problem or True} if self._keeper is not None else {}

    async def run(self) -> None:
        """Until cancelled.

        Raises:
            ConfigError: the address cannot be had.
        """
        keeper = self._keeper = Keeper(*self._keys)
        app = web.Application(middlewares=[_in_time])
        app.add_routes(Endpoints(lambda: keeper.ring).routes())
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS, keepalive_timeout=_KEEP_ALIVE_SECONDS
        )
        await runner.setup()
        host, port = self._settings.host, self._settings.port
        try:
            async with keeper.watching():
                try:
                    await web.TCPSite(runner, host, port).start()
                except OSError as error:
                    raise ConfigError(f"cannot listen on {host} port {port}: {error.strerror}") from None
                _log.info("sealing endpoints", extra={"fields": {"port": runner.addresses[0][1]}})
                await keeper.run()
        finally:
            await runner.cleanup()


@web.middleware
async def _in_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Who sends slowly must not keep others out."""
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            return await handler(request)
    except TimeoutError:
        return web.Response(status=408, text="too slow\n")
