"""The text that answers a refused request, for the person who made it."""

from __future__ import annotations

from gateway.core.finding import Action, Finding
from gateway.core.guard import OnError
from gateway.core.subject import Subject
from gateway.core.verdict import Decision, Verdict
from webhooks.breakglass.known import NOT_IN_FORCE
from webhooks.breakglass.using import GUARD, command_for

MAX_LISTED = 12
MAX_CHARS = 4_000


def refusal(verdict: Verdict, subject: Subject, *, glass: bool = False) -> str:
    """Why the request was refused and what to do instead; empty if it was allowed. ``glass``: whether a grant could help."""
    if verdict.decision is Decision.ALLOW:
        return ""
    if verdict.decision is Decision.UNDECIDED:
        whys = [f"{i.guard}: {i.reason}" for i in verdict.indeterminate if i.on_error is OnError.DENY]
        lines = [f"govgate could not decide about {_resource(subject)}, and is set to refuse then.", *whys]
        lines.append("This is not a denial: nothing was found wrong. Try again, or tell the gateway's operators.")
        return _bounded(lines)
    denied = [f for f in verdict.findings if f.action is Action.DENY and f.exception is None]
    about = denied[0].resource
    lines = [f"{about.kind} {about.namespace}/{about.name}:" if about.namespace else f"{about.kind} {about.name}:"]
    lines += [f"- {_one_line(finding)} [{finding.rule}, {finding.id}]" for finding in denied[:MAX_LISTED]]
    if len(denied) > MAX_LISTED:
        lines.append(f"- and {len(denied) - MAX_LISTED} more findings: see the audit log")
    lines += list(dict.fromkeys(finding.remedy for finding in denied if finding.remedy))
    if glass:
        lines += [finding.message for finding in verdict.findings if finding.rule == NOT_IN_FORCE]
        lines += [one.reason for one in verdict.indeterminate if one.guard == GUARD]
        command = command_for(verdict.findings, subject.operation)
        lines += [f"If it cannot wait: {command}"] if command else []
    return _bounded(lines)


def _resource(subject: Subject) -> str:
    where = f"{subject.object_namespace}/{subject.name}" if subject.object_namespace else subject.name
    return f"{subject.kind.kind} {where}"


def _one_line(finding: Finding) -> str:
    return " ".join(finding.message.split())


def _bounded(lines: list[str]) -> str:
    text = "\n".join(line if line.isprintable() else _printable(line) for line in lines)
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in line)
