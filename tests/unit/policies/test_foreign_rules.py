"""Other engines' documents among the rules: loaded with them, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from test_rules_judged import asked, judged

from gateway.config.policy import Policy
from gateway.core.errors import GovgateError
from gateway.core.finding import Action
from policies.embedded import EmbeddedOpa
from policies.loading import load_rules
from policies.ruleset import RuleSet

pytestmark = pytest.mark.native

TEMPLATE = """apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: k8slabels}
spec:
  crd:
    spec:
      names: {kind: K8sLabels}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            labels: {type: array, items: {type: string}, default: [owner]}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package k8slabels
        violation[{"msg": msg}] {
          label := input.parameters.labels[_]
          not input.review.object.metadata.labels[label]
          msg := sprintf("no label %v", [label])
        }
"""
CONSTRAINT = """apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sLabels
metadata: {name: owned}
spec:
  enforcementAction: warn
  match: {kinds: [{apiGroups: [""], kinds: [ConfigMap]}], excludedNamespaces: ["dev-*"]}
  parameters: {}
"""


async def loaded(folder: Path, **files: str) -> RuleSet:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return await load_rules(Policy(sources=(str(folder),)), EmbeddedOpa())


async def test_constraints_are_rules_among_others(tmp_path: Path) -> None:
    """In files of their own or in one, beside Rego; parameters have the schema's defaults."""
    rego = 'package main\nimport rego.v1\nwarn contains "x" if input.data.x\n'
    rules = await loaded(tmp_path, gatekeeper_yaml=f"{TEMPLATE}---\n{CONSTRAINT}", main_rego=rego, other_yaml="a: 1\n")
    assert [info.id for info in rules.infos] == ["gatekeeper/K8sLabels/owned", "rego/main/warn"]
    (outcome,) = await judged(rules, asked(data={"x": "1"}))
    assert {(f.rule, f.action, f.message) for f in outcome.findings} == {
        ("gatekeeper/K8sLabels/owned", Action.WARN, "no label owner"),
        ("rego/main/warn", Action.WARN, "x"),
    }
    await rules.close()


async def test_what_a_list_holds_is_read(tmp_path: Path) -> None:
    """Several objects as kubectl prints them are as many documents."""
    items = [yaml.safe_load(TEMPLATE), yaml.safe_load(CONSTRAINT)]
    listed = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items})
    rules = await loaded(tmp_path, gatekeeper_yaml=listed)
    assert [info.id for info in rules.infos] == ["gatekeeper/K8sLabels/owned"]
    await rules.close()


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"a_yaml": CONSTRAINT}, "there is no ConstraintTemplate k8slabels"),
        ({"a_yaml": TEMPLATE + "---\n" + CONSTRAINT.replace("{}", "{labels: 7}")}, "labels"),
        ({"a_yaml": "a: 1\n---\na: 1\na: 2\n"}, r"a\.yaml:4:1: .*already set"),
        ({"a_yaml": "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\n"}, r"a\.yaml:1:1: this is no ClusterPolicy"),
        ({"a_yaml": "a: 1\n"}, "there are no rules in"),
        ({}, "there are no rules in"),
    ],
    ids=["no template", "parameters", "YAML", "Kyverno", "nothing known", "nothing"],
)
async def test_what_cannot_be_enforced_is_refused(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    """A folder of rules that yields none, or not all, is no folder of rules."""
    with pytest.raises(GovgateError, match=problem):
        await loaded(tmp_path, **files)
