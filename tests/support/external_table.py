"""Manifests that are not right, each with what has to be said of it: in files, at admission, and by the controller."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

Json = dict[str, Any]
GROUP = "external-secrets.io"
ENTRY = {"secretKey": "a", "remoteRef": {"key": "k"}}
PASSWORD = {"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}}
VAULT = {"server": "https://vault.example.com", "auth": {"tokenSecretRef": {"name": "t", "key": "t"}}}


class Row(NamedTuple):
    """``verdict``: ``refused`` everywhere; ``schema``: in files alone, since an API server goes by its own schema; ``warned``."""

    name: str
    kind: str
    spec: Json
    rule: str
    field: str
    verdict: Literal["refused", "schema", "warned"] = "refused"

    def manifest(self, namespace: str, store: str) -> Json:
        """In a namespace, of a store that is govgate's; names of the cluster's objects begin with the namespace."""
        spec: Json = dict(self.spec)
        metadata = {"name": self.name, "namespace": namespace}
        if self.kind == "ExternalSecret":
            spec = _filled(spec, store)
        elif self.kind == "ClusterExternalSecret":
            spec = {"namespaces": [namespace], **spec, "externalSecretSpec": _filled(spec["externalSecretSpec"], store)}
            metadata = {"name": f"{namespace}-{self.name}"}
        elif self.kind == "PushSecret":
            spec = _pushed(spec, store)
        elif self.kind == "ClusterPushSecret":
            here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
            spec = {"namespaceSelectors": [here], **spec, "pushSecretSpec": _pushed(spec["pushSecretSpec"], store)}
            metadata = {"name": f"{namespace}-{self.name}"}
        else:
            spec = {"controller": "govgate", **spec}
        version = "v1alpha1" if self.kind in ("PushSecret", "ClusterPushSecret") else "v1"
        return {"apiVersion": f"{GROUP}/{version}", "kind": self.kind, "metadata": metadata, "spec": spec}


def _pushed(spec: Json, store: str) -> Json:
    return {"secretStoreRefs": [{"name": store}], "selector": {"secret": {"name": "source"}}, **spec}


def _filled(spec: Json, store: str) -> Json:
    whole = {"secretStoreRef": {"name": store}, **spec}
    return whole if {"data", "dataFrom"} & whole.keys() else {**whole, "data": [ENTRY]}


def _external(name: str, rule: str, field: str, verdict: Any = "refused", **spec: Any) -> Row:
    return Row(name, "ExternalSecret", spec, rule, f"spec.{field}" if field else "spec", verdict)


def _store(name: str, field: str, **provider: Any) -> Row:
    return Row(name, "SecretStore", {"provider": provider}, "provider", f"spec.provider.{field}")


def _template(**template: Any) -> Json:
    return {"template": template}


def _labelled(**selector: Any) -> Json:
    return {"selector": {"secret": {"selector": selector}}}


def _made_by(kind: str) -> Json:
    return {"selector": {"generatorRef": {"kind": kind, "name": "g"}}}


TABLE = (
    _external("no-source", "no-source", "", data=[]),
    _external("misspelt", "unknown-field", "refreshIntervall", "schema", refreshIntervall="1h"),
    _external("misspelt-below", "unknown-field", "target.deletionPolcy", "schema", target={"deletionPolcy": "Delete"}),
    _external("misplaced", "unknown-field", "template", "schema", template={}),
    _external("newer", "unknown-field", "novelty", "warned", novelty=1),
    _external("tiny-interval", "refresh-interval", "refreshInterval", "warned", refreshInterval="1ms"),
    _external("no-interval", "malformed", "refreshInterval", refreshInterval="hourly"),
    _external("empty-source", "one-source", "data[0].sourceRef", data=[ENTRY | {"sourceRef": {}}]),
    _external(
        "two-sources",
        "one-source",
        "dataFrom[0].sourceRef",
        dataFrom=[{"sourceRef": PASSWORD["sourceRef"] | {"storeRef": {"name": "x"}}}],
    ),
    _external(
        "other-generator",
        "generator",
        "dataFrom[0].sourceRef.generatorRef",
        dataFrom=[{"sourceRef": {"generatorRef": {"kind": "ECRAuthorizationToken", "name": "ecr"}}}],
    ),
    _external(
        "forgetful", "generator", "target.template", dataFrom=[PASSWORD], target=_template(data={"a": "{{ .password }}"})
    ),
    _external(
        "bad-config-map",
        "malformed",
        "target.template.templateFrom[0].configMap.name",
        target=_template(templateFrom=[{"configMap": {"name": "No Name", "items": []}}]),
    ),
    _external("bad-template", "template", "target.template.data[a]", target=_template(data={"a": "{{ nosuch }}"})),
    _external("finalizer", "malformed", "target.template.metadata.finalizers[0]",
              target=_template(metadata={"finalizers": ["mine"]})),
    _external("another-object", "unsupported", "target.manifest", target={"manifest": {"apiVersion": "v1"}}),
    _external("windows", "unsupported", "syncWindows", syncWindows={"kind": "deny", "windows": []}),
    _external("policies", "policies", "target.deletionPolicy",
              target={"deletionPolicy": "Delete", "creationPolicy": "Merge"}),
    _store("vault-empty", "vault", vault={}),
    _store("vault-gcp", "vault.auth.gcp", vault=VAULT | {"auth": {"gcp": {"role": "x"}}}),
    _store("azure-bogus", "azurekv.bogus", azurekv={"bogus": 1}),
    _store("aws-misspelt", "aws.regoin", aws={"service": "SecretsManager", "regoin": "eu-central-1"}),
    _store("unheard-of", "onepassword", onepassword={}),
    Row("unheeded", "SecretStore", {"provider": {"vault": VAULT}, "retrySettings": {"maxRetries": 3}},
        "unsupported", "spec.retrySettings", "warned"),
    Row("push-nothing", "PushSecret", {"selector": {}}, "push", "spec.selector.secret.name"),
    Row("push-no-labels", "PushSecret", _labelled(), "push", "spec.selector.secret.selector"),
    Row("push-odd-labels", "PushSecret", _labelled(matchExpressions=[{"key": "a", "operator": "In"}]),
        "push", "spec.selector.secret.selector.matchExpressions[0].values"),
    Row("push-both", "PushSecret", {"selector": {"secret": {"name": "source"}, **PASSWORD["sourceRef"]}},
        "push", "spec.selector"),
    Row("push-other-generator", "PushSecret", _made_by("ECRAuthorizationToken"), "generator", "spec.selector.generatorRef"),
    Row("push-leases", "PushSecret", _made_by("VaultDynamicSecret"), "generator", "spec.selector.generatorRef"),
    Row("push-interval", "PushSecret", {"refreshInterval": "soon"}, "malformed", "spec.refreshInterval"),
    Row("cluster-push-bad", "ClusterPushSecret", {"pushSecretSpec": {"selector": {}}},
        "push", "spec.pushSecretSpec.selector.secret.name"),
    Row("cluster-push-time", "ClusterPushSecret", {"pushSecretSpec": {}, "refreshTime": "soon"},
        "malformed", "spec.refreshTime"),
    Row("cluster-bad", "ClusterExternalSecret", {"externalSecretSpec": {"target": {"name": "No Name"}}},
        "malformed", "spec.externalSecretSpec.target.name"),
)  # fmt: skip
