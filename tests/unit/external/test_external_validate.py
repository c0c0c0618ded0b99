"""What is refused before anything is read: the rules of ESO's webhook, each with the one change that breaks it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.external import external_secret

from gateway.core.finding import Action, Resource
from gateway_secrets.external.allowed import ANNOTATION
from gateway_secrets.external.faults import RULES, SCHEMA_RULES, refusal, remarks
from gateway_secrets.external.findings import Heed, findings_of
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
        ({"data": [ENTRY | {"sourceRef": {}}]}, "one-source", "spec.data[0].sourceRef"),
        (
            {"dataFrom": [{"extract": {"key": "a"}, "sourceRef": {"storeRef": {"name": "A"}}}]},
            "malformed",
            "spec.dataFrom[0].sourceRef.storeRef.name",
        ),
        (
            {"target": {"template": {"templateFrom": [{"configMap": {"name": "A b", "items": []}}]}}},
            "malformed",
            "spec.target.template.templateFrom[0].configMap.name",
        ),
        (
            {"target": {"template": {"templateFrom": [{"secret": {"name": "a", "items": [{"key": "a/b"}]}}]}}},
            "malformed",
            "spec.target.template.templateFrom[0].secret.items[0].key",
        ),
        (
            {"target": {"template": {"metadata": {"finalizers": ["example.com/a", "mine"]}}}},
            "malformed",
            "spec.target.template.metadata.finalizers[1]",
        ),
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
    """Of another group, or of a kind that is not known."""
    broken = external_secret(data=[])
    assert faults(broken | {"apiVersion": "external-secrets.example/v1"}) == []
    assert faults(broken | {"kind": "Other"}) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(["ExternalSecret", "SecretStore", "ClusterSecretStore", "PushSecret"]), JSON, JSON)
def test_odd_objects_raise_nothing(kind: str, metadata: Any, spec: Any) -> None:
    """Whatever is in them: it is said what is wrong, or nothing is."""
    version = "v1alpha1" if kind == "PushSecret" else "v1"
    document = {"apiVersion": f"external-secrets.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}
    assert all(one.rule and one.field and one.message and one.remedy for one in faults(document))


def test_a_finding_is_the_same_wherever_it_is_found() -> None:
    """Its id is that of its rule, object and field; what it does at most is for the configuration to say."""
    about = Resource("external-secrets.io/v1", "ExternalSecret", "web", "db")
    (finding,) = findings_of(external_secret(data=[]), about, Heed(Action.WARN))
    assert (finding.rule, finding.action, finding.guard) == ("external-secrets/no-source", Action.WARN, "secrets")
    assert findings_of(external_secret(data=[]), about, Heed())[0].id == finding.id


def test_what_eso_does_is_denied_only_where_govgate_is_to_do_it() -> None:
    """Elsewhere it is warned of: the object may be ESO's, for which it is right. What nobody can do is denied all the same."""
    about = Resource("external-secrets.io/v1", "ExternalSecret", "web", "db")
    document = external_secret(syncWindows={}, target={"deletionPolicy": "Delete", "creationPolicy": "None"})

    def actions(heed: Heed) -> dict[str, Action]:
        return {one.rule.partition("/")[2]: one.action for one in findings_of(document, about, heed)}

    assert actions(Heed()) == {"unsupported": Action.DENY, "policies": Action.DENY}
    assert actions(Heed(resolved=False)) == {"unsupported": Action.WARN, "policies": Action.DENY}
    assert actions(Heed(Action.AUDIT, resolved=False)) == {"unsupported": Action.AUDIT, "policies": Action.AUDIT}


def test_a_misspelt_field_is_named_with_what_was_meant() -> None:
    """And one that is elsewhere, with where that is. Another one may be of a newer version: it is warned of."""
    document = external_secret(
        refreshIntervall="1h",
        target={"deletionPolcy": "Delete", "creation_policy": "Owner"},
        template={"data": {"a": "b"}},
        data=[ENTRY | {"remoteRef": {"key": "k", "properties": "p", "Version": "1"}, "fresh": True}],
        none=None,
    )
    assert {one.field: (one.remedy.partition(",")[0], one.action) for one in faults(document)} == {
        "spec.refreshIntervall": ("write refreshInterval", Action.DENY),
        "spec.target.deletionPolcy": ("write deletionPolicy", Action.DENY),
        "spec.target.creation_policy": ("write creationPolicy", Action.DENY),
        "spec.template": ("put it there", Action.DENY),
        "spec.data[0].remoteRef.properties": ("leave it out", Action.WARN),
        "spec.data[0].remoteRef.Version": ("write version", Action.DENY),
        "spec.data[0].fresh": ("leave it out", Action.WARN),
    }
    cluster = {"namespaceSelectr": {}, "externalSecretSpec": external_secret()["spec"] | {"dataFroms": []}}
    document = {"apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "spec": cluster, "metdata": {}}
    assert [(one.field, one.remedy) for one in faults(document)] == [
        ("metdata", "write metadata"),
        ("spec.namespaceSelectr", "write namespaceSelector"),
        ("spec.externalSecretSpec.dataFroms", "write dataFrom"),
    ]


def test_fields_that_an_api_server_took_are_newer_ones() -> None:
    """By its schema they are right: they are warned of at admission, and the controller works on, and says so."""
    about = Resource("external-secrets.io/v1", "ExternalSecret", "web", "db")
    document = external_secret(dataForm=[])
    (finding,) = findings_of(document, about, Heed(admitted=True))
    assert (finding.rule, finding.action) == ("external-secrets/unknown-field", Action.WARN)
    assert findings_of(document, about, Heed())[0] == msgspec.structs.replace(finding, action=Action.DENY)
    found = faults(document)
    assert refusal(found) == ""
    assert remarks(found) == "spec.dataForm: is no field: dataFrom is meant; write dataFrom"


@pytest.mark.parametrize("kind", ["ExternalSecret", "ClusterExternalSecret", "SecretStore", "ClusterSecretStore"])
@pytest.mark.parametrize("version", ["v1beta1", "v1alpha1", "v2"])
def test_another_version_is_told_which_to_write(kind: str, version: str) -> None:
    """Whatever else is wrong with it."""
    (fault,) = faults({"apiVersion": f"external-secrets.io/{version}", "kind": kind, "spec": {"a": 1}})
    assert (fault.rule, fault.field, fault.action) == ("api-version", "apiVersion", Action.DENY)
    assert fault.message.endswith(": write external-secrets.io/v1")
    assert f"external-secrets.io/{version}" in fault.message


@pytest.mark.parametrize(
    ("interval", "rules"),
    [("1ms", ["refresh-interval"]), ("9.9s", ["refresh-interval"]), ("10s", []), ("0", []), ("-1s", []), ("1h", [])],
)
def test_an_interval_below_the_least_is_warned_of(interval: str, rules: list[str]) -> None:
    """It says which one is taken in its place; 0 is none at all."""
    found = faults(external_secret(refreshInterval=interval))
    assert [one.rule for one in found] == rules
    assert all(one.action is Action.WARN and "10 s" in one.message for one in found)
    assert refusal(found) == ""
    assert faults(external_secret(refreshInterval=interval), least_refresh=0.001) == []


def push(**spec: Any) -> dict[str, Any]:
    whole = {"secretStoreRefs": [{"name": "vault"}], "selector": {"secret": {"name": "db"}}, **spec}
    return {
        "apiVersion": "external-secrets.io/v1alpha1",
        "kind": "PushSecret",
        "metadata": {"name": "out"},
        "spec": whole,
    }


def test_pushes_are_judged_as_they_are_read() -> None:
    """By the function that the controller reads them with; and by the names of their fields."""
    assert faults(push(refreshInterval="1h", data=[{"match": {"remoteRef": {"remoteKey": "a"}}}])) == []
    assert rules(push(selector={})) == [("push", "spec.selector.secret.name")]
    assert rules(push(refreshInterval="1s", updatePolicies="x")) == [
        ("unknown-field", "spec.updatePolicies"),
        ("refresh-interval", "spec.refreshInterval"),
    ]
    assert rules(push(secretStoreRefs="x")) == [("malformed", "spec.secretStoreRefs")]
    whole = {"apiVersion": "external-secrets.io/v1alpha1", "kind": "ClusterPushSecret", "spec": {}}
    assert [(one.rule, one.field) for one in faults(whole)] == [("malformed", "spec")]
    whole["spec"] = {"pushSecretSpec": push()["spec"], "namespaceSelectors": [{}], "refreshTime": "1m"}
    assert faults(whole) == []


def test_generators_that_are_not_run() -> None:
    """And a template that leaves nothing that would remember what one made."""
    other = {"sourceRef": {"generatorRef": {"kind": "ECRAuthorizationToken", "name": "ecr"}}}
    password = {"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}}
    where = "spec.dataFrom[0].sourceRef.generatorRef"
    assert rules(external_secret(dataFrom=[other])) == [("generator", where)]
    document = external_secret(dataFrom=[password], target={"template": {"data": {"a": "b"}}})
    assert rules(document) == [("generator", "spec.target.template")]
    assert faults(document)[0].remedy == "set mergePolicy: Merge"


@pytest.mark.parametrize(
    ("provider", "field"),
    [
        ({"vault": {}}, "spec.provider.vault"),
        ({"vault": {"server": "vault", "auth": {}}}, "spec.provider.vault.server"),
        ({"vault": {"server": "https://v", "auth": {}}}, "spec.provider.vault.auth"),
        ({"vault": {"server": "https://v", "auth": {"gcp": {}}}}, "spec.provider.vault.auth.gcp"),
        ({"vault": {"servr": "https://v"}}, "spec.provider.vault.servr"),
        ({"azurekv": {"bogus": 1}}, "spec.provider.azurekv.bogus"),
        ({"aws": {"service": "S3", "region": "x"}}, "spec.provider.aws.service"),
        ({"gcpsm": {"projectID": "x", "auth": {"secretRef": {}}}}, "spec.provider.gcpsm.auth.secretRef"),
        ({"kubernetes": None}, "spec.provider"),
        ({"kubernetes": {}}, "spec.provider.kubernetes"),
    ],
)
def test_providers_are_judged_as_they_are_opened(provider: dict[str, Any], field: str) -> None:
    """If the store is govgate's: what another controller knows is for it to say."""
    assert rules(store(provider=provider, controller="govgate")) == [("provider", field)]
    assert [one.field for one in faults(store(provider=provider), claimed=True)] == [field]
    assert rules(store(provider=provider)) == (
        [] if provider.get("kubernetes", 1) is not None else [("provider", field)]
    )


def test_what_a_store_says_and_govgate_does_not_heed() -> None:
    """Is warned of, if the store is govgate's: it harms nothing."""
    spec = {"retrySettings": {"maxRetries": 3}, "refreshInterval": 60}
    vault = {"vault": {"server": "https://v", "auth": {"tokenSecretRef": {"name": "t", "key": "t"}}}}
    found = faults(store(provider=vault, controller="govgate", **spec))
    assert [(one.rule, one.field, one.action) for one in found] == [
        ("unsupported", "spec.retrySettings", Action.WARN),
        ("unsupported", "spec.refreshInterval", Action.WARN),
    ]
    assert faults(store(provider=vault, **spec)) == []


def test_every_rule_is_known() -> None:
    """Those of this file's objects, and those that the schema decides."""
    assert RULES.keys() >= SCHEMA_RULES
    assert all(rule.kinds and rule.title for rule in RULES.values())


@pytest.mark.parametrize(
    ("spec", "field", "text"),
    [
        ({}, "", ""),
        ({"resultType": "All"}, ".resultType", "not one of the values"),
        ({"path": "../x"}, ".path", "is no path"),
        ({"provider": {"server": "bao", "auth": {}}}, ".provider.server", "not an http"),
        ({"methd": "GET"}, ".methd", "method is meant"),
        ({"controller": "other", "methd": "GET"}, "", ""),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_generators_of_vaults(spec: dict[str, object], field: str, text: str, wrapped: bool) -> None:
    """Those that are govgate's, also in a ClusterGenerator: by the same decoder that runs them."""
    auth = {"tokenSecretRef": {"name": "token", "key": "t"}}
    whole = {"controller": "govgate", "path": "a/b", "provider": {"server": "https://x", "auth": auth}, **spec}
    kind, stated = "VaultDynamicSecret", whole
    if wrapped:
        kind, stated = "ClusterGenerator", {"kind": kind, "generator": {"vaultDynamicSecretSpec": whole}}
    found = faults({"apiVersion": "generators.external-secrets.io/v1alpha1", "kind": kind, "spec": stated})
    where = "spec.generator.vaultDynamicSecretSpec" if wrapped else "spec"
    assert {one.rule for one in found} == ({"generator"} if text else set())
    assert not text or (found[0].field, text in found[0].message) == (f"{where}{field}", True), found


def test_what_ends_is_not_put_into_a_secret_that_stays_as_it_is() -> None:
    """What Vault makes has to be replaced; a Password lasts."""
    for kind, said in (("VaultDynamicSecret", [("generator", "spec.target.immutable")]), ("Password", [])):
        entry = {"sourceRef": {"generatorRef": {"kind": kind, "name": "x"}}}
        document = external_secret(data=[], dataFrom=[entry], target={"immutable": True})
        assert rules(document) == said
