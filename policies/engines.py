"""The engine that a configuration asks for."""

from __future__ import annotations

from gateway.config.policy import Policy
from policies.embedded import EmbeddedOpa
from policies.engine import Engine
from policies.opa_server import OpaServer


def engine_of(config: Policy, *, trial: bool = False, patient: bool = False) -> Engine:
    """The engine. ``trial``: see :class:`EmbeddedOpa`; ``patient``: see :class:`OpaServer`."""
    if config.engine == "opa":
        return OpaServer(config.opa, patient=patient)
    return EmbeddedOpa(hosts=config.hosts, trial=trial)
