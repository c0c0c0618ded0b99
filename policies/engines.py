"""The engine that a configuration asks for."""

from __future__ import annotations

from gateway.config.policy import Policy
from policies.embedded import EmbeddedOpa
from policies.engine import Engine


def engine_of(config: Policy, *, trial: bool = False, patient: bool = False) -> Engine:
    """The engine. ``trial``: see :class:`EmbeddedOpa`; ``patient``: see :class:`OpaServer`."""
    if config.engine == "opa":
        from policies.opa_server import OpaServer  # noqa: PLC0415 - slow to import, and seldom needed

        return OpaServer(config.opa, patient=patient)
    return EmbeddedOpa(hosts=config.hosts, trial=trial)
