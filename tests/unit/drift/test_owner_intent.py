"""What the owner says itself: paused, lenient, or with fields left alone. Then the change is recorded, not enforced."""

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
    broken,
    changed,
    entry,
    excused,
    judged,
    managed_object,
    subject,
)

from gateway.config.drift import Drift
from gateway.core.finding import Action
from webhooks.drift.facts import IgnoreRule, Owner
from webhooks.drift.reconcilers.argocd_records import application
from webhooks.drift.reconcilers.flux_records import helm_release, kustomization

RECONCILE = "kustomize.toolkit.fluxcd.io/reconcile"
SSA = "kustomize.toolkit.fluxcd.io/ssa"
DETECTION = "helm.toolkit.fluxcd.io/driftDetection"
TRACKING_ID = "argocd.argoproj.io/tracking-id"
HELM_LABELS = dict(zip((n.replace("kustomize", "helm") for n in FLUX_LABELS), ("cache", "data"), strict=True))
IGNORES = "the owner ignores this field"
SPEC = {
    "replicas": 1,
    "image": "a",
    "containers": [{"name": "api", "image": "a"}, {"name": "proxy", "image": "b"}],
    "annotations": {"example.com/x": "1"},
}
FIELDS = {
    "f:replicas": {},
    "f:image": {},
    "f:containers": {
        'k:{"name":"api"}': {".": {}, "f:name": {}, "f:image": {}},
        'k:{"name":"proxy"}': {".": {}, "f:name": {}, "f:image": {}},
    },
    "f:annotations": {"f:example.com/x": {}},
}


def flux_object(*more: dict, **metadata: Any) -> dict:
    own = entry("kustomize-controller", {"f:metadata": LABEL_FIELDS, "f:spec": FIELDS})
    return managed_object(SPEC, own, *more, **metadata)


def argo_object(*more: dict) -> dict:
    annotations = {TRACKING_ID: "shop:apps/Deployment:web/api"}
    return managed_object(
        SPEC, entry("argocd-controller", {"f:spec": FIELDS}), *more, labels={}, annotations=annotations
    )


def both(old: dict, patch: dict, facts: Known, config: Drift | None = None) -> tuple[dict, dict]:
    """What is enforced and what is excused where a person merges the patch."""
    decided = judged(subject("UPDATE", old=old, new=changed(old, patch)), facts, config)
    return broken(decided), excused(decided)


# The whole owner


@pytest.mark.parametrize("operation", ["UPDATE", "DELETE"])
def test_a_suspended_owner_enforces_nothing(operation: str) -> None:
    """Changes and deletions while it is suspended are recorded with the reason, and go on."""
    old = flux_object()
    facts = Known({APPS: Owner(paused="spec.suspend: true")})
    asked = subject(operation, old=old, new=changed(old, at("spec.replicas", 2)) if operation == "UPDATE" else None)
    decided = judged(asked, facts)
    assert [(d.action, d.excused) for d in decided.drifted] == [(Action.AUDIT, "spec.suspend: true")]
    assert decided.reason == "spec.suspend: true"


def test_a_suspended_owner_lets_nobody_claim_it() -> None:
    """A new object with its labels would be pruned or adopted when it resumes."""
    facts = Known({APPS: Owner(paused="spec.suspend: true")})
    assert broken(judged(subject("CREATE", new=managed_object({})), facts)) == {"": "drift/claimed"}


def test_a_suspended_owners_doubts_are_none() -> None:
    """What could not be compared is not enforced either."""
    old = flux_object()
    old["metadata"]["managedFields"][0]["apiVersion"] = "apps/v2"
    assert both(old, at("spec.image", "b"), Known({APPS: Owner(paused="x")})) == ({}, {})
    assert "?" in both(old, at("spec.image", "b"), Known({APPS: Owner()}))[0]


def test_drift_detection_in_warn_mode_warns() -> None:
    """A HelmRelease that only warns about drift is not enforced harder than by itself."""
    old = flux_object()
    decided = judged(
        subject("UPDATE", old=old, new=changed(old, at("spec.image", "b"))), Known({APPS: Owner(lenient=True)})
    )
    assert [d.action for d in decided.drifted] == [Action.WARN]
    doubtful = managed_object(SPEC, {**old["metadata"]["managedFields"][0], "apiVersion": "apps/v2"})
    asked = subject("UPDATE", old=doubtful, new=changed(doubtful, at("spec.image", "b")))
    assert judged(asked, Known({APPS: Owner(lenient=True)})).doubt is Action.WARN
    assert judged(asked, Known({APPS: Owner()})).doubt is Action.DENY
    shadow = Drift(mode="shadow")
    decided = judged(
        subject("UPDATE", old=old, new=changed(old, at("spec.image", "b"))), Known({APPS: Owner(lenient=True)}), shadow
    )
    assert [d.action for d in decided.drifted] == [Action.AUDIT]


# Annotations on the object


@pytest.mark.parametrize(
    ("annotation", "value", "update", "delete"),
    [
        (RECONCILE, "disabled", True, True),
        (RECONCILE, "Disabled", True, True),
        (RECONCILE, "enabled", False, False),
        (SSA, "Ignore", True, True),
        (SSA, "ignore", True, True),
        (SSA, "IfNotPresent", True, False),
        (SSA, "Merge", False, False),
        (SSA, "Override", False, False),
        (DETECTION, "disabled", False, False),
        (RECONCILE, 1, False, False),
    ],
)
def test_annotations_that_switch_flux_off_on_one_object(
    annotation: str, value: Any, update: bool, delete: bool
) -> None:
    """``reconcile: disabled`` and ``ssa: Ignore`` let everything pass, ``IfNotPresent`` only changes."""
    old = flux_object(annotations={annotation: value})
    changed_one = judged(subject("UPDATE", old=old, new=changed(old, at("spec.image", "b"))))
    assert (broken(changed_one) == {}) is update
    deleted = judged(subject("DELETE", old=old))
    assert (broken(deleted) == {}) is delete
    assert all(d.excused.startswith(annotation) for d in (*changed_one.drifted, *deleted.drifted) if d.excused)


def test_helms_annotation_is_helms_alone() -> None:
    """A HelmRelease's objects heed ``driftDetection: disabled`` and neither of kustomize-controller's."""
    own = entry("helm-controller", {"f:spec": FIELDS}, operation="Update")
    for annotation, value, off in (
        (DETECTION, "disabled", True),
        (RECONCILE, "disabled", False),
        (SSA, "Ignore", False),
    ):
        old = managed_object(SPEC, own, labels=HELM_LABELS, annotations={annotation: value})
        enforced, left = both(old, at("spec.image", "b"), Known({CACHE: Owner()}))
        assert (enforced == {}) is off
        assert bool(left) is off


def test_the_annotation_must_have_stood_there_before() -> None:
    """Whoever writes it and changes a field in the same request is denied."""
    patch = changed(at("spec.image", "b"), at("metadata.annotations", {RECONCILE: "disabled"}))
    assert both(flux_object(), patch, Known({APPS: Owner()}))[0] == {"spec.image": "drift/owned-field"}


@pytest.mark.parametrize("declared", [True, False])
def test_annotations_can_be_believed_only_from_git(declared: bool) -> None:
    """With ``intentAnnotations: declared`` a person's annotation switches nothing off."""
    old = flux_object(annotations={RECONCILE: "disabled"})
    if declared:
        old["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"] = {
            **LABEL_FIELDS, "f:annotations": {f"f:{RECONCILE}": {}},
        }  # fmt: skip
    enforced, left = both(old, at("spec.image", "b"), Known({APPS: Owner()}), Drift(intent_annotations="declared"))
    assert bool(enforced) is not declared
    assert bool(left) is declared


# Ignore rules


def kustomization_rule(*paths: str, **target: str) -> Known:
    return Known(
        {
            APPS: kustomization(
                {"metadata": {}, "spec": {"ignore": [{"paths": paths and list(paths), "target": target}]}}
            ).owner
        }
    )


@pytest.mark.parametrize(
    ("paths", "patch", "left"),
    [
        (["/spec/image"], at("spec.image", "b"), True),
        (["/spec/image"], at("spec.image", None), True),
        (["/spec"], at("spec.image", "b"), True),
        (["/spec/image/x"], at("spec.image", "b"), False),
        (["/spec/imag"], at("spec.image", "b"), False),
        (["/spec/other", "/spec/image"], at("spec.image", "b"), True),
        (["/spec/annotations/example.com~1x"], at("spec.annotations", {"example.com/x": "2"}), True),
        (["/spec/annotations/example.com/x"], at("spec.annotations", {"example.com/x": "2"}), False),
        (
            ["/spec/containers/0/image"],
            at("spec.containers", [{"name": "api", "image": "c"}, SPEC["containers"][1]]),
            True,
        ),
        (
            ["/spec/containers/1/image"],
            at("spec.containers", [{"name": "api", "image": "c"}, SPEC["containers"][1]]),
            False,
        ),
        (["/spec/containers/0"], at("spec.containers", [{"name": "api", "image": "c"}, SPEC["containers"][1]]), True),
        (["/spec/containers/9/image"], at("spec.containers", SPEC["containers"][:1]), False),
        (["/spec/containers/-1/image"], at("spec.containers", SPEC["containers"][:1]), False),
        (["/spec/containers/²"], at("spec.containers", SPEC["containers"][:1]), False),
        (["/spec/containers/" + "9" * 5000], at("spec.containers", SPEC["containers"][:1]), False),
    ],
)
def test_json_pointers(paths: list[str], patch: dict, left: bool) -> None:
    """RFC 6901: ``~1`` is a slash, a number an index; what a pointer removes from both sides is not compared."""
    enforced, ignored = both(flux_object(), patch, kustomization_rule(*paths))
    assert (enforced == {}) is left
    assert set(ignored.values()) == ({IGNORES} if left else set())


def test_an_empty_pointer_is_undecided() -> None:
    """It would name the whole object, which no reconciler means."""
    assert "?" in both(flux_object(), at("spec.image", "b"), kustomization_rule(""))[0]


def test_only_what_is_ignored_is_excused() -> None:
    """Of two changes, one ignored, the other is still denied."""
    patch = changed(at("spec.image", "b"), at("spec.replicas", 2))
    enforced, ignored = both(flux_object(), patch, kustomization_rule("/spec/image"))
    assert (enforced, ignored) == ({"spec.replicas": "drift/owned-field"}, {"spec.image": IGNORES})


def test_removing_an_ignored_index_does_not_excuse_its_neighbour() -> None:
    """With the elements turned round, what the index removes is another element on either side."""
    turned = [{"name": "proxy", "image": "c"}, {"name": "api", "image": "c"}]
    enforced, _ = both(flux_object(), at("spec.containers", turned), kustomization_rule("/spec/containers/1"))
    assert "spec.containers[name=api].image" in enforced


@pytest.mark.parametrize(
    ("target", "concerned"),
    [
        ({}, True),
        ({"kind": "Deployment"}, True),
        ({"kind": "Deploy.*"}, True),
        ({"kind": "Deploy"}, False),
        ({"kind": "deployment"}, False),
        ({"group": "apps"}, True),
        ({"group": "batch"}, False),
        ({"name": "a.i"}, True),
        ({"name": "(api|web)"}, True),
        ({"name": "^api$"}, True),
        ({"name": "ap"}, False),
        ({"namespace": "we?b"}, True),
        ({"namespace": "other"}, False),
        ({"labelSelector": "kustomize.toolkit.fluxcd.io/name=apps"}, True),
        ({"labelSelector": "kustomize.toolkit.fluxcd.io/name=other"}, False),
        ({"annotationSelector": "team in (a, b)"}, True),
        ({"annotationSelector": "!team"}, False),
        ({"kind": "Deployment", "name": "other"}, False),
    ],
)
def test_targets_of_flux_rules(target: dict, concerned: bool) -> None:
    """All parts of a target must fit, whole: Flux reads them as anchored patterns and selectors."""
    old = flux_object(annotations={"team": "a"})
    enforced, _ = both(old, at("spec.image", "b"), kustomization_rule("/spec/image", **target))
    assert (enforced == {}) is concerned


@pytest.mark.parametrize(
    "target", [{"name": "(a+)+"}, {"name": "a{2}"}, {"labelSelector": "a=b=c"}, {"name": "[[:alpha:]]"}]
)
def test_targets_that_cannot_be_evaluated_are_undecided(target: dict) -> None:
    """Neither taken for ignored, nor for enforced."""
    assert "?" in both(flux_object(), at("spec.image", "b"), kustomization_rule("/spec/image", **target))[0]


def test_rules_are_looked_at_only_where_something_was_found() -> None:
    """An unreadable rule holds up nobody who changes nothing declared."""
    facts = kustomization_rule("/spec/image", name="(a+)+")
    assert both(flux_object(), at("spec.undeclared", 1), facts) == ({}, {})


def test_rules_never_excuse_more_than_fields() -> None:
    """Tracking metadata and the record of ownership are not fields that a reconciler leaves alone."""
    old = flux_object()
    facts = kustomization_rule("/metadata")
    new = changed(old, at("metadata.labels", None), at("metadata.managedFields", []))
    decided = judged(subject("UPDATE", old=old, new=new), facts)
    assert set(broken(decided).values()) == {"drift/tracking-metadata", "drift/managed-fields"}
    assert broken(judged(subject("DELETE", old=old), facts)) == {"": "drift/deleted"}


def argo_rule(**rule: Any) -> Known:
    return Known(
        {SHOP: application({"metadata": {}, "spec": {"ignoreDifferences": [{"group": "apps", **rule}]}}).owner}
    )


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ({"kind": "Deployment", "jsonPointers": ["/spec/image"]}, True),
        ({"kind": "*", "jsonPointers": ["/spec/image"]}, True),
        ({"kind": "StatefulSet", "jsonPointers": ["/spec/image"]}, False),
        ({"group": "*", "kind": "Deployment", "jsonPointers": ["/spec/image"]}, True),
        ({"group": "", "kind": "Deployment", "jsonPointers": ["/spec/image"]}, False),
        ({"kind": "Deployment", "name": "api", "namespace": "web", "jsonPointers": ["/spec/image"]}, True),
        ({"kind": "Deployment", "name": "a.i", "jsonPointers": ["/spec/image"]}, False),
        ({"kind": "Deployment", "namespace": "w", "jsonPointers": ["/spec/image"]}, False),
        ({"kind": "Deployment", "jqPathExpressions": [".spec.image"]}, True),
        ({"kind": "Deployment", "jqPathExpressions": [".spec.other, .spec.image"]}, True),
        ({"kind": "Deployment", "jqPathExpressions": [".spec.other"]}, False),
        ({"kind": "Deployment", "managedFieldsManagers": ["tuner"]}, True),
        ({"kind": "Deployment", "managedFieldsManagers": ["other"]}, False),
    ],
)
def test_ignore_differences(rule: dict, left: bool) -> None:
    """Argo CD compares group and kind as globs, name and namespace literally."""
    tuner = entry("tuner", {"f:spec": {"f:image": {}}})
    enforced, _ = both(argo_object(tuner), at("spec.image", "b"), argo_rule(**rule))
    assert (enforced == {}) is left


@pytest.mark.parametrize(
    ("expression", "name", "left"),
    [
        ('.spec.containers[] | select(.name == "proxy") | .image', "proxy", True),
        ('.spec.containers[] | select(.name == "proxy") | .image', "api", False),
        ('.spec.containers[] | select(.name == "proxy")', "proxy", True),
        (".spec.containers[1].image", "proxy", True),
        (".spec.containers[].image", "api", True),
    ],
)
def test_jq_paths_pick_elements(expression: str, name: str, left: bool) -> None:
    """``select`` by equality, indexes and iteration."""
    containers = [{**c, "image": "z"} if c["name"] == name else c for c in SPEC["containers"]]
    facts = argo_rule(kind="Deployment", jqPathExpressions=[expression])
    assert (both(argo_object(), at("spec.containers", containers), facts)[0] == {}) is left


def test_an_unsupported_jq_expression_is_undecided() -> None:
    """It is named, so that its owner can write it otherwise."""
    facts = argo_rule(kind="Deployment", jqPathExpressions=[".spec | to_entries"])
    assert both(argo_object(), at("spec.image", "b"), facts)[0] == {
        "?": "the jq expression '.spec | to_entries' in an ignore rule is not supported here"
    }


def test_only_managers_of_the_old_object_are_ignored() -> None:
    """The new object's entries are the client's to choose: a field does not become somebody's by taking it."""
    old = argo_object()
    new = changed(old, at("spec.image", "b"))
    new["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].pop("f:image")
    new["metadata"]["managedFields"].append(entry("tuner", {"f:spec": {"f:image": {}}}))
    facts = argo_rule(kind="Deployment", managedFieldsManagers=["tuner"])
    assert broken(judged(subject("UPDATE", old=old, new=new), facts)) == {"spec.image": "drift/owned-field"}


def test_a_managers_elements_are_ignored_one_by_one() -> None:
    """What another manager owns of a keyed list is left alone, element by element and field by field."""
    fields = {"f:containers": {'k:{"name":"proxy"}': {".": {}, "f:image": {}}}}
    facts = argo_rule(kind="Deployment", managedFieldsManagers=["tuner"])
    old = argo_object(entry("tuner", {"f:spec": fields}))
    for name, left in (("proxy", True), ("api", False)):
        containers = [{**c, "image": "z"} if c["name"] == name else c for c in SPEC["containers"]]
        assert (both(old, at("spec.containers", containers), facts)[0] == {}) is left
    whole = argo_object(entry("tuner", {"f:spec": {"f:containers": {'k:{"name":"proxy"}': {".": {}}}}}))
    assert both(whole, at("spec.containers", SPEC["containers"][:1]), facts)[0] == {}
    assert both(whole, at("spec.containers", SPEC["containers"][1:]), facts)[0]
    twice = [*SPEC["containers"], {"name": "proxy", "image": "evil"}]
    assert both(old, at("spec.containers", twice), facts)[0]


def test_too_much_work_is_undecided() -> None:
    """Whoever may write an Application cannot make the gateway work for minutes."""
    rule = IgnoreRule(pointers=("/a/b/c",) * 20_000)
    found = both(flux_object(), at("spec.image", "b"), Known({APPS: Owner(ignore=(rule,))}))[0]
    assert found == {"?": "the ignore rules of the owner are too much work for this object"}


# Not known yet


def test_an_unsynced_cache_is_undecided_only_where_it_matters() -> None:
    """The user may act for the owner: not known yet. What would pass anyway passes."""
    facts = Known(problems={"flux-kustomization": "kustomizations could not be read: starting"})
    enforced, _ = both(flux_object(), at("spec.image", "b"), facts)
    assert enforced == {"?": "kustomizations could not be read: starting"}
    assert both(flux_object(), at("spec.undeclared", "b"), facts) == ({}, {})
    assert broken(judged(subject("DELETE", old=flux_object()), facts)).keys() == {"?"}
    assert broken(judged(subject("CREATE", new=managed_object({})), facts)).keys() == {"?"}
    assert both(argo_object(), at("spec.image", "b"), facts)[0] == {"spec.image": "drift/owned-field"}
    offline = Known(problems={"flux-kustomization": "x"}, connected=False)
    assert both(flux_object(), at("spec.image", "b"), offline)[0] == {"spec.image": "drift/owned-field"}


# What is read of the owners' own objects


@pytest.mark.parametrize(
    ("detection", "paused", "lenient"),
    [
        ({"mode": "enabled"}, "", False),
        ({"mode": "warn"}, "", True),
        ({"mode": "disabled"}, "spec.driftDetection.mode: disabled", False),
        ({}, "", False),
        (None, "", False),
    ],
)
def test_drift_detection_modes(detection: Any, paused: str, lenient: bool) -> None:
    """An absent ``driftDetection`` is no statement; ``disabled`` is one."""
    owner = helm_release({"metadata": {}, "spec": {"driftDetection": detection}}).owner
    assert (owner.paused, owner.lenient) == (paused, lenient)


@pytest.mark.parametrize(
    ("owner", "paused"),
    [
        (kustomization({"spec": {"suspend": True}}).owner, "spec.suspend: true"),
        (kustomization({"spec": {"suspend": "true"}}).owner, ""),
        (helm_release({"spec": {"suspend": True}}).owner, "spec.suspend: true"),
        (application({"metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": "true"}}}).owner,
         "argocd.argoproj.io/skip-reconcile: true"),
        (application({"metadata": {"annotations": {"argocd.argoproj.io/skip-reconcile": "false"}}}).owner, ""),
        (application({}).owner, ""),
    ],
)  # fmt: skip
def test_owners_that_pause(owner: Owner, paused: str) -> None:
    """``suspend`` for Flux, ``skip-reconcile`` for Argo CD, and nothing that merely looks like it."""
    assert owner.paused == paused
