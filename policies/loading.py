"""From sources to rules in force: every kind of rule recognised, all loaded together, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.config.policy import Policy
from gateway.config.provenance import Provenance
from gateway.core.errors import ConfigError
from gateway.core.subject import Json
from gateway.native.inspect import Inspection, inspect_modules
from policies import conftest
from policies.builtin import rule_of
from policies.engine import Diagnostic, Engine, Module, RulesError
from policies.foreign import Foreign, read_foreign
from policies.gatekeeper.constraint import WEBHOOK
from policies.gatekeeper.expansion import Expansion
from policies.kyverno.loading import load_kyverno
from policies.kyverno.policy import KyvernoPolicies
from policies.registry_bundles import fetch_bundles
from policies.remote.decisions import decision_rules
from policies.rule import Rule, Stated
from policies.ruleset import RuleSet, load
from policies.settings import Settings
from policies.sources import BUILTIN, Source, read_sources


async def load_rules(
    config: Policy,
    engine: Engine,
    *,
    alone: bool = True,
    held: Sequence[Json] | None = None,
    point: str = WEBHOOK,
    provenance: Provenance | None = None,
) -> RuleSet:
    """The rules that a configuration asks for, loaded into ``engine``. ``alone``: settings are about no other rules.
    ``held``: what a cluster held, for sources that name it. ``point``: Gatekeeper's enforcement point;
    settings may be about rules that are in force at another one. ``provenance``: who must have signed bundles in
    registries.

    Raises:
        ConfigError: a source cannot be read, or a setting concerns no rule.
        RulesError: a rule is wrong; says where.
        UndecidedError: the engine cannot be had, or a registry.
    """
    signed_inside = bool(config.bundle_keys)
    fetched = await fetch_bundles(config.sources, provenance or Provenance(), signed_inside=signed_inside)
    source = read_sources(config.sources, config.bundle_keys, held, fetched)
    others = modules_of_others(source)
    found = recognise(source, await engine.inspect(others) if others else None, point)
    decisions = decision_rules(config.opa)
    if config.sources and not found.stated and not found.kyverno.notes and not decisions:
        raise ConfigError(f"there are no rules in {', '.join(config.sources)}")
    settings = Settings(config.rules, (*found.stated, *decisions), strict=alone and point == WEBHOOK)
    kyverno = (
        await load_kyverno(found.kyverno, config.kyverno) if found.kyverno.notes or found.kyverno.policies else None
    )
    return await load(
        engine,
        found.modules,
        found.rules,
        settings,
        found.data,
        expansions=found.expansions,
        late=kyverno,
        opa=config.opa,
    )


class Recognised(msgspec.Struct, frozen=True):
    """Modules with their Rego versions, the rules that they state, the base documents, Gatekeeper's expansions, and
    Kyverno's policies.
    """

    modules: tuple[Module, ...]
    rules: tuple[Rule, ...]
    data: dict[str, Any]
    expansions: tuple[Expansion, ...] = ()
    kyverno: KyvernoPolicies = KyvernoPolicies()

    @property
    def stated(self) -> tuple[Stated, ...]:
        """The rules of every kind."""
        return (*self.rules, *self.kyverno.rules)


def recognise(source: Source, inspection: Inspection | None = None, point: str = WEBHOOK) -> Recognised:
    """The rules that a source states. ``inspection``: of the modules of others; None has the native library do it.
    ``point``: Gatekeeper's enforcement point at which they are in force.

    Raises:
        RulesError: a module cannot be parsed, or two rules have one id.
        GovgateError: a rule of another engine is wrong.
    """
    others = modules_of_others(source)
    rules = [rule for module in source.modules if (rule := rule_of(module)) is not None]
    if inspection is None and others:
        inspection = inspect_modules([(module.path, module.text) for module in others])
    found, more = _inspected(others, inspection) if inspection is not None else ([], [])
    foreign = read_foreign(source.documents, point) if source.documents else Foreign((), (), {})
    rules += [*more, *foreign.rules]
    _check_ids([*rules, *foreign.kyverno.rules])
    theirs = {module.path for module in others}
    own = [module for module in source.modules if module.path not in theirs]
    modules = (*own, *found, *foreign.modules)
    return Recognised(modules, tuple(rules), source.data | foreign.data, foreign.expansions, foreign.kyverno)


def modules_of_others(source: Source) -> list[Module]:
    """Modules that are not ours, and state no rule in our form: what is in them must be looked for."""
    return [m for m in source.modules if not m.path.startswith(BUILTIN) and rule_of(m) is None]


def _inspected(modules: Sequence[Module], inspection: Inspection) -> tuple[list[Module], list[Rule]]:
    """Other people's modules: which Rego they are written in, and which of their names are rules."""
    if inspection.problems:
        raise RulesError([Diagnostic(p.path, p.line, p.column, p.code, p.message) for p in inspection.problems])
    found: list[Module] = []
    rules: dict[str, Rule] = {}
    excepting = {seen.package for seen in inspection.modules if conftest.EXCEPTION in seen.rules}
    named = any(conftest.FILE in module.text for module in modules)
    for module, seen in zip(modules, inspection.modules, strict=True):
        found.append(Module(module.path, module.text, 0 if module.version == 0 or seen.version == 0 else 1))
        # A package may lie in several files: its rules are the same ones.
        stated = conftest.rules_of(
            seen.package, seen.rules, module.path, exceptions=seen.package in excepting, named=named
        )
        rules |= {rule.info.id: rule for rule in stated}
    return found, list(rules.values())


def _check_ids(rules: Sequence[Stated]) -> None:
    seen: dict[str, Stated] = {}
    for rule in rules:
        other = seen.setdefault(rule.info.id, rule)
        if other is not rule:
            text = f"two rules have the id {rule.info.id}; the other one is {other.info.source}"
            raise RulesError([Diagnostic(rule.info.source, 0, 0, "duplicate", text)])


def no_rules(config: Policy) -> bool:
    """Whether the configuration asks for no rules at all, so that nothing has to be loaded."""
    if config.sources or config.opa.decisions:
        return False
    if config.rules:
        raise ConfigError("policy.rules: there are no rules: policy.sources is empty")
    return True
