"""How findings are put into words, the same in every format."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.ci.run import Run
from gateway.core.finding import Finding, Location, Resource


def resource(about: Resource) -> str:
    """``Deployment web/api``."""
    where = f"{about.namespace}/{about.name}" if about.namespace else about.name
    return f"{about.kind} {where}"


def place(location: Location | None) -> str:
    """``deploy.yaml:12``, empty where there is no file."""
    return f"{location.path}:{location.line}" if location else ""


def address(location: Location | None, *about: str) -> Location:
    """A place for formats that demand one: what has no file gets an address that says what it is about."""
    return location or Location("/".join(("kubernetes", *(part or "_" for part in about))))


def address_of(finding: Finding) -> Location:
    """The same, of a finding."""
    found = finding.resource
    return address(finding.location, found.api_version, found.kind, found.namespace, found.name)


def placed(location: Location | None, text: str) -> str:
    """The text with the place before it, if there is one."""
    return f"{place(location)}: {text}" if location else text


def live(run: Run) -> Iterable[Finding]:
    """The findings that count: those without an exception."""
    return (finding for finding in run.findings if finding.exception is None)


def printable(text: str) -> str:
    """One line without control characters: nothing that a terminal would act upon."""
    return "".join(c if c.isprintable() else " " for c in text)


def totals(run: Run) -> str:
    """The summary as a line."""
    counts = run.summary
    line = (
        f"{counts.judged} judged, {counts.denied} denied, {counts.warned} warned, {counts.indeterminate} indeterminate"
    )
    line += f", {counts.excepted} excepted"
    line += f", {counts.skipped} {run.skipping}" if counts.skipped else ""
    return line + (f", {counts.problems} not readable" if counts.problems else "")
