"""``govgate serve``: the admission server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gateway.server.options import Options
from gateway.server.supervisor import serve as run


def serve(
    *,
    config: Path | None = None,
    workers: int | None = None,
    host: str = "",
    port: int | None = None,
    health_port: int | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    state_dir: Path | None = None,
    self_signed: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Answer admission reviews over TLS: POST /v1/validate. Health and metrics have a port of their own.

    SIGHUP reloads, SIGUSR2 replaces the workers one by one, SIGTERM drains and stops; a second SIGTERM hurries.

    Parameters
    ----------
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    workers
        Processes that answer reviews.
    host
        The address to listen on, for reviews and for health.
    port
        The port for reviews; 0 takes any that is free. The log line "ready" names it.
    health_port
        The port for /livez, /readyz and /metrics, in plain HTTP; 0 takes any that is free.
    cert
        The certificate chain in PEM.
    key
        Its private key in PEM.
    state_dir
        The folder of the audit log.
    self_signed
        Without a certificate: make one in the state folder, to try govgate with.
    """
    options = Options(
        config=_text(config),
        workers=workers,
        host=host,
        port=port,
        health_port=health_port,
        cert=_text(cert),
        key=_text(key),
        state_dir=_text(state_dir),
        self_signed=self_signed,
    )
    return run(options)


def _text(path: Path | None) -> str:
    return "" if path is None else str(path)
