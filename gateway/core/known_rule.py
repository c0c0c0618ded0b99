"""The rules that guards have built in: each guard's are in one table, which its findings are made from and lists show."""

from __future__ import annotations

import msgspec

from gateway.core.finding import Action, Severity


class KnownRule(msgspec.Struct, frozen=True):
    """One of them. ``action``: the most that its findings do; a configuration, a policy or a mode may say less."""

    id: str
    title: str
    severity: Severity
    action: Action
    kinds: tuple[str, ...] = ("*",)
    operations: tuple[str, ...] = ("CREATE", "UPDATE")


def by_id(*rules: KnownRule) -> dict[str, KnownRule]:
    """A table of them."""
    return {rule.id: rule for rule in rules}
