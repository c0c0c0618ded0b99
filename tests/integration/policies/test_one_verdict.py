"""The same objects judged by `check`, by `review`, by the webhook of a live API server, and by `scan`: the same findings."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.api import Api, ApiError
from support.cluster import Cluster
from support.gateway import Gateway
from support.library import LIBRARY, rules
from support.registration import registered
from support.users import ROOT

Json = dict[str, Any]
Verdict = set[tuple[str, str, str]]
"""Id, rule and action of each finding."""

pytestmark = pytest.mark.native

# Rules that look at other objects need them to be known, which is another test's concern.
NEED_MORE = sorted(rule for rule, info in rules().items() if info.context or info.inventory)
POLICY = {"sources": ["builtin:all"], "rules": [{"rules": NEED_MORE, "action": "off"}]}


def corpus(api: Api, namespace: str) -> list[Json]:
    """Every example of the rules' pages, under a name of its own."""
    found = []
    for page in sorted(LIBRARY.glob("*/*/README.md")):
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
            for item in yaml.safe_load_all(block):
                if not isinstance(item, dict) or not {"apiVersion", "kind"} <= set(item):
                    continue
                found.append(_placed(api, item, namespace, f"case-{len(found)}"))
    return [item for item in found if item is not None]


def _placed(api: Api, item: Json, namespace: str, name: str) -> Json | None:
    try:
        api.path(item["apiVersion"], item["kind"])
    except (ApiError, KeyError):
        return None
    where = {"name": name} | (
        {"namespace": namespace}
        if f"/namespaces/{namespace}/" in api.path(item["apiVersion"], item["kind"], namespace)
        else {}
    )
    return item | {"metadata": item.get("metadata", {}) | where}


def run(*command: str, stdin: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *command],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode in (0, 3), done.stderr
    return done.stdout


def by_check(items: list[Json], config: Path) -> dict[str, Verdict]:
    stream = "\n---\n".join(json.dumps(item) for item in items)
    found = json.loads(run("check", "-", "-o", "json", "--config", str(config), stdin=stream))
    assert found["indeterminate"] == []
    verdicts: dict[str, Verdict] = {item["metadata"]["name"]: set() for item in items}
    for finding in found["findings"]:
        verdicts[finding["resource"]["name"]].add((finding["id"], finding["rule"], finding["action"]))
    return verdicts


def by_review(items: list[Json], config: Path) -> dict[str, Verdict]:
    lines = "\n".join(json.dumps(_review(item)) for item in items)
    answers = [
        json.loads(line)["response"]
        for line in run("review", "-", "-o", "json", "--config", str(config), stdin=lines).splitlines()
    ]
    verdicts = {}
    for answer in answers:
        listed = answer["auditAnnotations"].get("findings", "")
        verdicts[answer["uid"]] = {tuple(one.split(":")) for one in listed.split(",") if one}
    return verdicts


def _review(item: Json) -> Json:
    group, _, version = item["apiVersion"].rpartition("/")
    metadata = item["metadata"]
    request = {
        "uid": metadata["name"], "operation": "CREATE", "kind": {"group": group, "version": version, "kind": item["kind"]},
        "resource": {"group": group, "version": version, "resource": "things"}, "name": metadata["name"],
        "namespace": metadata.get("namespace", ""), "userInfo": {"username": "ann"}, "object": item,
    }  # fmt: skip
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def by_webhook(api: Api, items: list[Json], gateway: Gateway) -> dict[str, Verdict]:
    """What the log says of each that the API server asked about; what it finds invalid itself is not asked about."""
    for item in items:
        path = api.path(item["apiVersion"], item["kind"], item["metadata"].get("namespace", ""))
        with contextlib.suppress(ApiError):  # a denial, or not valid
            api.call("POST", f"{path}?dryRun=All", item)
    exported = run("audit", "export", "--state-dir", str(gateway.folder / "state"))
    verdicts = {}
    for line in exported.splitlines():
        record = json.loads(line).get("record", {})
        asked = record.get("request", {})
        if asked.get("operation") == "CREATE":
            assert record["verdict"]["indeterminate"] == [], record
            verdicts[asked["name"]] = {(f["id"], f["rule"], f["action"]) for f in record["findings"]}
    return verdicts


def by_scan(kubeconfig: Path, config: Path) -> dict[str, Verdict]:
    """What is found about each object of the cluster that has findings, by its name. Others' objects lie there too."""
    found = json.loads(run("scan", "-o", "json", "--kubeconfig", str(kubeconfig), "--config", str(config)))
    assert [one for one in found["indeterminate"] if re.search(r"[ /]case-\d+$", one["resource"])] == []
    verdicts: dict[str, Verdict] = {}
    for finding in found["findings"]:
        about = verdicts.setdefault(finding["resource"]["name"], set())
        about.add((finding["id"], finding["rule"], finding["action"]))
    return verdicts


@pytest.fixture
def gateway(cluster: Cluster, tmp_path: Path) -> Iterator[Gateway]:
    """Every rule, in durable mode, registered as ``govgate webhook-config`` prints it."""
    server = Gateway(tmp_path, policy=POLICY, audit={"mode": "durable"})
    authority = tmp_path / "ca.crt"
    authority.write_bytes(server.authority.pem)
    try:
        server.start()
        with registered(cluster, f"https://127.0.0.1:{server.port}/v1/validate", authority):
            yield server
        server.stop()
    finally:
        server.kill()


def test_one_verdict(cluster: Cluster, namespace: str, gateway: Gateway) -> None:
    """Identical findings, before and after the API server's defaulting."""
    api = cluster.api(ROOT)
    items = corpus(api, namespace)
    checked, reviewed, asked = (
        by_check(items, gateway.config_file),
        by_review(items, gateway.config_file),
        by_webhook(api, items, gateway),
    )
    assert reviewed == checked
    names = {item["metadata"]["name"] for item in items}
    live = {name: found for name, found in asked.items() if name in names}
    assert live == {name: checked[name] for name in live}
    assert len(live) > len(items) * 2 / 3, f"the API server asked about {len(live)} of {len(items)} objects only"
    assert sum(bool(found) for found in live.values()) > 40
    assert sum(not found for found in live.values()) > 3


def test_a_scan_has_the_same_verdict(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """What was found in the files is found when the objects are there, completed by the API server."""
    api = cluster.api(ROOT)
    config = tmp_path / "govgate.yaml"
    config.write_text(json.dumps({"policy": POLICY}))
    items = corpus(api, namespace)
    checked = by_check(items, config)
    there = []
    try:
        for item in items:
            with contextlib.suppress(ApiError):  # not valid
                api.create(item)
                there.append(item)
        scanned = by_scan(cluster.kubeconfig(ROOT), config)
    finally:
        for item in there:
            api.delete(item, missing_ok=True)
    names = [item["metadata"]["name"] for item in there]
    assert {name: scanned.get(name, set()) for name in names} == {name: checked[name] for name in names}
    assert len(names) > len(items) / 2, f"the API server took {len(names)} of {len(items)} objects only"
