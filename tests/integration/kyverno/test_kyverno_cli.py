"""Policies of every kind, judged by the real command line of Kyverno."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.kyverno import asked, classic, pod, policies, program, validating
from support.tools import tool

from gateway.config.policy import KyvernoCommand
from policies.engine import RulesError
from policies.kyverno.judging import Kyverno
from policies.kyverno.loading import load_kyverno
from policies.rule import Asked
from policies.ruleset import Outcome

pytestmark = pytest.mark.servers

TEAM = """
- name: check-team
  match: {any: [{resources: {kinds: [Pod]}}]}
  validate: {message: team is required, pattern: {metadata: {labels: {team: "?*"}}}}
"""
NO_LATEST = """
validations:
- {expression: "object.spec.containers.all(c, !c.image.endsWith(':latest'))", message: no latest}
"""
LATEST: list[dict[str, Any]] = [{"name": "c", "image": "registry.example/app:latest"}]


async def loaded(*texts: str) -> Kyverno:
    return await load_kyverno(policies(*texts), KyvernoCommand(command=tool("kyverno")))


async def judged(texts: tuple[str, ...], *many: Asked) -> list[Outcome]:
    return await (await loaded(*texts)).judge_all(many)


def rules(outcome: Outcome) -> list[str]:
    return [finding.rule for finding in outcome.findings]


def doubts(outcome: Outcome) -> dict[str, str]:
    return {one.rule: one.reason for one in outcome.undecided}


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (TEAM.replace("check-team", "r"), pod(), pod(labels={"team": "a"})),
        (
            """
- name: r
  match: {any: [{resources: {kinds: [Pod]}}]}
  validate:
    message: m
    anyPattern: [{metadata: {labels: {team: "?*"}}}, {metadata: {labels: {owner: "?*"}}}]
""",
            pod(),
            pod(labels={"owner": "a"}),
        ),
        (
            """
- name: r
  match: {any: [{resources: {kinds: [Pod]}}]}
  preconditions: {all: [{key: "{{ request.object.metadata.name }}", operator: Equals, value: a}]}
  validate:
    message: m
    deny: {conditions: {any: [{key: "{{ request.object.spec.hostNetwork || `false` }}", operator: Equals, value: true}]}}
""",
            pod(hostNetwork=True),
            pod("b", hostNetwork=True),
        ),
        (
            """
- name: r
  match: {any: [{resources: {kinds: [Pod]}}]}
  validate:
    message: m
    foreach: [{list: request.object.spec.containers, pattern: {image: "!*:latest"}}]
""",
            pod(containers=LATEST),
            pod(),
        ),
        (
            """
- name: r
  match: {any: [{resources: {kinds: [Pod]}}]}
  validate: {podSecurity: {level: baseline, version: latest}}
""",
            pod(hostPID=True),
            pod(),
        ),
        (
            """
- name: r
  match: {any: [{resources: {kinds: [Pod]}}]}
  validate: {cel: {expressions: [{expression: "!has(object.spec.hostPID)", message: m}]}}
""",
            pod(hostPID=True),
            pod(),
        ),
        (
            """
- name: r
  match: {any: [{resources: {kinds: [Pod], namespaceSelector: {matchLabels: {env: prod}}}}]}
  exclude: {any: [{resources: {names: ["b*"]}}]}
  validate: {message: m, deny: {}}
""",
            pod(),
            pod("b"),
        ),
    ],
    ids=["pattern", "anyPattern", "deny", "foreach", "podSecurity", "CEL", "namespaceSelector"],
)
async def test_each_form_of_a_rule_finds_what_it_forbids(rule: str, bad: dict, good: dict) -> None:
    """A ClusterPolicy's rule denies the one object and says nothing about the other, as Pod and in a Deployment."""
    good["metadata"]["name"] = good["metadata"]["name"].replace("a", "good")
    around = {"env": "prod"}
    outcomes = await judged(
        (classic(rule, spec="validationFailureAction: Enforce"),), asked(bad, labels=around), asked(good, labels=around)
    )
    assert {(f.rule, f.action.value) for f in outcomes[0].findings} == {("kyverno/p/r", "deny")}
    assert outcomes[1].findings == ()
    assert outcomes[0].undecided == outcomes[1].undecided == ()


async def test_rules_about_pods_reach_workloads_under_one_id() -> None:
    """What Kyverno extends to controllers has the rule's own id; the field shows where it is."""
    spec = {"template": {"metadata": {}, "spec": {"containers": LATEST}}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "web"},
        "spec": spec,
    }
    cron = {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "d", "namespace": "web"},
        "spec": {"jobTemplate": {"spec": spec}},
    }  # fmt: skip
    texts = (classic(TEAM), validating(NO_LATEST))
    outcomes = await judged(texts, *(asked(item) for item in (pod(containers=LATEST), deployment, cron)))
    for outcome in outcomes:
        assert rules(outcome) == ["kyverno/p/check-team", "kyverno/v/validation"]
    assert [outcome.findings[0].field for outcome in outcomes] == [
        "metadata.labels",
        "spec.template.metadata.labels",
        "spec.jobTemplate.spec.template.metadata.labels",
    ]


async def test_each_result_finds_its_object_among_namesakes() -> None:
    """Objects of one name, in several namespaces, of several kinds, twice, or without a name: none is mistaken."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "web"}}
    nameless = pod(labels={"team": "x"})
    nameless["metadata"].pop("name")
    nameless["metadata"]["generateName"] = "a-"
    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": pod()["spec"]}
    items = [pod(), pod(labels={"team": "x"}), pod(namespace="db", labels={"team": "x"}), pod(namespace="dc"), config]
    items += [nameless, nameless | {"metadata": {"generateName": "b-", "namespace": "web"}}, bare]
    items += [pod(namespace="default", labels={"team": "x"})]
    outcomes = await judged((classic(TEAM),), *map(asked, items))
    assert [len(outcome.findings) for outcome in outcomes] == [1, 0, 0, 1, 0, 0, 1, 1, 0]
    assert not any(outcome.undecided for outcome in outcomes)
    assert outcomes[3].findings[0].resource.namespace == "dc"


async def test_a_namespaced_policy_holds_in_its_namespace() -> None:
    """Objects elsewhere are none of its business, though the command line asks NamespacedValidatingPolicies about them."""
    texts = (
        classic(TEAM, name="np", kind="Policy", metadata="namespace: web"),
        validating(NO_LATEST, name="nv", kind="NamespacedValidatingPolicy", metadata="namespace: web"),
    )
    here, there = await judged(texts, asked(pod(containers=LATEST)), asked(pod(namespace="db", containers=LATEST)))
    assert rules(here) == ["kyverno/web/np/check-team", "kyverno/web/nv/validation"]
    assert there == Outcome()


async def test_an_excepted_finding_is_kept_and_marked() -> None:
    """Exceptions of both groups: the finding is there with their name, and only there where they hold."""
    texts = (
        classic(TEAM),
        validating(NO_LATEST),
        """
apiVersion: kyverno.io/v2
kind: PolicyException
metadata: {name: one, namespace: ops}
spec:
  exceptions: [{policyName: p, ruleNames: [check-team]}]
  match: {any: [{resources: {kinds: [Pod], names: [a]}}]}
---
apiVersion: policies.kyverno.io/v1beta1
kind: PolicyException
metadata: {name: two, namespace: ops}
spec:
  policyRefs: [{name: v, kind: ValidatingPolicy}]
  matchConditions: [{name: c, expression: "object.metadata.name == 'a'"}]
""",
    )
    meets = pod(labels={"team": "x"}, namespace="db")
    excepted, live, fine = await judged(
        texts, asked(pod(containers=LATEST)), asked(pod("b", containers=LATEST)), asked(meets)
    )
    marks = {finding.rule: finding.exception for finding in excepted.findings}
    assert marks == {
        "kyverno/p/check-team": "policyexception/ops/one",
        "kyverno/v/validation": "policyexception/ops/two",
    }
    assert excepted.findings[0].message.startswith("validation error: team is required")
    assert [finding.exception for finding in live.findings] == [None, None]
    assert fine.findings == ()


async def test_one_control_of_pod_security_excepted() -> None:
    """An exception for one control leaves the others in force."""
    level = """
- name: r
  match: {any: [{resources: {kinds: [Pod]}}]}
  validate: {podSecurity: {level: baseline, version: latest}}
"""
    exception = """
apiVersion: kyverno.io/v2
kind: PolicyException
metadata: {name: one, namespace: ops}
spec:
  exceptions: [{policyName: p, ruleNames: [r]}]
  match: {any: [{resources: {kinds: [Pod]}}]}
  podSecurity: [{controlName: Host Namespaces}]
"""
    ports = [{"name": "c", "image": "i", "ports": [{"containerPort": 1, "hostPort": 1}]}]
    excepted, live = await judged(
        (classic(level), exception), asked(pod(hostPID=True)), asked(pod("b", hostPID=True, containers=ports))
    )
    assert [finding.exception for finding in excepted.findings] == ["policyexception/ops/one"]
    assert [finding.exception for finding in live.findings] == [None]
    assert "hostPort" in live.findings[0].message
    assert "hostPID" not in live.findings[0].message


async def test_labels_of_the_namespace_and_the_user_decide() -> None:
    """What is known around a request reaches the policies; where it is not known, they are undecided."""
    selecting = """
- name: r
  match: {any: [{resources: {kinds: [Pod], namespaceSelector: {matchLabels: {env: prod}}}}]}
  validate: {message: m, deny: {}}
"""
    naming = validating("validations:\n- {expression: \"request.userInfo.username == 'ann'\"}\n", name="who")
    about = validating("validations:\n- {expression: \"namespaceObject.metadata.labels.env != 'prod'\"}\n", name="ns")
    texts = (classic(selecting), naming, about)
    outcomes = await judged(
        texts,
        asked(pod(), labels={"env": "prod"}, user="ann"),
        asked(pod("b"), labels={"env": "prod"}, user="bob"),
        asked(pod("c", namespace="lab"), labels={"env": "lab"}, user="ann"),
        asked(pod("d")),
    )
    assert rules(outcomes[0]) == ["kyverno/ns/validation", "kyverno/p/r"]
    assert rules(outcomes[1]) == ["kyverno/ns/validation", "kyverno/p/r", "kyverno/who/validation"]
    assert outcomes[2].findings == outcomes[2].undecided == ()
    assert doubts(outcomes[3]) == {
        "kyverno/p/r": "not known here: namespace",
        "kyverno/who/validation": "not known here: user",
        "kyverno/ns/validation": "not known here: namespace",
    }


async def test_overrides_hold_where_they_say() -> None:
    """validationFailureActionOverrides by namespace, and a rule's own action before them."""
    overrides = """
validationFailureAction: Audit
validationFailureActionOverrides:
- {action: Enforce, namespaces: ["prod-*"]}
"""
    own = TEAM + TEAM.replace("check-team", "own").replace("message:", "failureAction: Enforce, message:")
    inside, outside = await judged(
        (classic(own, spec=overrides),), asked(pod(namespace="prod-1")), asked(pod(namespace="lab"))
    )
    assert [finding.action.value for finding in inside.findings] == ["deny", "deny"]
    assert {finding.rule: finding.action.value for finding in outside.findings} == {
        "kyverno/p/check-team": "audit",
        "kyverno/p/own": "deny",
    }


async def test_an_error_of_a_rule_is_undecided() -> None:
    """A variable that does not resolve, an expression that fails: neither a pass nor a finding."""
    rule = """
- name: r
  match: {any: [{resources: {kinds: [Pod]}}]}
  validate:
    message: m
    deny: {conditions: {any: [{key: "{{ request.object.spec.nope.more }}", operator: Equals, value: a}]}}
"""
    failing = validating('validations:\n- {expression: "object.spec.nope.more == 1"}\n')
    (outcome,) = await judged((classic(rule), failing), asked(pod()))
    assert outcome.findings == ()
    assert set(doubts(outcome)) == {"kyverno/p/r", "kyverno/v/validation"}
    assert "request.object.spec.nope.more" in doubts(outcome)["kyverno/p/r"]


async def test_what_asks_the_cluster_is_undecided_and_not_asked() -> None:
    """A rule with apiCall is undecided about Pods and workloads, and says nothing about others."""
    rule = """
- name: r
  match: {any: [{resources: {kinds: [Pod]}}]}
  context: [{name: n, apiCall: {urlPath: /api/v1/namespaces}}]
  validate: {message: m, deny: {}}
"""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "web"}}
    outcomes = await judged((classic(rule),), asked(pod()), asked(config))
    assert doubts(outcomes[0]) == {"kyverno/p/r": "Kyverno asks the cluster (apiCall)"}
    assert outcomes[1] == Outcome()


async def test_one_unreadable_object_costs_no_other_its_verdict() -> None:
    """An object that fails the whole call is found, and alone undecided."""
    broken = {"apiVersion": "", "kind": "Pod", "metadata": {"name": "z", "namespace": "web"}}
    many = [asked(pod(f"p{index}")) for index in range(5)]
    outcomes = await judged((classic(TEAM),), *many[:2], asked(broken), *many[2:])
    assert [len(outcome.findings) for outcome in outcomes] == [1, 1, 0, 1, 1, 1]
    assert [len(outcome.undecided) for outcome in outcomes] == [0, 0, 1, 0, 0, 0]
    assert "apiVersion" in outcomes[2].undecided[0].reason


async def test_text_that_yaml_would_change_arrives_as_it_is() -> None:
    """Control characters, line separators and signs beyond the basic plane do not fail, or alter, an object."""
    odd = "a\x7f\x85\u2028\u2029\ufeff\U0001f600 \t\n---\nb"
    rule = f"""
validations:
- {{expression: "size(object.metadata.annotations['odd']) == {len(odd)}", message: changed}}
"""
    item = pod()
    item["metadata"]["annotations"] = {"odd": odd}
    (outcome,) = await judged((validating(rule),), asked(item))
    assert outcome.findings == outcome.undecided == ()


async def test_nothing_of_a_secret_is_told() -> None:
    """A message that quotes a Secret, and an error about one, are withheld."""
    quoting = """
- name: quotes
  match: {any: [{resources: {kinds: [Secret]}}]}
  validate: {message: "{{ request.object.data.password }}", deny: {}}
- name: plain
  match: {any: [{resources: {kinds: [Secret]}}]}
  validate: {message: no Secrets here, deny: {}}
- name: fails
  match: {any: [{resources: {kinds: [Secret]}}]}
  validate:
    message: m
    deny: {conditions: {any: [{key: "{{ to_number(request.object.data.password) }}", operator: Equals, value: 1}]}}
"""
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "web"},
        "data": {"password": "aHVudGVyMg=="},
    }  # fmt: skip
    (outcome,) = await judged((classic(quoting),), asked(secret))
    told = repr(outcome)
    assert {f.rule: f.message for f in outcome.findings}["kyverno/p/plain"] == "no Secrets here"
    assert "kyverno/p/quotes" in rules(outcome)
    assert "aHVudGVyMg" not in told


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (classic(TEAM.replace('"?*"', '"{{ request.object.x. }}"')), "JMESPath"),
        (classic(TEAM, spec="bogus: 1"), "bogus"),
        (validating('validations:\n- {expression: "object.spec.("}\n'), "Syntax error"),
        (classic(TEAM).replace("kyverno.io/v1", "kyverno.io/v9"), "v9"),
        ("apiVersion: kyverno.io/v2\nkind: PolicyException\nmetadata: {name: e}\nspec: {bogus: 1}\n", "bogus"),
    ],
    ids=["variable", "field", "CEL", "version", "exception"],
)
async def test_a_policy_that_kyverno_does_not_take_is_an_error(text: str, why: str) -> None:
    """Nothing is loaded; the message names the file, and what Kyverno says, which it may say to nobody by itself."""
    with pytest.raises(RulesError, match=why) as caught:
        await loaded(classic(TEAM, name="good"), text)
    assert str(caught.value).startswith(("b.yaml:1:1: Kyverno does not take", "Kyverno does not take"))


async def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders of the calls are gone, and KUBECONFIG of the caller is not used."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    path = program(tmp_path, f'pwd >> {tmp_path}/where; exec {tool("kyverno")} "$@"')
    kyverno = await load_kyverno(policies(classic(TEAM)), KyvernoCommand(command=path))
    (outcome,) = await kyverno.judge_all([asked(pod())])
    assert rules(outcome) == ["kyverno/p/check-team"]
    folders = (tmp_path / "where").read_text().split()
    assert len(folders) == 2
    assert not any(Path(folder).exists() for folder in folders)  # noqa: ASYNC240 - a test
