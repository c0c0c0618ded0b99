"""The rules that guards and commands have built in, which are in no source of policies: what they do by the configuration.

Each is in the table that its findings are made from; here the tables are put together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gateway.ci.detected import INFOS as DETECT_INFOS
from gateway.ci.flux_applied import INFOS as FLUX_INFOS
from gateway.ci.secret_objects import UNDECIDED as SECRETS_UNDECIDED
from gateway.ci.sops_files import INFOS as SOPS_INFOS
from gateway.config.drift import Drift
from gateway.config.drift import Mode as DriftMode
from gateway.config.model import Config
from gateway.config.secrets import Most, Secrets
from gateway.core.finding import Action
from gateway.core.known_rule import KnownRule
from gateway.doctor.rules import INFOS as DOCTOR_INFOS
from gateway.provenance.trust.evaluate import RULES as TRUST_RULES
from gateway_secrets.admission.rules import CERTIFICATE, PLAIN, TARGET, least
from gateway_secrets.external.faults import PREFIX
from gateway_secrets.sealed.checks import GUARD as SEALED
from gateway_secrets.sealed.checks import RULES as SEALED_RULES
from policies.rule import RuleInfo
from webhooks import trust_guard, waivers
from webhooks.breakglass.known import RULES as BREAK_GLASS_RULES
from webhooks.drift.violations import RULES as DRIFT_RULES
from webhooks.drift.violations import Rule as DriftRule
from webhooks.provenance_findings import RULES as PROVENANCE_RULES
from webhooks.provenance_findings import UNMATCHED
from webhooks.secret_objects import INFOS as OBJECT_INFOS

_DRIFT: Mapping[DriftMode, Most] = {"enforce": "deny", "warn": "warn", "shadow": "audit", "disabled": "off"}


class GuardRule(NamedTuple):
    """``action``: what its findings do, or ``off``."""

    info: RuleInfo
    action: str


def guard_rules(config: Config) -> list[GuardRule]:
    """All of them."""
    return [
        GuardRule(info, "off" if most == "off" else least(info.action, Action(most))) for info, most in _all(config)
    ]


def _all(config: Config) -> Iterator[tuple[RuleInfo, Most]]:
    """Each with the most that is done about it."""
    secrets = config.secrets
    yield from ((info, secrets.detect) for info in DETECT_INFOS.values())
    yield from ((info, secrets.sops) for info in FLUX_INFOS.values())
    yield from ((info, _of_secrets(info.id, secrets)) for info in OBJECT_INFOS.values())
    yield from ((info, "deny") for info in (*SOPS_INFOS.values(), *DOCTOR_INFOS.values()))
    for name, sealed in SEALED_RULES.items():
        yield RuleInfo(f"{SEALED}/{name}", sealed.title, sealed.severity, sealed.action, sets=(SEALED,)), "deny"
    yield from ((_info(rule), _of_drift(rule.id, config.drift)) for rule in DRIFT_RULES.values())
    unmatched = config.provenance.unmatched
    for rule in (*TRUST_RULES.values(), *PROVENANCE_RULES.values(), trust_guard.RULE):
        yield _info(rule), ("off" if unmatched == "ignore" else unmatched) if rule.id == UNMATCHED else "deny"
    yield from ((_info(rule), "deny") for rule in (*BREAK_GLASS_RULES.values(), waivers.RULE, SECRETS_UNDECIDED))


def _info(rule: KnownRule) -> RuleInfo:
    return RuleInfo(
        str(rule.id),
        rule.title,
        rule.severity,
        rule.action,
        sets=(rule.id.partition("/")[0],),
        kinds=rule.kinds,
        operations=rule.operations,
    )


def _of_drift(rule: str, settings: Drift) -> Most:
    """By the mode that holds where neither a reconciler nor a namespace has one of its own."""
    if rule == DriftRule.RESTARTED and settings.restart.people == "allow":
        return "off"
    return _DRIFT[settings.mode]


def _of_secrets(rule: str, settings: Secrets) -> Most:
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
