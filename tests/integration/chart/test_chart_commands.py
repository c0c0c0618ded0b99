"""The commands that people run in the Pods, with the environment, the configuration and the paths that the Pods have.

Those of the base for kustomize are the same: another test compares them.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.audit_facts import START_NS, entry
from support.charts import ROOT, of_kind, rendered
from support.cluster import wait_for

from gateway.audit.log import Log
from gateway.audit.state import create_state
from gateway.config.load import parse_config
from gateway.config.model import Audit, Config

pytestmark = pytest.mark.servers
Json = dict[str, Any]
PAGE = (ROOT / "docs/operations.md").read_text()
COMMANDS = re.findall(r"-- govgate ([^>#\n]+)", PAGE)


class Pod:
    """A container's view: its volumes are folders below ``root``, and its paths lead there."""

    def __init__(self, objects: list[Json], workload: Json, root: Path) -> None:
        self._pod = workload["spec"]["template"]["spec"]
        self._root = root
        (self._container,) = [one for one in self._pod["containers"] if one["name"] == "govgate"]
        for mount in self._container["volumeMounts"]:
            (root / mount["mountPath"].lstrip("/")).mkdir(parents=True, exist_ok=True)
        for name, text in of_kind(objects, "ConfigMap", "govgate")["data"].items():
            (root / "etc/govgate/config" / name).write_text(self._here(text))
        self.state = root / "var/lib/govgate"

    def _here(self, text: str) -> str:
        """With paths that lead below the root; there is no cluster here."""
        text = re.sub(r"(?<![\w.])/(etc/govgate|var/lib/govgate|tmp)\b", rf"{self._root}/\1", text)
        return text.replace("connect: in-cluster", "connect: none")

    def start(self, *arguments: str, container: Json | None = None, **options: Any) -> subprocess.Popen[str]:
        """A command as `kubectl exec` starts it, or the one of a container."""
        chosen = container or self._container
        environment = {one["name"]: self._here(one["value"]) for one in chosen["env"]}
        words = [self._here(word) for word in arguments or chosen["args"]]
        return subprocess.Popen(
            [sys.executable, "-m", "gateway", *words],
            env={"PATH": os.environ["PATH"], **environment}, cwd=self._root, text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options},
        )  # fmt: skip

    def run(self, *arguments: str, container: Json | None = None) -> tuple[int, str]:
        """Its exit code, and what it says."""
        with self.start(*arguments, container=container) as process:
            text, _ = process.communicate(timeout=60)
        return process.returncode, text

    def beside(self, name: str) -> Json:
        """A container that runs before or beside the main one."""
        (found,) = [one for one in self._pod["initContainers"] if one["name"] == name]
        return dict(found)


@pytest.mark.native
def test_the_commands_of_the_first_week(tmp_path: Path) -> None:
    """Each one of docs/operations.md finds the Pod's own log by itself."""
    objects = rendered()
    pod = Pod(objects, of_kind(objects, "StatefulSet"), tmp_path)
    log = Log(create_state(pod.state), Audit())
    log.append([entry(number, time_ns=START_NS + number * 3_600_000_000_000) for number in range(5)])
    log.close()
    assert {command.split()[0] for command in COMMANDS} >= {"audit", "replay"}
    for command in (*COMMANDS, "audit key rotate", "audit prune --before 2020-01-01", "audit verify", "audit tail"):
        words = command.split()
        code, text = pod.run(*words)
        assert code in {0, 3} if words[0] == "replay" else code == 0, f"{command}: {text}"
        assert "no audit log" not in text


def test_the_controllers_own_log(tmp_path: Path) -> None:
    """Its reads and writes of secrets are found in its Pod in the same way."""
    objects = rendered()
    pod = Pod(objects, of_kind(objects, "Deployment", "-controller"), tmp_path)
    log = Log(create_state(pod.state), Audit())
    log.append([entry(1)])
    log.close()
    code, text = pod.run("audit", "query", "-o", "json")
    assert (code, len(json.loads(text)) > 0) == (0, True)


def test_the_log_is_shipped(tmp_path: Path) -> None:
    """On an empty volume: it is made first, then each record is printed once, and at the end what is left."""
    objects = rendered("--set", "webhook.persistence.enabled=false,webhook.shipLog.enabled=true")
    workload = of_kind(objects, "Deployment", "govgate")
    pod = Pod(objects, workload, tmp_path)
    names = [one["name"] for one in workload["spec"]["template"]["spec"]["initContainers"]]
    assert names == ["log-init", "log"]
    assert pod.beside("log")["restartPolicy"] == "Always"  # beside the server, and ended after it
    code, text = pod.run(container=pod.beside("log-init"))
    assert code == 0, text
    printed = tmp_path / "printed"
    with printed.open("w") as output:
        process = pod.start(container=pod.beside("log"), stdout=output)
    try:
        log = Log(create_state(pod.state), Audit())
        log.append([entry(number) for number in range(50)])
        wait_for(lambda: printed.read_text().count('"decision"') >= 50, seconds=60)
        log.append([entry(50)])
        log.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
    records = [json.loads(line)["record"] for line in printed.read_text().splitlines()]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert sum(record["type"] == "decision" for record in records) == 51
    assert pod.run("audit", "verify", printed.name)[0] == 0


def test_each_step_to_enforcement_is_values(tmp_path: Path) -> None:
    """Of the YAML of docs/operations.md: the chart takes it, and govgate the configuration that comes of it."""
    blocks = [
        yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE.replace("\n   ", "\n"), re.DOTALL)
    ]
    assert len(blocks) == 5
    configs = []
    for block in blocks:
        block["image"] = {"repository": "registry.example/govgate", "digest": "sha256:" + "0" * 64}
        (file := tmp_path / "values.yaml").write_text(yaml.safe_dump(block))
        text = of_kind(rendered(values=file), "ConfigMap", "govgate")["data"]["config.yaml"]
        configs.append(parse_config(text.encode(), source="config.yaml"))
    shadow, one, all_of_them, rules, last = configs
    assert (shadow.mode, {config.mode for config in configs[1:]}) == ("audit", {"enforce"})
    assert (one.drift.mode, one.drift.flux_kustomization.mode) == ("shadow", "enforce")
    for recorded in (one, all_of_them):
        (rule,) = recorded.policy.rules
        assert (rule.rules, rule.action, recorded.policy.on_error) == (("*",), "audit", "allow")
        assert (recorded.secrets.external, recorded.secrets.sealed.elsewhere) == ("audit", "audit")
        assert recorded.secrets.on_error == "allow"
    assert (rules.policy, rules.secrets) == (Config().policy, Config().secrets)
    assert last == rules
