"""What a person is told: enough to do it properly, bounded and printable, and never a value that may be secret."""

from __future__ import annotations

from typing import Any

import pytest
from support.reviews import (
    APPS,
    CACHE,
    FLUX_LABELS,
    LABEL_FIELDS,
    SHOP,
    Known,
    at,
    changed,
    entry,
    judged,
    managed_object,
    subject,
)

from gateway.core.finding import Action, Finding, Resource, finding_id
from gateway.core.guard import Judged
from gateway.core.subject import GroupVersionKind, Subject
from gateway.core.verdict import combine
from webhooks.answer import refusal
from webhooks.drift.equality import MISSING
from webhooks.drift.facts import Owner, Source
from webhooks.drift.message import findings
from webhooks.drift.paths import covered, covers, parse_pattern, path_text
from webhooks.drift.values import MAX_CHARS, shown

SECRET = "hunter2-do-not-show"
GIT = Source("https://git.example.com/fleet", "./apps/web", "main@sha1:abc")
CONTAINERS = {"f:containers": {'k:{"name":"api"}': {".": {}, "f:image": {}, "f:command": {}, "f:env": {}}}}
SPEC = {"replicas": 1, "containers": [{"name": "api", "image": "a:1", "command": ["x"], "env": [SECRET]}]}
OLD = managed_object(
    SPEC, entry("kustomize-controller", {"f:metadata": LABEL_FIELDS, "f:spec": {"f:replicas": {}, **CONTAINERS}})
)


def told(asked: Subject, facts: Any = None) -> list[Finding]:
    """The findings about a request."""
    return list(findings("drift", asked, judged(asked, facts).drifted, limit=50))


def one(patch: dict, facts: Any = None, old: dict = OLD, **more: Any) -> Finding:
    (finding,) = told(subject("UPDATE", old=old, new=changed(old, patch), **more), facts)
    return finding


def test_a_message_says_who_manages_the_object_from_where_and_what_would_change() -> None:
    """Owner, repository, path, revision, field, Git's value and the attempted one."""
    finding = one(at("spec.replicas", 5), Known({APPS: Owner(source=GIT)}))
    assert finding.message == (
        "managed by Flux Kustomization flux-system/apps (https://git.example.com/fleet, path ./apps/web, "
        "revision main@sha1:abc): spec.replicas would change from 1 to 5"
    )
    assert finding.remedy == (
        "Change it in https://git.example.com/fleet under ./apps/web, then: flux reconcile kustomization apps "
        "-n flux-system --with-source. In an emergency: flux suspend kustomization apps -n flux-system, "
        "and resume when Git agrees."
    )
    assert (finding.rule, finding.severity, finding.action) == ("drift/owned-field", "high", "deny")
    assert finding.resource == Resource("apps/v1", "Deployment", "web", "api")


def test_without_a_cluster_the_owner_is_named_all_the_same() -> None:
    """What the markers say needs no cache."""
    finding = one(at("spec.replicas", None))
    assert finding.message == "managed by Flux Kustomization flux-system/apps: spec.replicas would be removed (Git: 1)"
    assert finding.remedy.startswith("Change it in Git, then: flux reconcile kustomization apps -n flux-system")


def test_helm_and_argo_have_their_own_remedies() -> None:
    """The command is that of the reconciler; an Application outside Argo CD's namespace is named with its own."""
    labels = {name.replace("kustomize", "helm"): value for name, value in FLUX_LABELS.items()}
    helm = managed_object({"a": 1}, entry("helm-controller", {"f:spec": {"f:a": {}}}), labels=labels)
    assert "flux reconcile helmrelease apps -n flux-system" in one(at("spec.a", 2), old=helm).remedy
    for app, named in (("shop", "shop"), ("team_shop", "team/shop")):
        marks = {"argocd.argoproj.io/tracking-id": f"{app}:apps/Deployment:web/api"}
        argo = managed_object(
            {"a": 1}, entry("argocd-controller", {"f:spec": {"f:a": {}}}), labels={}, annotations=marks
        )
        finding = one(at("spec.a", 2), Known({SHOP: Owner(source=GIT), CACHE: Owner()}), argo)
        assert finding.remedy.endswith(f"then: argocd app sync {named}.")


@pytest.mark.parametrize(
    ("operation", "rule", "severity", "text"),
    [
        ("DELETE", "drift/deleted", "critical", "deleting it is not what Git says"),
        ("CREATE", "drift/claimed", "high", "only its owner's reconciler may create it with its marks"),
    ],
)
def test_whole_objects(operation: str, rule: str, severity: str, text: str) -> None:
    """A deletion and a claim concern no field."""
    old, new = (OLD, None) if operation == "DELETE" else (None, OLD)
    (finding,) = told(subject(operation, old=old, new=new))
    assert (finding.rule, finding.severity, finding.field) == (rule, severity, "")
    assert finding.message.endswith(text)
    assert finding.remedy


def test_excused_findings_say_so() -> None:
    """What is recorded without being enforced carries the reason."""
    finding = one(at("spec.replicas", 5), Known({APPS: Owner(paused="spec.suspend: true")}))
    assert finding.action is Action.AUDIT
    assert finding.message.endswith("from 1 to 5 (not enforced: spec.suspend: true)")


def test_ids_are_those_of_rule_resource_and_field() -> None:
    """Stable from PR to admission to scan: values, versions and users do not matter, names do."""
    first, second = one(at("spec.replicas", 5)), one(at("spec.replicas", 7), Known({APPS: Owner(source=GIT)}))
    assert first.id == second.id == finding_id("drift/owned-field", first.resource, "spec.replicas")
    elsewhere = one(at("spec.replicas", 5), namespace="other")
    assert elsewhere.id != first.id


# Values


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("f:spec", "f:image"), "a:1", "a:1"),
        (("f:spec", "f:replicas"), 3, "3"),
        (("f:spec", "f:suspend"), True, "true"),
        (("f:spec", "f:image"), MISSING, "(none)"),
        (("f:spec", "f:resources", "f:limits", "f:memory"), "1Gi", "1Gi"),
        (("f:spec", "f:image"), {"tag": SECRET}, None),
        (("f:spec", "f:image"), [SECRET], None),
        (("f:spec", "f:command"), SECRET, None),
        (("f:data", "f:image"), SECRET, None),
        (("f:data", "f:port"), SECRET, None),
        (("f:stringData", "f:storage"), SECRET, None),
        (("f:metadata", "f:annotations", "f:image"), SECRET, None),
        (("f:metadata", "f:labels", "f:schedule"), SECRET, None),
        (("f:spec", "f:values", "f:image"), SECRET, None),
        (("f:spec", "f:template", "f:data", "f:image"), SECRET, None),
        (("f:spec", "f:env", 'k:{"name":"A"}', "f:value"), SECRET, None),
        (("f:spec", "f:args"), SECRET, None),
        (("f:spec", 'k:{"name":"image"}'), SECRET, None),
        ((), SECRET, None),
        (("f:spec", "f:image"), "a\x1b[31m\u202e\n", "a?[31m??"),
        (("f:spec", "f:image"), "x" * 500, "x" * (MAX_CHARS - 1) + "…"),
    ],
)
def test_values_are_shown_by_name_of_the_field(path: tuple[str, ...], value: Any, text: str | None) -> None:
    """Only scalars of fields on the list, and none below a map whose keys are anybody's choice."""
    assert shown(GroupVersionKind("apps", "v1", "Deployment"), path, value) == text


@pytest.mark.parametrize(
    "kind", [("", "Secret"), ("bitnami.com", "SealedSecret"), ("external-secrets.io", "ExternalSecret")]
)
def test_nothing_of_a_secret_is_shown(kind: tuple[str, str]) -> None:
    """Not even a field that would be shown of anything else."""
    about = GroupVersionKind(kind[0], "v1", kind[1])
    assert shown(about, ("f:spec", "f:image"), SECRET) is None
    assert shown(about, ("f:spec", "f:image"), MISSING) is None


def everything(finding: Finding, asked: Subject) -> str:
    """All text that leaves: the finding itself, and the answer to the client."""
    return f"{finding} {refusal(combine([Judged('drift', 'x', (finding,))]), asked)}"


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (("", "Secret"), {"data": {"password": SECRET, "image": SECRET}}),
        (("", "Secret"), {"stringData": {"password": SECRET}}),
        (("", "ConfigMap"), {"data": {"image": SECRET, "password": SECRET}}),
        (("apps", "Deployment"), {"spec": {"containers": [{"name": "a", "env": [{"name": "P", "value": SECRET}]}]}}),
        (("apps", "Deployment"), {"spec": {"args": [SECRET], "command": [SECRET]}}),
        (("apps", "Deployment"), {"metadata": {"annotations": {"token": SECRET, "image": SECRET}}}),
        (("example.com", "Thing"), {"spec": {"tokens": [SECRET], "image": [SECRET]}}),
    ],
)
def test_no_secret_value_leaves(kind: tuple[str, str], content: dict) -> None:
    """Neither the old value, nor the new one, of Secrets, ConfigMaps, env, args, annotations and sets."""
    about = GroupVersionKind(kind[0], "v1", kind[1])
    fields = {"f:metadata": LABEL_FIELDS, **as_fields(content)}
    fields["f:metadata"] = {**LABEL_FIELDS, **fields.get("f:metadata", {})}
    old = changed(
        managed_object({}, entry("kustomize-controller", fields, version=about.api_version), kind=about), content
    )
    for replace in (lambda text: text + "-2", lambda _text: "harmless", lambda _text: None):
        new = changed(old, replaced(content, replace))
        asked = subject("UPDATE", old=old, new=new, kind=about)
        found = told(asked)
        assert found
        assert all(SECRET not in everything(finding, asked) for finding in found)


def as_fields(value: Any) -> dict:
    """FieldsV1 of a value: maps by field, lists of strings as sets, lists of named maps by name."""
    if isinstance(value, dict):
        return {f"f:{key}": as_fields(below) for key, below in value.items()}
    if isinstance(value, list) and isinstance(value[0], str):
        return {f'v:"{item}"': {} for item in value}
    if isinstance(value, list):
        return {f'k:{{"name":"{item["name"]}"}}': {".": {}, **as_fields(item)} for item in value}
    return {}


def replaced(value: Any, replace: Any) -> Any:
    """The same value with every secret in it replaced."""
    if isinstance(value, dict):
        return {key: replaced(below, replace) for key, below in value.items()}
    if isinstance(value, list):
        return [item for item in (replaced(below, replace) for below in value) if item is not None]
    return replace(value) if value == SECRET else value


# Bounds


def test_texts_of_the_owner_are_bounded_and_printable() -> None:
    """A source with a megabyte of path, or with control characters, makes no such answer."""
    wild = Source("r" * 100_000, "p\x1b[2J\n" * 100_000, "v" * 100_000)
    asked = subject("UPDATE", old=OLD, new=changed(OLD, at("spec.replicas", 5)))
    (finding,) = told(asked, Known({APPS: Owner(source=wild)}))
    assert len(finding.message) < 1_200
    assert len(finding.remedy) < 1_200
    answer = refusal(combine([Judged("drift", "x", (finding,))]), asked)
    assert all(c.isprintable() or c == "\n" for c in answer)


def test_an_answer_lists_a_dozen_and_counts_the_rest() -> None:
    """The API server puts it on one person's terminal."""
    found = tuple(
        Finding(f"f-{i}", "r", "high", Action.DENY, "drift", Resource("v1", "A", "b", "c"), "", "m" * 1000, "do")
        for i in range(20)
    )
    answer = refusal(combine([Judged("drift", "x", found[:14])]), subject("DELETE", old=OLD))
    assert len(answer) <= 4_000
    short = tuple(
        Finding(f"f-{i}", "r", "high", Action.DENY, "drift", Resource("v1", "A", "b", "c"), "", f"m{i}\nx", "do")
        for i in range(20)
    )
    answer = refusal(combine([Judged("drift", "x", short)]), subject("DELETE", old=OLD)).splitlines()
    assert answer[0] == "A b/c:"
    assert answer[1] == "- m0 x [r, f-0]"
    assert answer[-2:] == ["- and 8 more findings: see the audit log", "do"]


# Paths


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("f:spec", "f:containers", 'k:{"name":"api"}', "f:image"), "spec.containers[name=api].image"),
        (("f:spec", 'k:{"port":80,"protocol":"TCP"}'), "spec[port=80,protocol=TCP]"),
        (("f:spec", 'k:{"name":"a b"}'), 'spec[name="a b"]'),
        (("f:spec", 'k:{"on":true}'), "spec[on=true]"),
        (("f:spec", "k:nonsense"), "spec[]"),
        (("f:spec", 'v:"secret"'), "spec[=…]"),
        (("f:spec", "i:3"), "spec[3]"),
        (("f:metadata", "f:labels", "f:a.b/c"), 'metadata.labels["a.b/c"]'),
        (("f:a b",), '["a b"]'),
        ((), ""),
        (("f:" + "x" * 1_000,), "x" * 399 + "…"),
    ],
)
def test_path_text(path: tuple[str, ...], text: str) -> None:
    """Paths as people write them, bounded."""
    assert path_text(path) == text


@pytest.mark.parametrize(
    ("pattern", "path", "covered_by"),
    [
        ("*", (), True),
        ("*", ("f:a",), True),
        ("spec", ("f:spec", "f:a"), True),
        ("spec.a", ("f:spec", "f:a"), True),
        ("spec.a", ("f:spec", "f:a", "f:b"), True),
        ("spec.a", ("f:spec",), False),
        ("spec.a", ("f:spec", "f:b"), False),
        ("spec.a", (), False),
        ("spec.l[].x", ("f:spec", "f:l", 'k:{"name":"a"}', "f:x"), True),
        ("spec.l[*].x", ("f:spec", "f:l", "i:1", "f:x"), True),
        ("spec.l[].x", ("f:spec", "f:l", "f:a", "f:x"), False),
        ("spec.l.x", ("f:spec", "f:l", 'k:{"name":"a"}', "f:x"), False),
        ('metadata.labels["a.b/c"]', ("f:metadata", "f:labels", "f:a.b/c"), True),
        ('metadata.labels["a\\"b"]', ("f:metadata", "f:labels", 'f:a"b'), True),
        ("metadata.labels.a.b/c", ("f:metadata", "f:labels", "f:a.b/c"), False),
    ],
)
def test_patterns_cover_paths(pattern: str, path: tuple[str, ...], covered_by: bool) -> None:
    """A pattern covers the field it names and what is below, ``[]`` any element, ``*`` everything."""
    assert covers(pattern, path) is covered_by
    assert covered(["nothing", pattern], path) is covered_by
    assert not covered([], path)


def test_a_pattern_is_read_once() -> None:
    """Fields with dots stand in brackets."""
    assert parse_pattern('a.b["c.d"][].e') == ("f:a", "f:b", "f:c.d", "[]", "f:e")
