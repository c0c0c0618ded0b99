"""``.sops.yaml``: which rule is about a file, and for whom the file has to be encrypted. Pure.

Source: github.com/getsops/sops v3, config/config.go: the first rule whose path_regex matches holds; one without a
path_regex matches every file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from gateway_secrets.sops.errors import MalformedError, UnsupportedError
from gateway_secrets.sops.selection import simple_pattern

NAME = ".sops.yaml"


class Rule(msgspec.Struct, frozen=True):
    """One creation rule. ``keys``: what it encrypts for, each as :class:`.documents.Metadata` has it.

    ``alone``: a configuration of this rule for any file, and of how files are written; ``split``: whether the data key is split over key groups.
    """

    index: int
    path_regex: str
    keys: frozenset[str]
    alone: Mapping[str, Any]
    split: bool = False

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
        keys = frozenset(key for holder in groups or [rule] for key in _keys(holder))
        any_file = {name: value for name, value in rule.items() if name != "path_regex"}
        alone = {"creation_rules": [any_file]} | ({"stores": document["stores"]} if document.get("stores") else {})
        split = len(groups) > 1 or any(group.get("merge") for group in groups)
        found.append(Rule(index, str(rule.get("path_regex") or ""), keys, alone, split))
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


def _keys(holder: Mapping[str, Any]) -> list[str]:
    """The keys of a rule, or of a key group: texts, lists, or mappings with one of a few names."""
    return [name(word) for kind, name in _KINDS.items() for word in _words(holder.get(kind)) if word]


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return [_word(one).strip() for one in value] if isinstance(value, list) else []


def _word(one: Any) -> str:
    if not isinstance(one, Mapping):
        return str(one)
    if one.get("vaultUrl"):
        return f"{str(one['vaultUrl']).rstrip('/')}/keys/{one.get('key')}"
    return str(one.get("arn") or one.get("resource_id") or one.get("key_id") or "")


def _azure(word: str) -> str:
    return _AZURE_VERSION.sub(r"\1", word)


def _same(word: str) -> str:
    return word


_AZURE_VERSION = re.compile(r"(/keys/[^/]+)/.*\Z")
_KINDS: Mapping[str, Callable[[str], str]] = {
    "age": _same,
    "kms": lambda word: word.partition("+")[0],  # the rest is a role
    "gcp_kms": _same,
    "azure_keyvault": _azure,
    "hc_vault_transit_uri": _same,
    "hc_vault": _same,
    "hckms": _same,
    "pgp": lambda word: word.replace(" ", ""),
}
