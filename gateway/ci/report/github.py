"""GitHub's workflow commands: annotations on the lines of a pull request.

GitHub shows at most ten of a level for a step: the worst come first, and what is more is counted in a last one.
Source: docs.github.com, workflow commands for GitHub Actions.
"""

from __future__ import annotations

from gateway.ci.report.words import live, resource, totals
from gateway.ci.run import Run
from gateway.core.finding import Action, Finding, Location, Severity

MAX_OF_LEVEL = 10

_COMMANDS = {Action.DENY: "error", Action.WARN: "warning", Action.AUDIT: "notice"}
_ORDER = list(Severity)


def report(run: Run) -> str:
    """Annotations, and a notice with the totals."""
    lines: list[str] = []
    errors = [_command("error", Location(p.path, max(p.line, 1)), "not readable", p.message) for p in run.problems]
    doubts = [_command("warning", d.location, d.rule, f"undecided: {d.resource}: {d.reason}") for d in run.doubts]
    more = {"error": errors, "warning": doubts, "notice": []}
    for action, command in _COMMANDS.items():
        found = sorted((f for f in live(run) if f.action is action), key=lambda f: _ORDER.index(f.severity))
        annotations = more[command] + [_annotation(command, finding) for finding in found]
        room = MAX_OF_LEVEL - (command == "notice")
        if len(annotations) > room:
            left = len(annotations) - room + 1
            annotations[room - 1 :] = [f"::{command} title=govgate::{left} more: see the log of this step"]
        lines += annotations
    lines.append(f"::notice title=govgate::{_data(totals(run))}")
    return "\n".join(lines) + "\n"


def _annotation(command: str, finding: Finding) -> str:
    text = f"{resource(finding.resource)} {finding.field}: {finding.message}\n{finding.remedy}".strip()
    return _command(command, finding.location, finding.rule, text)


def _command(command: str, at: Location | None, title: str, text: str) -> str:
    where = f"file={_property(at.path)},line={at.line}," if at else ""
    return f"::{command} {where}title={_property(title)}::{_data(text)}"


def _data(text: str) -> str:
    """Line ends and percent signs are escaped: a message can not begin a command of its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
