"""The library's own Rego tests, and the examples of its pages."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from support.library import LIBRARY, example, judge, request, rules, run_opa

Json = dict[str, Any]
TEMPLATES = {"Pod": "", "Deployment": "spec.template.", "CronJob": "spec.jobTemplate.spec.template."}

pytestmark = pytest.mark.servers  # the reference `opa` is built with them


def test_the_rules_own_tests() -> None:
    """They pass, and there is no line of a rule that they do not run."""
    done = run_opa("test", "--coverage", "--format=json", str(LIBRARY))
    assert done.returncode == 0, run_opa("test", str(LIBRARY)).stdout
    report = json.loads(done.stdout)
    missed = {name: part["not_covered"] for name, part in report["files"].items() if part.get("not_covered")}
    assert missed == {}
    rules_in = {str(path) for path in LIBRARY.glob("*/*/rule.rego")}
    assert rules_in <= {name for name, part in report["files"].items() if part["covered_lines"] > 1}


def test_formatted_and_strict() -> None:
    """The Rego is as `opa fmt` writes it, and `opa check --strict` finds nothing."""
    listed = run_opa("fmt", "--list", str(LIBRARY))
    assert (listed.returncode, listed.stdout) == (0, "")
    checked = run_opa("check", "--strict", str(LIBRARY))
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("section", ["Bad", "Good"])
def test_the_examples_of_the_pages(section: str) -> None:
    """Each rule finds something in its bad example and nothing in its good one."""
    for rule, found in _examples(section):
        if section == "Bad":
            assert found, f"{rule} finds nothing in its bad example"
        else:
            assert not found, f"{rule} finds something in its good example: {found}"


def test_findings_say_everything_and_no_more() -> None:
    """A finding has a message, a field of the object and a remedy, and no message quotes a Secret's or env's value."""
    for rule, found in _examples("Bad"):
        for finding in found:
            assert set(finding) <= {"message", "field", "remedy", "detail", "fix"}, rule
            assert finding["message"], rule
            assert re.match(r"[a-z][A-Za-z]*([.\[]|$)", finding["field"]), (rule, finding["field"])


def test_a_pod_and_its_workload_are_judged_alike() -> None:
    """What the Pod Security rules find in a Pod they find in a Deployment's and a CronJob's template, at its path."""
    pods = [item for rule in rules() if (item := example(rule, "Bad").documents[0])["kind"] == "Pod"]
    found = {kind: judge(request(_within(kind, pod)) for pod in pods) for kind in TEMPLATES}
    for kind, prefix in TEMPLATES.items():
        for plain, templated in zip(found["Pod"], found[kind], strict=True):
            fields = {
                rule: sorted(finding["field"].removeprefix(prefix) for finding in findings)
                for rule, findings in templated.items()
                if rule.startswith("pod-security/")
            }
            assert fields == {
                rule: sorted(finding["field"] for finding in findings)
                for rule, findings in plain.items()
                if rule.startswith("pod-security/")
            }


def _examples(section: str) -> list[tuple[str, list[Json]]]:
    """What each rule finds in its own example."""
    examples = {rule: example(rule, section) for rule in rules()}
    requests = (
        request(one.documents[0], parameters=one.parameters, inventory=one.inventory) for one in examples.values()
    )
    return [(rule, found.get(rule, [])) for rule, found in zip(examples, judge(requests), strict=True)]


def _within(kind: str, pod: Json) -> Json:
    template = {"metadata": pod["metadata"], "spec": pod["spec"]}
    if kind == "Deployment":
        return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": {"template": template}}
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": {"template": template}}}
        return {"apiVersion": "batch/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec}
    return pod
