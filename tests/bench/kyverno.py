"""Kyverno beside govgate: each with its own restricted Pod Security policies, the same Pods, one after the other.

Kyverno's admission controller runs as its own program against a bare API server, with the policies of its own chart.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml
from support.api import Api, ApiError
from support.cluster import Cluster, wait_for
from support.processes import Server, free_port
from support.tools import module_folder, tool
from support.users import ROOT

from bench.beside import Subject, compare, compared, made, write_bodies
from bench.environment import Row
from bench.server import OTHER_CORE

MODULE = "github.com/kyverno/kyverno"
POLICIES = 17
NAMESPACE = "kyverno"
_KINDS = {"ConfigMap", "ServiceAccount", "Service", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
_RENDERED = ("global.templating.enabled=true", "global.templating.version=latest", "global.templating.debug=true")
_RESTRICTED = ("podSecurityStandard=restricted", "validationFailureAction=Enforce")
_TLS = "kyverno-svc.kyverno.svc.kyverno-tls"
_ACCOUNT = f"system:serviceaccount:{NAMESPACE}:kyverno"


def measure(folder: Path) -> dict[str, Any]:
    """Both servers under the same load; see :func:`bench.beside.compare`."""
    builtin = ["builtin:pod-security-restricted"]
    return {"policies": POLICIES, **compare(folder, "kyverno", _kyverno(folder), builtin)}


def rows(found: dict[str, Any]) -> list[Row]:
    """What to print, beside the goals."""
    return compared(found, "kyverno", times=5)


@contextmanager
def _kyverno(folder: Path) -> Iterator[Subject]:
    cluster = Cluster(made(folder / "cluster"))
    port = free_port()
    command = [
        tool("kyverno-admission"), f"--kubeconfig={cluster.kubeconfig(ROOT)}", f"--serverIP=127.0.0.1:{port}",
        "--webhookServerHost=127.0.0.1", f"--webhookServerPort={port}", f"--caSecretName={_TLS}-ca",
        f"--tlsSecretName={_TLS}-pair", f"--backgroundServiceAccountName={_ACCOUNT}-background-controller",
        f"--reportsServiceAccountName={_ACCOUNT}-reports-controller", "--admissionReports=false",
        "--controllerRuntimeMetricsAddress=0", f"--metricsPort={free_port()}",
    ]  # fmt: skip
    controller = Server("kyverno", command, folder / "kyverno.log", {**os.environ, **_identity()})
    try:
        cluster.start()
        root = cluster.api(ROOT)
        _install(root, folder)
        controller.start()
        controller.wait_until(lambda: bool(_registered(root)), seconds=180)
        ca = folder / "kyverno-ca.crt"
        path, bundle = _registered(root)
        ca.write_bytes(base64.b64decode(bundle))
        subject = Subject(f"{path}?timeout=10s", ca, [psutil.Process(controller.pid)])
        for process in (cluster.apiserver, cluster.etcd):
            psutil.Process(process.pid).cpu_affinity([OTHER_CORE])
        denied = write_bodies(folder / "probe.jsonl", allowed=False)
        wait_for(lambda: subject.load(denied, requests=20)["denied"] == 20, seconds=60)
        time.sleep(5)
        yield subject
    finally:
        controller.kill()
        cluster.stop()


def _identity() -> dict[str, str]:
    return {
        "KYVERNO_NAMESPACE": NAMESPACE,
        "KYVERNO_SERVICEACCOUNT_NAME": "kyverno-admission-controller",
        "KYVERNO_DEPLOYMENT": "dummy",
        "KYVERNO_POD_NAME": "dummy",
        "INIT_CONFIG": "kyverno",
        "METRICS_CONFIG": "kyverno-metrics",
        "KYVERNO_SVC": "kyverno-svc",
        "POD_IP": "127.0.0.1",
    }


def _install(root: Api, folder: Path) -> None:
    """What its chart installs, but for the workloads; a Deployment that it can take for its own; its policies."""
    source = module_folder("kyverno", MODULE)
    for group in ("kyverno", "policies.kyverno.io", "policyreport", "reports"):
        for file in sorted((source / "config" / "crds" / group).glob("*.yaml")):
            for document in yaml.safe_load_all(file.read_text()):
                if document and document.get("kind") == "CustomResourceDefinition":
                    root.apply(document, manager="bench")
    for name in (NAMESPACE, "shop"):
        root.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager="bench")
    for document in _render(source / "charts" / "kyverno", folder, "kyverno", _RENDERED):
        if document["kind"] in _KINDS and "helm.sh/hook" not in document["metadata"].get("annotations", {}):
            root.apply(document, manager="bench")
    root.apply(_dummy(), manager="bench")
    policies = _render(source / "charts" / "kyverno-policies", folder, "kyverno-policies", _RESTRICTED)
    if len(policies) != POLICIES:
        raise RuntimeError(f"the chart has {len(policies)} policies")
    for policy in policies:
        wait_for(lambda one=policy: _applied(root, one), seconds=60)


def _render(chart: Path, folder: Path, release: str, values: tuple[str, ...]) -> list[dict[str, Any]]:
    """The chart's objects, without the charts that it depends on."""
    copy = folder / f"chart-{release}"
    shutil.copytree(chart, copy, ignore=shutil.ignore_patterns("Chart.lock", "charts"), copy_function=shutil.copyfile)
    description = yaml.safe_load((copy / "Chart.yaml").read_text())
    description.pop("dependencies", None)
    (copy / "Chart.yaml").chmod(0o644)
    (copy / "Chart.yaml").write_text(yaml.safe_dump(description))
    command = [tool("helm"), "template", release, str(copy), "--namespace", NAMESPACE, "--kube-version", "1.36.0"]
    done = subprocess.run(
        [*command, *(part for value in values for part in ("--set", value))], capture_output=True, text=True, check=True
    )
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def _dummy() -> dict[str, Any]:
    labels = {"app": "dummy"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "dummy", "image": "dummy"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod}
    metadata = {"name": "dummy", "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _applied(root: Api, item: dict[str, Any]) -> bool:
    try:
        root.apply(item, manager="bench")
    except (ApiError, KeyError):
        return False  # its CRD is not served yet
    return True


def _registered(root: Api) -> tuple[str, str] | None:
    """Where Kyverno wants Pods to be sent, with all policies in force, and its authority; None before that."""
    for item in root.list("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"):
        for hook in item.get("webhooks", []):
            url = hook["clientConfig"].get("url", "")
            kinds = {kind for rule in hook.get("rules", []) for kind in rule.get("resources", [])}
            if "/vpol/" in url and kinds & {"pods", "*"} and url.count("-") >= POLICIES:
                return url, hook["clientConfig"]["caBundle"]
    return None
