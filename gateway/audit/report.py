"""What a stretch of the log amounts to: what was denied, what would have been, by whom, and which exemptions that suggests.

Pure, and bounded whatever the log holds: it is read record by record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.audit.rows import Record
from gateway.core.finding import Action, Finding

MAX_GROUPS = 10_000
"""Of different users, rules, kinds and fields; what comes after is counted and not told apart."""
MAX_PROGRAMS = 1_000
_MAX_NAMED = 3
_SERVICE_ACCOUNT = "system:serviceaccount:"
_ELEMENT = re.compile(r"\[[^\]\"]*\]")
_MIN_REQUESTS = 3
"""As often must a controller have done the same before an exemption is proposed: once may be anybody's accident."""


class Objects(msgspec.Struct):
    """A few of the objects that requests were about, and how many there were."""

    names: list[str] = []
    more: bool = False

    def add(self, name: str) -> None:
        """Remember one more, if it is new and there is room."""
        if name in self.names:
            return
        if len(self.names) < _MAX_NAMED:
            self.names.append(name)
        else:
            self.more = True


class Group(msgspec.Struct, rename="camel"):
    """Requests of one user that one rule found the same with: ``outcome`` is ``denied`` or ``would-deny``."""

    outcome: str
    guard: str
    rule: str
    user: str
    person: bool
    kind: str
    operation: str
    subresource: str
    field: str
    requests: int = 0
    first: str = ""
    last: str = ""
    namespaces: Objects = msgspec.field(default_factory=Objects)
    objects: Objects = msgspec.field(default_factory=Objects)


class Totals(msgspec.Struct, rename="camel"):
    """Requests, dry runs apart. ``by_people`` and ``by_programs`` are of ``denied`` and ``would_deny`` together;
    ``programs``: by whom, as far as they are told apart.
    """

    requests: int = 0
    dry_runs: int = 0
    allowed: int = 0
    denied: int = 0
    undecided: int = 0
    would_deny: int = 0
    warned: int = 0
    excepted: int = 0
    by_people: int = 0
    by_programs: int = 0
    programs: dict[str, int] = {}


class Proposal(msgspec.Struct, rename="camel"):
    """An exemption that evidence speaks for: ``config`` goes below the sections that it names. A person decides."""

    why: str
    config: dict[str, Any]


class Report(msgspec.Struct, rename="camel"):
    """The whole. ``unlisted``: requests whose groups are not listed, since there were too many."""

    first: str = ""
    last: str = ""
    totals: Totals = msgspec.field(default_factory=Totals)
    groups: list[Group] = []
    unlisted: int = 0
    proposals: list[Proposal] = []


_Key = tuple[str, str, str, str, str, str, str]


def report_of(records: Iterable[Record]) -> Report:
    """The report over these records; those that are no decisions are passed over."""
    report, groups = Report(), dict[_Key, Group]()
    for record in records:
        if record.type == "decision":
            _add(report, groups, record)
    report.groups = sorted(groups.values(), key=lambda group: (-group.requests, group.user, group.rule, group.field))
    report.proposals = proposals(report.groups)
    return report


def is_person(user: str) -> bool:
    """Whether a user name is neither a service account's nor of the system: a person, or a program that poses as one."""
    return not user.startswith("system:")


def _add(report: Report, groups: dict[_Key, Group], record: Record) -> None:
    totals, request = report.totals, record.request
    report.first = report.first or record.time
    report.last = record.time
    if request.dry_run:
        totals.dry_runs += 1
        return
    decision = record.verdict.decision
    totals.requests += 1
    totals.allowed += decision == "allow"
    totals.denied += decision == "deny"
    totals.undecided += decision == "undecided"
    counted = [finding for finding in record.findings if finding.exception is None]
    totals.excepted += len(counted) < len(record.findings)
    totals.warned += any(finding.action is Action.WARN for finding in counted)
    refused = [finding for finding in counted if _outcome(finding)]
    would = decision == "allow" and any(finding.would is Action.DENY for finding in refused)
    totals.would_deny += would
    if decision == "deny" or would:
        person = is_person(request.actor.username)
        totals.by_people += person
        totals.by_programs += not person
        name = request.actor.username
        if not person and (name in totals.programs or len(totals.programs) < MAX_PROGRAMS):
            totals.programs[name] = totals.programs.get(name, 0) + 1
    for finding in refused:
        _group(report, groups, record, finding)


def _outcome(finding: Finding) -> str:
    if finding.action is Action.DENY:
        return "denied"
    return "would-deny" if finding.would is Action.DENY else ""


def _group(report: Report, groups: dict[_Key, Group], record: Record, finding: Finding) -> None:
    request = record.request
    kind = f"{request.kind}.{request.group}" if request.group else request.kind
    field = _ELEMENT.sub("[]", finding.field)
    outcome, user = _outcome(finding), request.actor.username
    key = (outcome, finding.rule, user, kind, request.operation, request.subresource, field)
    group = groups.get(key)
    if group is None:
        if len(groups) >= MAX_GROUPS:
            report.unlisted += 1
            return
        group = groups[key] = Group(
            outcome=outcome,
            guard=finding.guard,
            rule=finding.rule,
            user=user,
            person=is_person(user),
            kind=kind,
            operation=request.operation,
            subresource=request.subresource,
            field=field,
            first=record.time,
        )
    group.requests += 1
    group.last = record.time
    group.namespaces.add(request.namespace)
    group.objects.add(f"{request.namespace}/{request.name}" if request.namespace else request.name)


def proposals(groups: Iterable[Group]) -> list[Proposal]:
    """Exemptions for programs that did the same again and again; for people there is break-glass."""
    scaling: dict[str, int] = {}
    writing: dict[str, dict[str, list[Group]]] = {}
    for group in groups:
        if group.guard != "drift" or group.person:
            continue
        if group.subresource == "scale":
            scaling[group.user] = scaling.get(group.user, 0) + group.requests
        elif group.operation == "UPDATE" and group.field:
            writing.setdefault(group.user, {}).setdefault(group.kind, []).append(group)
    found = [
        Proposal(
            f"{user} scaled managed workloads {count} times, as an autoscaler does",
            {"drift": {"autoscalers": {"users": [user]}}},
        )
        for user, count in sorted(scaling.items())
        if count >= _MIN_REQUESTS
    ]
    for user, kinds in sorted(writing.items()):
        for kind, its in sorted(kinds.items()):
            often = [group for group in its if group.requests >= _MIN_REQUESTS]
            if often:
                found.append(_writer(user, kind, often))
    return found


def _writer(user: str, kind: str, groups: list[Group]) -> Proposal:
    fields = sorted({group.field for group in groups})
    namespaces = sorted({name for group in groups for name in group.namespaces.names})
    everywhere = any(group.namespaces.more for group in groups) or not all(namespaces)
    name = user.removeprefix(_SERVICE_ACCOUNT).rpartition(":")[2]
    writer: dict[str, Any] = {
        "name": f"{name}-{kind.partition('.')[0].lower()}",
        "actors": {"users": [user]},
        "kinds": [kind],
        "fields": fields,
    }
    if not everywhere:
        writer["namespaces"] = namespaces
    count = sum(group.requests for group in groups)
    return Proposal(
        f"{user} changed {', '.join(fields)} of {kind} {count} times in managed objects",
        {"drift": {"writers": [writer]}},
    )
