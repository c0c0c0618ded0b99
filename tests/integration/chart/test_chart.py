"""The chart, as the pinned helm renders it: one registration with the CLI's, objects that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from support.charts import CHART, CRDS, of_kind, rendered
from support.cluster import Cluster
from support.crds import Crd
from support.tools import tool
from support.users import ROOT

from gateway.config import load_config
from gateway.config.model import Cluster as ClusterSettings
from gateway.config.model import Config
from gateway.server.registration import Target, registration

pytestmark = pytest.mark.servers
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
EVERYTHING = CHART / "ci/everything-values.yaml"
FOREIGN = (
    Crd("cert-manager.io", "Certificate", "certificates", ("v1",)),
    Crd("cert-manager.io", "Issuer", "issuers", ("v1",)),
    Crd("monitoring.coreos.com", "ServiceMonitor", "servicemonitors", ("v1",)),
    Crd("monitoring.coreos.com", "PrometheusRule", "prometheusrules", ("v1",)),
)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_helm_finds_nothing_to_complain_of(values):
    """`helm lint --strict`, with each set of values of the chart's own."""
    command = [tool("helm"), "lint", "--strict", str(CHART), "--values", str(values), "--kube-version", "1.36.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("policies", "options"),
    [
        ({}, ()),
        ({}, ("--set", "webhook.failurePolicy=Ignore")),
        ({"provenance": "Ignore"}, ("--set", "webhook.failurePolicyOf.provenance=Ignore")),
        (
            {"policy": "Ignore", "secrets": "Ignore"},
            ("--set", "webhook.failurePolicyOf.policy=Ignore,webhook.failurePolicyOf.secrets=Ignore"),
        ),
    ],
)
def test_one_registration_with_the_command_line(policies, options):
    """Chart and `govgate webhook-config` have the API server asked the same."""
    config = Config(cluster=ClusterSettings(own_namespace="elsewhere"))
    default = "Ignore" if "webhook.failurePolicy=Ignore" in options else "Fail"
    printed = registration(config, Target(), failure_policy=default, failure_policies=policies)
    chart = of_kind(rendered(*options, namespace="elsewhere"), "ValidatingWebhookConfiguration")
    assert chart["webhooks"] == printed["webhooks"]


def test_what_is_left_out_besides_is_the_same():
    """Groups and namespaces of the values, as the command line takes them; in both webhooks where there are two."""
    groups, namespaces = ("ipam.example.com", "storage.example.com"), ("cilium", "rook-ceph")
    printed = registration(
        Config(),
        Target(),
        failure_policies={"provenance": "Ignore"},
        excluded_groups=groups,
        excluded_namespaces=namespaces,
    )
    options = ("--set", "webhook.failurePolicyOf.provenance=Ignore")
    options += ("--set", f"webhook.excludedGroups={{{','.join(groups)}}}")
    options += ("--set", f"webhook.excludedNamespaces={{{','.join(namespaces)}}}")
    chart = of_kind(rendered(*options), "ValidatingWebhookConfiguration")
    assert chart["webhooks"] == printed["webhooks"]


@pytest.mark.parametrize("options", [(), ("--set", "webhook.failurePolicyOf.provenance=Ignore,tls.mode=cert-manager")])
def test_the_registration_is_watched_as_it_is_applied(options, tmp_path):
    """Servers are told which one, and are given it as it was rendered; they put nothing back unless asked to."""
    objects = rendered(*options, release="gg")
    applied = of_kind(objects, "ValidatingWebhookConfiguration")
    data = of_kind(objects, "ConfigMap", "gg-govgate")["data"]
    (file := tmp_path / "config.yaml").write_text(data["config.yaml"])
    watched = load_config(file).config.server.registration
    assert (watched.name, watched.service, watched.restore) == ("gg-govgate", "gg-govgate", "never")
    assert yaml.safe_load(data[Path(watched.file).name]) == applied
    pod = of_kind(objects, "StatefulSet")["spec"]["template"]["spec"]
    mounts = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    assert str(Path(watched.file).parent) == mounts["config"]


@pytest.mark.parametrize(
    ("restore", "verbs"), [("never", set()), ("changed", {"update"}), ("always", {"update", "patch", "create"})]
)
def test_the_registration_is_written_where_that_is_asked_for(restore, verbs):
    """The webhook's account may write its own registration and no other, and only if it is to put it back."""
    role = of_kind(rendered("--set", f"webhook.restoreRegistration={restore}"), "ClusterRole", "govgate-webhook")
    rules = [rule for rule in role["rules"] if "validatingwebhookconfigurations" in rule["resources"]]
    named = [rule for rule in rules if rule.get("resourceNames") == ["govgate"]]
    assert {verb for rule in named for verb in rule["verbs"]} == verbs
    others = {verb for rule in rules if rule not in named for verb in rule["verbs"]}
    assert others == {"get", "list", "watch"}


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_configuration_is_one(values, tmp_path):
    """What the chart gives to the processes is a valid configuration, with what the chart decides over what is given."""
    text = of_kind(rendered(values=values), "ConfigMap", "govgate")["data"]["config.yaml"]
    file = tmp_path / "config.yaml"
    file.write_text(text)
    config = load_config(file).config
    assert (config.cluster.connect, config.cluster.own_namespace) == ("in-cluster", "govgate-system")
    if values == EVERYTHING:
        assert (config.drift.mode, config.server.drain_seconds) == ("shadow", 10.0)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_api_server_takes_every_object(cluster: Cluster, namespace: str, values: Path):
    """As strictly as it can be asked: unknown and double fields are errors; nothing is kept (dry run)."""
    cluster.install(FOREIGN)
    root = cluster.api(ROOT)
    objects = rendered(values=values, namespace=namespace)
    for one in objects:
        where = one["metadata"].get("namespace", "")
        if where not in {"", namespace}:
            one["metadata"]["namespace"] = namespace
        name = one["metadata"]["name"]
        path = root.path(one["apiVersion"], one["kind"], one["metadata"].get("namespace", ""), name)
        query = "?fieldManager=tests&fieldValidation=Strict&dryRun=All&force=true"
        root.call("PATCH", path + query, one, content_type="application/apply-patch+yaml")


def test_secrets_are_out_of_reach():
    """Of cluster-wide rights none reaches a Secret but that of ExternalSecrets, once these are asked for, nor does a
    wildcard; what else may be written is what the values name.
    """
    for one in rendered(values=EVERYTHING):
        if one["kind"] == "ClusterRole" and not one["metadata"]["name"].endswith("-external"):
            for rule in one["rules"]:
                assert "*" not in rule["apiGroups"]
                assert "secrets" not in rule["resources"]
                assert not ("" in rule["apiGroups"] and "*" in rule["resources"])
                assert "*" not in rule["verbs"]
        if one["kind"] == "Role" and any("secrets" in rule["resources"] for rule in one["rules"]):
            assert one["metadata"]["namespace"] in {"govgate-system", "web", "flux-system"}
    for one in rendered():
        assert not one["metadata"]["name"].endswith("-external")
        if one["kind"] == "Role":
            readable = [r for r in one["rules"] if "secrets" in r["resources"] and set(r["verbs"]) != {"create"}]
            assert all(rule.get("resourceNames") for rule in readable)


def test_external_secrets_have_the_rights_that_are_documented():
    """Those of docs/secrets.md, with which the controller's own tests run, and no others; tokens and Leases by name."""
    text = (CHART.parents[1] / "docs/secrets.md").read_text()
    table = text[text.index("### What the controller needs") :]
    documented = set()
    for row in table[: table.find("\n## ")].splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if len(cells) == 4 and "`" in cells[2]:
            group = "" if cells[0] == "core" else cells[0].strip("`")
            documented |= {
                (group, r, v) for r in re.findall(r"`([^`]+)`", cells[1]) for v in re.findall(r"`([^`]+)`", cells[2])
            }
    documented -= {(g, r, v) for g, r, v in documented if r in {"leases", "serviceaccounts/token"}}
    granted = set()
    for one in rendered(values=EVERYTHING):
        if one["kind"] == "ClusterRole" and one["metadata"]["name"].endswith(("-controller-external", "-controller")):
            own = one["metadata"]["name"].endswith("-external")
            found = {
                (g, r, v)
                for rule in one["rules"]
                for g in rule["apiGroups"]
                for r in rule["resources"]
                for v in rule["verbs"]
            }
            granted |= found if own else found & documented
    assert granted == documented


def test_pods_are_restricted():
    """Pod Security's "restricted" profile, as govgate's own rules state it."""
    objects = rendered(values=EVERYTHING)
    text = "\n---\n".join(yaml.safe_dump(one) for one in objects)
    command = [
        sys.executable,
        "-m",
        "gateway",
        "check",
        "-",
        "--policies",
        "builtin:pod-security-restricted",
        "-o",
        "json",
    ]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_every_alert_says_what_to_do():
    """A summary, a description, and how bad it is."""
    alerts = yaml.safe_load((CHART / "files/alerts.yaml").read_text())
    for rule in (rule for group in alerts["groups"] for rule in group["rules"]):
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert {"summary", "description"} <= set(rule["annotations"])


def test_definitions_stay_or_go_as_asked():
    """All of them come with the chart; Helm is told to leave them, or not."""
    names = {yaml.safe_load(path.read_text())["metadata"]["name"] for path in CRDS.glob("*s.yaml")}
    for options, kept in (((), True), (("--set", "crds.keep=false"), False)):
        found = [one for one in rendered(*options) if one["kind"] == "CustomResourceDefinition"]
        assert {one["metadata"]["name"] for one in found} == names
        policies = [one["metadata"].get("annotations", {}).get("helm.sh/resource-policy") for one in found]
        assert all((policy == "keep") == kept for policy in policies)
    assert not [o for o in rendered("--set", "crds.enabled=false") if o["kind"] == "CustomResourceDefinition"]


def test_replicas_keep_their_logs_or_have_none():
    """With a volume a StatefulSet whose claims outlive it; without, a Deployment that never lacks a replica."""
    kept = of_kind(rendered(), "StatefulSet")
    assert kept["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    loose = of_kind(rendered("--set", "webhook.persistence.enabled=false"), "Deployment", "govgate")
    assert loose["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_a_pod_is_given_the_time_that_a_drain_takes():
    """terminationGracePeriodSeconds is above what the configuration's drain and grace take together."""
    pod: dict[str, Any] = of_kind(rendered(values=EVERYTHING), "StatefulSet", "govgate")["spec"]["template"]["spec"]
    settings = msgspec.structs.asdict(Config().server)
    assert pod["terminationGracePeriodSeconds"] > 10 + settings["grace_seconds"] + 10


def test_owners_of_a_reconciler_that_is_off_are_not_read():
    """What is off by default is read only once it is on; a kind that the cluster does not have costs nothing."""

    def groups(*options: str) -> set[str]:
        role = of_kind(rendered(*options), "ClusterRole", "-webhook")
        return {group for rule in role["rules"] for group in rule["apiGroups"]}

    off = {"pulumi.com", "infra.contrib.fluxcd.io"}
    assert "configsync.gke.io" in groups()
    assert groups().isdisjoint(off)
    assert off <= groups("--set", "config.drift.pulumi.mode=shadow,config.drift.tofuController.mode=warn")


def test_pods_restart_for_what_they_do_not_take_over():
    """A change of a setting that docs/configuration.md marks changes the Pods; of any other, that is in force by itself, not."""
    page = (CHART.parents[1] / "docs/configuration.md").read_text()
    marked = set(re.findall(r"^\| `([a-zA-Z.]+)` .*↻ \|$", page, re.MULTILINE))
    assert {"server.workers", "controller.healthPort"} <= marked
    assert "All of this section needs a restart ↻" in page[page.index("## audit") :]
    helper = (CHART / "templates/_helpers.tpl").read_text()
    picked = {
        f"{part}.{name}"
        for part, names in re.findall(r'pick \$config\.(\w+)((?: "\w+")+)', helper)
        for name in re.findall(r'"(\w+)"', names)
    }
    assert picked == {".".join(name.split(".")[:2]) for name in marked}

    def stamps(*options):
        objects = rendered(*options)
        pods = [of_kind(objects, "StatefulSet", "govgate"), of_kind(objects, "Deployment", "-controller")]
        found = [pod["spec"]["template"]["metadata"]["annotations"] for pod in pods]
        return [annotations["checksum/restarting-settings"] for annotations in found]

    before = stamps()
    assert stamps("--set", "config.drift.mode=shadow,config.controller.scan.intervalSeconds=60") == before
    for changed in ("config.server.workers=2", "config.audit.mode=durable", "webhook.restoreRegistration=changed"):
        webhook, controller = stamps("--set", changed)
        assert (webhook != before[0], controller) == (True, before[1]), changed
    webhook, controller = stamps("--set", "controller.healthPort=8082")
    assert (webhook, controller != before[1]) == (before[0], True)


def test_a_log_that_nobody_keeps_is_warned_of(cluster: Cluster):
    """In the notes of an installation: without a volume, unless it is shipped."""

    def notes(values: str) -> str:
        command = [
            tool("helm"),
            "install",
            "notes",
            str(CHART),
            "--dry-run=server",
            "--hide-secret",
            "--set",
            "crds.enabled=false",
            "--set",
            values,
        ]
        command += ["--kubeconfig", str(cluster.kubeconfig(ROOT))]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout[done.stdout.index("NOTES:") :]

    assert "nothing ships it" in notes("webhook.persistence.enabled=false")
    assert "nothing ships it" not in notes("webhook.persistence.enabled=false,webhook.shipLog.enabled=true")
    assert "nothing ships it" not in notes("webhook.replicas=3")


def test_an_upgrade_keeps_whom_the_api_server_believes(cluster: Cluster):
    """Also where it names the webhooks otherwise: with no authority an API server would refuse everything."""
    root, nobody = cluster.api(ROOT), {"matchLabels": {"govgate.dev/nobody": "has-this"}}
    webhook = {
        "name": "validate.govgate.dev", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore",
        "clientConfig": {"url": "https://127.0.0.1:1/", "caBundle": cluster.ca_bundle}, "objectSelector": nobody,
        "rules": [{"apiGroups": ["none.example"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]}],
    }  # fmt: skip
    there = root.create(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "carried-govgate"},
            "webhooks": [webhook],
        }
    )
    options = ("--dry-run=server", "--kubeconfig", str(cluster.kubeconfig(ROOT)))
    options += ("--set", "webhook.failurePolicyOf.provenance=Ignore")
    try:
        objects = rendered(*options, release="carried")
    finally:
        root.delete(there)
    webhooks = of_kind(objects, "ValidatingWebhookConfiguration")["webhooks"]
    assert len(webhooks) == 2
    assert {one["clientConfig"]["caBundle"] for one in webhooks} == {cluster.ca_bundle}
    watched = yaml.safe_load(of_kind(objects, "ConfigMap", "govgate")["data"]["registration.yaml"])
    assert all("caBundle" not in one["clientConfig"] for one in watched["webhooks"])
