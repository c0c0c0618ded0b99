"""``.sops.yaml``: which rule is about a file, and for whom the file has to be encrypted. Pure.

Source: github.com/getsops/sops v3, config/config.go: the first rule whose path_regex matches holds; one without a
path_regex matches every file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway_secrets.sops.errors import MalformedError, UnsupportedError
from gateway_secrets.sops.selection import simple_pattern

NAME = ".sops.yaml"


class Rule(msgspec.Struct, frozen=True):
    """One creation rule. ``age``: recipients; ``others``: other kinds of keys that it names."""

    index: int
    path_regex: str
    age: frozenset[str]
    others: tuple[str, ...] = ()

    def matches(self, path: str) -> bool:
        """Whether it is about a file; ``path``: from the folder of ``.sops.yaml``.

        Raises:
            UnsupportedError: its pattern is none that Python reads as Go does.
        """
        pattern = simple_pattern(self.path_regex)
        return pattern is None or pattern.search(path[:1000]) is not None


def rules_of(document: Any, *, source: str) -> list[Rule]:
    """The creation rules, in their order.

    Raises:
        MalformedError: it is no such configuration.
    """
    rules = document.get("creation_rules") if isinstance(document, Mapping) else None
    if not isinstance(rules, list) or not all(isinstance(rule, Mapping) for rule in rules):
        raise MalformedError(f"{source}: creation_rules: is no list of rules")
    found = []
    for index, rule in enumerate(rules):
        groups = rule.get("key_groups") or []
        if not isinstance(groups, list) or not all(isinstance(group, Mapping) for group in groups):
            raise MalformedError(f"{source}: creation_rules[{index}].key_groups: is no list of groups")
        age = [recipient for holder in (rule, *groups) for recipient in _words(holder.get("age"))]
        kinds = ("kms", "gcp_kms", "azure_keyvault", "hc_vault_transit_uri", "hc_vault", "pgp")
        others = tuple(kind for kind in kinds if any(holder.get(kind) for holder in (rule, *groups)))
        found.append(Rule(index, str(rule.get("path_regex") or ""), frozenset(age), others))
    return found


def rule_for(rules: Sequence[Rule], path: str) -> Rule | None:
    """The rule that holds for a file.

    Raises:
        UnsupportedError: a rule before it has a pattern that cannot be judged here.
    """
    for rule in rules:
        try:
            if rule.matches(path):
                return rule
        except UnsupportedError:
            raise UnsupportedError(
                f"creation_rules[{rule.index}].path_regex is a pattern that only sops should judge"
            ) from None
    return None


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return [str(word).strip() for word in value] if isinstance(value, list) else []
