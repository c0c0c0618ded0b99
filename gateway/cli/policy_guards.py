"""The rules of the secrets guard, which are in no source of policies: what they do by the configuration."""

from __future__ import annotations

from typing import NamedTuple

from gateway.ci.detected import INFOS as DETECT_INFOS
from gateway.ci.flux_applied import INFOS as FLUX_INFOS
from gateway.config.secrets import Most, Secrets
from gateway.core.finding import Action
from gateway_secrets.admission.rules import CERTIFICATE, PLAIN, TARGET, least
from gateway_secrets.external.faults import PREFIX
from policies.rule import RuleInfo
from webhooks.secret_objects import INFOS as OBJECT_INFOS


class GuardRule(NamedTuple):
    """``action``: what its findings do, or ``off``."""

    info: RuleInfo
    action: str


def guard_rules(settings: Secrets) -> list[GuardRule]:
    """All of them."""
    found = [(info, settings.detect) for info in DETECT_INFOS.values()]
    found += [(info, settings.sops) for info in FLUX_INFOS.values()]
    found += [(info, _most(info.id, settings)) for info in OBJECT_INFOS.values()]
    return [GuardRule(info, "off" if most == "off" else least(info.action, Action(most))) for info, most in found]


def _most(rule: str, settings: Secrets) -> Most:
    """The most that is done about objects by a rule."""
    if rule.startswith(PREFIX):
        return settings.external
    if rule == PLAIN:
        order: list[Most] = ["off", "audit", "warn", "deny"]
        return max((demand.action for demand in settings.plain.demands), key=order.index, default="off")
    if rule == TARGET:
        return settings.foreign_targets
    if rule == CERTIFICATE:
        return "deny" if settings.sealed.certificates else "off"
    return settings.sealed.elsewhere
