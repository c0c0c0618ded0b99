"""The alerts, evaluated by Prometheus' own engine over what govgate really exposes: each fires when it should, and only then."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from support.charts import CHART, of_kind, rendered
from support.tools import tool

from gateway.controllers.metrics import (
    ControllerMetrics,
    ExternalMetrics,
    PushMetrics,
    ReloadMetrics,
    ScanMetrics,
    SealedMetrics,
)
from gateway.controllers.states import States
from gateway.server.metrics import SupervisorMetrics, WorkerGauges, WorkerMetrics

pytestmark = pytest.mark.servers
ALERTS = {
    rule["alert"]: (group["name"], rule)
    for group in yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
}
NOW = 40_000_000
"""Seconds; the samples of a scene are one a minute up to then."""
MINUTES = 60
Series = dict[str, str]


def exposed(component: str) -> Series:
    """What a process of a component exposes when it has just started, as series that do not change."""
    registry = CollectorRegistry()
    if component == "webhook":
        WorkerMetrics(registry), SupervisorMetrics(registry), WorkerGauges(registry)
    else:
        ControllerMetrics(registry), ScanMetrics(registry), SealedMetrics(registry)
        external = ExternalMetrics(registry)
        # As the loop begins.
        States(external.objects, ("synced", "refused", "waiting", "failing"))
        States(external.stores_by_state, ("valid", "unknown", "failed"))
        States(PushMetrics(registry).objects, ("synced", "failed", "mixed"))
        ReloadMetrics().show_in(registry)
    found = {}
    for metric in registry.collect():
        for sample in metric.samples:
            labels = {**sample.labels, "namespace": "govgate-system", "pod": f"govgate-{component}-0"}
            text = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
            found[f"{sample.name}{{{text}}}"] = f"{sample.value}x{MINUTES}"
    return found


def with_values(series: Series, **values: str) -> Series:
    """Some of them by name, with other values."""
    changed = {key: values.get(key.partition("{")[0], value) for key, value in series.items()}
    assert values.keys() <= {key.partition("{")[0] for key in changed}
    return changed


CONTROLLER = with_values(
    exposed("controller"),
    govgate_controller_leading=f"1x{MINUTES}",
    govgate_scan_last_finish_timestamp_seconds=f"{NOW - 3_600}x{MINUTES}",
)
WELL = {
    **with_values(
        exposed("webhook"), govgate_tls_certificate_expiry_timestamp_seconds=f"{NOW + 30 * 86_400}x{MINUTES}"
    ),
    'govgate_registration_state{name="govgate",pod="govgate-webhook-0"}': f"1x{MINUTES}",
    **CONTROLLER,
}


def firing(series: Series) -> set[str]:
    """Alerts whose expression gives something, however long it must do so."""
    return {
        alert
        for alert, found in zip(ALERTS, asked(series, [r["expr"] for _, r in ALERTS.values()]), strict=True)
        if found
    }


def asked(series: Series, expressions: list[str]) -> list[list[Any]]:
    """The samples that each expression gives at the end of the scene."""
    question = {
        "stepSeconds": 60, "startSeconds": NOW - 60 * MINUTES, "atSeconds": NOW,
        "series": series, "expressions": expressions,
    }  # fmt: skip
    done = subprocess.run(
        [tool("promql")], input=json.dumps(question), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def counting(name: str, **labels: str) -> Series:
    """A counter of the webhook that stood still, and rises by one each minute in the last twenty."""
    (key,) = [key for key in WELL if key.startswith(name + "{") and all(f'{k}="{v}"' in key for k, v in labels.items())]
    return {key: f"0x{MINUTES - 20} 1+1x20"}


def once(name: str, **labels: str) -> Series:
    """The same, which rose from nothing to one, some minutes ago."""
    return dict.fromkeys(counting(name, **labels), f"0x{MINUTES - 6} 1x6")


def gauge(name: str, value: float) -> Series:
    """A metric of one series, with a value now."""
    (key,) = [key for key in WELL if key.partition("{")[0] == name]
    return {key: f"{value}x{MINUTES}"}


def state_of(name: str, state: str) -> Series:
    """One object in a state."""
    (key,) = [key for key in WELL if key.startswith(name + "{") and f'state="{state}"' in key]
    return {key: f"1x{MINUTES}"}


FAST = r'le="(0\.[0-9]+|1\.0)"'
SLOW = {
    key: f"0+{0 if re.search(FAST, key) else 10}x{MINUTES}"
    for key in WELL
    if key.startswith("govgate_admission_duration_seconds_bucket")
}
NO_CONTROLLER: Series = {key: value for key, value in WELL.items() if key not in CONTROLLER}
LOOP = {'govgate_controller_loop_failures_total{loop="scan"}': f"0x{MINUTES - 20} 1+1x20"}
DECISIONS = "govgate_admission_decisions_total"
RISEN = f"0x{MINUTES - 6} 1x6"


@pytest.mark.parametrize(
    ("series", "alerts"),
    [
        (WELL, set()),
        (CONTROLLER, {"GovgateAbsent"}),
        (NO_CONTROLLER, {"GovgateNobodyLeads", "GovgateNeverScanned"}),
        ({**WELL, **gauge("govgate_controller_leading", 0)}, {"GovgateNobodyLeads"}),
        ({**WELL, **gauge("govgate_scan_last_finish_timestamp_seconds", 0)}, {"GovgateNeverScanned"}),
        ({**WELL, **gauge("govgate_scan_last_finish_timestamp_seconds", NOW - 15_000)}, {"GovgateScanStale"}),
        ({**WELL, 'govgate_registration_state{name="govgate",pod="a"}': f"0x{MINUTES}"}, {"GovgateRegistrationChanged"}),
        ({**WELL, **counting("govgate_admission_requests_total", result="undecided")}, {"GovgateRequestsUndecided"}),
        ({**WELL, **counting("govgate_admission_requests_total", result="unrecorded")}, {"GovgateUnrecorded"}),
        ({**WELL, **counting("govgate_audit_lost_total")}, {"GovgateUnrecorded"}),
        ({**WELL, **counting("govgate_admission_shed_total", limit="memory")}, {"GovgateSheds"}),
        ({**WELL, **once(DECISIONS, guard="break-glass-use", operation="DELETE")}, {"GovgateBreakGlassUsed"}),
        ({**WELL, **once(DECISIONS, guard="break-glass", operation="UPDATE")}, {"GovgateBreakGlassSelfApproved"}),
        ({**WELL, f'{DECISIONS}{{guard="break-glass",operation="UPDATE",decision="audit",dry_run="false",pod="a"}}': RISEN}, set()),
        ({**WELL, **gauge("govgate_audit_lag_seconds", 11)}, {"GovgateAuditLags"}),
        ({**WELL, **gauge("govgate_tls_certificate_expiry_timestamp_seconds", NOW + 86_400)}, {"GovgateCertificateExpires"}),
        ({**WELL, **gauge("govgate_tls_in_force", 0)}, {"GovgateCertificateNotReloaded"}),
        ({**WELL, **counting("govgate_worker_restarts_total")}, {"GovgateWorkersRestart"}),
        ({**WELL, **SLOW}, {"GovgateSlow"}),
        ({**WELL, **gauge("govgate_policy_problems", 1)}, {"GovgatePolicyProblems"}),
        ({**WELL, **LOOP}, {"GovgateControllerLoopFails"}),
        ({**WELL, "govgate_sealed_overwritten_total": f"0x{MINUTES - 6} 1x6"}, {"GovgateSecretsFoughtOver"}),
        ({**WELL, **state_of("govgate_external_stores", "failed")}, {"GovgateStoresNotReady"}),
        ({**WELL, **state_of("govgate_external_secrets", "waiting")}, {"GovgateExternalSecretsNotReady"}),
        ({**WELL, **state_of("govgate_external_push_secrets", "failed")}, {"GovgateExternalSecretsNotReady"}),
        ({**WELL, **gauge("govgate_sealed_keys_not_backed_up", 1)}, {"GovgateSealingKeysNotBackedUp"}),
    ],
)  # fmt: skip
def test_an_alert_fires_when_it_should(series: Series, alerts: set[str]) -> None:
    """The alerts, and no others."""
    assert firing(series) == alerts


@pytest.mark.parametrize("component", ["webhook", "controller"])
def test_a_wrong_configuration_is_told_until_it_is_right(component: str) -> None:
    """Of either process; it was tried once, an hour ago, and the file is still wrong."""
    (key,) = [key for key in WELL if key.startswith("govgate_config_in_force{") and component in key]
    assert firing({**WELL, key: f"0x{MINUTES}"}) == {"GovgateConfigurationNotReloaded"}
    assert firing({**WELL, key: f"0x{MINUTES - 1} 1"}) == set()


def test_every_alert_was_seen_to_fire() -> None:
    """In one of the scenes above."""
    (marked,) = [m for m in test_an_alert_fires_when_it_should.pytestmark if m.name == "parametrize"]
    fired = {alert for _, alerts in marked.args[1] for alert in alerts} | {"GovgateConfigurationNotReloaded"}
    assert fired == ALERTS.keys()


def test_what_is_counted_is_counted_from_nothing() -> None:
    """A series that begins with its first event shows no increase: what alerts select is there from the start."""
    begun_later = {"govgate_registration_state", "govgate_controller_loop_failures_total"}
    selectors = {
        match[0]
        for _, rule in ALERTS.values()
        for match in re.finditer(r"govgate_[a-z_]+(\{[^}]*\})?", rule["expr"])
        if not begun_later & {match[0]}
    }
    found = asked(WELL, sorted(selectors))
    assert not [selector for selector, series in zip(sorted(selectors), found, strict=True) if not series]


def test_alerts_of_what_is_not_there_are_left_away() -> None:
    """Without a controller nobody misses it; without a scan nobody misses that. A long interval makes late later."""

    def groups(*options: str) -> dict[str, Any]:
        rule = of_kind(rendered("--set", "metrics.prometheusRule.enabled=true", *options), "PrometheusRule")
        return {group["name"]: group["rules"] for group in rule["spec"]["groups"]}

    assert set(groups()) == {"govgate", "govgate-controller", "govgate-scan"}
    assert set(groups("--set", "config.controller.scan.enabled=false")) == {"govgate", "govgate-controller"}
    assert set(groups("--set-json", "config.policy.sources=[]")) == {"govgate", "govgate-controller"}
    assert set(groups("--set", "controller.enabled=false,tls.mode=cert-manager")) == {"govgate"}
    (stale, _) = groups("--set", "config.controller.scan.intervalSeconds=86400")["govgate-scan"]
    assert stale["expr"].endswith("> 4 * 86400")
