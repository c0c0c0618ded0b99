"""How findings are put into words, the same in every format."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.ci.run import Run
from gateway.core.finding import Finding, Resource


def resource(about: Resource) -> str:
    """``Deployment web/api``."""
    where = f"{about.namespace}/{about.name}" if about.namespace else about.name
    return f"{about.kind} {where}"


def place(finding: Finding) -> str:
    """``deploy.yaml:12``, empty where it has no file."""
    return f"{finding.location.path}:{finding.location.line}" if finding.location else ""


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
    line += f", {counts.skipped} documents skipped (no Kubernetes objects)" if counts.skipped else ""
    return line + (f", {counts.problems} not readable" if counts.problems else "")
