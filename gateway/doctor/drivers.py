"""Which network drivers' accounts the registration lets through, as far as RBAC tells who writes their objects. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.doctor.rbac import Ask, Grant, Subject, account_of, allows
from gateway.server.registration_conditions import POD_OBJECTS, PodObjects

_SYSTEM = "kube-system"
_GROUPS = {"system:serviceaccounts", f"system:serviceaccounts:{_SYSTEM}"}


def writable(granted: Iterable[Grant]) -> set[str]:
    """Of the types that are let through for their driver alone, those that an account which is let through may write."""
    return {
        f"{resource}.{group}"
        for grant in granted
        for one in POD_OBJECTS
        if one.accounts and _let_through(grant.subject, one)
        for group in one.groups
        for resource in one.resources
        if any(allows(grant, Ask(verb, group, resource)) for verb in ("create", "update", "patch"))
    }


def _let_through(subject: Subject, one: PodObjects) -> bool:
    """As the condition for the drivers' objects has it."""
    if subject.kind == "Group":
        return subject.name in _GROUPS
    account = account_of(subject.name)
    return account is not None and (account[0] == _SYSTEM or account[1] in one.accounts)
