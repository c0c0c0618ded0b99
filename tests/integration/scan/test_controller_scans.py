"""`govgate controller` against a real API server: its findings, its reports, its lease."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.api import Api, ApiError
from support.cluster import wait_for
from support.controller import OPEN_REPORTS, POLICY_REPORTS, ControllerProcess

Json = dict[str, Any]
Start = Callable[..., ControllerProcess]
pytestmark = pytest.mark.native

RULE = """
# METADATA
# scope: package
# title: No mark
# custom:
#   id: test/mark
#   severity: high
#   action: deny
#   kinds: [ConfigMap]
package test.mark

import rego.v1

findings contains {"message": "it is marked", "field": "data.mark"} if input.review.object.data.mark
"""


@pytest.fixture
def rules(tmp_path: Path) -> str:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "mark.rego").write_text(RULE)
    return str(folder)


@pytest.fixture
def other(root: Api, namespace: str) -> Any:
    """Another namespace, judged: the test's own is the gateway's."""
    item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-scanned"}}
    root.create(item)
    yield item["metadata"]["name"]
    root.delete_collection("v1", "ConfigMap", item["metadata"]["name"])
    root.delete(item, missing_ok=True)


def config_map(namespace: str, name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def report(root: Api, namespace: str, *, of: str = "openreports.io/v1alpha1 Report") -> Json | None:
    api_version, _, kind = of.partition(" ")
    try:
        return root.get(api_version, kind, namespace, "govgate")
    except ApiError as error:
        if error.code != 404:
            raise
        return None


def test_reports_follow_the_findings(
    root: Api, other: str, rules: str, reports: Callable[..., None], controller: Start
) -> None:
    """A report for each namespace, written once and again only when it changes, gone with the last object."""
    reports(OPEN_REPORTS)
    for number in range(3):
        root.create(config_map(other, f"bad-{number}", mark="x"))
    root.create(config_map(other, "good"))
    process = controller(sources=[rules], scan={"reports": {"maxResults": 2}})
    wait_for(lambda: report(root, other), seconds=30)
    found = report(root, other)
    assert found is not None
    assert found["summary"] == {"pass": 1, "fail": 3, "warn": 0, "error": 0, "skip": 0}
    assert [one["resources"][0]["name"] for one in found["results"]] == ["bad-0", "bad-1"]
    assert "the gravest 2" in found["metadata"]["annotations"]["govgate.dev/listed"]
    listed = process.findings("-n", other)
    assert [one["resource"]["name"] for one in listed["findings"]] == ["bad-0", "bad-1", "bad-2"]
    assert found["results"][0]["properties"]["id"] == listed["findings"][0]["id"]

    process.wait_scans(2)
    written = process.metric('govgate_scan_reports_total{result="written"}')
    process.wait_scans(3)
    assert process.metric('govgate_scan_reports_total{result="written"}') == written
    assert process.metric('govgate_scan_reports_total{result="unchanged"}') > 0
    again = report(root, other)
    assert again is not None
    assert again["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
    assert process.metric('govgate_scan_results{result="fail"}') >= 3
    assert process.get("/readyz") == (200, "ok")

    root.delete(config_map(other, "bad-0"))
    wait_for(lambda: (report(root, other) or found)["summary"]["fail"] == 2, seconds=20)
    root.delete_collection("v1", "ConfigMap", other)
    wait_for(lambda: report(root, other) is None, seconds=20)
    assert process.stop() == 0


def test_the_older_form_where_that_is_what_there_is(
    root: Api, other: str, rules: str, reports: Callable[..., None], controller: Start
) -> None:
    """Without reports at all it says so once and goes on; with the older form alone it writes that; then the newer one."""
    root.create(config_map(other, "bad", mark="x"))
    process = controller(sources=[rules])
    process.wait_scans(2)
    said = process.events("the cluster serves no type of reports: findings are not summarised in it")
    assert len(said) == 1
    assert process.findings("-n", other)["summary"]["denied"] == 1
    reports(POLICY_REPORTS)
    older = "wgpolicyk8s.io/v1alpha2 PolicyReport"
    wait_for(lambda: report(root, other, of=older), seconds=20)
    reports(OPEN_REPORTS)
    wait_for(lambda: report(root, other), seconds=20)
    wait_for(lambda: report(root, other, of=older) is None, seconds=20)


def test_a_killed_controller_goes_on(root: Api, other: str, rules: str, controller: Start) -> None:
    """SIGKILL in the middle of a scan: the next process finishes the same one, each object judged once.

    The first one is slow, so as to be killed in the middle; the second is not, however many objects others left behind.
    """
    for number in range(60):
        root.create(config_map(other, f"c-{number:02}", mark="x"))
    slow = {"requestsPerSecond": 25.0, "burst": 1, "pageObjects": 1, "concurrency": 1, "intervalSeconds": 600.0}
    scan = {**slow, "reports": {"enabled": False}}
    process = controller(sources=[rules], scan=scan, election={"enabled": False})
    wait_for(lambda: process.metric("govgate_scan_objects_total") > 3, seconds=30)
    process.kill()
    assert process.events("whole scan") == []
    process.write_config(
        process.config_file.read_text().replace("requestsPerSecond: 25.0", "requestsPerSecond: 1000.0")
    )
    process.start()
    wait_for(lambda: process.metric("govgate_scan_judged_objects") >= 60, seconds=60)
    assert process.metric("govgate_scan_objects_total") < process.metric("govgate_scan_judged_objects")
    found = process.findings("-n", other)
    assert found["summary"]["judged"] == 60
    assert [one["resource"]["name"] for one in found["findings"]] == [f"c-{number:02}" for number in range(60)]


def test_one_of_two_works(root: Api, namespace: str, other: str, rules: str, controller: Start) -> None:
    """The other waits, ready, and takes over at once when the first is stopped."""
    root.create(config_map(other, "bad", mark="x"))
    first = controller("first", sources=[rules], election={"leaseSeconds": 600})
    first.wait_scans(1)
    second = controller("second", sources=[rules], election={"leaseSeconds": 600})
    assert second.get("/readyz")[0] == 200
    assert (first.metric("govgate_controller_leading"), second.metric("govgate_controller_leading")) == (1, 0)
    assert first.stop() == 0
    lease = root.get("coordination.k8s.io/v1", "Lease", namespace, "govgate-controller")
    assert lease["spec"]["leaseTransitions"] <= 1
    wait_for(lambda: second.metric("govgate_controller_leading") == 1)
    second.wait_scans(1)


def test_what_changes_in_files_is_in_force_at_the_next_scan(
    root: Api, other: str, rules: str, controller: Start
) -> None:
    """Rules and configuration: at once, not after the interval; what is wrong is named, and the last good ones stay."""
    root.create(config_map(other, "bad", mark="x"))
    process = controller(sources=[rules], scan={"intervalSeconds": 600.0})
    process.wait_scans(1)
    path = Path(rules) / "mark.rego"
    path.write_text(RULE + "\nnonsense {\n")
    wait_for(lambda: "mark.rego" in process.get("/readyz?verbose")[1], seconds=20)
    assert process.findings("-n", other)["summary"]["denied"] == 1
    path.write_text(RULE.replace("action: deny", "action: warn"))
    process.wait_scans(2)
    wait_for(lambda: process.findings("-n", other)["summary"]["warned"] == 1, seconds=20)
    assert json.dumps(process.findings("-n", other)).count('"action": "warn"') == 1

    config = process.config_file.read_text()
    process.write_config(config.replace("intervalSeconds: 600.0", "intervalSeconds: nonsense"))
    wait_for(lambda: "intervalSeconds" in process.get("/readyz?verbose")[1], seconds=20)
    certificates = "controller:\n  certificates: {enabled: true, renewDays: 90, validDays: 90}"
    process.write_config(config.replace("controller:", certificates))
    wait_for(lambda: "renewDays: must be below validDays" in process.get("/readyz?verbose")[1], seconds=20)
    process.write_config(config.replace("connect: kubeconfig", "connect: none"))
    wait_for(lambda: "no cluster is connected" in process.get("/readyz?verbose")[1], seconds=20)
    assert process.metric('govgate_config_reloads_total{result="failure"}') == 3
    assert process.metric("govgate_config_in_force") == 0
    assert len(process.events("configuration not reloaded")) == 3
    assert len(process.events("started")) == 1
    process.write_config(config.replace("policy:", "policy:\n  rules: [{rules: [test/mark], action: audit}]"))
    wait_for(lambda: len(process.events("started")) == 2, seconds=20)
    assert process.metric('govgate_config_reloads_total{result="success"}') == 1
    assert process.metric("govgate_config_in_force") == 1
    assert process.metric('govgate_config_reloads_total{result="failure"}') == 3
    process.wait_scans(1)
    assert json.dumps(process.findings("-n", other)).count('"action": "audit"') == 1


# Minutes of a processor's time, which nothing cancels: as many states as patterns may have, over a long text.
STUBBORN = """package main

import rego.v1

deny contains "y" if {
	input.metadata.namespace == "%s"
	regex.match(`%s`, input.data.a)
}
"""


def test_rules_that_do_not_end_end_the_process(root: Api, other: str, tmp_path: Path, controller: Start) -> None:
    """Whoever keeps it running starts another one, which goes on; what was not decided is not a pass."""
    rules = tmp_path / "stubborn"
    rules.mkdir()
    (rules / "main.rego").write_text(STUBBORN % (other, "|".join(f"x{{{900 + more}}}y" for more in range(20))))
    root.create(config_map(other, "long", a="x" * 500_000))
    root.create(config_map(other, "short", a="x"))
    process = controller(sources=[str(rules)], timeoutSeconds=0.3, recycleSeconds=0.5)
    assert process.wait(seconds=100) == 1
    assert "evaluations of rules do not end" in process.log.read_text()
