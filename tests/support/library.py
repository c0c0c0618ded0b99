"""The rule library as the tests see it: its folders, what their METADATA says, and verdicts by the reference `opa`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import yaml
from support.tools import tool

from policies.engine import Module
from policies.metadata import rule_info
from policies.rule import RuleInfo

Json = dict[str, Any]

LIBRARY = Path(__file__).resolve().parents[2] / "policies" / "library"

# Every finding of every rule, for each request: `[{rule id: [finding…]}…]`.
_JUDGE = """package judge

import rego.v1

requests := [found |
	some request in input.requests
	found := {id: findings |
		some category, names in data.govgate.rules
		some name, _ in names
		findings := [finding | some finding in data.govgate.rules[category][name].findings] with input as request
			with data.inventory as request.inventory
		count(findings) > 0
		id := replace(sprintf("%s/%s", [category, name]), "_", "-")
	}
]
"""


@cache
def rules() -> dict[str, RuleInfo]:
    """What every rule's METADATA states, by folder, such as ``pod-security/privileged``."""
    found = {}
    for path in sorted(LIBRARY.glob("*/*/rule.rego")):
        info = rule_info(Module(str(path), path.read_text(encoding="utf-8")))
        assert info is not None, f"{path} states no rule"
        found[str(path.parent.relative_to(LIBRARY))] = info
    return found


def of_set(name: str) -> frozenset[str]:
    """The ids of a set's rules."""
    return frozenset(rule for rule, info in rules().items() if name in info.sets)


def request(
    item: Json, *, old: Json | None = None, parameters: Json | None = None, inventory: Json | None = None
) -> Json:
    """What a rule has for the creation of an object, or for its change where there is an old one."""
    review = {"operation": "UPDATE" if old else "CREATE", "object": item, **({"oldObject": old} if old else {})}
    return {"review": review, "parameters": parameters or {}, "inventory": inventory or {}}


def judge(requests: Iterable[Json]) -> list[dict[str, list[Json]]]:
    """Findings of every rule for each request, by rule, from one run of the reference `opa`."""
    with TemporaryDirectory() as folder:
        program = Path(folder, "judge.rego")
        program.write_text(_JUDGE, encoding="utf-8")
        data = (f"--data={LIBRARY}", f"--data={program}", "--ignore=*_test.rego")
        stdin = json.dumps({"requests": list(requests)})
        done = run_opa("eval", "--format=raw", "--fail", *data, "--stdin-input", "data.judge.requests", stdin=stdin)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, list[Json]]] = json.loads(done.stdout)
    return found


class Example(NamedTuple):
    """An example of a rule's page: the object, and after it those that are in the cluster; with parameters."""

    documents: list[Json]
    parameters: Json

    @property
    def inventory(self) -> Json:
        """What is in the cluster, as rules see it."""
        inventory: Json = {"namespace": {}, "cluster": {}}
        for item in self.documents[1:]:
            space = inventory["namespace"].setdefault(item["metadata"]["namespace"], {})
            space.setdefault(item["apiVersion"], {}).setdefault(item["kind"], {})[item["metadata"]["name"]] = item
        return inventory


def example(rule: str, section: str) -> Example:
    """The example in a section, ``Bad`` or ``Good``. Parameters that it does not state are the defaults."""
    page = (LIBRARY / rule / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {section}\n\n```yaml\n(.*?)```", page, re.MULTILINE | re.DOTALL)
    assert found is not None, rule
    stated = re.search(r"^# parameters: (.*)$", found[1], re.MULTILINE)
    defaults = {name: schema["default"] for name, schema in rules()[rule].parameters.get("properties", {}).items()}
    return Example(list(yaml.safe_load_all(found[1])), defaults | (json.loads(stated[1]) if stated else {}))


def denied(found: dict[str, list[Json]], ids: frozenset[str]) -> bool:
    """Whether one of these rules has a finding."""
    return not ids.isdisjoint(found)


def run_opa(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the reference `opa`."""
    command = [tool("opa"), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=100)
