"""Field by field: each that ESO's types have is heeded, or it is said that it is not; and no other one is known.

The lists are those of ``apis/externalsecrets/v1`` of the External Secrets Operator (its generated apply configurations, the
newest that could be had in November 2026), below ``spec``.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import inspect
from support.external import external_secret

from gateway_secrets.external.cluster import ClusterSpec
from gateway_secrets.external.spec import Spec
from gateway_secrets.external.store import StoreSpec
from gateway_secrets.external.validate import faults

Json = dict[str, Any]
_REF = {"metadataPolicy": "Fetch", "property": "p", "version": "1", "conversionStrategy": "Unicode",
        "decodingStrategy": "Auto", "nullBytePolicy": "Fail"}  # fmt: skip
_ITEM = {"key": "k", "templateAs": "Values"}
_TEMPLATE: Json = {
    "type": "Opaque",
    "engineVersion": "v2",
    "metadata": {"annotations": {"a": "b"}, "labels": {"a": "b"}, "finalizers": ["example.com/a"]},
    "mergePolicy": "Merge",
    "data": {"a": "b"},
    "templateFrom": [
        {"configMap": {"name": "c", "items": [_ITEM]}, "target": "Data", "valuesDecodingStrategy": "Base64"},
        {"secret": {"name": "s", "items": [_ITEM]}, "literal": "a: b"},
    ],
}
_MERGE = {"into": "x", "priority": ["a"], "priorityPolicy": "Strict", "conflictPolicy": "Error", "strategy": "JSON"}
_STORE = {"name": "s", "kind": "SecretStore"}
_EXTERNAL: Json = {
    "secretStoreRef": _STORE,
    "target": {
        "name": "t",
        "creationPolicy": "Owner",
        "deletionPolicy": "Retain",
        "immutable": True,
        "template": _TEMPLATE,
        "manifest": {"apiVersion": "v1", "kind": "ConfigMap"},
    },
    "refreshPolicy": "Periodic",
    "refreshInterval": "1h",
    "syncWindows": {"kind": "deny", "windows": [{"schedule": "* * * * *", "duration": "1h"}]},
    "data": [{"secretKey": "a", "remoteRef": {"key": "k", **_REF}, "sourceRef": {"storeRef": _STORE}}],
    "dataFrom": [
        {
            "extract": {"key": "k", **_REF},
            "rewrite": [
                {"merge": _MERGE},
                {"regexp": {"source": "a", "target": "b"}},
                {"transform": {"template": "{{ .value }}"}},
            ],
            "sourceRef": {"storeRef": _STORE},
        },
        {
            "find": {
                "path": "p",
                "name": {"regexp": "a"},
                "tags": {"a": "b"},
                "conversionStrategy": "Default",
                "decodingStrategy": "None",
                "nullBytePolicy": "Ignore",
            }
        },
        {
            "sourceRef": {
                "generatorRef": {
                    "apiVersion": "generators.external-secrets.io/v1alpha1",
                    "kind": "Password",
                    "name": "p",
                }
            }
        },
    ],
}
_SELECTOR = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
_CLUSTER: Json = {
    "externalSecretSpec": external_secret()["spec"],
    "externalSecretName": "e",
    "externalSecretMetadata": {"annotations": {"a": "b"}, "labels": {"a": "b"}},
    "namespaceSelector": _SELECTOR,
    "namespaceSelectors": [_SELECTOR],
    "namespaces": ["a"],
    "refreshTime": "1h",
}
_CONDITION = {"namespaceSelector": _SELECTOR, "namespaces": ["a"], "namespaceRegexes": ["a"]}
_STORED: Json = {
    "controller": "govgate",
    "provider": {"vault": {"server": "https://v", "auth": {"tokenSecretRef": {"name": "t", "key": "t"}}}},
    "retrySettings": {"maxRetries": 3, "retryInterval": "1s"},
    "refreshInterval": 60,
    "conditions": [_CONDITION],
}
UNHEEDED = {
    "ExternalSecret": {"spec.target.manifest", "spec.syncWindows"},
    "ClusterExternalSecret": set[str](),
    "SecretStore": {"spec.retrySettings", "spec.refreshInterval"},
}
"""What is not done here, and said so. All else is."""
WHOLE = {
    "ExternalSecret": (_EXTERNAL, Spec),
    "ClusterExternalSecret": (_CLUSTER, ClusterSpec),
    "SecretStore": (_STORED, StoreSpec),
}
_OPEN = {"labels", "annotations", "tags", "matchLabels", "data", "provider", "manifest", "syncWindows",
         "externalSecretSpec"}  # fmt: skip
"""What holds names of somebody's own, or is not read here; ``data`` of a template alone."""


def said(value: Any, where: str = "spec") -> set[str]:
    """The paths of all fields that a document has; list items are as one."""
    if isinstance(value, list):
        return set().union(*(said(item, f"{where}[]") for item in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found = set()
    for name, item in value.items():
        path = f"{where}.{name}"
        found.add(path)
        if name not in _OPEN or path == "spec.data":
            found |= said(item, path)
    return found


def known(kind: inspect.Type, where: str = "spec") -> set[str]:
    """The same of what a struct has."""
    if isinstance(kind, inspect.UnionType):
        return set().union(*(known(one, where) for one in kind.types))
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return known(kind.item_type, f"{where}[]")
    if not isinstance(kind, inspect.StructType):
        return set()
    found = set()
    for field in kind.fields:
        found |= {f"{where}.{field.encode_name}", *known(field.type, f"{where}.{field.encode_name}")}
    return found


@pytest.mark.parametrize("kind", WHOLE)
def test_the_fields_of_the_types_are_those_of_eso(kind: str) -> None:
    """No more, and no fewer. A generator in ``data`` is one that ESO knows and does not do, as is denied here."""
    whole, struct = WHOLE[kind]
    extra = {"spec.data[].sourceRef.generatorRef", *(f"spec.data[].sourceRef.generatorRef.{one}" for one in
             ("apiVersion", "kind", "name"))}  # fmt: skip
    assert known(inspect.type_info(struct)) - extra == said(whole)


@pytest.mark.native
@pytest.mark.parametrize("kind", WHOLE)
def test_none_is_ignored_in_silence(kind: str) -> None:
    """What is not done is a fault of its own, and nothing else about an object with all of them is."""
    whole, _ = WHOLE[kind]
    document = {"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": {"name": "x"}, "spec": whole}
    found = faults(document)
    assert {(one.rule, one.field) for one in found} == {("unsupported", field) for field in UNHEEDED[kind]}
