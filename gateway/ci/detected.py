"""Findings of what was detected in files: where they are, and the command that helps. No value is known here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from gateway.ci.inputs import Content
from gateway.ci.looking import Looked
from gateway.core.finding import Finding, Location, Resource
from gateway_secrets.detect import KINDS
from gateway_secrets.detect.findings import CHANGE, action_of, finding_of, object_remedy, rule_of
from policies.rule import RuleInfo

_SOPS = (".yaml", ".yml", ".json", ".env", ".ini")

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
        root = repository_of(folder or "/")
        return os.path.relpath(f"{folder}/{name}", root) if root else os.path.normpath(path)


@lru_cache(maxsize=65_536)
def repository_of(folder: str) -> str:
    """The root of the repository that a folder is in, by its absolute path; empty if it is in none."""
    if (Path(folder) / ".git").exists():
        return folder
    above = folder.rpartition("/")[0]
    return repository_of(above) if above and above != folder else ""


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
        finding = finding_of(
            place.hit, place.resource or about, field, remedy(content.path, place.resource, place.hit.kind)
        )
        findings.append(msgspec.structs.replace(finding, location=Location(content.path, place.line)))
    return _once(findings)


def remedy(path: str, resource: Resource | None, kind: str) -> str:
    """What to do about it: the command that encrypts what was found, where there is one."""
    if resource is not None and resource.kind == "Secret":
        return f"seal it: govgate detect --fix --cert CERTIFICATE {path} (or: govgate sops encrypt {path}), {CHANGE}"
    if resource is not None and resource.kind == "SealedSecret":
        return f"seal the value: govgate seal --cert CERTIFICATE --merge-into {path} --from-file KEY=-, {CHANGE}"
    if resource is not None:
        return object_remedy(kind)
    if path.endswith(_SOPS):
        return f"encrypt it: govgate sops encrypt {path}, {CHANGE}"
    return f"take it out of the file, {CHANGE}"


def _once(findings: Sequence[Finding]) -> list[Finding]:
    seen: set[tuple[str, int]] = set()
    kept = []
    for finding in findings:
        key = (finding.id, finding.location.line if finding.location else 0)
        if key not in seen:
            seen.add(key)
            kept.append(finding)
    return kept
