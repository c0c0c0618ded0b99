"""The summary of a namespace as an object of the cluster: counts, and the gravest findings. Pure.

OpenReports (``openreports.io/v1alpha1``), or the form that it grew out of (``wgpolicyk8s.io/v1alpha2``).
Source: openreports.io's ``report_types.go``, wg-policy-prototypes' ``policyreport_types.go``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.controllers.scan.store import Doubt
from gateway.controllers.scan.tally import Counts, result_of
from gateway.core.canonical import canonical_json, sha256_digest
from gateway.core.finding import Finding, Resource
from gateway.core.subject import Json
from gateway.kube import ResourceType
from policies.rule import RuleInfo

SOURCE = "govgate"
NAME = "govgate"
MANAGED_BY = "app.kubernetes.io/managed-by"
DIGEST = "govgate.dev/digest"
LISTED = "govgate.dev/listed"
UNREAD = "govgate.dev/unread"
MAX_MESSAGE = 400
"""Characters of one message: with the most results that can be listed, a report stays below what etcd takes."""


class Flavour(msgspec.Struct, frozen=True):
    """A form of reports. ``kinds`` and ``plurals``: of those in a namespace, and of the cluster's own."""

    group: str
    version: str
    kinds: tuple[str, str]
    plurals: tuple[str, str]

    def resource(self, namespace: str) -> ResourceType:
        """The type of the report for a namespace; empty: for objects in none."""
        return ResourceType(self.group, (self.version,), self.plurals[0 if namespace else 1])


FLAVOURS = (
    Flavour("openreports.io", "v1alpha1", ("Report", "ClusterReport"), ("reports", "clusterreports")),
    Flavour(
        "wgpolicyk8s.io",
        "v1alpha2",
        ("PolicyReport", "ClusterPolicyReport"),
        ("policyreports", "clusterpolicyreports"),
    ),
)
"""The best first."""


def summary_of(counts: Counts) -> dict[str, int]:
    """The counts as reports have them."""
    return {
        "pass": counts.passed,
        "fail": counts.failed,
        "warn": counts.warnings,
        "error": counts.errors,
        "skip": counts.skipped,
    }


def report_of(
    flavour: Flavour,
    namespace: str,
    counts: Counts,
    worst: Sequence[Finding | Doubt],
    *,
    truncated: bool,
    infos: Mapping[str, RuleInfo],
    unread: Sequence[str] = (),
) -> Json:
    """The report. The same state makes the same report: no time is in it.

    Args:
        flavour: its form.
        namespace: empty for objects in none.
        counts: of all results.
        worst: what it lists.
        truncated: whether there is more; the report then says so.
        infos: the rules in force, by id.
        unread: what the scan could not read.
    """
    metadata: dict[str, Any] = {"name": NAME, "labels": {MANAGED_BY: SOURCE}}
    if namespace:
        metadata["namespace"] = namespace
    report: Json = {
        "apiVersion": f"{flavour.group}/{flavour.version}",
        "kind": flavour.kinds[0 if namespace else 1],
        "metadata": metadata,
        "summary": summary_of(counts),
        "results": [_result(one, infos) for one in worst],
    }
    if flavour.group == FLAVOURS[0].group:
        report["source"] = SOURCE
    told = f"the gravest {len(worst)}; govgate scan --last shows all" if truncated else "all"
    metadata["annotations"] = {LISTED: told, **({UNREAD: _text(", ".join(unread))} if unread else {})}
    metadata["annotations"][DIGEST] = sha256_digest(canonical_json(report))
    return report


def unchanged(report: Json, held: Json | None) -> bool:
    """Whether the cluster holds this report already."""
    if held is None:
        return False
    annotations = held["metadata"].get("annotations") or {}
    same = annotations.get(DIGEST) == report["metadata"]["annotations"][DIGEST]
    return bool(same and held.get("summary") == report["summary"])


def _result(one: Finding | Doubt, infos: Mapping[str, RuleInfo]) -> Json:
    policy, _, rule = one.rule.rpartition("/")
    info = infos.get(one.rule)
    found: Json = {
        "source": SOURCE,
        "policy": policy or rule,
        "rule": rule,
        "category": one.rule.partition("/")[0],
        "scored": True,
        "resources": [_reference(one.resource)],
    }
    if isinstance(one, Doubt):
        severity = {"severity": info.severity.value} if info is not None else {}
        return found | severity | {"result": "error", "message": _text(one.reason)}
    properties = {"id": one.id, "action": one.action.value}
    if one.field:
        properties["field"] = _text(one.field)
    if one.exception is not None:
        properties["exception"] = one.exception
    return found | {
        "severity": one.severity.value,
        "result": result_of(one),
        "message": _text(one.message),
        "properties": properties,
    }


def _reference(about: Resource) -> Json:
    found = {"apiVersion": about.api_version, "kind": about.kind, "name": about.name}
    return {**found, "namespace": about.namespace} if about.namespace else found


def _text(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"
