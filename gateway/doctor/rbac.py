"""Who may do what by RBAC: a walk over roles and bindings, as the API server's own authorizer walks them. Pure.

Source: ``k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac`` and ``k8s.io/kubernetes/pkg/apis/rbac/v1``
(evaluation_helpers.go). Users that other authorizers let in (webhooks, Node, ABAC) are not seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

Json = dict[str, Any]
SERVICE_ACCOUNT = "system:serviceaccount:"
ALL = "*"


class Subject(NamedTuple):
    """``User`` or ``Group``; a ServiceAccount is the user that it is for the API server."""

    kind: str
    name: str

    def __str__(self) -> str:
        account = account_of(self.name) if self.kind == "User" else None
        return f"ServiceAccount {account[0]}/{account[1]}" if account else f"{self.kind} {self.name}"


class Rule(msgspec.Struct, frozen=True, rename="camel"):
    """A PolicyRule, as far as it is about resources."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()

    @property
    def unbounded(self) -> bool:
        """Everything on everything: as cluster-admin has it."""
        return ALL in self.verbs and ALL in self.api_groups and ALL in self.resources and not self.resource_names


class Grant(msgspec.Struct, frozen=True):
    """One rule that a subject has. ``namespace``: where it holds, empty for everywhere."""

    subject: Subject
    rule: Rule
    namespace: str
    role: str
    binding: tuple[str, str, str]
    """Kind, namespace and name of the binding."""


ANYWHERE = "*"
"""As the namespace of a question: in whichever."""


class Ask(NamedTuple):
    """One question. ``resource`` with its subresource (``serviceaccounts/token``), :data:`ALL`: whichever; ``name`` empty:
    any, or a collection; ``namespace`` may be :data:`ANYWHERE`.
    """

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


class Roles(msgspec.Struct, frozen=True):
    """Everything there is, as the API server lists it."""

    cluster_roles: Sequence[Json] = ()
    roles: Sequence[Json] = ()
    cluster_role_bindings: Sequence[Json] = ()
    role_bindings: Sequence[Json] = ()


def account_of(user: str) -> tuple[str, str] | None:
    """Namespace and name of the service account that a user name stands for; None where it stands for none."""
    namespace, colon, name = user.removeprefix(SERVICE_ACCOUNT).partition(":")
    return (namespace, name) if user.startswith(SERVICE_ACCOUNT) and colon and namespace and name else None


def grants(held: Roles) -> list[Grant]:
    """All that is granted to anybody. A binding to a role that there is not grants nothing."""
    of_cluster = _of_cluster(held.cluster_roles)
    of_namespace = {(_namespace(role), _name(role)): _rules(role) for role in held.roles}
    found: list[Grant] = []
    for binding in (*held.cluster_role_bindings, *held.role_bindings):
        where = _namespace(binding)
        reference = binding.get("roleRef") or {}
        kind, name = str(reference.get("kind")), str(reference.get("name"))
        rules = of_namespace.get((where, name), ()) if kind == "Role" else of_cluster.get(name, ())
        label = f"Role {where}/{name}" if kind == "Role" else f"ClusterRole {name}"
        place = ("RoleBinding" if where else "ClusterRoleBinding", where, _name(binding))
        for subject in binding.get("subjects") or ():
            whom = _subject(subject, where)
            found += [Grant(whom, rule, where, label, place) for rule in rules]
    return found


def allows(grant: Grant, ask: Ask) -> bool:
    """Whether this grant alone answers the question with yes."""
    rule = grant.rule
    return (
        (grant.namespace in {"", ask.namespace} or ask.namespace == ANYWHERE)
        and (ALL in rule.verbs or ask.verb in rule.verbs)
        and (ask.resource == ALL or ALL in rule.api_groups or ask.group in rule.api_groups)
        and (ask.resource == ALL or _resource(rule.resources, ask.resource))
        and (ask.resource == ALL or not rule.resource_names or ask.name in rule.resource_names)
    )


def permitted(granted: Iterable[Grant], subjects: Iterable[Subject], ask: Ask) -> bool:
    """Whether somebody who is all of these subjects (a user and its groups) may do it."""
    who = frozenset(subjects)
    return any(grant.subject in who and allows(grant, ask) for grant in granted)


def identity(user: str, groups: Iterable[str] = ()) -> tuple[Subject, ...]:
    """A user as the authorizer sees it: with its groups."""
    return Subject("User", user), *(Subject("Group", group) for group in groups)


def _resource(listed: Sequence[str], wanted: str) -> bool:
    _, slash, subresource = wanted.partition("/")
    return ALL in listed or wanted in listed or (bool(slash) and f"*/{subresource}" in listed)


def _of_cluster(roles: Sequence[Json]) -> dict[str, tuple[Rule, ...]]:
    """The rules of each ClusterRole. One that collects others' has those at once that its controller adds in a moment."""
    own = {_name(role): _rules(role) for role in roles}
    labels = {_name(role): (role.get("metadata") or {}).get("labels") or {} for role in roles}
    collects = {_name(role): _selected(role, labels) for role in roles if role.get("aggregationRule")}

    def collected(name: str, seen: frozenset[str]) -> dict[Rule, None]:
        found = dict.fromkeys(own[name])
        for other in collects.get(name, ()):
            if other not in seen:
                found |= collected(other, seen | {other})
        return found

    return own | {name: tuple(collected(name, frozenset((name,)))) for name in collects}


def _selected(role: Json, labels: dict[str, Json]) -> list[str]:
    selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
    return [name for name, held in labels.items() if any(matches(selector, held) for selector in selectors)]


def matches(selector: Json, labels: Json) -> bool:
    """Whether a LabelSelector selects these labels; an empty one selects all. Source: apimachinery ``labels``."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    return all(_fits(one, labels) for one in selector.get("matchExpressions") or ())


def _fits(requirement: Json, labels: Json) -> bool:
    key, values = requirement.get("key"), requirement.get("values") or ()
    match requirement.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def _rules(role: Json) -> tuple[Rule, ...]:
    return tuple(msgspec.convert(rule, Rule) for rule in role.get("rules") or () if rule.get("resources"))


def _subject(subject: Json, where: str) -> Subject:
    if subject.get("kind") == "ServiceAccount":
        return Subject("User", f"{SERVICE_ACCOUNT}{subject.get('namespace') or where}:{subject.get('name')}")
    return Subject(str(subject.get("kind")), str(subject.get("name")))


def _name(one: Json) -> str:
    return str((one.get("metadata") or {}).get("name") or "")


def _namespace(one: Json) -> str:
    return str((one.get("metadata") or {}).get("namespace") or "")
