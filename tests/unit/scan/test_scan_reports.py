"""What an outcome counts as, and the summaries that are made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from support.lists import finding

from gateway.config.controller import Reports as ReportSettings
from gateway.config.controller import Scan
from gateway.controllers.metrics import ScanMetrics
from gateway.controllers.scan.loop import due
from gateway.controllers.scan.publish import Publisher
from gateway.controllers.scan.report import FLAVOURS, MAX_MESSAGE, report_of, summary_of, unchanged
from gateway.controllers.scan.results import Results
from gateway.controllers.scan.store import FILE, Doubt, Generation, Page, Store
from gateway.controllers.scan.tally import Counts, tally
from gateway.core.finding import Action, Resource
from gateway.kube import ApiError
from gateway.kube.discovery import ServedType
from policies.ruleset import Outcome, Undecided

ABOUT = Resource("v1", "Pod", "web", "a")


def outcome(*said: str, judged: int = 5) -> Outcome:
    """One rule that says all of this about one object."""
    actions = {"deny": Action.DENY, "warn": Action.WARN, "audit": Action.AUDIT}
    found = tuple(
        finding(ABOUT, "test/r", action=actions.get(one, Action.DENY), exception="w" if one == "waived" else None)
        for one in said
        if one != "undecided"
    )
    doubts = (Undecided("test/r", "why"),) if "undecided" in said else ()
    return Outcome(found, doubts, judged)


@pytest.mark.parametrize(
    ("said", "result"),
    [
        (("deny",), "fail"),
        (("warn",), "warn"),
        (("audit",), "warn"),
        (("waived",), "skip"),
        (("undecided",), "error"),
        (("undecided", "waived"), "error"),
        (("undecided", "deny"), "fail"),
        (("warn", "deny", "waived"), "fail"),
        (("warn", "waived"), "warn"),
    ],
)
def test_a_rule_counts_once_by_the_gravest(said: tuple[str, ...], result: str) -> None:
    """What is undecided is an error and what is waived is skipped: neither is a pass."""
    summary = summary_of(tally(outcome(*said)))
    assert summary == {"pass": 4, "fail": 0, "warn": 0, "error": 0, "skip": 0} | {result: 1}


@given(st.lists(st.sampled_from(["deny", "warn", "audit", "waived", "undecided"]), max_size=4), st.integers(1, 9))
def test_every_rule_is_counted(said: list[str], judged: int) -> None:
    """The results of an object are as many as the rules that concern it."""
    assert sum(summary_of(tally(outcome(*said, judged=judged))).values()) == judged


def test_a_report_says_what_it_leaves_out() -> None:
    """The same state makes the same report; another summary, or another list, another one."""
    worst = [finding(ABOUT, "pod-security/host-ports", field="spec"), Doubt("kyverno/p/r", "why" * 400, ABOUT)]
    one = report_of(FLAVOURS[0], "web", Counts(failed=1, errors=7), worst, truncated=True, infos={})
    assert one == report_of(FLAVOURS[0], "web", Counts(failed=1, errors=7), worst, truncated=True, infos={})
    assert (one["kind"], one["source"], one["summary"]["error"]) == ("Report", "govgate", 7)
    assert "the gravest 2" in one["metadata"]["annotations"]["govgate.dev/listed"]
    failed, error = one["results"]
    assert (failed["policy"], failed["rule"], failed["result"]) == ("pod-security", "host-ports", "fail")
    assert failed["properties"]["id"] == worst[0].id
    assert (error["policy"], error["rule"], error["result"]) == ("kyverno/p", "r", "error")
    assert len(error["message"]) == MAX_MESSAGE
    held = msgspec.json.decode(msgspec.json.encode(one))
    assert unchanged(one, held)
    assert not unchanged(one, None)
    assert not unchanged(one, held | {"summary": {"pass": 99}})
    assert not unchanged(report_of(FLAVOURS[0], "web", Counts(failed=1), worst, truncated=True, infos={}), held)


class Reports:
    """A cluster that holds reports: what is applied and deleted."""

    def __init__(self, held: dict[str, Any]) -> None:
        self.held = held
        self.applied: list[str] = []
        self.deleted: list[str] = []

    async def read(self, path: str, query: Any = None) -> bytes:
        if path == "/apis/openreports.io":
            return b'{"versions": [{"version": "v1alpha1"}]}'
        if path == "/apis/openreports.io/v1alpha1":
            return b'{"resources": [{"name": "reports"}, {"name": "clusterreports"}]}'
        if path.startswith("/apis/openreports.io"):
            items = list(self.held.values()) if path.endswith("/reports") else []
            return msgspec.json.encode({"items": items, "metadata": {}})
        raise ApiError(404, "NotFound", "")

    async def apply(self, path: str, document: Any, *, manager: str) -> None:
        self.applied.append(path.split("/")[5])
        self.held[document["metadata"]["namespace"]] = document

    async def delete(self, path: str) -> None:
        self.deleted.append(path.split("/")[5])


async def no_pace() -> None:
    """As fast as it goes."""


@pytest.mark.parametrize("problems", [{}, {"/apis/metrics.k8s.io/v1beta1": "503"}])
async def test_reports_of_namespaces_that_are_empty_go(tmp_path: Path, problems: dict[str, str]) -> None:
    """But not after a scan that could not read everything; that one says so. What is not govgate's own stays."""
    store = Store(tmp_path / FILE)
    served = ServedType("", "Pod", "v1", "pods", namespaced=True)
    generation = store.begin([served], now=1.0, rules="r", asked="a", problems=problems)
    store.add(generation, 0, Page("", [finding(ABOUT, "test/r")], [], {"web": Counts(judged=1, failed=1)}))
    store.finish(generation, now=2.0, keep=1)
    cluster = Reports(
        {
            "gone": {"metadata": {"name": "govgate", "namespace": "gone"}},
            "theirs": {"metadata": {"name": "kyverno", "namespace": "theirs"}},
        }
    )
    publisher = Publisher(cluster, ReportSettings(), no_pace, ScanMetrics(CollectorRegistry()))
    for _ in range(2):
        with Results(tmp_path / FILE) as results:
            assert await publisher.publish(results, {})
        cluster.held.pop("gone", None)
    assert cluster.applied == ["web"]
    assert cluster.deleted == ([] if problems else ["gone"])
    told = cluster.held["web"]["metadata"]["annotations"].get("govgate.dev/unread", "")
    assert told == ", ".join(problems)
    store.close()


def test_the_older_form_of_reports() -> None:
    """Cluster-scoped objects have the cluster's own; the older form has no source of its own."""
    one = report_of(FLAVOURS[1], "", Counts(), [], truncated=False, infos={})
    assert (one["apiVersion"], one["kind"]) == ("wgpolicyk8s.io/v1alpha2", "ClusterPolicyReport")
    assert "source" not in one
    assert "namespace" not in one["metadata"]


def test_when_a_scan_is_due() -> None:
    """The first, after the interval, with other rules, and when the clock was put back."""
    settings = Scan(interval_seconds=100.0)
    last = Generation(1, 1000.0, "r", "a", {}, 1010.0)
    assert due(None, "r", settings, 1050.0)
    assert not due(last, "r", settings, 1050.0)
    assert due(last, "other", settings, 1050.0)
    assert due(last, "r", settings, 1100.0)
    assert due(last, "r", settings, 900.0)


def test_the_largest_report_fits_into_etcd(tmp_path: Path) -> None:
    """With as many results as can be set, and names and messages as long as can be: below 1.5 MiB."""
    about = Resource("example.com/v1alpha1", "K" * 63, "n" * 63, "x" * 253)
    one = finding(about, "g" * 60 + "/" + "r" * 100, field="f" * 1000)
    worst = [msgspec.structs.replace(one, message="m" * 5000)] * 500
    report = report_of(FLAVOURS[0], "n" * 63, Counts(), worst, truncated=True, infos={})
    assert len(msgspec.json.encode(report)) < 3 * 512 * 1024
