"""Configuration of the secrets guard."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from gateway.core.guard import OnError


class Secrets(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Credentials in plain text, looked for by ``govgate detect``'s detector in what is admitted and in ``check``.

    ``detect``: the most that a finding does; ``off`` does not look. ``sops``: the same, of what Flux
    Kustomizations in files apply; there is nothing to find without SOPS. ``exempt_namespaces`` are globs.
    """

    detect: Literal["off", "audit", "warn", "deny"] = "off"
    sops: Literal["off", "audit", "warn", "deny"] = "deny"
    exempt_namespaces: tuple[str, ...] = ("kube-system", "kube-node-lease")
    on_error: OnError = OnError.DENY
