"""Baselines of ``govgate detect``: findings that are accepted until a date, each with a reason.

The key is a finding's id, a digest of rule, resource and field: nothing in a baseline is made from a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from gateway.config.files import read_bounded, write_whole
from gateway.config.yaml import read_yaml
from gateway.core.errors import ConfigError
from gateway.core.finding import Finding

MAX_BYTES = 16 * 1024 * 1024
DEFAULT_DAYS = 90


class Entry(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """One accepted finding. ``path``: only in this file. ``rule`` and ``field`` are for people: the id decides."""

    id: str
    reason: str
    expires: date
    rule: str = ""
    path: str = ""
    field: str = ""

    def covers(self, finding: Finding, path: str) -> bool:
        """Whether it is about this finding."""
        return self.id == finding.id and self.path in {"", path}


class Baseline(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A baseline file."""

    api_version: Literal["govgate.dev/v1alpha1"] = "govgate.dev/v1alpha1"
    kind: Literal["DetectBaseline"] = "DetectBaseline"
    entries: list[Entry] = []


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        ConfigError: it cannot be read, or an entry lacks its reason or its date.
    """
    data = read_bounded(path, max_bytes=MAX_BYTES)
    try:
        baseline = msgspec.convert(read_yaml(data.decode(), source=str(path)), Baseline)
    except (msgspec.ValidationError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None
    for number, entry in enumerate(baseline.entries):
        if not entry.reason.strip():
            raise ConfigError(f"{path}: entries[{number}].reason: say why {entry.id} is accepted")
    return baseline


class Applied(msgspec.Struct, frozen=True):
    """Findings, those that are accepted marked; entries that have lapsed, and those that no finding needs any more."""

    findings: list[Finding]
    lapsed: list[Entry]
    unused: list[Entry]


def apply(baseline: Baseline, findings: Sequence[Finding], paths: Sequence[str], today: date) -> Applied:
    """Mark what is accepted. ``paths``: of each finding, its file as baselines have it."""
    by_id: dict[str, list[Entry]] = {}
    for entry in baseline.entries:
        by_id.setdefault(entry.id, []).append(entry)
    used: set[int] = set()
    lapsed: dict[int, Entry] = {}
    marked = []
    for finding, path in zip(findings, paths, strict=True):
        covering = [entry for entry in by_id.get(finding.id, ()) if entry.covers(finding, path)]
        used.update(id(entry) for entry in covering)
        holding = next((entry for entry in covering if entry.expires >= today), None)
        if holding is None:
            lapsed |= {id(entry): entry for entry in covering}
        elif finding.exception is None:
            finding = msgspec.structs.replace(finding, exception=f"baseline/{holding.id}")  # noqa: PLW2901
        marked.append(finding)
    unused = [entry for entry in baseline.entries if id(entry) not in used]
    return Applied(marked, list(lapsed.values()), unused)


def renewed(
    baseline: Baseline, findings: Sequence[Finding], paths: Sequence[str], reason: str, today: date
) -> Baseline:
    """A baseline of exactly these findings: entries that hold stay as they are, new ones get the reason and 90 days."""
    kept = {(entry.id, entry.path): entry for entry in baseline.entries if entry.expires >= today}
    entries: dict[tuple[str, str], Entry] = {}
    for finding, path in zip(findings, paths, strict=True):
        old = kept.get((finding.id, path)) or kept.get((finding.id, ""))
        expires = today + timedelta(days=DEFAULT_DAYS)
        entry = old or Entry(finding.id, reason, expires, finding.rule, path, finding.field)
        entries.setdefault((entry.id, entry.path), entry)
    return Baseline(entries=sorted(entries.values(), key=lambda entry: (entry.path, entry.field, entry.id)))


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write it, in one step.

    Raises:
        GovgateError: it cannot be written; what was there before is.
    """
    text = yaml.safe_dump(
        msgspec.to_builtins(baseline, builtin_types=(date,)), sort_keys=False, width=120, allow_unicode=True
    )
    write_whole(path, text.encode())
