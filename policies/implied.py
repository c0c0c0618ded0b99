"""Objects that a request implies, such as the Pod of a Deployment where an ExpansionTemplate says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gateway.core.finding import Action, Finding, finding_id
from policies.builtin import resource_of
from policies.rule import Asked


class Implied(msgspec.Struct, frozen=True):
    """One of them, by which template, and the action that this sets; None: each rule has its own."""

    asked: Asked
    template: str
    action: Action | None

    def finding_about(self, base: Asked, found: Finding) -> Finding:
        """What was found in the implied object, as a finding about the object that was submitted."""
        about = resource_of(base)
        return msgspec.structs.replace(
            found,
            id=finding_id(found.rule, about, found.field),
            resource=about,
            message=f"[Implied by {self.template}] {found.message}",
            action=found.action if self.action is None else self.action,
        )


Unfold = Callable[[Asked], Sequence[Implied]]
"""What a request implies.

Raises:
    ExpansionError: that cannot be told.
"""
