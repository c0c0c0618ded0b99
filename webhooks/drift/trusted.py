"""Everybody whose writes the drift guard lets through, in one place: whoever becomes one of them gets past it. Pure.

Those that reconcilers' own objects name (a Kustomization's ``serviceAccountName``) live in the cluster; here are those that
the configuration knows.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.config.drift import Actors
from webhooks.drift.exempt import HOUSEKEEPERS
from webhooks.drift.ownership import Policy


class Trusted(NamedTuple):
    """``why``: in words. ``reconciler``: it acts for reconcilers, whatever it writes."""

    actors: Actors
    why: str
    reconciler: bool = False


def trusted(policy: Policy) -> list[Trusted]:
    """All of them, of reconcilers that are looked at."""
    config = policy.config
    found = [Trusted(one.actors, f"{one.title}'s controller", reconciler=True) for one in policy.reconcilers.values()]
    if "argocd" in policy.reconcilers:
        found.append(Trusted(config.kargo.actors, "Kargo", reconciler=True))
    found.append(Trusted(config.autoscalers, "an autoscaler"))
    found += [Trusted(one.actors, f"the writer {one.name}") for one in policy.writers]
    found += [
        Trusted(window.actors, f"the window {window.name}") for window in config.windows if window.mode != "enforce"
    ]
    if config.restart.people == "deny":
        found.append(Trusted(config.restart.actors, "one who restarts"))
    found.append(Trusted(HOUSEKEEPERS, "Kubernetes' housekeeping"))
    return [one for one in found if one.actors != Actors()]
