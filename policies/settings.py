"""What a configuration changes of the rules: which are on, how strict, with which parameters."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from gateway.config.policy import RuleAction, RuleSetting
from gateway.core.errors import ConfigError
from gateway.core.finding import Action, Finding
from gateway.core.subject import Json
from policies.rule import RuleInfo, Stated


class Settings:
    """The settings for the rules in force. ``strict``: each must be about one of them.

    Raises:
        ConfigError: a setting names no rule in force, or a parameter that its rule does not have.
    """

    def __init__(self, settings: Sequence[RuleSetting], rules: Iterable[Stated], *, strict: bool = True) -> None:
        infos = [rule.info for rule in rules]
        self._by_rule = {info.id: [s for s in settings if s.names(info.id)] for info in infos}
        for index, setting in enumerate(settings):
            _check(setting, f"policy.rules[{index}]", infos, strict=strict)

    def off(self, rule: str, namespace: str) -> bool:
        """Whether the rule is switched off in this namespace (empty: for cluster-scoped objects)."""
        return self._action(rule, namespace) == "off"

    def gone(self, rule: str) -> bool:
        """Whether the rule is switched off wherever it is asked."""
        set_ = [setting for setting in self._by_rule.get(rule, ()) if setting.action is not None]
        return any(not setting.namespaces for setting in set_) and all(setting.action == "off" for setting in set_)

    def apply(self, finding: Finding, namespace: str) -> Finding:
        """The finding with the action that is set for its rule there."""
        action = self._action(finding.rule, namespace)
        if action in (None, "off", finding.action):
            return finding
        return msgspec.structs.replace(finding, action=Action(action))

    def action(self, info: RuleInfo, namespace: str) -> str:
        """What the rule's findings do in this namespace; ``off`` where it is switched off."""
        return self._action(info.id, namespace) or info.action.value

    def parameters(self, info: RuleInfo) -> Json:
        """The rule's parameters: its schema's defaults, with what is set laid over them."""
        found = defaults(info.parameters)
        for setting in self._by_rule.get(info.id, ()):
            found.update(setting.parameters)
        return found

    def _action(self, rule: str, namespace: str) -> RuleAction | None:
        action: RuleAction | None = None
        for setting in self._by_rule.get(rule, ()):
            if setting.action is not None and _there(setting, namespace):
                action = setting.action
        return action


def defaults(schema: Json) -> Json:
    """The default of every property that has one."""
    properties: dict[str, Any] = schema.get("properties", {})
    return {name: below["default"] for name, below in properties.items() if "default" in below}


def _there(setting: RuleSetting, namespace: str) -> bool:
    return not setting.namespaces or any(fnmatchcase(namespace, pattern) for pattern in setting.namespaces)


def _check(setting: RuleSetting, where: str, infos: list[RuleInfo], *, strict: bool) -> None:
    for pattern in setting.rules if strict else ():
        if not any(fnmatchcase(info.id, pattern) for info in infos):
            near = difflib.get_close_matches(pattern, [info.id for info in infos], 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{where}.rules: no rule in force is called {pattern}{hint}")
    if setting.parameters and setting.namespaces:
        raise ConfigError(f"{where}: parameters hold everywhere; they cannot be set for some namespaces")
    for info in infos:
        if not setting.names(info.id):
            continue
        unknown = sorted(set(setting.parameters) - set(info.parameters.get("properties", {})))
        if unknown:
            raise ConfigError(f"{where}.parameters: {info.id} has no parameter {', '.join(unknown)}")
