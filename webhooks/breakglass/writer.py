"""Who writes into a BreakGlass, and when that is a second person. Pure."""

from __future__ import annotations

import msgspec

from webhooks.breakglass.grant import Grant
from webhooks.breakglass.person import MACHINES, among, machine, same

REQUEST, APPROVE = "request", "approve"
"""Verbs on breakglasses.govgate.dev, as RBAC knows them."""
_PEOPLE = f"is for people: {{}} begins with {MACHINES}, and whoever gets its token is it. {{}} under your own name"


class Writer(msgspec.Struct, frozen=True):
    """Who writes. ``places``: verbs, each with whether it is held wherever the scope reaches. ``gateway``: it is one itself."""

    user: str
    groups: frozenset[str] = frozenset()
    may_request: bool = False
    may_approve: bool = False
    gateway: bool = False


class Violation(msgspec.Struct, frozen=True):
    """What is refused of a write: the field, and why."""

    field: str
    text: str


def of_people(field: str, name: str, what: str) -> Violation:
    """Why an account may not do ``what``."""
    return Violation(field, _PEOPLE.format(name, what))


def of_second(field: str, grant: Grant, writer: Writer) -> list[Violation]:
    """Whether the writer is a second person beside who asked and who may use it."""
    spec = grant.spec
    if machine(writer.user):
        return [of_people(field, writer.user, "Do it")]
    if same(writer.user, spec.requested_by) or among(writer.user, spec.users):
        return [Violation(field, "is for someone other than who asked, or is named in it: let somebody else do it")]
    mine = sorted(group for group in spec.groups if among(group, writer.groups))
    if mine:
        text = f"is for someone whom it is not for: you are in {', '.join(mine)}. Let somebody outside do it"
        return [Violation(field, text)]
    return []
