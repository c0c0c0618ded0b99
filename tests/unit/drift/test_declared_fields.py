"""What Git declares of an object, and which changes of it are found: by style of declaration, shape and rule."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.reviews import (
    FLUX_LABELS,
    LABEL_FIELDS,
    Known,
    at,
    broken,
    changed,
    entry,
    judged,
    managed_object,
    subject,
)

from gateway.config.drift import Drift
from gateway.core.errors import UndecidedError

TRACKING_ID = "argocd.argoproj.io/tracking-id"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LAST_APPLIED_FIELD = f'metadata.annotations["{LAST_APPLIED}"]'
HELM_LABELS = {name.replace("kustomize", "helm"): value for name, value in FLUX_LABELS.items()}
HELM_FIELDS = {"f:labels": {f"f:{name}": {} for name in HELM_LABELS}}
OWNED, STRIPPED = "drift/owned-field", "drift/managed-fields"


def flux(spec: Any, fields: dict, *more: dict, **metadata: Any) -> dict:
    """An object that Flux applied, with this set below ``f:spec``."""
    own = entry("kustomize-controller", {"f:metadata": LABEL_FIELDS, "f:spec": fields})
    return managed_object(spec, own, *more, **metadata)


def helm(spec: Any, fields: dict, *more: dict) -> dict:
    """An object that Flux's helm-controller wrote by plain updates."""
    own = entry("helm-controller", {"f:metadata": HELM_FIELDS, "f:spec": fields}, operation="Update")
    return managed_object(spec, own, *more, labels=HELM_LABELS)


def argo(spec: Any, applied: Any, fields: dict | None = None, *more: dict, writer: str = "argocd-controller") -> dict:
    """An object that Argo CD applied client-side: ``applied`` is the spec of its last-applied-configuration."""
    text = applied if isinstance(applied, str) else json.dumps({"apiVersion": "apps/v1", "spec": applied})
    annotations = {TRACKING_ID: "shop:apps/Deployment:web/api", LAST_APPLIED: text}
    own = entry("argocd-controller", {"f:spec": fields} if fields else {}, operation="Update")
    wrote = entry(writer, {"f:metadata": {"f:annotations": {f"f:{LAST_APPLIED}": {}}}}, operation="Update", time="1")
    if writer == "argocd-controller":
        own["fieldsV1"] |= wrote["fieldsV1"]
        return managed_object(spec, own, *more, labels={}, annotations=annotations)
    return managed_object(spec, own, wrote, *more, labels={}, annotations=annotations)


def found(old: dict, spec: Any, facts: Any = None, config: Drift | None = None, **more: Any) -> dict[str, str]:
    """What is found where a person replaces the spec."""
    new = {**changed(old), "spec": spec}
    return broken(judged(subject("UPDATE", old=old, new=new, **more), facts, config))


# Scalars, removals, types


@pytest.mark.parametrize("value", [2, "1", True, None, 1.5, [1], {"a": 1}])
def test_another_value_or_none_is_a_change(value: Any) -> None:
    """A declared scalar may not become another value, another type, or nothing; ``null`` is nothing."""
    assert found(flux({"a": 1}, {"f:a": {}}), {"a": value}) == {"spec.a": OWNED}
    assert found(flux({"a": 1}, {"f:a": {}}), {}) == {"spec.a": OWNED}


@pytest.mark.parametrize("value", [1, 1.0])
def test_the_same_number_is_no_change(value: Any) -> None:
    """JSON has one kind of number."""
    assert found(flux({"a": 1}, {"f:a": {}}), {"a": value, "b": 2}) == {}


def test_null_and_absent_are_the_same() -> None:
    """The API server drops nulls from typed objects."""
    assert found(flux({"a": None}, {"f:a": {}}), {}) == {}


def test_a_removed_parent_is_one_change() -> None:
    """A map that is removed with declared fields in it is reported where it stood; labels are reported one by one."""
    old = flux({"m": {"a": 1, "b": 2}}, {"f:m": {"f:a": {}, "f:b": {}}})
    assert found(old, {}) == {"spec.m": OWNED}
    assert found(old, {"m": "x"}) == {"spec.m": OWNED}
    assert found(old, {"m": {"a": 9, "b": 8}}) == {"spec.m.a": OWNED, "spec.m.b": OWNED}
    labels = {**FLUX_LABELS, "x": "1"}
    fields = {"f:metadata": {"f:labels": {f"f:{name}": {} for name in labels}}}
    old = managed_object({}, entry("kustomize-controller", fields), labels=labels)
    new = changed(old, at("metadata.labels", None))
    assert broken(judged(subject("UPDATE", old=old, new=new)))["metadata.labels.x"] == OWNED


def test_only_labels_and_annotations_of_metadata_are_declared() -> None:
    """A finalizer or ownerReference in the reconciler's entry is bookkeeping; status and kind are no intent."""
    fields = {"f:metadata": {**LABEL_FIELDS, "f:finalizers": {'v:"a/b"': {}}}, "f:status": {"f:x": {}}, "f:kind": {}}
    old = managed_object({}, entry("kustomize-controller", fields), finalizers=["a/b"]) | {"status": {"x": 1}}
    kept = changed(old, at("metadata.finalizers", ["a/b", "c/d"]), at("status.x", 2), {"kind": "Other"})
    assert broken(judged(subject("UPDATE", old=old, new=kept))) == {}


# Lists

KEYED = {"f:l": {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:v": {}}, 'k:{"name":"b"}': {".": {}, "f:name": {}}}}
A, B, C = {"name": "a", "v": 1}, {"name": "b"}, {"name": "c"}


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([A, B], {}),
        ([A, B, C], {}),
        ([C, A, C, B], {}),
        ([A, {**B, "v": 2}], {}),
        ([{**A, "v": 2}, B], {"spec.l[name=a].v": OWNED}),
        ([{"name": "a"}, B], {"spec.l[name=a].v": OWNED}),
        ([B], {"spec.l[name=a]": OWNED}),
        ([B, A], {"spec.l": OWNED}),
        ([A, B, A], {"spec.l[name=a]": OWNED}),
        ([A, B, {**A, "v": 2}], {"spec.l[name=a]": OWNED}),
        ([], {"spec.l[name=a]": OWNED, "spec.l[name=b]": OWNED}),
        ("x", {"spec.l": OWNED}),
        (None, {"spec.l": OWNED}),
    ],
)  # fmt: skip
def test_elements_are_found_by_key(elements: Any, expected: dict) -> None:
    """Wherever an element stands it is the same one; lost, changed, doubled or turned round it is a change."""
    assert found(flux({"l": [A, B]}, KEYED), {"l": elements}) == expected


def test_an_unwritten_default_is_no_other_key() -> None:
    """A port without its protocol is the TCP port that the reconciler declared; a UDP port is not."""
    key = 'k:{"containerPort":80,"protocol":"TCP"}'
    old = flux({"p": [{"containerPort": 80, "x": 1}]}, {"f:p": {key: {".": {}, "f:containerPort": {}, "f:x": {}}}})
    assert found(old, {"p": [{"containerPort": 80, "protocol": "TCP", "x": 1}]}) == {}
    assert found(old, {"p": [{"containerPort": 80, "protocol": "UDP", "x": 1}]}) == {
        "spec.p[containerPort=80,protocol=TCP]": OWNED
    }
    assert found(old, {"p": [{"containerPort": 80, "x": 2}]}) == {"spec.p[containerPort=80,protocol=TCP].x": OWNED}


def test_sets_are_declared_value_by_value() -> None:
    """Others may add values, nobody may take a declared one; its value is not shown."""
    old = flux({"s": ["a", "b", "mine"]}, {"f:s": {'v:"a"': {}, 'v:"b"': {}}})
    assert found(old, {"s": ["b", "c", "a"]}) == {}
    assert found(old, {"s": ["a", "mine"]}) == {"spec.s[=…]": OWNED}


def test_elements_by_index_are_compared_in_place() -> None:
    """``i:`` keys name positions."""
    old = flux({"s": ["a", "b"]}, {"f:s": {"i:1": {}}})
    assert found(old, {"s": ["x", "b"]}) == {}
    assert found(old, {"s": ["a", "x"]}) == {"spec.s[1]": OWNED}
    assert found(old, {"s": ["a"]}) == {"spec.s[1]": OWNED}


def test_atomic_values_are_compared_whole() -> None:
    """A list or map that is declared as one leaf may not be changed in any part."""
    old = flux({"args": ["a"], "m": {"x": 1}}, {"f:args": {}, "f:m": {}})
    assert found(old, {"args": ["a", "b"], "m": {"x": 1, "y": 2}}) == {"spec.args": OWNED, "spec.m": OWNED}


def test_a_map_declared_empty_may_be_filled_where_parts_have_owners() -> None:
    """``emptyDir: {}`` is no statement about its size; an API server knows parts in granular maps only."""
    old = flux({"emptyDir": {}}, {"f:emptyDir": {}})
    new = {**changed(old), "spec": {"emptyDir": {"medium": "Memory"}}}
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {"spec.emptyDir": OWNED}
    person = entry("kubectl", {"f:spec": {"f:emptyDir": {"f:medium": {}}}}, operation="Update")
    new["metadata"]["managedFields"].append(person)
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {}
    del new["spec"]["emptyDir"]
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {"spec.emptyDir": OWNED}


# Styles of declaration


def test_an_update_by_the_reconciler_declares_where_nothing_else_does() -> None:
    """helm-controller before server-side apply: what it wrote and nobody changed since."""
    old = helm({"a": 1, "b": 2}, {"f:a": {}})
    assert found(old, {"a": 1, "b": 3}) == {}
    assert found(old, {"a": 2, "b": 2}) == {"spec.a": OWNED}


def test_an_apply_in_the_reconcilers_name_does_not_hide_what_it_wrote() -> None:
    """Anyone can have an (all but empty) Apply entry written in its name: making one is found, and it hides nothing."""
    old = helm({"a": 1}, {"f:a": {}})
    forged = entry("helm-controller", {"f:metadata": {"f:labels": {"f:x": {}}}})
    new = changed(old, at("metadata.labels.x", "1"))
    new["metadata"]["managedFields"].append(forged)
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {"metadata.managedFields": STRIPPED}
    assert found(new, {"a": 2}) == {"spec.a": OWNED}


def test_a_last_applied_in_the_reconcilers_name_does_not_hide_what_it_wrote() -> None:
    """Flux never applies client-side: an annotation that says so was put there."""
    old = helm({"a": 1}, {"f:a": {}})
    old["metadata"]["annotations"] = {LAST_APPLIED: "{}"}
    old["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:annotations"] = {f"f:{LAST_APPLIED}": {}}
    assert found(old, {"a": 2}) == {"spec.a": OWNED}


@pytest.mark.parametrize("operation", ["Apply", "Update"])
def test_adding_to_the_reconcilers_record_is_found(operation: str) -> None:
    """Otherwise a field of a controller's could be made to look declared, and the controller be blocked."""
    old = flux({"a": 1}, {"f:a": {}})
    new = changed(old, at("spec.b", 2))
    if operation == "Apply":
        new["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:b"] = {}
    else:
        new["metadata"]["managedFields"].append(
            entry("kustomize-controller", {"f:spec": {"f:b": {}}}, operation=operation)
        )
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {"metadata.managedFields": STRIPPED}


def test_client_side_apply_declares_by_its_annotation() -> None:
    """Argo CD's own Update entry names defaults too: only what was meant counts."""
    old = argo({"a": 1, "default": 2}, {"a": 1}, {"f:a": {}, "f:default": {}})
    assert found(old, {"a": 1, "default": 3}) == {}
    assert found(old, {"a": 2, "default": 2}) == {"spec.a": OWNED}
    assert found(old, {"default": 2}) == {"spec.a": OWNED}


def test_an_explicit_null_declares_nothing() -> None:
    """``a: null`` in Git is how client-side apply removes a field."""
    assert found(argo({"b": 1}, {"a": None, "b": 1}), {"a": 5, "b": 1}) == {}


def test_a_persons_last_applied_is_not_the_reconcilers() -> None:
    """Whoever ran ``kubectl apply`` before declares nothing; where nobody owns the annotation, it is the reconciler's."""
    mine = argo({"a": 1, "b": 1}, {"a": 1}, {"f:b": {}}, writer="kubectl-client-side-apply")
    assert found(mine, {"a": 2, "b": 1}) == {}
    assert found(mine, {"a": 1, "b": 2}) == {"spec.b": OWNED}
    nobodys = argo({"a": 1}, {"a": 1})
    nobodys["metadata"]["managedFields"] = []
    assert found(nobodys, {"a": 2}) == {"spec.a": OWNED}


@pytest.mark.parametrize("patch", [{LAST_APPLIED: None}, {LAST_APPLIED: '{"apiVersion":"apps/v1"}'}])
def test_a_persons_own_declaration_is_no_tracking_metadata(patch: dict) -> None:
    """Who once ran ``kubectl apply`` on the object may take that annotation back, or write another."""
    old = argo({"a": 1}, {"a": 1}, {"f:a": {}}, writer="kubectl-client-side-apply")
    assert broken(judged(subject("UPDATE", old=old, new=changed(old, at("metadata.annotations", patch))))) == {}


@pytest.mark.parametrize("patch", [{LAST_APPLIED: None}, {LAST_APPLIED: '{"apiVersion":"apps/v1"}'}])
def test_the_client_side_declaration_is_tracking_metadata(patch: dict) -> None:
    """Without it, or with another, Argo CD would not know what to take back."""
    old = argo({"a": 1}, {"a": 1})
    new = changed(old, at("metadata.annotations", patch))
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {LAST_APPLIED_FIELD: "drift/tracking-metadata"}


@pytest.mark.parametrize("text", ["{", "[]", "null", "[" * 5000])
def test_an_unreadable_declaration_is_undecided(text: str) -> None:
    """It is never taken for one that declares nothing."""
    undecided = judged(subject("UPDATE", old=argo({"a": 1}, text), new=changed(argo({"a": 1}, text), at("spec.a", 2))))
    assert undecided.undecided == f"the annotation {LAST_APPLIED} is not readable"


def test_apply_and_client_side_declarations_add_up() -> None:
    """An object that moved from client-side to server-side apply is declared by both until the annotation goes."""
    applied = entry("argocd-controller", {"f:spec": {"f:b": {}}})
    old = argo({"a": 1, "b": 1}, {"a": 1}, None, applied)
    assert found(old, {"a": 2, "b": 2}) == {"spec.a": OWNED, "spec.b": OWNED}


def shaped(declared: Any, shape: dict | None, live: Any = None) -> dict:
    """An object of Argo CD that declares ``spec.x`` client-side, with somebody's set below it."""
    others = [entry("kubectl", {"f:spec": {"f:x": shape}}, operation="Update")] if shape is not None else []
    return argo({"x": declared if live is None else live}, {"x": declared}, None, *others)


@pytest.mark.parametrize(
    ("declared", "shape", "live", "expected"),
    [
        ({"a": 1}, {"f:a": {}}, {"a": 1, "b": 2}, {}),
        ({"a": 1}, {"f:b": {}}, {"a": 2}, {"spec.x.a": OWNED}),
        ({"a": 1}, {}, {"a": 1, "b": 2}, {"spec.x": OWNED}),
        ({"a": 1}, None, {"a": 1, "b": 2}, {}),
        (["a"], {}, ["a", "b"], {"spec.x": OWNED}),
        (["a"], None, ["a", "b"], {"spec.x": OWNED}),
        (["a"], {'v:"z"': {}}, ["b", "a"], {}),
        (["a"], {'v:"z"': {}}, ["b"], {"spec.x[=…]": OWNED}),
        ([{"name": "a", "v": 1}], {'k:{"name":"z"}': {}}, [{"name": "z"}, {"name": "a", "v": 1}], {}),
        ([{"name": "a", "v": 1}], {'k:{"name":"z"}': {}}, [{"name": "a", "v": 2}], {"spec.x[name=a].v": OWNED}),
        ([{"name": "a", "v": 1}], {'k:{"name":"a"}': {"f:w": {}}}, [{"name": "a", "v": 1, "w": 2}], {}),
        ([{"name": "a", "v": 1}], None, [{"name": "b"}, {"name": "a", "v": 1}], {}),
        ([{"name": "a", "v": 1}], {}, [{"name": "b"}, {"name": "a", "v": 1}], {"spec.x": OWNED}),
        ([{"name": "a"}, {"name": "a"}], None, [{"name": "a"}], {"spec.x": OWNED}),
        ([{"port": 1}], None, [{"port": 1}, {"port": 2}], {"spec.x": OWNED}),
        ([{"p": 1}], {'k:{"p":1,"q":"T"}': {"f:p": {}}}, [{"p": 1, "q": "T", "z": 1}], {}),
        ([{"p": 1}], {'k:{"p":1,"q":"T"}': {"f:p": {}}}, [{"p": 1, "q": "U"}], {"spec.x[p=1,q=T]": OWNED}),
        ([{"p": 1}, {"z": 1}], {'k:{"p":1}': {}}, [{"p": 1}, {"z": 1}, {"p": 2}], {"spec.x[]": OWNED}),
        ({}, {}, {"b": 2}, {"spec.x": OWNED}),
        ([], None, ["b"], {"spec.x": OWNED}),
    ],
)  # fmt: skip
def test_shapes_of_a_client_side_declaration_are_learnt_from_managed_fields(
    declared: Any, shape: dict | None, live: Any, expected: dict
) -> None:
    """Which maps are atomic and how lists are keyed is what managers own there; unknown lists look keyed by name."""
    old = shaped(declared, shape)
    assert found(old, {"x": live}) == expected


# Record of ownership


def test_a_lost_path_counts_only_where_the_value_stays() -> None:
    """Whoever changes a value takes the field over: that change is what is judged, not the record."""
    old = flux({"a": 1, "l": [A]}, {"f:a": {}, "f:l": {'k:{"name":"a"}': {".": {}, "f:v": {}}}})
    new = changed(old, at("spec.a", 2))
    new["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"].pop("f:a")
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {"spec.a": OWNED}
    new = changed(old)
    new["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:l"]['k:{"name":"a"}'] = {".": {}}
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {"metadata.managedFields": STRIPPED}
    new = changed(old, at("spec.l", [{"name": "a", "v": 9}]))
    new["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:l"]['k:{"name":"a"}'] = {".": {}}
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {"spec.l[name=a].v": OWNED}


def test_a_coarser_record_is_a_loss() -> None:
    """``f:spec: {}`` instead of its fields is kept by an API server, and would declare nothing that others share."""
    old = flux({"a": 1}, {"f:a": {}})
    new = changed(old)
    new["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"] = {}
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {"metadata.managedFields": STRIPPED}


def test_anothers_record_is_not_watched() -> None:
    """Which fields a person owns is the person's business."""
    old = flux({"a": 1, "b": 1}, {"f:a": {}}, entry("kubectl", {"f:spec": {"f:b": {}}}, operation="Update"))
    new = changed(old)
    new["metadata"]["managedFields"].pop()
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {}


def test_the_records_version_and_operation_are_part_of_it() -> None:
    """The same fields under another operation or API version are another entry: the reconciler's own is gone."""
    old = flux({"a": 1}, {"f:a": {}})
    for patch in ({"operation": "Update"}, {"apiVersion": "apps/v1beta2"}, {"manager": "kubectl"}):
        new = changed(old)
        new["metadata"]["managedFields"][0] |= patch
        assert broken(judged(subject("UPDATE", old=old, new=new))) == {"metadata.managedFields": STRIPPED}


# What is not known


def test_a_declaration_in_another_version_is_undecided() -> None:
    """Its paths cannot be compared; metadata, alike in all versions, still is, and a change of status is none."""
    old = flux({"a": 1}, {"f:a": {}})
    old["metadata"]["managedFields"][0]["apiVersion"] = "apps/v1beta2"
    undecided = "its fields are declared in apps/v1beta2, the request is in apps/v1: use apps/v1beta2"
    assert found(old, {"a": 1, "b": 2}) == {"?": undecided}
    new = changed(old, at("metadata.labels.x", "y"), at("status.a", 1))
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {}


def test_an_object_without_any_declaration_is_undecided() -> None:
    """A managed object of which nothing says what Git declares is never taken for one that declares nothing."""
    old = managed_object({"a": 1}, labels={}, annotations={TRACKING_ID: "shop:apps/Deployment:web/api"})
    assert found(old, {"a": 2})["?"].startswith("nothing says which of its fields its owner declares")
    new = changed(old, at("metadata.labels.x", "y"))
    assert broken(judged(subject("UPDATE", old=old, new=new))) == {}


@pytest.mark.parametrize(
    ("operation", "old", "new"), [("UPDATE", None, {}), ("DELETE", None, None), ("CREATE", None, None)]
)
def test_a_request_without_its_object_is_undecided(operation: str, old: Any, new: Any) -> None:
    """A webhook that is registered with nothing to look at must not wave requests through."""
    with pytest.raises(UndecidedError, match="the request has no"):
        judged(subject(operation, old=old, new=new))
    with pytest.raises(UndecidedError, match="the request has no object"):
        judged(subject("UPDATE", old=flux({}, {})))


@pytest.mark.parametrize("listed", ["x", {}, [1], [{"manager": "kustomize-controller", "fieldsV1": [1]}]])
def test_malformed_managed_fields_are_undecided(listed: Any) -> None:
    """No API server writes that."""
    old = flux({"a": 1}, {"f:a": {}})
    old["metadata"]["managedFields"] = listed
    with pytest.raises(UndecidedError, match=r"metadata\.managedFields"):
        judged(subject("UPDATE", old=old, new=old))


def test_a_doubt_does_not_hide_what_is_certain() -> None:
    """Findings come with the undecided rest."""
    old = flux({"a": 1}, {"f:a": {}})
    old["metadata"]["managedFields"][0]["apiVersion"] = "apps/v1beta2"
    new = changed(old, at("spec.a", 2), at("metadata.labels", None))
    rules = broken(judged(subject("UPDATE", old=old, new=new), Known()))
    assert "drift/tracking-metadata" in rules.values()
    assert "?" in rules
