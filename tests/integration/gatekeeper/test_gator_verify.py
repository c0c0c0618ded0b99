"""Test suites pass and fail with us as with the pinned gator verify, case by case."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from support.gatekeeper import HEAD, Doc, constraint, template, thing
from support.tools import tool

from policies.gatekeeper.suite import SuiteResult, find_suites, run_suite

pytestmark = [pytest.mark.servers, pytest.mark.native]

_REGO = (
    HEAD
    + """violation[{"msg": msg}] {
  label := input.parameters.labels[_]
  not input.review.object.metadata.labels[label]
  msg := sprintf("you must provide %v (%v)", [label, input.review.operation])
}
violation[{"msg": "taken"}] {
  data.inventory.namespace[_]["v1"]["Pod"][_].metadata.labels.app == input.review.object.metadata.labels.app
}
"""
)
_SCHEMA = {"type": "object", "properties": {"labels": {"type": "array", "items": {"type": "string"}}}}
_POD = thing("Pod", "a", "web", labels={"app": "x"})
_SELECTING = {"namespaceSelector": {"matchLabels": {"team": "t"}}}

_FILES: dict[str, Doc] = {
    "template": template(_REGO, schema=_SCHEMA),
    "constraint": constraint(parameters={"labels": ["owner", "team"]}),
    "selecting": constraint(parameters={"labels": ["owner"]}, match=_SELECTING),
    "invalid": constraint(parameters={"labels": "owner"}),
    "unknown": constraint(parameters={"other": 1}),
    "scoped": constraint(
        parameters={"labels": ["owner"]},
        enforcementAction="scoped",
        scopedEnforcementActions=[{"action": "deny", "enforcementPoints": [{"name": "audit.gatekeeper.sh"}]}],
    ),
    "pod": _POD,
    "good": thing("Pod", "b", "web", labels={"app": "y", "owner": "o", "team": "t"}),
    "namespace": thing("Namespace", "web", None, labels={"team": "t"}),
    "other-namespace": thing("Namespace", "web", None),
    "deployment": thing("Deployment", "d", "web", "apps/v1", spec={"template": {"metadata": {}, "spec": {}}}),
    "expansion": {
        "apiVersion": "expansion.gatekeeper.sh/v1beta1",
        "kind": "ExpansionTemplate",
        "metadata": {"name": "pods"},
        "spec": {
            "applyTo": [{"groups": ["apps"], "versions": ["v1"], "kinds": ["Deployment"]}],
            "templateSource": "spec.template",
            "generatedGVK": {"group": "", "version": "v1", "kind": "Pod"},
        },
    },
    "deletion": {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"operation": "DELETE", "oldObject": _POD, "kind": {"group": "", "version": "v1", "kind": "Pod"}},
    },
    "no-request": {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"},
    "empty-request": {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u"}},
}


def _case(name: str, of: str, *assertions: Doc, inventory: tuple[str, ...] = (), **more: object) -> Doc:
    files = [f"{one}.yaml" for one in inventory]
    return {"name": name, "object": f"{of}.yaml", "assertions": list(assertions), "inventory": files, **more}


def _test(name: str, *cases: Doc, of: str = "constraint", **more: object) -> Doc:
    return {"name": name, "template": "template.yaml", "constraint": f"{of}.yaml", "cases": list(cases), **more}


_TESTS = [
    _test(
        "plain",
        _case("omitted", "pod", {}),
        _case("yes", "pod", {"violations": "yes"}),
        _case("no", "pod", {"violations": "no"}),
        _case("good-no", "good", {"violations": "no"}),
        _case("good-yes", "good", {}),
        _case("two", "pod", {"violations": 2}),
        _case("one", "pod", {"violations": 1}),
        _case("none", "good", {"violations": 0}),
        _case("message", "pod", {"message": "^you must provide owner", "violations": 1}),
        _case("message-any-case", "pod", {"message": "(?i)YOU MUST", "violations": 2}),
        _case("message-other", "pod", {"message": "nothing"}),
        _case("message-none", "pod", {"message": "nothing", "violations": "no"}),
        _case("all-must-hold", "pod", {"violations": "yes"}, {"violations": 3}),
        _case("bad-pattern", "pod", {"message": "("}),
        _case("bad-count", "pod", {"violations": -1}),
        _case("bad-word", "pod", {"violations": "maybe"}),
        _case("no-assertions", "pod"),
        _case("no-file", "absent", {}),
        _case("skipped", "absent", {}, skip=True),
        _case("taken", "pod", {"message": "taken"}, inventory=("pod",)),
        _case("not-taken", "good", {"violations": "no"}, inventory=("pod",)),
        _case("deleted", "deletion", {"message": "DELETE", "violations": 2}),
        _case("no-request", "no-request", {}),
        _case("empty-request", "empty-request", {}),
    ),
    _test(
        "selecting",
        _case("unknown-namespace", "pod", {"message": "missing Namespace", "violations": 1}),
        _case("namespace", "pod", {"message": "owner"}, inventory=("namespace",)),
        _case("other-namespace", "pod", {"violations": "no"}, inventory=("other-namespace",)),
        of="selecting",
    ),
    _test("scoped", _case("elsewhere", "pod", {"violations": "no"}), of="scoped"),
    _test(
        "expanding",
        _case("implied", "deployment", {"message": r"^\[Implied by pods\] you must", "violations": 2}),
        _case("pods-themselves", "pod", {"violations": 2}),
        expansion="expansion.yaml",
    ),
    _test("expected-invalid", of="invalid", invalid=True),
    _test("invalid", _case("any", "pod", {}), of="invalid"),
    _test("expected-invalid-but-valid", of="constraint", invalid=True),
    _test("expected-invalid-but-unknown", of="unknown", invalid=True),
    _test("skipped", of="absent", skip=True),
    _test("no-constraint", _case("any", "pod", {}), of="absent"),
    _test("not-a-constraint", _case("any", "pod", {}), of="pod"),
]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    for name, document in _FILES.items():
        (folder / f"{name}.yaml").write_text(json.dumps(document))
    whole = {"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "metadata": {"name": "s"}, "tests": _TESTS}
    path = folder / "suite.yaml"
    path.write_text(json.dumps(whole))
    return path


_LINE = re.compile(r"^ *(?:---|===) (PASS|FAIL|SKIP):? +(\S+)", re.MULTILINE)


def _ours(result: SuiteResult) -> list[tuple[str, str]]:
    found = []
    for test in result.tests:
        found += [(one.name, "SKIP" if one.skipped else "FAIL" if one.error else "PASS") for one in test.cases]
        found.append((test.name, "SKIP" if test.skipped else "PASS" if test.passed else "FAIL"))
    return sorted(found)


def test_every_case_ends_as_with_gator(suite: Path) -> None:
    """Passed, failed and skipped tests and cases are those of gator verify."""
    command = [tool("gator"), "verify", "-v", str(suite)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    theirs = sorted((name, outcome) for outcome, name in _LINE.findall(run.stdout))
    assert len(theirs) > len(_TESTS), run.stdout + run.stderr
    assert _ours(run_suite(suite)) == theirs


def test_suites_are_found_among_other_files(suite: Path) -> None:
    """Below a folder only suites are taken, by what they hold."""
    assert list(find_suites(suite.parent)) == [suite]


def test_chosen_cases_only(suite: Path) -> None:
    """What is not chosen is skipped, not run."""
    result = run_suite(suite, chosen=lambda test, case: test == "plain" and case in ("", "yes"))
    ran = [case.name for test in result.tests for case in test.cases if not case.skipped]
    assert ran == ["yes"]
