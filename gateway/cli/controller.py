"""``govgate controller``: the loops that work on a cluster beside its admission."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gateway.audit.state import state_folder
from gateway.cli.controller_process import Options, Process
from gateway.server.alone import only_one


def controller(
    *,
    config: Path | None = None,
    state_dir: Path | None = None,
    kubeconfig: Path | None = None,
    kube_context: str = "",
    host: str = "",
    health_port: int | None = None,
    no_election: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Work on a cluster beside its admission: judge what it holds, again and again (the background scan).

    Of several controllers the one that holds a Lease works. SIGTERM stops it, and lets the Lease go. A configuration
    file that changes is put in force; a wrong one is not.

    Parameters
    ----------
    config
        The configuration file; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    state_dir
        The folder of what was found; no two controllers may share one.
    kubeconfig
        The kubeconfig to connect with; else as the configuration says.
    kube_context
        The context in it; else the current one.
    host
        The address to listen on, for health and metrics.
    health_port
        The port for /livez, /readyz and /metrics, in plain HTTP; 0 takes any that is free. The log line "listening"
        names it.
    no_election
        Work without a Lease: this is the only controller.
    """
    options = Options(config, state_dir, kubeconfig, kube_context, host, health_port, no_election)
    loaded, source = options.load()
    folder = state_folder(str(state_dir or loaded.audit.state_dir))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_one("controller", folder):
        return asyncio.run(Process(options, folder).run(loaded, source))
