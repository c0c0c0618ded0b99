"""Who has which of the powers, and what is told of it: known holders are shown as accepted. Pure.

Kubernetes' own subjects, the reconcilers and govgate itself are trusted with it and not told of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from fnmatch import fnmatchcase

from gateway.config.doctor import Accepted
from gateway.core.finding import Finding, Resource, Severity
from gateway.doctor.actors import Actors
from gateway.doctor.known import kubernetes_own
from gateway.doctor.powers import ACCOUNTS, Power, of_administrators, of_approvers, powers, space_of
from gateway.doctor.rbac import ANYWHERE, SERVICE_ACCOUNT, Grant, Subject, account_of
from gateway.doctor.rules import GUARD, RULES, found
from gateway.doctor.walk import Held, useful_of, walk

_RBAC = "rbac.authorization.k8s.io"
_EVERYBODY = {
    Subject("Group", "system:authenticated"),
    Subject("Group", "system:unauthenticated"),
    Subject("Group", "system:serviceaccounts"),
    Subject("User", "system:anonymous"),
}
_SHOWN = 10
_NAMED = re.compile(r"(?:User|Group) .|ServiceAccount [^/]+/[^/]+\Z")
EVERYTHING = "full-access"
_OF_EACH_FORM = (
    Subject("User", "x"),
    Subject("User", f"{SERVICE_ACCOUNT}x:x"),
    Subject("Group", "x"),
    Subject("Group", ACCOUNTS),
)
MAX_STEPS = 10
"""From somebody to one who has every right: how many others may be between them."""


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
    held += walk(limited, powers(actors, namespace, registration))
    held += walk(limited, _second(held))
    full = {grant.subject for grant in granted if _everything(grant)}
    known = {subject for subject in full if subject not in every or subject.name in actors.users}
    return _merged([*held, *_raised(limited, full - known, known)])


def _raised(
    limited: Mapping[Subject, Sequence[Grant]], full: AbstractSet[Subject], known: AbstractSet[Subject]
) -> list[Held]:
    """Who may become one of the ``full``, who have every right, or one who may, and so on; each is told of by its shortest way.

    ``known``: who have every right as well, and whom other rules ask about: told is only who may become those that may.
    """
    useful = useful_of(limited, of_administrators(_OF_EACH_FORM, ""))
    reached = full | known
    rest = _outside(useful, reached)
    held = walk(rest, of_administrators(sorted(full), "who has every right"))
    newest = {one.subject for one in (*held, *walk(rest, of_administrators(sorted(known), "")))}
    for _ in range(MAX_STEPS):
        if not newest:
            break
        reached |= newest
        further = walk(_outside(useful, reached), of_administrators(sorted(newest), "who may come to every right"))
        newest = {one.subject for one in further}
        held += further
    return held


def _outside(
    limited: Mapping[Subject, Sequence[Grant]], reached: AbstractSet[Subject]
) -> dict[Subject, Sequence[Grant]]:
    """Those who are neither among them, nor accounts that are members of a group among them."""
    spaces = {space_of(one) for one in reached} - {""}

    def member(subject: Subject) -> bool:
        account = account_of(subject.name) if subject.kind == "User" else None
        return account is not None and bool(spaces & {account[0], ANYWHERE})

    return {subject: grants for subject, grants in limited.items() if subject not in reached and not member(subject)}


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
    approvers: dict[Subject, list[str]] = {}
    requesters: list[str] = []
    for one in held:
        kind, name = one.subject
        if (
            account_of(name)
            or name.startswith(ACCOUNTS)
            or one.rule not in {"break-glass-approve", "break-glass-request", EVERYTHING}
        ):
            continue
        if one.rule != "break-glass-request":
            approvers.setdefault(one.subject, []).extend(one.does)
        if one.rule != "break-glass-approve" and kind == "User":
            requesters.append(name)
    return of_approvers(approvers, requesters)


def _trusted(subject: Subject, actors: Actors, namespace: str) -> bool:
    if subject.kind == "Group":
        return subject.name in {*actors.reconcilers.groups, f"{ACCOUNTS}:{namespace}"}
    account = account_of(subject.name)
    return subject.name in actors.reconcilers.users or (account is not None and account[0] == namespace)


def told(held: Sequence[Held], accepted: Sequence[Accepted]) -> list[Finding]:
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
    return results + [_unused(entry, held) for number, entry in enumerate(accepted) if number not in used]


def _covers(entry: Accepted, one: Held, does: str) -> bool:
    # As a glob, of which brackets are no part: field paths and names have none that mean anything.
    return _about(entry, one) and any(fnmatchcase(does, pattern.replace("[", "[[]")) for pattern in entry.powers)


def _about(entry: Accepted, one: Held) -> bool:
    return entry.subject == str(one.subject) and entry.rule.removeprefix(f"{GUARD}/") == one.rule


def _unused(entry: Accepted, held: Iterable[Held]) -> Finding:
    does = [does for one in held if _about(entry, one) for does in one.does]
    why = f"none of `powers` is what it can do: {_listed(does)}" if does else "nobody has that"
    if f"{GUARD}/{entry.rule.removeprefix(f'{GUARD}/')}" not in RULES:
        why = "there is no such rule"
    elif not _NAMED.match(entry.subject):
        why = "a subject is written `User NAME`, `Group NAME` or `ServiceAccount NAMESPACE/NAME`"
    return found(
        "accepted-unused",
        Resource("govgate.dev/v1alpha1", "Configuration", "", "doctor"),
        f"doctor.accepted: {entry.subject}, {entry.rule}: {why} ({entry.reason})",
        field=f"doctor.accepted[subject={entry.subject},rule={entry.rule}]",
    )


def _listed(does: Sequence[str]) -> str:
    more = f", and {len(does) - _SHOWN} more" if len(does) > _SHOWN else ""
    return "; ".join(does[:_SHOWN]) + more


def _finding(one: Held, does: Sequence[str], reason: str = "") -> Finding:
    subject = one.subject
    kind, namespace, name = one.by[0].binding
    roles = ", ".join(dict.fromkeys(f"{by.role} ({by.binding[0]} {_place(by)})" for by in one.by))
    return found(
        one.rule,
        Resource(f"{_RBAC}/v1", kind, namespace, name),
        f"{subject} can {_listed(does)}, by {roles}",
        field=f"subjects[kind={subject.kind},name={subject.name}]",
        severity=Severity.CRITICAL if subject in _EVERYBODY else None,
        exception=f"doctor.accepted: {reason}" if reason else None,
    )


def _place(grant: Grant) -> str:
    _, namespace, name = grant.binding
    return f"{namespace}/{name}" if namespace else name
