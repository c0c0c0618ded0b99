"""`govgate doctor` against a real API server, real replicas, and what the API server itself recorded."""

from __future__ import annotations

import base64
import copy
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
import yaml
from support.api import Api, ApiError
from support.charts import CRDS
from support.cluster import AUDITED, Cluster, wait_for
from support.crds import MACHINE_DEPLOYMENT
from support.gateway import Gateway, eventually
from support.grants import grant_object
from support.pki import Authority
from support.users import NOBODY, ROOT, User

from gateway.config.model import Cluster as ClusterSettings
from gateway.config.model import Config
from gateway.server.registration import Target, registration
from webhooks.breakglass.grant import read_grant, spec_digest

Json = dict[str, Any]
REGISTRATIONS = "admissionregistration.k8s.io/v1"
KIND = "ValidatingWebhookConfiguration"


class Doctor:
    """Runs the command with a configuration of one namespace's own."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.name = f"{namespace}-doctor"
        self.folder = folder
        self.config: Json = {
            "cluster": {"ownNamespace": namespace},
            "server": {"registration": {"name": self.name}},
        }

    def run(self, *options: str, user: User = ROOT, kubeconfig: Path | None = None) -> tuple[int, Json]:
        """Exit code and report."""
        file = self.folder / "doctor.yaml"
        file.write_text(yaml.safe_dump(self.config))
        command = [sys.executable, "-m", "gateway", "doctor", "-o", "json", "--config", str(file)]
        command += ["--kubeconfig", str(kubeconfig or self.cluster.kubeconfig(user))]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=120)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def printed(self, authority: Authority, **changed: Any) -> Json:
        """The registration that the configuration prints, which nobody is asked by."""
        config = Config(cluster=ClusterSettings(own_namespace=self.namespace))
        document = registration(config, Target(), ca_bundle=authority.pem, name=self.name)
        document["webhooks"][0] |= {"rules": [], **changed}
        return document


@pytest.fixture
def doctor(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Doctor]:
    one = Doctor(cluster, namespace, tmp_path)
    yield one
    cluster.api(ROOT).delete(
        {"apiVersion": REGISTRATIONS, "kind": KIND, "metadata": {"name": one.name}}, missing_ok=True
    )


def rules(report: Json, *, of: str = "") -> set[str]:
    """Without what is told of the tests' own roles."""
    about = ("ClusterRoleBinding", "RoleBinding")
    return {
        one["rule"].removeprefix("doctor/")
        for one in report["findings"]
        if one["resource"]["kind"] not in about and (not of or one["resource"]["name"] == of)
    }


class Replica(Gateway):
    """A server that an API server reaches as it reaches Pods: not on the loopback interface."""

    def __init__(self, folder: Path, host: str) -> None:
        super().__init__(folder, policy={"sources": []})
        self.host = host

    def command(self, *options: str, port: int | None = 0) -> list[str]:
        return [self.host if one == "127.0.0.1" else one for one in super().command(*options, port=port)]

    def told(self) -> Json:
        with urlopen(f"http://{self.host}:{self.health_port}/rules", timeout=5) as response:
            return dict(json.load(response))


def address() -> str:
    """Of this machine, and not of its loopback interface."""
    every = [
        one.address for several in psutil.net_if_addrs().values() for one in several if one.family == socket.AF_INET
    ]
    found = [one for one in every if not one.startswith("127.")]
    return found[0] if found else pytest.skip("API servers proxy to no loopback address, and there is no other")


def pod(namespace: str, name: str, port: int) -> Json:
    container = {"name": "govgate", "image": "govgate", "ports": [{"name": "health", "containerPort": port}]}
    metadata = {"name": name, "namespace": namespace, "labels": {"app": "govgate"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def running(cluster: Cluster, one: Json, host: str) -> None:
    """A Pod as kubelet reports it."""
    root = cluster.api(ROOT)
    made = root.create(one)
    path = root.path("v1", "Pod", made["metadata"]["namespace"], made["metadata"]["name"], "status")
    root.call("PUT", path, {**made, "status": {"phase": "Running", "podIP": host, "podIPs": [{"ip": host}]}})


def service(cluster: Cluster, namespace: str, *hosts: str) -> None:
    root = cluster.api(ROOT)
    spec = {"selector": {"app": "govgate"}, "ports": [{"name": "https", "port": 443}]}
    root.create(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "govgate", "namespace": namespace}, "spec": spec}
    )
    labels = {"kubernetes.io/service-name": "govgate"}
    endpoints = [{"addresses": [host], "conditions": {"ready": True}} for host in hosts]
    root.create(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "govgate-1", "namespace": namespace, "labels": labels},
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"name": "https", "port": 8443}],
        }
    )


def test_a_sound_installation_and_what_is_done_to_it(doctor: Doctor, tmp_path: Path):
    """Two replicas that judge alike and are believed are without fault; then one judges otherwise, and much is wrong."""
    cluster, namespace, root = doctor.cluster, doctor.namespace, doctor.cluster.api(ROOT)
    host = address()
    replicas: list[Replica] = []
    try:
        for number in range(2):
            folder = tmp_path / f"gateway-{number}"
            folder.mkdir()
            replicas.append(Replica(folder, host))
            replicas[-1].start()
        first, second = replicas
        eventually(lambda: all(one.told()["workers"]["0"] for one in replicas), seconds=60)
        for number, one in enumerate(replicas):
            running(cluster, pod(namespace, f"govgate-{number}", one.health_port), host)
        service(cluster, namespace, "10.0.0.1", "10.0.0.2")
        both = base64.b64encode(first.authority.pem + second.authority.pem).decode()
        sound = doctor.printed(first.authority)
        sound["webhooks"][0] |= {"clientConfig": {"url": "https://govgate.example/v1/validate", "caBundle": both}}
        (tmp_path / "wanted.yaml").write_text(yaml.safe_dump(sound))
        root.create(sound)
        reading(cluster, namespace, {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get"]})
        code, report = doctor.run("--registration", str(tmp_path / "wanted.yaml"))
        # The tests' authorities are made for two days.
        assert (rules(report), report["indeterminate"], code) == ({"certificate-expires"}, [], 0)

        second.config = {"policy": {"sources": []}, "mode": "audit"}
        second.write_config()
        eventually(lambda: first.told()["workers"] != second.told()["workers"], seconds=60)
        found = root.get(REGISTRATIONS, KIND, "", doctor.name)
        found["webhooks"][0]["failurePolicy"] = "Ignore"
        found["webhooks"][0]["clientConfig"]["caBundle"] = base64.b64encode(second.authority.pem).decode()
        root.replace(found)
        running(cluster, pod(namespace, "govgate-2", 1), host)
        code, report = doctor.run("--registration", str(tmp_path / "wanted.yaml"))
        assert code == 3
        wrong = {"registration-changed", "registration-trust", "rules-differ", "replica-silent", "own-kinds-unguarded"}
        assert rules(report) == {*wrong, "certificate-expires"}
        assert len({one["resource"]["name"] for one in report["findings"] if one["rule"] == "doctor/rules-differ"}) == 1
        assert rules(report, of="govgate-2") == {"replica-silent"}
    finally:
        for one in replicas:
            one.kill()


def reading(cluster: Cluster, namespace: str, *rules: Json) -> None:
    """Whoever is in the namespace may do this, everywhere."""
    root, api = cluster.api(ROOT), "rbac.authorization.k8s.io"
    metadata = {"name": f"{namespace}-reading"}
    root.apply(
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}, manager="tests"
    )
    reference = {"apiGroup": api, "kind": "ClusterRole", "name": metadata["name"]}
    subject = {"apiGroup": api, "kind": "Group", "name": f"system:serviceaccounts:{namespace}"}
    binding = {"apiVersion": f"{api}/v1", "kind": "ClusterRoleBinding", "metadata": metadata}
    root.apply({**binding, "roleRef": reference, "subjects": [subject]}, manager="tests")


def test_what_can_be_scaled_and_not_be_read(doctor: Doctor):
    """Types with a scale that govgate's account may not get everywhere, by name, until it may."""
    cluster, namespace = doctor.cluster, doctor.namespace
    cluster.install((MACHINE_DEPLOYMENT,))
    service(cluster, namespace, "10.0.0.1", "10.0.0.2")
    running(cluster, pod(namespace, "govgate-0", 1), "10.0.0.1")
    workloads = {"apiGroups": ["apps"], "resources": ["deployments", "replicasets", "statefulsets"], "verbs": ["get"]}
    core = {"apiGroups": [""], "resources": ["replicationcontrollers"], "verbs": ["get"]}
    custom = {"apiGroups": ["cluster.x-k8s.io"], "resources": ["machinedeployments"], "verbs": ["get"]}

    def unreadable() -> list[str]:
        found = [one for one in doctor.run()[1]["findings"] if one["rule"] == "doctor/scale-unreadable"]
        return re.findall(r"[a-z0-9.-]+", found[0]["message"].partition(":")[0]) if found else []

    machines = "machinedeployments.cluster.x-k8s.io"
    reading(cluster, namespace, workloads)
    assert {machines, "replicationcontrollers"} <= set(unreadable())
    reading(cluster, namespace, workloads, core)
    assert set(unreadable()) >= {machines}
    assert "replicationcontrollers" not in unreadable()
    reading(cluster, namespace, workloads, core, custom)
    assert machines not in unreadable()


def test_a_registration_that_could_lock_a_cluster_up(doctor: Doctor, tmp_path: Path):
    """Everything about it at once: asked of the API server, found by name, exit code 3."""
    root = doctor.cluster.api(ROOT)
    authority = Authority()
    dangerous = doctor.printed(authority, namespaceSelector={})
    every = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"], "scope": "*"}
    # Of no matter to other tests: the one condition is never true, and is not govgate's own.
    never = [{"name": "never", "expression": "false"}]
    dangerous["webhooks"][0] |= {"rules": [every], "matchConditions": never, "timeoutSeconds": 1}
    dangerous["webhooks"][0]["clientConfig"].pop("caBundle")
    root.create(dangerous)
    wrong = copy.deepcopy(dangerous)
    wrong["webhooks"][0]["matchConditions"] = [{"name": "broken", "expression": "request.nonsense +"}]
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    doctor.config["server"]["limits"] = {"deadlineMarginSeconds": 1.0}
    other = {
        "apiVersion": REGISTRATIONS,
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": f"{doctor.name}-other"},
        "webhooks": [
            {
                "name": "other.example.com",
                "clientConfig": {"service": {"name": "gone", "namespace": doctor.namespace}},
                "rules": [{**every, "resources": ["pods"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": doctor.namespace}},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
            }
        ],
    }
    root.create(other)
    try:
        code, report = doctor.run("--registration", str(tmp_path / "wrong.yaml"))
    finally:
        root.delete(other)
    assert code == 3
    expected = {"changed", "own-namespace", "timeout", "endpoints", "conditions", "trust"}
    assert rules(report, of=doctor.name) == {f"registration-{name}" for name in expected}
    assert rules(report, of=f"{doctor.name}-other") == {"webhook-blocks-start"}
    assert "doctor/registration-recovery" in {one["rule"] for one in report["indeterminate"]}
    assert all(one["remedy"] for one in report["findings"])


def bound(namespace: str, name: str, user: str, *rights: Json) -> list[Json]:
    """A role in a namespace, and who has it."""
    api = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": {"name": name, "namespace": namespace}}
    to = {"apiGroup": api, "kind": "Role", "name": name}
    subjects = [{"apiGroup": api, "kind": "User", "name": user}]
    return [{**role, "rules": list(rights)}, {**role, "kind": "RoleBinding", "roleRef": to, "subjects": subjects}]


def right(verb: str, group: str, resource: str) -> Json:
    return {"verbs": [verb], "apiGroups": [group], "resources": [resource]}


def test_who_gets_past_the_guards(doctor: Doctor):
    """By an account that a Kustomization names, as govgate itself, by approving; what is known is shown as accepted."""
    root, namespace = doctor.cluster.api(ROOT), doctor.namespace
    root.apply(yaml.safe_load((CRDS / "breakglasses.yaml").read_text()), manager="tests")
    tenant = f"{namespace}-tenant"
    root.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tenant}})
    flux = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization"}
    flux |= {"metadata": {"name": "web", "namespace": tenant}, "spec": {"serviceAccountName": "flux"}}
    token = right("create", "", "serviceaccounts/token")
    made = [
        *bound(tenant, "mint", "eve", token),
        *bound(namespace, "mint", "mallory", token),
        *bound(tenant, "approve", "bob", right("approve", "govgate.dev", "breakglasses")),
    ]
    wait_for(lambda: stored(root, grant_object(f"{namespace}-forged", expires=LATER)), seconds=60)
    grant = root.get("govgate.dev/v1alpha1", "BreakGlass", "", f"{namespace}-forged")
    forged = {"approver": "bob", "specDigest": spec_digest(read_grant(grant).spec)}
    root.patch({**GRANT, **grant}, {"status": {"approval": forged}}, subresource="status")
    for one in (flux, *made):
        root.create(one)
    entry = {"subject": "User bob", "rule": "doctor/break-glass-approve", "reason": "on call"}
    doctor.config["doctor"] = {"accepted": [entry, {**entry, "subject": "User gone"}]}
    try:
        code, report = doctor.run()
    finally:
        root.delete({**GRANT, **grant})
        root.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": tenant}})
    assert code == 3
    said = {
        (one["rule"].removeprefix("doctor/"), one.get("exception")): one["message"]
        for one in report["findings"]
        if one["resource"].get("namespace") in {namespace, tenant} or "BreakGlass" in one["resource"]["kind"]
    }
    assert f"{tenant}/flux (Flux Kustomization {tenant}/web)" in said["mint-token", None]
    assert "User mallory can create a token of" in said["become-gateway", None]
    assert "User bob can approve break-glass" in said["break-glass-approve", "doctor.accepted: on call"]
    assert "in the name of bob" in said["grant-unseen", None]
    assert "accepted-unused" in rules(report)
    assert not [one for one in report["indeterminate"] if one["rule"] in {"doctor/mint-token", "doctor/grant-unseen"}]


LATER = datetime.now(UTC) + timedelta(hours=1)
GRANT = {"apiVersion": "govgate.dev/v1alpha1", "kind": "BreakGlass"}


def stored(root: Api, document: Json) -> bool:
    """Whether the object is there, now that its type may just have been made known."""
    try:
        root.create({**document, "metadata": {"name": document["metadata"]["name"]}})
    except ApiError as error:
        return error.code == 409
    return True


def test_what_may_not_be_read_is_undecided(doctor: Doctor):
    """Somebody without any right is told what could not be looked at, and why; nothing passes for fine."""
    doctor.config["stores"] = {"vault": "store.yaml"}
    store = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "SecretStore",
        "metadata": {"name": "vault"},
        "spec": {
            "provider": {
                "vault": {
                    "server": "http://127.0.0.1:1",
                    "path": "kv",
                    "auth": {"tokenSecretRef": {"name": "a", "key": "b"}},
                }
            }
        },
    }
    (doctor.folder / "store.yaml").write_text(yaml.safe_dump(store))
    code, report = doctor.run("--fail-on", "warn", user=NOBODY)
    assert {one["rule"].removeprefix("doctor/") for one in report["indeterminate"]} >= {
        "full-access", "registration-changed", "rules-differ",
    }  # fmt: skip
    known = ("403", "no Pods", "could not be read")
    assert all(any(word in one["reason"] for word in known) for one in report["indeterminate"])
    assert rules(report) == {"store-unreachable"}
    assert code == 3
    doctor.config.pop("stores")
    assert doctor.run("--fail-on", "warn", user=NOBODY)[0] == 2


def test_a_cluster_that_does_not_answer_fails_the_run(doctor: Doctor):
    """Exit code 1, with everything that was not looked at."""
    document = yaml.safe_load(doctor.cluster.kubeconfig(NOBODY).read_text())
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    file = doctor.folder / "nobody.kubeconfig"
    file.write_text(yaml.safe_dump(document))
    code, report = doctor.run(kubeconfig=file)
    assert code == 1
    missing = {one["rule"].removeprefix("doctor/") for one in report["indeterminate"]}
    assert missing >= {"full-access", "registration-changed", "grant-unseen", "rules-differ", "clock-skew"}
    assert "was not reached" in report["problems"][0]["message"]


def test_what_the_api_server_let_through(doctor: Doctor):
    """Its own audit log says so: a webhook with failurePolicy Ignore that nobody answers."""
    root = doctor.cluster.api(ROOT)
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": AUDITED}}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": AUDITED}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    silent = doctor.printed(Authority(), namespaceSelector=selector, failurePolicy="Ignore", rules=[rule])
    silent["webhooks"][0]["clientConfig"] = {"url": "https://127.0.0.1:1/v1/validate"}
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a-", "namespace": AUDITED}}
    root.create(space)
    root.create(silent)
    try:
        wait_for(lambda: root.create(item) and opened(doctor) > 0, seconds=60)
        code, report = doctor.run("--api-audit-log", str(doctor.cluster.audit_log))
    finally:
        root.delete(space)
    assert code == 3
    (found,) = [one for one in report["findings"] if one["rule"] == "doctor/failed-open"]
    assert f"by {ROOT.name}" in found["message"]
    assert found["field"] == "webhooks[name=validate.govgate.dev]"


def opened(doctor: Doctor) -> int:
    return doctor.cluster.audit_log.read_text().count("failed-open.validating.webhook.admission.k8s.io/")


def test_the_charts_registration_is_what_is_compared(doctor: Doctor):
    """Without a file here, what the chart gave to the servers in its ConfigMap."""
    root = doctor.cluster.api(ROOT)
    wanted = doctor.printed(Authority(), timeoutSeconds=7)
    data = {"registration.yaml": yaml.safe_dump(wanted)}
    metadata = {"name": doctor.name, "namespace": doctor.namespace}
    root.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    held = copy.deepcopy(wanted)
    held["webhooks"][0]["timeoutSeconds"] = 8
    root.create(held)
    _, report = doctor.run()
    (found,) = [one for one in report["findings"] if one["rule"] == "doctor/registration-changed"]
    assert found["message"].endswith("webhooks[validate.govgate.dev].timeoutSeconds")
