"""``govgate audit report``: what a stretch of the log amounts to, and what it suggests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from cyclopts import Parameter

from gateway.audit.groups import Group
from gateway.audit.reader import Reader, open_reader
from gateway.audit.report import Report, report_of
from gateway.audit.rows import Record, read_record
from gateway.audit.state import state_folder
from gateway.audit.times import point_in_time
from gateway.ci.report.markdown import markdown_table, markdown_text
from gateway.ci.report.words import printable
from gateway.cli.output import print_table, say
from gateway.cli.progress import Progress
from gateway.config import load_config
from gateway.config.drift import Drift

View = Literal["table", "json", "markdown", "config"]
_LISTED = 20
_NAMED = 5


def report(
    *,
    since: str = "7d",
    until: str = "",
    output: Annotated[View, Parameter(alias="-o")] = "table",
    state_dir: Path | None = None,
    config: Path | None = None,
) -> None:
    """Say what was refused, what would have been if everything were enforced, by whom, and which exemptions that suggests.

    Refused is what is denied, and what could not be decided where onError is deny: the reasons are named. A request counts
    once, however many webhooks asked about it. Dry runs are counted apart. Exemptions are proposed for programs that did the
    same at least three times; whether they should is for you to decide.

    Parameters
    ----------
    since
        From this time on: RFC 3339, a date, or 24h, 7d ago.
    until
        Before this time.
    output
        table for people, markdown for a document, json for programs; config prints the proposed part of a configuration.
    state_dir
        The log's folder; else as configured, else $XDG_STATE_HOME/govgate.
    config
        The configuration file; else GOVGATE_CONFIG names it.
    """
    loaded = load_config(config).config
    folder = state_dir or state_folder(loaded.audit.state_dir)
    with open_reader(folder) as reader:
        made = report_of(_records(reader, point_in_time(since), point_in_time(until) if until else ""))
    if output == "json":
        print(msgspec.json.format(msgspec.json.encode(made)).decode())
    elif output == "config":
        print(yaml.safe_dump(merged(made, loaded.drift), sort_keys=False, width=120), end="")
        for proposal in made.proposals:
            say(proposal.why)
    elif output == "markdown":
        print(_markdown(made, loaded.drift), end="")
    else:
        _table(made)


def _records(reader: Reader, since: str, until: str) -> Iterator[Record]:
    progress = Progress("records")
    first, last = reader.range_of(since, until)
    try:
        for count, (_, envelope, _) in enumerate(reader.records(first, last)):
            if count % 1000 == 0:
                progress.show(count, 0)
            yield read_record(envelope)
    finally:
        progress.clear()


def summary(made: Report) -> list[str]:
    """The totals in words."""
    totals = made.totals
    if not totals.requests:
        return [f"no requests{f', {totals.dry_runs} dry runs' if totals.dry_runs else ''}"]
    span = f"{made.first[:16]}Z to {made.last[:16]}Z: {totals.requests} requests"
    span += f" and {totals.dry_runs} dry runs" if totals.dry_runs else ""
    lines = [f"{span}; denied: {totals.denied}, refused because undecided: {totals.undecided}"]
    if not totals.would_deny and not totals.would_be_undecided:
        lines.append("nothing else would have been refused if everything were enforced")
    else:
        lines.append(
            "would have been refused as well, if everything were enforced: "
            f"denied: {totals.would_deny}, because undecided: {totals.would_be_undecided}"
        )
    if totals.refused:
        programs = sorted(totals.programs.items(), key=lambda one: -one[1])
        named = ", ".join(f"{printable(name)} ({count})" for name, count in programs[:_NAMED])
        more = ", …" if len(programs) > _NAMED else ""
        lines.append(
            f"of these {totals.refused}, by people: {totals.by_people}, by programs: {totals.by_programs}"
            + (f": {named}{more}" if named else "")
        )
    return lines


_HEADER = ("OUTCOME", "REQUESTS", "BY", "OPERATION", "WHAT", "RULE OR REASON", "WHERE")


def _row(group: Group) -> tuple[str, ...]:
    what = (
        group.kind + (f"/{group.subresource}" if group.subresource else "") + (f" {group.field}" if group.field else "")
    )
    where = ", ".join(group.objects.names) + (", …" if group.objects.more else "")
    why = group.rule or f"{group.guard}: {group.reason}"
    cells = (group.outcome, str(group.requests), group.user, group.operation, what, why, where)
    return tuple(printable(cell) for cell in cells)


def _table(made: Report) -> None:
    for line in summary(made):
        print(line)
    rows = [_row(group) for group in made.groups[:_LISTED]]
    if rows:
        print()
        print_table(_HEADER, rows)
    left = len(made.groups) - len(rows)
    if left or made.unlisted:
        sys.stderr.write(f"{left + made.unlisted} more: -o json has all that are told apart\n")
    if made.proposals:
        print("\nExemptions that this suggests (-o config prints them):")
        for proposal in made.proposals:
            print(f"  {printable(proposal.why)}")


def _markdown(made: Report, present: Drift) -> str:
    lines = ["## govgate: what was, and would have been, refused", "", *summary(made), ""]
    if made.groups:
        lines += [*markdown_table(_HEADER, map(_row, made.groups[:_LISTED])), ""]
    if made.proposals:
        text = yaml.safe_dump(merged(made, present), sort_keys=False, width=120)
        lines += ["Exemptions that this suggests:", ""]
        lines += [f"- {markdown_text(printable(proposal.why))}" for proposal in made.proposals]
        lines += ["", "```yaml", text.rstrip("\n"), "```", ""]
    return "\n".join(lines)


def merged(made: Report, present: Drift) -> dict[str, Any]:
    """All proposals as one part of a configuration, with what it has at present: a list replaces the one before."""
    users, writers = list(present.autoscalers.users), [msgspec.to_builtins(writer) for writer in present.writers]
    before = (len(users), len(writers))
    for proposal in made.proposals:
        section = proposal.config["drift"]
        users += [user for user in section.get("autoscalers", {}).get("users", ()) if user not in users]
        writers += section.get("writers", ())
    drift: dict[str, Any] = {}
    if len(users) > before[0]:
        groups = list(present.autoscalers.groups)
        drift["autoscalers"] = {"users": users, **({"groups": groups} if groups else {})}
    if len(writers) > before[1]:
        drift["writers"] = writers
    return {"drift": drift} if drift else {}
