"""Whom the guards believe: the accounts and groups by which somebody gets past them, each with the reason. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from gateway.config.drift import Actors as Named
from gateway.config.model import Config
from webhooks.drift.facts import OwnerRef
from webhooks.drift.ownership import Policy
from webhooks.drift.reconcilers.argocd_records import Project, completed
from webhooks.drift.reconcilers.records import Record
from webhooks.drift.trusted import trusted

OWN_ACCOUNTS = ("govgate", "govgate-controller")
"""As the chart calls them."""
MAX_NAMED = 1_000
"""Accounts that owners name and that are asked about."""
_GLOBS = frozenset("*?[{!")


class Actors(msgspec.Struct, frozen=True):
    """``users`` and ``groups``: whom a guard believes, each with why. ``reconcilers``: those of them that act for reconcilers;
    what these may do themselves is theirs. ``own``: govgate's accounts. ``emergency``: groups whose members need nobody's
    approval.
    """

    users: Mapping[str, str] = {}
    groups: Mapping[str, str] = {}
    reconcilers: Named = Named()
    own: tuple[str, ...] = ()
    emergency: tuple[str, ...] = ()


def actors_of(config: Config, *, named: Mapping[str, str] = {}, own: Iterable[str] = ()) -> Actors:
    """Those of a configuration (reconcilers that are switched off left out), those that owners in the cluster have
    ``named``, and govgate's ``own``.
    """
    users: dict[str, str] = {}
    groups: dict[str, str] = {}
    reconcilers = Named()
    for one in trusted(Policy(config.drift)):
        for name in one.actors.users:
            users.setdefault(name, one.why)
        for name in one.actors.groups:
            groups.setdefault(name, one.why)
        if one.reconciler:
            reconcilers = Named((*reconcilers.users, *one.actors.users), (*reconcilers.groups, *one.actors.groups))
    for name, why in named.items():
        users.setdefault(name, why)
    return Actors(users, groups, reconcilers, tuple(own), config.break_glass.emergency_groups)


def named_by(config: Config, records: Iterable[Record], projects: Mapping[tuple[str, str], Project]) -> dict[str, str]:
    """The accounts that owners name, by the rules of the guard, each with the first owner that does.

    ``projects``: Argo CD's, by namespace and name; accounts that they name for any application count too.
    """
    known = Policy(config.drift).reconcilers
    found: dict[str, str] = {}
    for record in records:
        reconciler = known.get(record.ref.reconciler)
        if reconciler is None:
            continue
        _, namespace, name = record.needs
        project = projects.get((namespace, name)) if record.ref.reconciler == "argocd" else None
        owner = completed(record, project) if project is not None else record.owner
        for account in sorted(owner.accounts or reconciler.default_accounts(record.ref)):
            found.setdefault(account, f"{reconciler.title} {record.ref}")
    for (namespace, name), project in sorted(projects.items()):
        for entry in project.accounts:
            whose = _account(entry.account.strip(), entry.namespace)
            if whose:
                found.setdefault(whose, f"AppProject {OwnerRef('argocd', namespace, name)}")
    return found


def _account(account: str, namespace: str) -> str:
    """The user name of an account that a project names; empty where its namespace is that of each application."""
    if ":" in account:
        return f"system:serviceaccount:{account}"
    return f"system:serviceaccount:{namespace}:{account}" if account and namespace and not _GLOBS & {*namespace} else ""
