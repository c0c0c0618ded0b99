"""``govgate replay``: recorded requests against another rule set: what would change."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from gateway.audit.exported import read_export
from gateway.audit.reader import Reader, open_reader
from gateway.audit.rows import Record, read_record
from gateway.audit.state import state_folder
from gateway.audit.times import point_in_time
from gateway.ci.report.markdown import markdown_table
from gateway.ci.report.words import printable
from gateway.cli import exits
from gateway.cli.output import print_table
from gateway.cli.progress import Progress
from gateway.cli.review import wait_for_caches
from gateway.config import load_config
from gateway.config.model import Config
from gateway.core.errors import MalformedRequestError
from webhooks.assembly import Assembly, assemble
from webhooks.replay import Change, Comparison, Replay, recorded, said, subject_of

View = Literal["table", "json", "markdown"]
_LISTED = 20
_Asked = tuple[Record, dict[str, bytes]]


def replay(
    file: Path | None = None,
    *,
    since: str = "7d",
    until: str = "",
    config: Path | None = None,
    policies: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    before: Path | None = None,
    output: Annotated[View, Parameter(alias="-o")] = "table",
    fail_on: Literal["deny", "warn"] = "deny",
    state_dir: Path | None = None,
) -> int:
    """Judge recorded requests again, by other rules or settings, and say what would be answered otherwise.

    Compared with what was answered then. What the cluster looked like then is not recorded: whose object it was is told
    by its marks, or by the connected cluster as it is now. To see the effect of rules alone, name what was in force by
    --before: then both are judged now, and alike. Values that the log does not keep are digests to every rule; requests
    with such values are counted. Exit code 3 when something is refused that was not, 2 for warnings with --fail-on warn.

    Parameters
    ----------
    file
        A file that `audit export --format jsonl --bodies` wrote, instead of a log.
    since
        Requests from this time on: RFC 3339, a date, or 24h, 7d ago.
    until
        Before this time.
    config
        The configuration to try; else GOVGATE_CONFIG names it, else the embedded defaults hold.
    policies
        Rules to try in place of those that it names: a folder, a bundle, builtin:NAME; repeatable.
    before
        The configuration that was in force: judge by that as well, instead of comparing with what was answered.
    output
        table for people, markdown for a pull request, json for programs.
    fail_on
        What makes the command fail.
    state_dir
        The log's folder; else as configured, else $XDG_STATE_HOME/govgate.
    """
    loaded = load_config(config).config
    folder = state_dir or state_folder(loaded.audit.state_dir)
    if policies:
        loaded = msgspec.structs.replace(loaded, policy=msgspec.structs.replace(loaded.policy, sources=policies))
    earlier = load_config(before).config if before is not None else None
    span = (point_in_time(since), point_in_time(until) if until else "")
    if file is not None:
        made = asyncio.run(_replayed(_exported(file, *span), loaded, earlier))
    else:
        with open_reader(folder) as reader:
            made = asyncio.run(_replayed(_logged(reader, *span), loaded, earlier))
    _print(made, output)
    if made.newly_refused:
        return exits.DENIED
    return exits.WARNED if made.newly_warned and fail_on == "warn" else exits.CLEAN


async def _replayed(asked: Iterator[_Asked], config: Config, earlier: Config | None) -> Replay:
    assembly = await assemble(config)
    reference: Assembly | None = None
    try:
        await wait_for_caches(assembly)
        if earlier is not None:
            reference = await assemble(earlier)
            await wait_for_caches(reference)
        return await _compared(asked, assembly, reference)
    finally:
        await assembly.close()
        if reference is not None:
            await reference.close()


async def _compared(asked: Iterator[_Asked], assembly: Assembly, reference: Assembly | None) -> Replay:
    comparison, progress = Comparison(assembly.judge.rules), Progress("requests")
    count = 0
    try:
        for record, bodies in asked:
            subject = subject_of(record, bodies)
            if isinstance(subject, str):
                comparison.pass_over(subject)
                continue
            seconds = assembly.judge.config.server.limits.default_deadline_seconds
            try:
                only = frozenset(record.verdict.guards) if record.verdict.guards else None
                verdict = await assembly.judge.judge(subject, deadline_seconds=seconds, only=only)
                then = recorded(record.verdict, record.findings)
                if reference is not None:
                    then = said(await reference.judge.judge(subject, deadline_seconds=seconds, only=only))
            except MalformedRequestError as error:
                comparison.pass_over(f"an object cannot be read: {error}")
                continue
            comparison.add(subject, then, said(verdict), verdict.findings)
            count += 1
            progress.show(count, 0)
    finally:
        progress.clear()
    return comparison.result()


def _logged(reader: Reader, since: str, until: str) -> Iterator[_Asked]:
    first, last = reader.range_of(since, until)
    for _, envelope, _ in reader.records(first, last):
        record = read_record(envelope)
        if record.type != "decision":
            continue
        named = {"object": record.bodies.object, "oldObject": record.bodies.old_object}
        found = {name: reader.body(address) for name, address in named.items() if address}
        yield record, {name: body for name, body in found.items() if body is not None}


def _exported(file: Path, since: str, until: str) -> Iterator[_Asked]:
    for record, bodies in read_export(file):
        if record.type == "decision" and record.time >= since and (not until or record.time < until):
            yield record, bodies


_HEADER = ("WAS", "WOULD BE", "REQUESTS", "BY", "OPERATION", "OBJECTS", "RULES")


def _row(change: Change) -> tuple[str, ...]:
    rules = [f"+ {rule}" for rule in change.appeared] + [f"- {rule}" for rule in change.vanished]
    requests = f"{change.requests} ({change.redacted} with digests)" if change.redacted else str(change.requests)
    objects = f"{change.kind} {', '.join(change.objects)}"
    cells = (change.before, change.after, requests, change.user, change.operation, objects, ", ".join(rules))
    return tuple(printable(cell) for cell in cells)


def _words(made: Replay) -> list[str]:
    told = f"{made.judged} requests judged again: {made.same} as before, {made.newly_refused} newly refused"
    lines = [f"{told}, {made.newly_allowed} newly allowed, {made.newly_warned} newly warned of"]
    lines += [f"{count} passed over: {printable(why)}" for why, count in sorted(made.passed_over.items())]
    return lines


def _print(made: Replay, output: View) -> None:
    if output == "json":
        print(msgspec.json.format(msgspec.json.encode(made)).decode())
        return
    shown = made.changes[:_LISTED]
    if output == "markdown":
        print("## govgate replay\n\n" + "\n".join(f"- {line}" for line in _words(made)))
        if shown:
            print("\n" + "\n".join(markdown_table(_HEADER, map(_row, shown))))
    else:
        print("\n".join(_words(made)))
        if shown:
            print()
            print_table(_HEADER, [_row(change) for change in shown])
        for change in shown:
            for message in change.messages[:1]:
                print(f"  {change.after}: {printable(message)}")
    left = len(made.changes) - len(shown) + made.unlisted
    if left:
        sys.stderr.write(f"{left} more: -o json has all that are told apart\n")
