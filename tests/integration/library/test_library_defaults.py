"""The rules before and after the API server fills in defaults, and by the engine that govgate has within it."""

from __future__ import annotations

import pytest
from support.api import ApiError
from support.cluster import Cluster
from support.library import LIBRARY, Json, example, judge, request, rules
from support.users import ROOT


def test_defaults_change_no_finding(cluster: Cluster, namespace: str) -> None:
    """Every rule finds in its own examples what it finds in them once the API server has completed them."""
    api = cluster.api(ROOT)
    asked: list[tuple[str, Json, Json]] = []
    invalid: set[str] = set()
    for rule in rules():
        for section in ("Bad", "Good"):
            item, *_ = example(rule, section).documents
            if "namespace" in item["metadata"]:
                item["metadata"]["namespace"] = namespace
            try:
                place = api.path(item["apiVersion"], item["kind"], namespace)
            except (ApiError, KeyError):
                continue  # a kind whose CRD the tests do not install
            try:
                asked.append((rule, item, api.call("POST", f"{place}?dryRun=All", item)))
            except ApiError as error:
                assert error.code == 422  # noqa: PT017 - another error says so
                invalid.add(rule)
    assert invalid == {"pod-security/proc-mount"}, "outside a user namespace the API server refuses it by itself"
    assert len({rule for rule, _, _ in asked}) > 0.8 * len(rules())
    parameters = {rule: example(rule, "Bad").parameters for rule in rules()}
    before = judge(request(item, parameters=parameters[rule]) for rule, item, _ in asked)
    after = judge(request(item, parameters=parameters[rule]) for rule, _, item in asked)
    for (rule, _, _), plain, completed in zip(asked, before, after, strict=True):
        assert plain.get(rule) == completed.get(rule), rule


@pytest.mark.native
def test_the_rules_own_tests_in_process() -> None:
    """They pass in govgate's own engine too, with no line of the library that they do not run."""
    from gateway.native.rego import Module  # noqa: PLC0415 - only where the native library is
    from gateway.native.rego_testing import run_tests  # noqa: PLC0415

    paths = sorted(LIBRARY.glob("**/*.rego"))
    run = run_tests([Module(path=str(path), text=path.read_text(encoding="utf-8")) for path in paths])
    assert [result for result in run.results if result.outcome != "passed"] == []
    assert len(run.results) > 100
    assert [(part.path, part.not_covered) for part in run.coverage if part.not_covered] == []
