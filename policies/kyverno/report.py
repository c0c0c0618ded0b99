"""What ``kyverno apply --policy-report --output-format json`` prints, read back.

Its standard output mixes warnings, lists of policies it did not take, and one report a line: an OpenReports ClusterReport
of all cluster-wide policies, a Report for each other one. A result names its object by ``uid``, which is one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from gateway.core.errors import UndecidedError
from policies.kyverno.policy import WITNESS

_REPORT = b'{"kind":"'
_STATUS = re.compile(r"failed at path (/\S*)")
_CEL_SOURCE = "KyvernoValidatingPolicy"


class ReportError(UndecidedError):
    """What was printed is no complete account of the objects."""


class _About(msgspec.Struct):
    uid: str = ""


class _Result(msgspec.Struct):
    policy: str
    result: str
    source: str = ""
    rule: str = ""
    message: str = ""
    properties: dict[str, str] = {}
    resources: list[_About] = []


class _Report(msgspec.Struct):
    api_version: str = msgspec.field(name="apiVersion")
    results: list[_Result] = []


class Result(msgspec.Struct, frozen=True):
    """What one rule said about one object. ``status``: ``pass``, ``fail``, ``warn``, ``error``, ``skip``."""

    policy: str
    cel: bool
    rule: str
    status: str
    message: str
    exceptions: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the object does not meet the rule; ``warn`` is a failure that is not scored."""
        return self.status in {"fail", "warn"}

    @property
    def doubt(self) -> str:
        """Why this is no answer; empty if it is one. Skipped is what a rule is not about, unless it could not tell."""
        if self.status == "error" or self.status not in {"pass", "fail", "warn", "skip"}:
            return " ".join(self.message.split()) or "the rule failed"
        if self.status == "skip" and not self.exceptions and self.message == "failed to validate old object":
            return self.message
        return ""

    @property
    def field(self) -> str:
        """The path that the message names, such as ``spec.containers[0].image``; empty if none, or several."""
        paths = set(_STATUS.findall(self.message))
        return _dotted(paths.pop()) if len(paths) == 1 else ""


def read_results(output: bytes, uids: Mapping[str, int]) -> list[list[Result]]:
    """The results for each object; ``uids`` are the objects' own, with their positions.

    Raises:
        ReportError: an object was not judged, or a result is about none of them.
    """
    found: list[list[Result]] = [[] for _ in uids]
    seen = [False for _ in uids]
    for result in _results(output):
        position = uids.get(result.resources[0].uid) if len(result.resources) == 1 else None
        if position is None:
            raise ReportError("Kyverno's report has a result about an object that it was not given")
        if result.policy == WITNESS:
            seen[position] = seen[position] or result.result == "pass"
            continue
        named = tuple(filter(None, result.properties.get("exceptions", "").split(",")))
        cel = result.source == _CEL_SOURCE
        found[position].append(Result(result.policy, cel, result.rule, result.result, result.message.strip(), named))
    if not all(seen):
        raise ReportError("Kyverno's report leaves out objects that it was given")
    return found


def _results(output: bytes) -> Iterator[_Result]:
    for line in output.split(b"\n"):
        if not line.startswith(_REPORT):
            continue
        try:
            report = msgspec.json.decode(line, type=_Report)
        except (msgspec.DecodeError, RecursionError):
            raise ReportError("Kyverno's report cannot be read") from None
        if not report.api_version.startswith("openreports.io/"):
            raise ReportError("Kyverno's report is not an OpenReports one")
        yield from report.results


def _dotted(path: str) -> str:
    field = ""
    for part in filter(None, path.split("/")):
        field += f"[{part}]" if part.isdecimal() else f".{part}"
    return field.removeprefix(".")
