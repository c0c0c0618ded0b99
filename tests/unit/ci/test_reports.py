"""Reports: what a run found, in each format, and nothing that a name or message could make of them."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.ci.inputs import Problem
from gateway.ci.report import REPORTERS
from gateway.ci.run import Doubt, Run, Summary
from gateway.core.finding import Action, Finding, Location, Resource, Severity, finding_id
from gateway.core.guard import OnError
from policies.rule import RuleInfo

INFO = RuleInfo("a/b", "Title", Severity.HIGH, Action.DENY, links=("https://example.com/x",), sets=("s",))


def a_finding(
    message: str = "m", *, path: str = "d/f.yaml", action: Action = Action.DENY, **changes: object
) -> Finding:
    about = Resource("apps/v1", "Deployment", "web", "api")
    found = Finding(
        id=finding_id("a/b", about, "spec.x"), rule="a/b", severity=Severity.HIGH, action=action, guard="policy",
        resource=about, field="spec.x", message=message, remedy="do", location=Location(path, 7),
    )  # fmt: skip
    return msgspec.structs.replace(found, **changes)


def a_run(*findings: Finding, doubts: int = 0, problems: int = 0, on_error: OnError = OnError.DENY) -> Run:
    summary = Summary(judged=3, denied=sum(f.action is Action.DENY for f in findings), problems=problems)
    return Run(
        "sha256:1", {"a/b": INFO}, on_error, list(findings),
        [Doubt("a/b", "why", "Pod web/p", Location("g.yaml", 2))] * doubts, [Problem("h.yaml", 3, "broken")] * problems, summary,
    )  # fmt: skip


def test_json_is_the_contract() -> None:
    """Field by field, and YAML says the same."""
    run = a_run(a_finding(), doubts=1, problems=1)
    document = json.loads(REPORTERS["json"](run))
    assert list(document)[:3] == ["findings", "summary", "rules"]
    assert document["findings"][0] == {
        "id": a_finding().id, "rule": "a/b", "severity": "high", "action": "deny", "guard": "policy",
        "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "web", "name": "api"},
        "field": "spec.x", "message": "m", "remedy": "do", "location": {"path": "d/f.yaml", "line": 7}, "exception": None,
    }  # fmt: skip
    assert {"judged", "denied", "warned", "indeterminate", "excepted"} <= set(document["summary"])
    assert yaml.safe_load(REPORTERS["yaml"](run)) == document


def test_sarif() -> None:
    """Rules once, results with level, place, fingerprint; what is excepted is suppressed; doubts are notifications."""
    excepted = a_finding(exception="policywaiver/web/w")
    nowhere = a_finding(location=None, action=Action.WARN)
    log = json.loads(REPORTERS["sarif"](a_run(a_finding(), excepted, nowhere, doubts=1, problems=1)))
    run = log["runs"][0]
    assert log["version"] == "2.1.0"
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["a/b"]
    first, second, third = run["results"]
    assert (first["level"], third["level"]) == ("error", "warning")
    place = first["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("d/f.yaml", 7)
    assert first["partialFingerprints"] == {"govgate/v1": a_finding().id}
    assert second["suppressions"][0]["justification"] == "policywaiver/web/w"
    synthetic = third["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert synthetic == "kubernetes/apps/v1/Deployment/web/api"
    invocation = run["invocations"][0]
    assert not invocation["executionSuccessful"]
    assert [note["level"] for note in invocation["toolExecutionNotifications"]] == ["warning", "error"]


def test_junit() -> None:
    """Denials fail, warnings pass, exceptions are skipped, doubts and problems are errors; a clean run has a case."""
    warned, excepted = a_finding(action=Action.WARN), a_finding(exception="w")
    suite = ET.fromstring(REPORTERS["junit"](a_run(a_finding(), warned, excepted, doubts=1, problems=1)))
    assert dict(suite.attrib) == {"name": "govgate check", "tests": "5", "failures": "1", "errors": "2", "skipped": "1"}
    clean = ET.fromstring(REPORTERS["junit"](a_run()))
    assert (clean.get("tests"), clean.get("failures")) == ("1", "0")


def test_github_shows_the_worst() -> None:
    """At most ten of a level: what is more is counted, and the critical ones come first."""
    many = [a_finding(str(n)) for n in range(30)] + [a_finding("worst", severity=Severity.CRITICAL)]
    lines = REPORTERS["github"](a_run(*many)).splitlines()
    errors = [line for line in lines if line.startswith("::error")]
    assert len(errors) == 10
    assert "worst" in errors[0]
    assert "22 more" in errors[-1]
    assert lines[-1].startswith("::notice title=govgate::3 judged")


def test_gitlab() -> None:
    """An issue for each finding that counts, by the finding's id."""
    issues = json.loads(REPORTERS["gitlab"](a_run(a_finding(), a_finding(exception="w"), problems=1)))
    assert [issue["fingerprint"] for issue in issues] == [a_finding().id, "h.yaml:3: broken"]
    assert issues[0]["severity"] == "critical"
    assert issues[0]["location"] == {"path": "d/f.yaml", "lines": {"begin": 7}}


@pytest.mark.parametrize(
    ("run", "denied", "warned"),
    [
        (a_run(), False, False),
        (a_run(a_finding()), True, False),
        (a_run(doubts=1), True, False),
        (a_run(doubts=1, on_error=OnError.WARN), False, True),
        (a_run(doubts=1, on_error=OnError.ALLOW), False, False),
    ],
)
def test_what_a_doubt_counts_as(run: Run, *, denied: bool, warned: bool) -> None:
    """By the guard's ``onError``."""
    assert (run.denied, run.warned) == (denied, warned)


HOSTILE = st.text(st.characters(codec="utf-8") | st.sampled_from("\r\n\x1b:%,|`<>[]@\x00\u202e"))


@given(HOSTILE, HOSTILE)
def test_text_stays_text(message: str, name: str) -> None:
    """Whatever stands in names and messages: no line of its own, no control sequence, no command, no markup."""
    finding = a_finding(message, path=f"d/{name}.yaml", resource=Resource("v1", "Pod", "web", name))
    run = a_run(finding)
    assert len(REPORTERS["table"](run).splitlines()) == 1
    assert all(c.isprintable() or c == "\n" for c in REPORTERS["table"](run) + REPORTERS["markdown"](run))
    github = REPORTERS["github"](run)
    assert re.split("[\r\n]", github.rstrip("\n"))[0].startswith("::error file=")
    assert len(re.split("[\r\n]", github)) == 3
    ET.fromstring(REPORTERS["junit"](run))
    for form in ("json", "sarif", "gitlab"):
        assert json.loads(REPORTERS[form](run))
    row = REPORTERS["markdown"](run).splitlines()[6]
    assert len(re.findall(r"(?<!\\)\|", row.replace(r"\\", ""))) == 5
