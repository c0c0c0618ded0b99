"""The registration against deadlock; others' webhooks; and what a configuration would have printed."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from gateway.config.model import Config, Server
from gateway.core.finding import Action, Finding
from gateway.core.limits import Limits
from gateway.doctor.drivers import writable
from gateway.doctor.rbac import Grant, Rule, Subject
from gateway.doctor.registrations import KIND, RECOVERY, Site, check_others, check_registration
from gateway.doctor.wanted import as_printed, default_settings, names_of_webhooks
from gateway.server.registered import differences
from gateway.server.registration import Target, registration

Json = dict[str, Any]
OWN = "govgate-system"
SERVICE = (OWN, "govgate")
SITE = Site(OWN, {OWN: {"kubernetes.io/metadata.name": OWN}}, {SERVICE: 3})
WANTED = registration(Config(), Target())


def there(**changed: Any) -> Json:
    found = copy.deepcopy(WANTED)
    found["webhooks"][0] |= changed
    return found


def told(held: Json | None, site: Site = SITE, config: Config | None = None) -> dict[str, Any]:
    results = check_registration("govgate", held, held or WANTED, config or Config(), site)
    return {one.rule.removeprefix("doctor/"): one for one in results}


def test_the_one_that_is_printed_is_without_fault():
    """With three replicas."""
    assert told(there()) == {}


def test_none_is_told_of():
    """Nothing else can be said then."""
    assert set(told(None)) == {"registration-missing"}


def test_what_differs_is_told_of():
    """By its path."""
    (one,) = check_registration("govgate", there(timeoutSeconds=3), WANTED, Config(), SITE)
    assert isinstance(one, Finding)
    assert one.rule == "doctor/registration-changed"
    assert "timeoutSeconds" in one.message


@pytest.mark.parametrize("selector", [{}, {"matchLabels": {"kubernetes.io/metadata.name": OWN}}])
def test_the_own_namespace_must_not_be_asked_about(selector):
    """With failurePolicy Fail; with Ignore it locks nobody up."""
    assert told(there(namespaceSelector=selector))["registration-own-namespace"].action is Action.DENY
    assert told(there(namespaceSelector=selector, failurePolicy="Ignore")) == {}


def test_labels_of_the_namespace_count():
    """A selector by another label excludes it if it has that."""
    selector = {"matchExpressions": [{"key": "govgate.dev/own", "operator": "DoesNotExist"}]}
    labelled = msgspec.structs.replace(SITE, labels={OWN: {"govgate.dev/own": ""}})
    assert told(there(namespaceSelector=selector), labelled) == {}
    assert set(told(there(namespaceSelector=selector))) == {"registration-own-namespace"}


@pytest.mark.parametrize("one", RECOVERY, ids=lambda one: one.what)
def test_what_a_cluster_recovers_by_must_not_be_asked_about(one):
    """Each is named that no condition keeps away, and that there is."""
    site = msgspec.structs.replace(SITE, served=frozenset((f"{one.resource}.{one.group}",)))
    held = there(matchConditions=[c for c in WANTED["webhooks"][0]["matchConditions"] if c["name"] != one.condition])
    found = told(held, site)["registration-recovery"]
    assert one.what in found.message
    assert not [other for other in RECOVERY if other.condition != one.condition and other.what in found.message]


def test_what_the_cluster_does_not_have_is_not_told_of():
    """The objects of a network driver that is not installed; of those that are, each driver once."""
    held = there(
        matchConditions=[c for c in WANTED["webhooks"][0]["matchConditions"] if c["name"] != "not-pod-objects"]
    )
    assert told(held) == {}
    served = frozenset(("ciliumidentities.cilium.io", "ciliumendpoints.cilium.io", "ciliumnetworkpolicies.cilium.io"))
    found = told(held, msgspec.structs.replace(SITE, served=served))
    assert found["registration-recovery"].message.endswith("asks about: identities and addresses of Pods (Cilium)")


def test_groups_that_are_left_out_need_no_other_condition():
    """Those that the registration names, as govgate words it."""
    ours = {"not-pod-objects", "not-driver-objects"}
    plain = [c for c in WANTED["webhooks"][0]["matchConditions"] if c["name"] not in ours]
    served = frozenset(("ciliumidentities.cilium.io", "ips.kubeovn.io"))
    site = msgspec.structs.replace(SITE, served=served)
    left_out = [{"name": "mine", "expression": "!(request.resource.group in ['cilium.io', 'a.example.com'])"}]
    held = there(matchConditions=[*plain, *left_out])
    found = told(held, site)
    assert found["registration-recovery"].message.endswith("asks about: addresses of Pods (Kube-OVN)")


OVN, NODES = "ips.kubeovn.io", "ciliumnodes.cilium.io"


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "written"),
    [
        ("User", "system:serviceaccount:network:ovn", "", {OVN}),
        ("User", "system:serviceaccount:network:cilium", "", {NODES}),
        ("User", "system:serviceaccount:kube-system:anything", "", {OVN, NODES}),
        ("Group", "system:serviceaccounts:kube-system", "", {OVN, NODES}),
        ("User", "system:serviceaccount:network:other", "", set()),
        ("User", "system:serviceaccount:network:ovn", "network", set()),  # they are in no namespace
        ("Group", "system:serviceaccounts:network", "", set()),
        ("User", "ovn", "", set()),
    ],
)
def test_whose_accounts_are_let_through(kind, name, namespace, written):
    """Those that the condition names, where RBAC lets them write what it is about."""
    rule = Rule(("patch",), ("kubeovn.io", "cilium.io"), ("ips", "ciliumnodes"))
    assert writable([Grant(Subject(kind, name), rule, namespace, "", ("", "", ""))]) == written
    reads = Rule(("get", "delete"), ("*",), ("*",))
    assert writable([Grant(Subject(kind, name), reads, namespace, "", ("", "", ""))]) == set()


def test_a_driver_that_is_called_otherwise_is_told_of():
    """With failurePolicy Fail its Pods would wait for govgate; not where its group is left out, nor where RBAC is not known."""
    site = msgspec.structs.replace(SITE, served=frozenset((OVN, NODES)), writable={NODES})
    one = told(there(), site)["registration-recovery"]
    assert "addresses of Pods (Kube-OVN): none of the accounts that are let through may write them" in one.message
    assert one.remedy.endswith(": kubeovn.io")
    assert told(there(failurePolicy="Ignore"), site) == {}
    assert told(there(), msgspec.structs.replace(site, writable={OVN, NODES})) == {}
    assert told(there(), msgspec.structs.replace(site, writable=None)) == {}
    assert told(there(), msgspec.structs.replace(site, served=frozenset((NODES,)))) == {}
    wanted = registration(Config(), Target(), excluded_groups=("kubeovn.io",))
    assert check_registration("govgate", wanted, wanted, Config(), site) == []


def test_what_the_rules_leave_out_needs_no_condition():
    """A webhook that is asked about Deployments alone locks nothing up."""
    rules = [{"apiGroups": ["apps"], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["deployments"]}]
    assert told(there(rules=rules, matchConditions=[])) == {}


def test_a_condition_of_somebody_elses_leaves_it_undecided():
    """CEL is not evaluated here, and nothing is believed of it."""
    found = told(there(matchConditions=[{"name": "mine", "expression": "request.kind.kind == 'X'"}]))
    assert "not govgate's own" in found["registration-recovery"].reason


@pytest.mark.parametrize(
    ("ready", "policy", "action"),
    [
        (2, "Fail", None),
        (1, "Fail", Action.WARN),
        (0, "Fail", Action.DENY),
        (1, "Ignore", None),
        (0, "Ignore", Action.DENY),
    ],
)
def test_how_many_are_ready(ready, policy, action):
    """With Fail two at least; with Ignore one, or nothing is judged."""
    found = told(there(failurePolicy=policy), msgspec.structs.replace(SITE, ready={SERVICE: ready}))
    assert {rule: one.action for rule, one in found.items()} == ({"registration-endpoints": action} if action else {})


def test_endpoints_that_could_not_be_read():
    """Undecided, never taken for ready."""
    found = told(there(), msgspec.structs.replace(SITE, ready={SERVICE: None}))
    assert "could not be read" in found["registration-endpoints"].reason


def test_a_margin_that_is_cut():
    """Half of the time-out at most is kept back."""
    config = Config(server=Server(limits=Limits(deadline_margin_seconds=2.0)))
    assert set(told(there(timeoutSeconds=3), config=config)) == {"registration-timeout"}
    assert told(there(timeoutSeconds=4), config=config) == {}


def other(**changed: Any) -> Json:
    webhook = {
        "name": "w.example.com",
        "clientConfig": {"service": {"name": "w", "namespace": "x"}},
        "rules": [{"apiGroups": [""], "operations": ["CREATE"], "resources": ["pods"]}],
        **changed,
    }
    return {"kind": "MutatingWebhookConfiguration", "metadata": {"name": "other"}, "webhooks": [webhook]}


@pytest.mark.parametrize(
    ("changed", "ready", "rule"),
    [
        ({}, 0, "webhook-blocks-start"),
        ({}, 1, "webhook-before-start"),
        ({}, None, "webhook-before-start"),
        ({"clientConfig": {"url": "https://x/"}}, 0, "webhook-before-start"),
        ({"failurePolicy": "Ignore"}, 0, ""),
        ({"rules": [{"apiGroups": ["apps"], "operations": ["*"], "resources": ["*"]}]}, 0, ""),
        ({"rules": [{"apiGroups": [""], "operations": ["DELETE"], "resources": ["pods"]}]}, 0, ""),
        ({"namespaceSelector": {"matchLabels": {"judge": "yes"}}}, 0, ""),
        ({"objectSelector": {"matchLabels": {"judge": "yes"}}}, 0, ""),
        ({"objectSelector": {"matchLabels": {"app": "govgate"}}}, 0, "webhook-blocks-start"),
    ],
)
def test_webhooks_that_govgates_pods_wait_for(changed, ready, rule):
    """One that nobody answers keeps them from starting; one that answers could."""
    site = msgspec.structs.replace(SITE, ready={("x", "w"): ready}, pods=[{"app": "govgate"}])
    results = check_others([other(**changed), {**WANTED, "kind": KIND}], "govgate", site)
    assert [one.rule for one in results] == ([f"doctor/{rule}"] if rule else [])


@pytest.mark.parametrize(
    "printed",
    [
        registration(Config(), Target(), timeout_seconds=3),
        registration(Config(), Target(url="https://10.0.0.1:8443/v1/validate"), failure_policy="Ignore"),
        registration(
            Config(), Target(service="gg", namespace="other", port=8443), failure_policies={"drift": "Ignore"}
        ),
    ],
)
def test_options_of_the_command_are_no_difference(printed):
    """What was chosen as it was printed is taken from the registration that is there; all else must be as configured."""
    settings = default_settings(Config())
    wanted = as_printed(Config(), settings, printed)
    assert differences(wanted, printed) == []
    assert names_of_webhooks(Config(), settings, printed) == {one["name"] for one in printed["webhooks"]}
    changed = copy.deepcopy(printed)
    changed["webhooks"][0]["rules"].pop()
    assert differences(as_printed(Config(), settings, changed), changed)


def test_an_audit_log_is_read_without_a_registration():
    """Its webhooks are called as they would be."""
    assert names_of_webhooks(Config(), default_settings(Config()), None) == {"validate.govgate.dev"}
