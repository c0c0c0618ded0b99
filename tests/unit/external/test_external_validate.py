"""What is refused before anything is read: the rules of ESO's webhook, each with the one change that breaks it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.external import external_secret

from gateway.core.finding import Action, Resource
from gateway_secrets.external.allowed import ANNOTATION
from gateway_secrets.external.findings import findings_of
from gateway_secrets.external.validate import faults

WORDS = (
    "data", "dataFrom", "target", "template", "secretKey", "remoteRef", "key", "extract", "find", "sourceRef", "storeRef",
    "name", "annotations", "provider", "conditions", "refreshInterval", "rewrite", "metadata", "secretStoreRef",
)  # fmt: skip
ENTRY = {"secretKey": "a", "remoteRef": {"key": "k"}}
ACCOUNT = {"type": "kubernetes.io/service-account-token"}


def rules(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one.rule, one.field) for one in faults(document)]


def test_one_that_reads_a_key_is_right() -> None:
    """And so is one that says everything that may be said."""
    whole = external_secret(
        refreshInterval="1h30m",
        refreshPolicy="Periodic",
        target={
            "name": "other",
            "creationPolicy": "Owner",
            "deletionPolicy": "Retain",
            "immutable": True,
            "template": {
                "type": "Opaque",
                "engineVersion": "v2",
                "mergePolicy": "Merge",
                "metadata": {"labels": {"a": "b"}, "annotations": None},
                "data": {"a": "a"},
                "templateFrom": [
                    {"literal": "a: b", "target": "data"},
                    {"configMap": {"name": "t", "items": [{"key": "k", "templateAs": "KeysAndValues"}]}},
                ],
            },
        },
        data=[{**ENTRY, "sourceRef": {"storeRef": {"name": "b", "kind": "ClusterSecretStore"}}}],
        dataFrom=[
            {"extract": {"key": "a", "nullBytePolicy": "Fail"}, "rewrite": [{"merge": {"into": "x"}}]},
            {"find": {"path": "p", "tags": {"a": "b"}}},
            {"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}},
        ],
    )
    assert rules(external_secret()) == rules(whole) == []


@pytest.mark.parametrize(
    ("spec", "rule", "field"),
    [
        ({"data": []}, "no-source", "spec"),
        ({"target": {"deletionPolicy": "Delete", "creationPolicy": "Merge"}}, "policies", "spec.target.deletionPolicy"),
        ({"target": {"deletionPolicy": "Delete", "creationPolicy": "None"}}, "policies", "spec.target.deletionPolicy"),
        (
            {"target": {"deletionPolicy": "Delete", "creationPolicy": "CreateOrMerge"}},
            "policies",
            "spec.target.deletionPolicy",
        ),
        ({"target": {"deletionPolicy": "Merge", "creationPolicy": "None"}}, "policies", "spec.target.deletionPolicy"),
        ({"target": {"manifest": {"kind": "ConfigMap"}}}, "unsupported", "spec.target.manifest"),
        ({"target": {"name": "No Name"}}, "malformed", "spec.target.name"),
        ({"target": {"creationPolicy": "Mine"}}, "malformed", "spec.target.creationPolicy"),
        (
            {
                "target": {
                    "template": ACCOUNT | {"metadata": {"annotations": {"kubernetes.io/service-account.name": "a"}}}
                }
            },
            "privileged-template",
            "spec.target.template.metadata.annotations",
        ),
        (
            {"target": {"template": ACCOUNT | {"templateFrom": [{"literal": "a", "target": "Annotations"}]}}},
            "privileged-template",
            "spec.target.template.templateFrom[0]",
        ),
        (
            {"target": {"template": {"type": "bootstrap.kubernetes.io/token"}}},
            "privileged-template",
            "spec.target.template.type",
        ),
        (
            {"target": {"template": {"templateFrom": [{"literal": "a", "target": "metadata.ownerReferences"}]}}},
            "template-target",
            "spec.target.template.templateFrom[0].target",
        ),
        (
            {"target": {"template": {"templateFrom": [{"target": "Data"}]}}},
            "template-source",
            "spec.target.template.templateFrom[0]",
        ),
        ({"data": [ENTRY, ENTRY]}, "duplicate-key", "spec.data[1].secretKey"),
        ({"data": [ENTRY | {"secretKey": "a b"}]}, "malformed", "spec.data[0].secretKey"),
        ({"data": [ENTRY | {"secretKey": "..a"}]}, "malformed", "spec.data[0].secretKey"),
        ({"data": [{"secretKey": "a"}]}, "malformed", "spec.data[0]"),
        (
            {"data": [ENTRY | {"sourceRef": {"generatorRef": {"kind": "UUID", "name": "u"}}}]},
            "one-source",
            "spec.data[0].sourceRef",
        ),
        ({"dataFrom": [{"extract": {"key": "a"}, "find": {"path": "p"}}]}, "one-source", "spec.dataFrom[0]"),
        (
            {"dataFrom": [{"find": {"path": "p"}, "sourceRef": {"generatorRef": {"kind": "UUID", "name": "u"}}}]},
            "one-source",
            "spec.dataFrom[0]",
        ),
        ({"dataFrom": [{}]}, "one-source", "spec.dataFrom[0]"),
        ({"dataFrom": [{"extract": {"key": "a"}, "sourceRef": {}}]}, "one-source", "spec.dataFrom[0].sourceRef"),
        ({"dataFrom": [{"extract": {"key": "a"}, "rewrite": [{}]}]}, "rewrite", "spec.dataFrom[0].rewrite[0]"),
        (
            {"dataFrom": [{"extract": {"key": "a"}, "rewrite": [{"merge": {"strategy": "JSON"}}]}]},
            "rewrite",
            "spec.dataFrom[0].rewrite[0].merge.into",
        ),
        ({"refreshInterval": "hourly"}, "malformed", "spec.refreshInterval"),
        ({"secretStoreRef": {}}, "no-store", "spec.secretStoreRef"),
        ({"secretStoreRef": {"name": "a/b"}}, "malformed", "spec.secretStoreRef.name"),
        ({"syncWindows": {}}, "unsupported", "spec.syncWindows"),
    ],
)
def test_what_is_refused(spec: dict[str, Any], rule: str, field: str) -> None:
    """And nothing else about it is."""
    assert rules(external_secret(**spec)) == [(rule, field)]


def test_a_key_that_is_there_twice_where_the_last_one_wins() -> None:
    """ESO lets it pass there: it warns."""
    document = external_secret(data=[ENTRY, ENTRY], target={"deletionPolicy": "Delete"})
    assert [one.action for one in faults(document)] == [Action.WARN]


@pytest.mark.native
def test_patterns_are_those_of_go() -> None:
    """Of searches, of rewrites, and of a store's namespaces."""
    document = external_secret(
        dataFrom=[{"find": {"name": {"regexp": "(?=a)"}}, "rewrite": [{"regexp": {"source": "(", "target": ""}}]}]
    )
    assert [rule for rule, _ in rules(document)] == ["pattern", "pattern"]
    assert rules(store(conditions=[{"namespaceRegexes": ["ok", r"\1"]}])) == [
        ("pattern", "spec.conditions[0].namespaceRegexes[1]")
    ]


@pytest.mark.native
def test_templates_are_those_of_go() -> None:
    """Wherever they may stand; text without actions is none."""
    broken = {"a": "{{ .a"}
    template = {
        "data": broken | {"ok": "{{ .a | b64enc }}", "plain": "}}"},
        "metadata": {"labels": broken, "annotations": {"b": "{{ env }}"}},
        "templateFrom": [{"literal": "{{ end }}"}],
    }
    rewrite = [{"transform": {"template": "{{ .value | nosuch }}"}}]
    document = external_secret(target={"template": template}, dataFrom=[{"extract": {"key": "a"}, "rewrite": rewrite}])
    assert [field for rule, field in rules(document) if rule == "template"] == [
        "spec.target.template.data[a]",
        "spec.target.template.metadata.labels[a]",
        "spec.target.template.metadata.annotations[b]",
        "spec.target.template.templateFrom[0].literal",
        "spec.dataFrom[0].rewrite[0].transform.template",
    ]


def store(*, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": "vault", "annotations": annotations},
        "spec": {"provider": {"vault": {}}, **spec},
    }


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (store(provider={}), "spec.provider"),
        (store(provider={"vault": {}, "aws": {}}), "spec.provider"),
        (store(provider={"bogus": {}}, controller="govgate"), "spec.provider.bogus"),
        (store(provider={"file": {}}, controller="govgate"), "spec.provider.file"),
        (store(annotations={ANNOTATION: "[{}]"}), f"metadata.annotations[{ANNOTATION}]"),
        (store(annotations={ANNOTATION: '[{"namespaces":["a"],"keys":[]}]'}), f"metadata.annotations[{ANNOTATION}]"),
    ],
)
def test_stores_that_are_refused(document: dict[str, Any], field: str) -> None:
    """A file of the controller's own machine, too."""
    assert [one.field for one in faults(document)] == [field]


def test_another_controllers_store_may_have_a_provider_that_is_unknown_here() -> None:
    """It is not for govgate to say what others know."""
    assert faults(store(provider={"onepassword": {}})) == []


def test_other_objects_are_none_of_its_business() -> None:
    """Of another group, version or kind."""
    broken = external_secret(data=[])
    assert faults(broken | {"apiVersion": "external-secrets.io/v1beta1"}) == []
    assert faults(broken | {"kind": "PushSecret"}) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(["ExternalSecret", "SecretStore", "ClusterSecretStore"]), JSON, JSON)
def test_odd_objects_raise_nothing(kind: str, metadata: Any, spec: Any) -> None:
    """Whatever is in them: it is said what is wrong, or nothing is."""
    document = {"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": metadata, "spec": spec}
    assert all(one.rule and one.field and one.message and one.remedy for one in faults(document))


def test_a_finding_is_the_same_wherever_it_is_found() -> None:
    """Its id is that of its rule, object and field; what it does at most is for the configuration to say."""
    about = Resource("external-secrets.io/v1", "ExternalSecret", "web", "db")
    (finding,) = findings_of(external_secret(data=[]), about, Action.WARN)
    assert (finding.rule, finding.action, finding.guard) == ("external-secrets/no-source", Action.WARN, "secrets")
    assert findings_of(external_secret(data=[]), about, Action.DENY)[0].id == finding.id
