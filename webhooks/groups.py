"""Guards in groups: what a registration can ask for by itself, so that each has a failurePolicy of its own."""

from __future__ import annotations

from collections.abc import Mapping

GROUPS: Mapping[str, frozenset[str]] = {
    "drift": frozenset({"drift", "break-glass"}),
    "policy": frozenset({"policy", "waivers"}),
    "provenance": frozenset({"provenance", "trust-policy"}),
    "secrets": frozenset({"secrets"}),
}
"""Each with the names of its guards; a guard that protects what another one believes is in that one's group."""

SEPARATOR = "."
"""Between groups in a path: the parts of a webhook's path must be DNS names, which allows nothing else."""


def guards_of(text: str) -> frozenset[str] | None:
    """The names of the guards in ``drift.policy``, say; None if it names a group that there is not, or none."""
    found: set[str] = set()
    for name in text.split(SEPARATOR):
        if name not in GROUPS:
            return None
        found |= GROUPS[name]
    return frozenset(found)
