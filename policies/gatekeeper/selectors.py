"""Label selectors and Gatekeeper's globs: which labels and names are meant.

Source: metav1.LabelSelectorAsSelector, and gatekeeper's pkg/wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec


class Requirement(msgspec.Struct, frozen=True):
    """One of ``matchExpressions``."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()


class Selector(msgspec.Struct, frozen=True, rename="camel"):
    """A label selector; one that states nothing matches everything."""

    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Requirement, ...] | None = None

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet all that is stated."""
        wanted = self.match_labels or {}
        return all(labels.get(key) == value for key, value in wanted.items()) and all(
            _meets(requirement, labels) for requirement in self.match_expressions or ()
        )

    def problem(self) -> str:
        """What is wrong with it, empty if nothing is."""
        for key, value in (self.match_labels or {}).items():
            if not _is_key(key) or not _VALUE.fullmatch(value):
                return f"invalid label {key}: {value}"
        for one in self.match_expressions or ():
            if not _is_key(one.key):
                return f"invalid label key {one.key!r}"
            if one.operator in ("In", "NotIn") and not one.values:
                return f"{one.key}: the operator {one.operator} needs values"
            if one.operator in ("Exists", "DoesNotExist") and one.values:
                return f"{one.key}: the operator {one.operator} takes no values"
        return ""


_NAME = re.compile(r"(?=.{1,63}\Z)[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_PREFIX = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_VALUE = re.compile(r"(?=.{0,63}\Z)(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?")


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return _NAME.fullmatch(name) is not None and (not slash or _PREFIX.fullmatch(prefix) is not None)


def _meets(one: Requirement, labels: Mapping[str, str]) -> bool:
    present = one.key in labels
    if one.operator == "Exists":
        return present
    if one.operator == "DoesNotExist":
        return not present
    if one.operator == "In":
        return present and labels[one.key] in one.values
    return not present or labels[one.key] not in one.values


def glob(pattern: str, name: str) -> bool:
    """Whether a name is meant by a pattern that may begin or end with ``*``."""
    if pattern.startswith("*") and pattern.endswith("*"):
        return pattern.removeprefix("*").removesuffix("*") in name
    if pattern.startswith("*"):
        return name.endswith(pattern[1:])
    if pattern.endswith("*"):
        return name.startswith(pattern[:-1])
    return pattern == name


def glob_generated(pattern: str, prefix: str) -> bool:
    """Whether every name that is generated from ``prefix`` (``generateName``) is meant."""
    return pattern.endswith("*") and glob(pattern, prefix)
