"""Who has which of the powers, and what is told of it: known holders are shown as accepted. Pure.

Kubernetes' own subjects, the reconcilers and govgate itself are trusted with it and not told of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from gateway.config.doctor import Accepted
from gateway.core.finding import Finding, Resource, Severity
from gateway.doctor.actors import Actors
from gateway.doctor.known import kubernetes_own
from gateway.doctor.powers import Power, of_approvers, powers
from gateway.doctor.rbac import ANYWHERE, Ask, Grant, Rule, Subject, account_of, allows
from gateway.doctor.rules import GUARD, found

_RBAC = "rbac.authorization.k8s.io"
_EVERYBODY = {
    Subject("Group", "system:authenticated"),
    Subject("Group", "system:unauthenticated"),
    Subject("Group", "system:serviceaccounts"),
    Subject("User", "system:anonymous"),
}
_ACCOUNTS = "system:serviceaccounts"
_SHOWN = 4
EVERYTHING = "full-access"


class Held(NamedTuple):
    """What a subject can do, by one rule; with the grants that let it, one for each in ``does`` or more."""

    subject: Subject
    rule: str
    does: tuple[str, ...]
    by: tuple[Grant, ...]


def holders(granted: Sequence[Grant], actors: Actors, namespace: str, registration: str) -> list[Held]:
    """Each subject with what it can do. ``namespace``: govgate's own, whose accounts may do all this: whoever writes there
    can replace govgate; ``registration``: its name.
    """
    by_subject: dict[Subject, list[Grant]] = {}
    for grant in granted:
        if not _trusted(grant.subject, actors, namespace) and not kubernetes_own(grant):
            by_subject.setdefault(grant.subject, []).append(grant)
    every = {subject: grant for subject, grants in by_subject.items() for grant in grants if _everything(grant)}
    limited = {subject: grants for subject, grants in by_subject.items() if subject not in every}
    held = [Held(subject, EVERYTHING, ("do everything",), (grant,)) for subject, grant in every.items()]
    held += _walk(limited, powers(actors, namespace, registration))
    return _merged([*held, *_walk(limited, _second(held))])


def _everything(grant: Grant) -> bool:
    return grant.rule.unbounded and not grant.namespace


def _merged(held: Iterable[Held]) -> list[Held]:
    found_ones: dict[tuple[Subject, str], Held] = {}
    for one in held:
        known = found_ones.setdefault((one.subject, one.rule), one)
        if known is not one:
            found_ones[one.subject, one.rule] = known._replace(does=(*known.does, *one.does), by=(*known.by, *one.by))
    return [one for _, one in sorted(found_ones.items())]


def _second(held: Iterable[Held]) -> list[Power]:
    """By whom one could be two people, now that it is known who approves. Accounts do not: the guard of grants sees to that."""
    approvers: dict[str, list[str]] = {}
    requesters: list[str] = []
    for one in held:
        kind, name = one.subject
        if (
            account_of(name)
            or name.startswith(_ACCOUNTS)
            or one.rule not in {"break-glass-approve", "break-glass-request", EVERYTHING}
        ):
            continue
        if one.rule != "break-glass-request" and name not in approvers.setdefault(kind, []):
            approvers[kind].append(name)
        if one.rule != "break-glass-approve" and kind == "User":
            requesters.append(name)
    return of_approvers(approvers, requesters)


def _walk(by_subject: dict[Subject, list[Grant]], asked: Sequence[Power]) -> list[Held]:
    index = _Index(asked)
    found_ones: list[Held] = []
    for subject, grants in sorted(by_subject.items()):
        useful = [grant for grant in grants if index.useful(grant.rule)]
        can: dict[str, tuple[list[str], list[Grant]]] = {}
        for power in index.within({grant.namespace for grant in useful}) if useful else ():
            if power.about == {subject.name} and subject.kind == "User":
                continue
            answers = [next((g for g in useful for ask in group if allows(g, ask)), None) for group in power.all_of]
            if all(answers):
                does, by = can.setdefault(power.rule, ([], []))
                if power.does not in does:
                    does.append(power.does)
                    by += [answer for answer in answers if answer is not None]
        found_ones += [Held(subject, rule, tuple(does), tuple(by)) for rule, (does, by) in can.items()]
    return found_ones


class _Index:
    """Which powers come into question, told cheaply: a cluster has many subjects, and thousands of questions are asked."""

    def __init__(self, asked: Sequence[Power]) -> None:
        self._asked = asked
        asks = [ask for power in asked for group in power.all_of for ask in group]
        self._kinds = {(ask.verb, ask.group, ask.resource) for ask in asks}
        self._spaces = [frozenset(ask.namespace for ask in power.all_of[0]) for power in asked]
        self._known: dict[Rule, bool] = {}

    def useful(self, rule: Rule) -> bool:
        """Whether the rule answers any question, wherever and about whomever."""
        if rule not in self._known:
            anyone = Grant(Subject("", ""), _unnamed(rule), "", "", ("", "", ""))
            self._known[rule] = any(allows(anyone, Ask(*kind)) for kind in self._kinds)
        return self._known[rule]

    def within(self, namespaces: set[str]) -> Iterable[Power]:
        """Those whose first question may be answered by grants in these namespaces."""
        if "" in namespaces:
            return self._asked
        reach = namespaces | {ANYWHERE}
        return (power for power, spaces in zip(self._asked, self._spaces, strict=True) if spaces & reach)


def _unnamed(rule: Rule) -> Rule:
    return Rule(rule.verbs, rule.api_groups, rule.resources) if rule.resource_names else rule


def _trusted(subject: Subject, actors: Actors, namespace: str) -> bool:
    if subject.kind == "Group":
        return subject.name in {*actors.reconcilers.groups, f"{_ACCOUNTS}:{namespace}"}
    account = account_of(subject.name)
    return subject.name in actors.reconcilers.users or (account is not None and account[0] == namespace)


def told(held: Iterable[Held], accepted: Sequence[Accepted]) -> list[Finding]:
    """A finding for each; what is accepted is one of its own, marked so, and an acceptance of what nobody has is one too."""
    used: set[int] = set()
    results: list[Finding] = []
    for one in held:
        known: dict[int, list[str]] = {}
        rest: list[str] = []
        for does in one.does:
            number = next((n for n, entry in enumerate(accepted) if _covers(entry, one, does)), None)
            if number is None:
                rest.append(does)
            else:
                known.setdefault(number, []).append(does)
        used |= set(known)
        if rest:
            results.append(_finding(one, rest))
        results += [_finding(one, does, accepted[number].reason) for number, does in known.items()]
    unused = [entry for number, entry in enumerate(accepted) if number not in used]
    return results + [_unused(entry) for entry in unused]


def _covers(entry: Accepted, one: Held, does: str) -> bool:
    same = entry.subject == str(one.subject) and entry.rule.removeprefix(f"{GUARD}/") == one.rule
    # As a glob, of which brackets are no part: field paths and names have none that mean anything.
    return same and any(fnmatchcase(does, pattern.replace("[", "[[]")) for pattern in entry.powers)


def _unused(entry: Accepted) -> Finding:
    return found(
        "accepted-unused",
        Resource("govgate.dev/v1alpha1", "Configuration", "", "doctor"),
        f"doctor.accepted: {entry.subject}, {entry.rule}: nobody has that ({entry.reason})",
        field=f"doctor.accepted[subject={entry.subject},rule={entry.rule}]",
    )


def _finding(one: Held, does: Sequence[str], reason: str = "") -> Finding:
    subject = one.subject
    kind, namespace, name = one.by[0].binding
    roles = ", ".join(dict.fromkeys(f"{by.role} ({by.binding[0]} {_place(by)})" for by in one.by))
    more = f", and {len(does) - _SHOWN} more" if len(does) > _SHOWN else ""
    return found(
        one.rule,
        Resource(f"{_RBAC}/v1", kind, namespace, name),
        f"{subject} can {'; '.join(does[:_SHOWN])}{more}, by {roles}",
        field=f"subjects[kind={subject.kind},name={subject.name}]",
        severity=Severity.CRITICAL if subject in _EVERYBODY else None,
        exception=f"doctor.accepted: {reason}" if reason else None,
    )


def _place(grant: Grant) -> str:
    _, namespace, name = grant.binding
    return f"{namespace}/{name}" if namespace else name
