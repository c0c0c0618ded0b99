"""``govgate check`` beside conftest: the same Rego over the same files; and beside the bare reading of YAML."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from support.tools import tool

from bench import templates
from bench.environment import Row

FILES = (2_000, 10_000)
RULES = {
    "privileged": "container.securityContext.privileged",
    "escalation": "not container.securityContext.allowPrivilegeEscalation == false",
    "read_only": "not container.securityContext.readOnlyRootFilesystem",
    "drop": 'not "ALL" in {c | some c in container.securityContext.capabilities.drop}',
    "added": 'count(object.get(container, ["securityContext", "capabilities", "add"], [])) > 0',
    "digest": 'not contains(container.image, "@sha256:")',
    "latest": 'endswith(container.image, ":latest")',
    "registry": 'not startswith(container.image, "registry.example.com/")',
    "cpu": "not container.resources.limits.cpu",
    "memory": "not container.resources.limits.memory",
    "liveness": "not container.livenessProbe",
    "readiness": "not container.readinessProbe",
    "host_port": "some port in container.ports; port.hostPort",
}
_HEAD = "package main\n\nimport rego.v1\n\n"
_POD = {
    "host_pid": "input.spec.hostPID",
    "host_network": "input.spec.hostNetwork",
    "host_path": "some volume in input.spec.volumes; volume.hostPath",
    "token": "input.spec.automountServiceAccountToken == true",
}


def measure(folder: Path) -> dict[str, Any]:
    """CPU seconds, wall seconds and the largest resident size of each, as JSON and as YAML."""
    rules = folder / "rules"
    rules.mkdir()
    (rules / "main.rego").write_text(_rego())
    found: dict[str, Any] = {"rules": len(RULES) + len(_POD), "bytes": len(json.dumps(templates.pod(1)))}
    for form in ("json", "yaml"):
        manifests = folder / form
        manifests.mkdir()
        written = 0
        for count in FILES:
            for number in range(written, count):
                _write(manifests, form, number)
            written = count
            found[f"{form}-{count}"] = _compared(rules, manifests, form, count)
    return found


def rows(found: dict[str, Any]) -> list[Row]:
    """What to print, beside the goals."""
    few, many = FILES
    ours, theirs = found[f"json-{many}"]["govgate"], found[f"json-{many}"]["conftest"]
    yaml_ours, bare = found[f"yaml-{many}"]["govgate"], found[f"yaml-{many}"]["bare"]
    yaml_theirs = found[f"yaml-{many}"]["conftest"]
    times, over = theirs["cpuSeconds"] / ours["cpuSeconds"], yaml_ours["cpuSeconds"] / bare["cpuSeconds"]
    before, after = found[f"json-{few}"]["govgate"]["maxResidentMib"], ours["maxResidentMib"]
    return [
        (f"conftest: {many:,} files as JSON, CPU", f"{theirs['cpuSeconds']:.1f} s", ""),
        ("  govgate check", f"{ours['cpuSeconds']:.1f} s ({times:.1f} times as fast)", "≥ 3 times"),
        (f"conftest: {many:,} files as YAML, CPU", f"{yaml_theirs['cpuSeconds']:.1f} s", ""),
        ("  the bare parse", f"{bare['cpuSeconds']:.1f} s", ""),
        ("  govgate check", f"{yaml_ours['cpuSeconds']:.1f} s ({over:.2f} times the parse)", "≤ 1.3 times"),
        (f"  resident, {few:,} and {many:,} files", f"{before:.0f} and {after:.0f} MiB", "no growth"),
        (f"  conftest, {many:,} files", f"{theirs['maxResidentMib']:.0f} MiB", ""),
    ]


def _compared(rules: Path, manifests: Path, form: str, count: int) -> dict[str, Any]:
    govgate = [sys.executable, "-m", "gateway", "check", str(manifests), "--policies", str(rules), "-o", "json"]
    conftest = [tool("conftest"), "test", "--policy", str(rules), "--output", "json", str(manifests)]
    found = {"govgate": _run(govgate), "conftest": _run(conftest)}
    if form == "yaml":
        found["bare"] = _run([sys.executable, "-m", "bench.bare_yaml", str(manifests)])
    for name, one in found.items():
        one["perFileMs"] = 1e3 * one["cpuSeconds"] / count
        if name != "bare" and one["exit"] != 0:
            raise RuntimeError(f"{name} found something, or failed: {one}")
    return found


def _run(command: list[str]) -> dict[str, Any]:
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "exit": process.returncode,
        "said": said.decode(errors="replace")[-300:],
        "wallSeconds": time.monotonic() - began,
        "cpuSeconds": usage.ru_utime + usage.ru_stime,
        "maxResidentMib": usage.ru_maxrss / 1024,
    }


def _write(folder: Path, form: str, number: int) -> None:
    item = templates.pod(number)
    text = json.dumps(item) if form == "json" else yaml.dump(item, Dumper=yaml.CSafeDumper)
    (folder / f"pod-{number:05d}.{form}").write_text(text)


def _rego() -> str:
    rules = [
        f"deny contains msg if {{\n\tsome container in input.spec.containers\n\t{body}\n"
        f'\tmsg := sprintf("{name}: %s", [container.name])\n}}\n'
        for name, body in RULES.items()
    ]
    rules += [f'deny contains "{name}" if {{\n\t{body}\n}}\n' for name, body in _POD.items()]
    return _HEAD + "\n".join(rules)
