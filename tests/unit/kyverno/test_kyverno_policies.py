"""What Kyverno's documents state: rules and their ids, actions, needs, and what is not judged."""

from __future__ import annotations

import pytest
from support.kyverno import asked, classic, pod, policies, validating

from policies.engine import RulesError
from policies.kyverno.kinds import guessed_plural, rule_kinds
from policies.kyverno.needs import beyond, needs_of
from policies.kyverno.policy import KyvernoRule

RULE = "- name: r\n  match: {any: [{resources: {kinds: [Pod]}}]}\n  validate: {message: m, deny: {}}\n"
CEL = 'validations:\n- {expression: "true"}\n'


def only(text: str) -> KyvernoRule:
    (rule,) = policies(text).rules
    return rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (classic(RULE), "kyverno/p/r"),
        (classic(RULE.replace("name: r", "name: check for labels")), "kyverno/p/check-for-labels"),
        (classic(RULE, kind="Policy", metadata="namespace: web"), "kyverno/web/p/r"),
        (classic(RULE, kind="Policy"), "kyverno/default/p/r"),
        (validating(CEL), "kyverno/v/validation"),
        (validating(CEL, kind="NamespacedValidatingPolicy", metadata="namespace: web"), "kyverno/web/v/validation"),
    ],
)
def test_ids_are_of_policy_and_rule(text: str, rule: str) -> None:
    """With the namespace of a namespaced policy, and without characters that waivers cannot name."""
    assert only(text).info.id == rule


OVERRIDE = "validationFailureActionOverrides:\n- {action: Enforce, namespaces: [prod-*]}\n"
SELECTED = "validationFailureActionOverrides:\n- {action: Enforce, namespaceSelector: {matchLabels: {env: prod}}}\n"


@pytest.mark.parametrize(
    ("text", "namespace", "labels", "action"),
    [
        (classic(RULE), "web", {}, "audit"),
        (classic(RULE, spec="validationFailureAction: Enforce"), "web", {}, "deny"),
        (classic(RULE, spec="validationFailureAction: enforce"), "web", {}, "deny"),
        (classic(RULE, spec="emitWarning: true"), "web", {}, "warn"),
        (classic(RULE, spec="validationFailureAction: Enforce\nadmission: false"), "web", {}, "audit"),
        (classic(RULE.replace("{message", "{failureAction: Enforce, message")), "web", {}, "deny"),
        (
            classic(RULE.replace("{message", "{failureAction: Audit, message"), spec="validationFailureAction: Enforce"),
            "web", {}, "audit",
        ),
        (classic(RULE, spec=OVERRIDE), "prod-1", {}, "deny"),
        (classic(RULE, spec=OVERRIDE), "web", {}, "audit"),
        (classic(RULE.replace("{message", "{failureAction: Audit, message"), spec=OVERRIDE), "prod-1", {}, "audit"),
        (classic(RULE, spec=SELECTED), "web", {"env": "prod"}, "deny"),
        (classic(RULE, spec=SELECTED), "web", {"env": "lab"}, "audit"),
        (
            classic(
                RULE.replace(
                    "{message", "{failureActionOverrides: [{action: Audit, namespaces: [web]}], message"
                ),
                spec="validationFailureAction: Enforce",
            ),
            "web", {}, "audit",
        ),
        (validating(CEL), "web", {}, "deny"),
        (validating(CEL + "validationActions: [Audit]"), "web", {}, "audit"),
        (validating(CEL + "validationActions: [Warn, Audit]"), "web", {}, "warn"),
        (validating(CEL + "validationActions: [Deny, Audit]"), "web", {}, "deny"),
        (validating(CEL + "evaluation: {admission: {enabled: false}}"), "web", {}, "audit"),
    ],
)  # fmt: skip
def test_the_action_is_the_policys_there(text: str, namespace: str, labels: dict, action: str) -> None:
    """The rule's own comes before the policy's, overrides before what they override."""
    assert only(text).failing.action(namespace, labels).value == action


@pytest.mark.parametrize(("stated", "severity"), [("critical", "critical"), ("info", "info"), ("odd", "medium")])
def test_the_severity_is_the_annotations(stated: str, severity: str) -> None:
    """Medium, if it says nothing that is known."""
    metadata = f"annotations: {{policies.kyverno.io/severity: {stated}}}"
    assert only(classic(RULE, metadata=metadata)).info.severity.value == severity


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (classic("- name: m\n  mutate: {}\n"), "a.yaml:1: ClusterPolicy p is not judged: it validates nothing"),
        (classic(RULE + "- name: m\n  mutate: {}\n"), "rules that do not validate are not judged: m"),
        (validating("evaluation: {mode: Envoy}"), "ValidatingPolicy v is not judged: it is about Envoy"),
        (classic(RULE + "- name: i\n  verifyImages: [{}]\n"), "asks a registry (verifyImages)"),
        (
            "apiVersion: policies.kyverno.io/v1\nkind: ImageValidatingPolicy\nmetadata: {name: i}\nspec: {}\n",
            "ImageValidatingPolicy i is not judged",
        ),
        (
            "apiVersion: kyverno.io/v2\nkind: GlobalContextEntry\nmetadata: {name: g}\nspec: {}\n",
            "GlobalContextEntry g is not judged",
        ),
    ],
)
def test_what_is_not_judged_is_named(text: str, note: str) -> None:
    """Once, with its file and why."""
    (said,) = policies(text).notes
    assert note in said


def test_a_policy_that_asks_outside_is_withheld_with_all_its_rules() -> None:
    """Kyverno is not given it, and each of its rules is undecided."""
    context = RULE.replace("name: r", "name: o").replace(
        "  validate", "  context: [{name: c, configMap: {name: n}}]\n  validate"
    )
    (policy,) = policies(classic(RULE + context)).policies
    assert policy.withheld
    assert [rule.unjudged for rule in policy.rules] == ["reads a ConfigMap of the cluster"] * 2


@pytest.mark.parametrize(
    ("part", "needs", "outside"),
    [
        ({"a": "c.image.startsWith('a')"}, (), False),
        ({"a": "image.GetMetadata(object.a)"}, (), True),
        ({"a": "resource.Get('v1', 'pods', 'a', 'b')"}, (), True),
        ({"a": "object.resource.Get(1)"}, (), False),
        ({"a": "globalContext.Get('a', 'b')"}, (), True),
        ({"a": "http.Get('https://a')"}, (), True),
        ({"a": "authorizer.group('').check('get')"}, (), True),
        ({"a": "{{ request.roles }}"}, (), True),
        ({"roles": ["a"]}, (), True),
        ({"subjects": [{"kind": "User"}]}, ("user",), False),
        ({"a": "{{ serviceAccountName }}"}, ("user",), False),
        ({"a": "{{ request.object.spec.serviceAccountName }}"}, (), False),
        ({"a": ["request.userInfo.username"]}, ("user",), False),
        ({"namespaceSelector": {"matchLabels": {"a": "b"}}}, ("namespace",), False),
        ({"namespaceSelector": {}}, (), False),
        ({"a": "namespaceObject.metadata.name"}, ("namespace",), False),
        ({"a": "{{ request.operation }}"}, ("operation",), False),
        ({"a": "oldObject.spec.a"}, ("operation",), False),
        ({"pattern": {"spec": {"volumes": [{"configMap": {"name": "a"}}], "namespaceSelector": {"a": 1}}}}, (), False),
        (
            {"anyPattern": [{"roles": ["a"], "operations": ["UPDATE"], "a": "{{ request.operation }}"}]},
            ("operation",),
            False,
        ),
        ({"operations": ["UPDATE"]}, ("operation",), False),
        ({"operations": ["CREATE", "UPDATE"]}, (), False),
    ],
)
def test_what_a_rule_must_know_shows_in_it(part: dict, needs: tuple[str, ...], outside: bool) -> None:
    """By what it names: context, variables, library functions, selectors."""
    assert (needs_of(part), bool(beyond(part))) == (needs, outside)


@pytest.mark.parametrize(
    ("match", "kinds"),
    [
        ({"any": [{"resources": {"kinds": ["apps/v1/Deployment", "v1/Service"]}}]}, ("Deployment", "Service")),
        ({"all": [{"resources": {"kinds": ["*/*"]}}]}, ("*",)),
        ({"resources": {"kinds": ["Deployment/scale"]}}, ("Deployment",)),
        ({"any": [{"subjects": [{"kind": "User"}]}]}, ("*",)),
        ({"any": [{"resources": {"kinds": ["Config*"]}}]}, ("Config*",)),
        (None, ("*",)),
    ],
)
def test_kinds_are_never_fewer_than_a_rule_matches(match: object, kinds: tuple[str, ...]) -> None:
    """Selectors with group, version, subresource or globs; what is not understood is every kind."""
    assert rule_kinds({"match": match}) == kinds


def test_pods_stand_for_their_controllers() -> None:
    """A rule about Pods concerns what Kyverno extends it to."""
    (policy,) = policies(classic(RULE)).policies
    deployment = pod() | {"apiVersion": "apps/v1", "kind": "Deployment"}
    assert policy.concerned(asked(deployment).subject)
    assert not policy.concerned(asked(pod() | {"kind": "Service"}).subject)


def test_a_plural_that_kyverno_guesses_wrongly_is_seen() -> None:
    """A policy about gateways is undecided about a Gateway: the command line looks for gatewaies."""
    match = (
        "matchConstraints: {resourceRules: [{apiGroups: [gateway.networking.k8s.io], apiVersions: [v1],"
        " operations: [CREATE], resources: [gateways]}]}\n"
    )
    (policy,) = policies(validating(match + CEL)).policies
    gateway = asked(
        {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "g"}}
    ).subject
    (rule,) = policy.concerned(gateway)
    assert "gatewaies" in policy.unseen(rule, gateway)
    assert [guessed_plural(kind) for kind in ("Ingress", "NetworkPolicy", "Endpoints", "Pod")] == [
        "ingresses", "networkpolicies", "endpoints", "pods",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (("apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nspec: {}\n",), "a.yaml:1:1: this is no ClusterPolicy"),
        ((classic("- 5\n"),), "a.yaml:1:1: this is no ClusterPolicy"),
        ((classic(RULE), classic(RULE)), "b.yaml:1:1: the name p is that of a.yaml:1 too"),
        ((classic(RULE, name="govgate-witness"),), "is govgate's own"),
    ],
    ids=["no name", "no rule", "twice", "ours"],
)
def test_what_is_no_policy_is_an_error_with_its_place(texts: tuple[str, ...], why: str) -> None:
    """File and line are named."""
    with pytest.raises(RulesError, match=why):
        policies(*texts)
