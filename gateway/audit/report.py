"""What a stretch of the log amounts to: what was refused, what would have been, by whom, and which exemptions that suggests.

Pure, and bounded whatever the log holds: it is read record by record.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.audit.groups import WOULD_BE_UNDECIDED, WOULD_DENY, Group, Groups, causes
from gateway.audit.proposals import Proposal, proposals
from gateway.audit.requests import requests
from gateway.audit.rows import Record
from gateway.core.finding import Action

MAX_PROGRAMS = 1_000


class Totals(msgspec.Struct, rename="camel"):
    """Requests, dry runs apart. ``denied`` and ``undecided`` were refused; ``would_deny`` and ``would_be_undecided`` were let
    through and would have been, if everything were enforced. ``by_people`` and ``by_programs`` are of these four together;
    ``programs``: by whom, as far as they are told apart.
    """

    requests: int = 0
    dry_runs: int = 0
    allowed: int = 0
    denied: int = 0
    undecided: int = 0
    would_deny: int = 0
    would_be_undecided: int = 0
    warned: int = 0
    excepted: int = 0
    by_people: int = 0
    by_programs: int = 0
    programs: dict[str, int] = {}

    @property
    def refused(self) -> int:
        """What was refused, or would have been."""
        return self.by_people + self.by_programs


class Report(msgspec.Struct, rename="camel"):
    """The whole. ``unlisted``: causes whose groups are not listed, since there were too many."""

    first: str = ""
    last: str = ""
    totals: Totals = msgspec.field(default_factory=Totals)
    groups: list[Group] = []
    unlisted: int = 0
    proposals: list[Proposal] = []


def report_of(records: Iterable[Record]) -> Report:
    """The report over these records; those that are no decisions are passed over."""
    report, groups = Report(), Groups()
    for record in requests(record for record in records if record.type == "decision"):
        _add(report, groups, record)
    report.groups, report.unlisted = groups.listed(), groups.unlisted
    report.proposals = proposals(report.groups)
    return report


def is_person(user: str) -> bool:
    """Whether a user name is neither a service account's nor of the system: a person, or a program that poses as one."""
    return not user.startswith("system:")


def _add(report: Report, groups: Groups, record: Record) -> None:
    totals, request = report.totals, record.request
    report.first = min(report.first or record.time, record.time)
    report.last = max(report.last, record.time)
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
    why = list(causes(record))
    outcomes = {cause.outcome for cause in why} if decision == "allow" else set()
    # As it would be answered: a denial goes before a doubt.
    would_deny = WOULD_DENY in outcomes
    would_be_undecided = not would_deny and WOULD_BE_UNDECIDED in outcomes
    totals.would_deny += would_deny
    totals.would_be_undecided += would_be_undecided
    name = request.actor.username
    person = is_person(name)
    if decision != "allow" or would_deny or would_be_undecided:
        totals.by_people += person
        totals.by_programs += not person
        if not person and (name in totals.programs or len(totals.programs) < MAX_PROGRAMS):
            totals.programs[name] = totals.programs.get(name, 0) + 1
    for cause in why:
        groups.add(record, cause, person=person)
