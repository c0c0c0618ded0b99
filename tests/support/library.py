"""The rule library as the tests see it: its folders, what their METADATA says, and verdicts by the reference `opa`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

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
		some category, rules in data.govgate.rules
		some name, _ in rules
		findings := [finding | some finding in data.govgate.rules[category][name].findings with input as request]
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


def request(item: Json, *, old: Json | None = None, parameters: Json | None = None) -> Json:
    """The input that a rule has for the creation of an object, or for its change where there is an old one."""
    review = {"operation": "UPDATE" if old else "CREATE", "object": item, **({"oldObject": old} if old else {})}
    return {"review": review, "parameters": parameters or {}}


def judge(requests: Iterable[Json], *, data: Json | None = None) -> list[dict[str, list[Json]]]:
    """Findings of every rule for each request, by rule, from one run of the reference `opa`."""
    source = LIBRARY.parent / "library"
    command = [tool("opa"), "eval", "--format=raw", "--fail", "--ignore=*_test.rego", f"--data={source}"]
    program = {"judge.rego": _JUDGE, "data.json": json.dumps(data or {})}
    return _with_files(command, program, {"requests": list(requests)})


def denied(found: dict[str, list[Json]], ids: frozenset[str]) -> bool:
    """Whether one of these rules has a finding."""
    return not ids.isdisjoint(found)


def run_opa(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the reference `opa`."""
    return subprocess.run(
        [tool("opa"), *arguments], input=stdin, capture_output=True, text=True, check=False, timeout=100
    )


def _with_files(command: Sequence[str], files: dict[str, str], document: Json) -> Any:
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        data = [f"--data={Path(folder, name)}" for name in files]
        done = subprocess.run(
            [*command, *data, "--stdin-input", "data.judge.requests"],
            input=json.dumps(document), capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
