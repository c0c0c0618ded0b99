"""What the controller may, for each loop that the configuration starts: what the loop's page lists, and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from support.charts import CHART, ROOT, of_kind, rendered

from gateway.config.controller import Scan
from gateway.config.load import parse_config
from gateway.controllers.table import MAKERS

pytestmark = pytest.mark.servers
Json = dict[str, Any]
Right = tuple[str, str, str, str]
"""Where (a namespace; empty: everywhere), API group, resource, verb."""
OWN, CLAIMED, LOGIN = "govgate-system", "web", "login"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
CORE = [
    "bindings", "configmaps", "endpoints", "limitranges", "nodes", "persistentvolumeclaims", "persistentvolumes", "pods",
    "podtemplates", "replicationcontrollers", "resourcequotas", "serviceaccounts", "services",
]  # fmt: skip
ON = {
    "scan": "config.controller.scan.enabled=true",
    "reports": "config.controller.scan.reports.enabled=true",
    "gatekeeper": "config.policy.sources={builtin:gitops,cluster:gatekeeper}",
    "election": "config.controller.election.enabled=true",
    "certificates": "tls.mode=built-in",
    "sealed": f"config.controller.sealed.namespaces={{{CLAIMED}}}",
    "endpoints": "config.controller.sealed.endpoints.enabled=true",
    "external": "config.controller.external.enabled=true",
    "restarts": "config.controller.external.restarts.enabled=true",
}
OFF = {
    "scan": "config.controller.scan.enabled=false",
    "reports": "config.controller.scan.reports.enabled=false",
    "gatekeeper": "config.policy.sources={builtin:gitops}",
    "election": "config.controller.election.enabled=false",
    "certificates": "tls.mode=cert-manager",
    "sealed": "config.controller.sealed.renewDays=30",
    "endpoints": "config.controller.sealed.endpoints.enabled=false",
    "external": "config.controller.external.enabled=false",
    "restarts": "config.controller.external.restarts.enabled=false",
}
ALWAYS = (
    "controller.replicas=1",
    f"rbac.secrets.write={{{CLAIMED}}}",
    f"rbac.storeAccounts[0].namespace={LOGIN},rbac.storeAccounts[0].names={{reader}}",
)


def table(page: str, after: str) -> list[list[str]]:
    """The rows of the first table after some words of a page."""
    text = (ROOT / "docs" / page).read_text()
    rows = re.search(r"(?:^\|.*\n)+", text[text.index(after) :], re.MULTILINE)
    assert rows is not None
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[0].splitlines()[2:]]


def words(cell: str) -> list[str]:
    """What is in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def groups(cell: str) -> list[str]:
    return [""] if "core" in cell else words(cell)


def of_rows(rows: list[list[str]], where: str = "") -> set[Right]:
    """``cluster.ownNamespace`` in a row says where; what else is in backticks and no resource is left out."""
    found = set()
    for group, resources, verbs, _ in rows:
        place = OWN if "cluster.ownNamespace" in resources else where
        named = [one for one in words(resources) if one not in {"cluster.ownNamespace", "webhookConfigurations"}]
        found |= {(place, g, r, v) for g in groups(group) for r in named for v in words(verbs)}
    return found


def sealing_roles() -> tuple[set[Right], set[Right]]:
    """Of the keys, and of a claimed namespace."""
    text = (ROOT / "docs/sealing.md").read_text()
    block = re.search(r"```yaml\n(.*?)```", text[text.index("### What it needs") :], re.DOTALL)
    assert block is not None
    places = {"OWN_NAMESPACE": OWN, "CLAIMED_NAMESPACE": CLAIMED}
    keys, claimed = (of_role(one, places) for one in yaml.safe_load_all(block[1]) if one["kind"] == "Role")
    return keys, claimed


def of_role(role: Json, places: dict[str, str] | None = None) -> set[Right]:
    where = role["metadata"].get("namespace", "")
    return {
        ((places or {}).get(where, where), g, r, v)
        for rule in role["rules"]
        for g in rule["apiGroups"]
        for r in rule["resources"]
        for v in rule["verbs"]
    }


def documented(on: set[str]) -> set[Right]:
    """What the pages list for what is on."""
    scan = table("scan.md", "## What it needs")
    (each,) = [row for row in scan if row[0] == "*each*"]
    leases = {right for right in of_rows(scan) if right[2] == "leases"}
    rights = leases if "election" in on else set()
    if "scan" in on:
        about = {"reports": "reports", "gatekeeper": "`cluster:gatekeeper`"}
        rows = [row for row in scan if row is not each and "`leases`" not in row[1]]
        assert all(any(word in row[3] for row in rows) for word in about.values())
        rights |= of_rows([row for row in rows if not any(w in row[3] for n, w in about.items() if n not in on)])
        types = [("", one) for one in CORE] + [(group, "*") for group in VALUES["rbac"]["scanGroups"]]
        rights |= {("", g, r, v) for g, r in types for v in words(each[2])}
    if "certificates" in on:
        rights |= of_rows(table("server.md", "Who makes them"))
    keys, claimed = sealing_roles()
    keys -= leases
    if "sealed" in on:
        rights |= keys | claimed
    elif "endpoints" in on:
        rights |= {right for right in keys if right[3] != "create"}
    if "external" in on:
        for row in table("secrets.md", "### What the controller needs"):
            if row[1] == "`leases`" or (row[0] == "`apps`" and "restarts" not in on):
                continue
            rights |= of_rows([row], LOGIN if row[1].startswith("`serviceaccounts") else "")
    return rights


def granted(objects: list[Json]) -> set[Right]:
    """By all roles that are bound to the controller's account."""
    roles = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in objects}
    found: set[Right] = set()
    for one in objects:
        if one["kind"].endswith("Binding") and any(s["name"] == "govgate-controller" for s in one["subjects"]):
            kind, where = one["roleRef"]["kind"], one["metadata"].get("namespace")
            found |= of_role(roles[kind, where, one["roleRef"]["name"]])
    return found


@pytest.mark.parametrize("off", [(), *((name,) for name in ON), ("scan", "certificates"), tuple(ON)], ids="-".join)
def test_rights_are_those_of_what_is_on(off: tuple[str, ...]) -> None:
    """With everything, without one after the other, and with nothing: what the pages list, and no more."""
    on = set(ON) - set(off)
    values = [*ALWAYS, *(ON[name] for name in ON if name in on), *(OFF[name] for name in off)]
    objects = rendered(*(part for value in values for part in ("--set", value)))
    wanted = documented(on)
    found = granted(objects)
    assert (found - wanted, wanted - found) == (set(), set())
    assert bool(found) == bool(on - {"reports", "gatekeeper", "restarts"})


def test_every_loop_is_among_them() -> None:
    """A loop that is new has to be told of here: what it may, and that it may nothing when it is off."""
    assert {maker.__name__ for maker in MAKERS} == {
        "certificates_loop", "scan_loop", "sealed_loop", "endpoints_loop", "external_loop", "cluster_external_loop",
        "cluster_push_loop",
    }  # fmt: skip


def test_a_scan_without_rules_reads_nothing() -> None:
    """No rules, no scan: so no rights either; a remote OPA's decisions are rules."""
    nothing = granted(rendered("--set-json", "config.policy.sources=[]"))
    assert {right[1] for right in nothing} == {"", "coordination.k8s.io", "admissionregistration.k8s.io"}
    asked = '{"url": "http://127.0.0.1:8181", "decisions": [{"path": "a/deny", "name": "a"}]}'
    found = granted(rendered("--set-json", "config.policy.sources=[]", "--set-json", f"config.policy.opa={asked}"))
    assert found > nothing


def test_keys_elsewhere_are_read_there() -> None:
    """Where `keyNamespace` says, once `rbac.secrets.write` allows it; nothing else is written there."""
    options = (
        "config.controller.sealed.keyNamespace=kube-system",
        f"config.controller.sealed.namespaces={{{CLAIMED}}}",
        f"rbac.secrets.write={{{CLAIMED},kube-system}}",
    )
    found = granted(rendered(*(part for option in options for part in ("--set", option))))
    there = {(g, r, v) for where, g, r, v in found if where == "kube-system"}
    assert there == {("", "secrets", verb) for verb in ("list", "watch", "create")}


def test_named_secrets_are_for_who_uses_them() -> None:
    """A controller that neither scans nor reads stores gets at none."""
    named = '[{"namespace": "web", "names": ["pull"]}]'
    options = ("--set-json", f"rbac.secrets.read={named}")
    assert ("web", "", "secrets", "get") in granted(rendered(*options))
    assert ("web", "", "secrets", "get") not in granted(
        rendered(*options, "--set", "config.controller.scan.enabled=false")
    )


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        ((), {"Secret"}),
        (
            ("--set", "rbac.extraControllerRules[0].resources={pods},rbac.extraControllerRules[0].verbs={get}"),
            {"Secret"},
        ),
        (
            ("--set", "rbac.extraControllerRules[0].resources={secrets},rbac.extraControllerRules[0].verbs={list}"),
            set(),
        ),
        (("--set", "config.controller.external.enabled=true"), set()),
        (("--set", "config.controller.scan.enabled=false"), set()),
    ],
)
def test_what_may_not_be_listed_is_not_scanned(options: tuple[str, ...], left_out: set[str]) -> None:
    """Secrets, as long as no rule gives the right: else no scan would ever be complete."""
    assert set(scanned(*options).exclude) == set(Scan().exclude) | left_out


def test_what_is_excluded_is_for_the_user_to_say() -> None:
    """A list of one's own is taken as it is."""
    assert scanned("--set", "config.controller.scan.exclude={apps/*}").exclude == ("apps/*",)


def scanned(*options: str) -> Scan:
    text = of_kind(rendered(*options), "ConfigMap", "govgate")["data"]["config.yaml"]
    return parse_config(text.encode(), source="config.yaml").controller.scan
