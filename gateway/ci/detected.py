"""Findings of what was detected: ids, words and remedies. No value is known here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from gateway.ci.inputs import Content
from gateway.ci.looking import Looked, Place
from gateway.core.finding import Action, Finding, Location, Resource, Severity, finding_id
from gateway_secrets.detect import KINDS, Kind
from policies.rule import RuleInfo

GUARD = "secrets"
_DENIED = frozenset((Severity.CRITICAL, Severity.HIGH))
_SOPS = (".yaml", ".yml", ".json", ".env", ".ini")
_CHANGE = "then change the credential: whoever could read this has it"


def rule_of(kind: str) -> str:
    """The id of the rule that finds a kind."""
    return f"detect/{kind}"


def action_of(kind: Kind) -> Action:
    """What is medium may be no secret by itself: it warns."""
    return Action.DENY if kind.severity in _DENIED else Action.WARN


INFOS = {
    rule_of(kind.id): RuleInfo(
        rule_of(kind.id), f"Plain text: {kind.title}", kind.severity, action_of(kind), sets=("detect",)
    )
    for kind in KINDS.values()
}
RULES = sorted((info.id, info.severity, info.action) for info in INFOS.values())


class Files:
    """How files are called in findings: from the root of their repository, wherever the command runs."""

    def name(self, path: str) -> str:
        """``deploy/secret.yaml``; the path as it was given where there is no repository."""
        if path == "standard input":
            return path
        folder, _, name = os.path.realpath(path).rpartition("/")
        root = _root(folder or "/")
        return os.path.relpath(f"{folder}/{name}", root) if root else os.path.normpath(path)


@lru_cache(maxsize=65_536)
def _root(folder: str) -> str:
    if (Path(folder) / ".git").exists():
        return folder
    above = folder.rpartition("/")[0]
    return _root(above) if above and above != folder else ""


def findings_of(content: Content, looked: Looked, files: Files) -> list[Finding]:
    """A finding for each place, in the order of lines."""
    if not looked.places:
        return []
    about = Resource("", "File", "", files.name(content.path))
    times: Counter[tuple[str, str]] = Counter()
    findings = []
    for place in sorted(looked.places, key=lambda place: place.line):
        field = place.hit.field
        if place.resource is None:
            # Of equal names, and of what has none, only their order in the file tells one from another.
            times[place.hit.kind, field] += 1
            number = times[place.hit.kind, field]
            field = f"{field}[{number}]" if number > 1 or not field else field
        findings.append(_finding(content.path, place, place.resource or about, field))
    return _once(findings)


def _finding(path: str, place: Place, resource: Resource, field: str) -> Finding:
    kind = KINDS[place.hit.kind]
    rule = rule_of(kind.id)
    holds = f" ({place.hit.holds})" if place.hit.holds else ""
    return Finding(
        finding_id(rule, resource, field),
        rule,
        kind.severity,
        action_of(kind),
        GUARD,
        resource,
        field,
        f"holds {kind.title}{holds}",
        remedy(path, place.resource),
        Location(path, place.line),
    )


def remedy(path: str, resource: Resource | None) -> str:
    """What to do about it: the command that encrypts what was found, where there is one."""
    if resource is not None and resource.kind == "Secret":
        return f"seal it: govgate detect --fix --cert CERTIFICATE {path} (or: govgate sops encrypt {path}), {_CHANGE}"
    if resource is not None and resource.kind == "SealedSecret":
        return f"seal the value: govgate seal --cert CERTIFICATE --merge-into {path} --from-file KEY=-, {_CHANGE}"
    if resource is not None:
        return f"keep it in a Secret that is sealed (govgate seal) or external, refer to that, {_CHANGE}"
    if path.endswith(_SOPS):
        return f"encrypt it: govgate sops encrypt {path}, {_CHANGE}"
    return f"take it out of the file, {_CHANGE}"


def _once(findings: Sequence[Finding]) -> list[Finding]:
    seen: set[tuple[str, int]] = set()
    kept = []
    for finding in findings:
        key = (finding.id, finding.location.line if finding.location else 0)
        if key not in seen:
            seen.add(key)
            kept.append(finding)
    return kept
