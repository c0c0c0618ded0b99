"""Properties of the drift decision, over generated objects with several managers, shapes and API versions."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from support.drift_model import OTHERS, PERSON, RECONCILER, Keyed, Leaf, Map, Set, owned_by, put, sites, specs
from support.reviews import (
    ARGO,
    COLLECTOR,
    FLUX_LABELS,
    HELM,
    HUMAN,
    KUSTOMIZE,
    LABEL_FIELDS,
    NOW,
    entry,
    managed_object,
    subject,
)

from gateway.config.drift import Drift
from gateway.core.errors import UndecidedError
from gateway.core.finding import Action
from gateway.core.subject import UserInfo
from webhooks.drift.decide import Decided, decide
from webhooks.drift.equality import same
from webhooks.drift.facts import NoFacts
from webhooks.drift.ownership import Policy

CONFIG = Drift()
POLICY = Policy(CONFIG)
TRACKING_ID = "argocd.argoproj.io/tracking-id"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# How a reconciler declares: server-side apply, client-side apply, or a plain update.
STYLES = {
    "flux": "kustomize-controller",
    "argo": "argocd-controller",
    "helm": "helm-controller",
    "config-sync": "configsync",
}
CONFIG_SYNC = UserInfo(username="system:serviceaccount:config-management-system:root-reconciler")
ACCOUNTS = {"flux": KUSTOMIZE, "argo": ARGO, "helm": HELM, "config-sync": CONFIG_SYNC}
styles = st.sampled_from(sorted(STYLES))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def object_of(spec: Map, *, style: str = "flux", version: str = "apps/v1", **metadata: Any) -> dict:
    """A managed object with the spec, marked and declared as the style does, and everybody's managedFields."""
    fields: dict[str, Any] = {"f:metadata": LABEL_FIELDS}
    labels = dict(FLUX_LABELS)
    annotations = {}
    if style == "helm":
        labels = {name.replace("kustomize", "helm"): value for name, value in FLUX_LABELS.items()}
        fields["f:metadata"] = {"f:labels": {f"f:{name}": {} for name in labels}}
    if style == "argo":
        labels = {}
        applied = {"apiVersion": version, "kind": "Deployment"}
        if owned_by(spec, RECONCILER):
            applied["spec"] = spec.to_declared(RECONCILER)
        annotations = {TRACKING_ID: "shop:apps/Deployment:web/api", LAST_APPLIED: json.dumps(applied)}
        fields["f:metadata"] = {"f:annotations": {f"f:{name}": {} for name in annotations}}
    below = spec.to_fields(RECONCILER)
    if style == "config-sync":
        labels = {"configsync.gke.io/declared-version": version.rpartition("/")[2]}
        annotations = {
            "configmanagement.gke.io/managed": "enabled",
            "configsync.gke.io/resource-id": "apps_deployment_web_api",
            "configsync.gke.io/declared-fields": json.dumps({} if below is None else {"f:spec": below}),
        }
        fields["f:metadata"] = {"f:annotations": {f"f:{name}": {} for name in annotations}}
    if below is not None:
        fields["f:spec"] = below
    operation = "Apply" if style in {"flux", "config-sync"} else "Update"
    entries = [entry(STYLES[style], fields, operation=operation, version=version)]
    for manager in OTHERS:
        below = spec.to_fields(manager)
        if below is not None:
            entries.append(entry(manager, {"f:spec": below}, operation="Update"))
    return managed_object(spec.to_json(), *entries, labels=labels, annotations=annotations, **metadata)


def update(old: dict, spec: Any, user: UserInfo = HUMAN) -> Decided:
    """The decision about replacing the spec; of a model, with what people then own besides, as an API server says."""
    new = copy.deepcopy(old)
    if isinstance(spec, Map):
        person = spec.to_fields(PERSON)
        new["metadata"]["managedFields"].append(entry(PERSON, {"f:spec": person or {}}, operation="Update"))
        spec = spec.to_json()
    new["spec"] = spec
    return decide(subject("UPDATE", old=old, new=new, user=user), NoFacts(), POLICY, now=NOW)


def denied(decided: Decided) -> bool:
    """Whether anything in the decision denies."""
    return any(d.action is Action.DENY for d in decided.drifted)


def mutation(data: st.DataObject, spec: Map, *, declared: bool) -> Any | None:
    """One change of one place that the reconciler owns something of (or nothing of): the new spec, or None."""
    places = [site for site in sites(spec) if site.steps and owned_by(site.node, RECONCILER) is declared]
    if not declared:
        # Removing an undeclared element or field, or changing it, or adding a field to any map.
        places += [site for site in sites(spec) if isinstance(site.node, Map)]
    if not places:
        return None
    site = data.draw(st.sampled_from(places))
    node = site.node
    if not declared and owned_by(node, RECONCILER):
        return put(spec, site.steps, Map({**node.children, "added": Leaf(1, frozenset({PERSON}))}, node.owners))
    if isinstance(node, Leaf) and data.draw(st.booleans()):
        other = data.draw(st.one_of(st.text(max_size=5), st.integers(-3, 3), st.booleans()))
        assume(not same(other, node.value))
        return put(spec, site.steps, Leaf(other, node.owners | {PERSON}))
    if isinstance(node, Set) and declared:
        kept = {value: owners for value, owners in node.values.items() if RECONCILER not in owners}
        return put(spec, site.steps, Set(kept))
    return put(spec, site.steps, None)


@given(specs, styles)
def test_a_no_op_is_never_denied(spec: Map, style: str) -> None:
    """An update that changes nothing passes, whoever sends it."""
    assert update(object_of(spec, style=style), spec.to_json()).drifted == ()


@given(st.data(), specs, json_values, styles)
def test_the_reconciler_is_never_denied(data: st.DataObject, spec: Map, anything: Any, style: str) -> None:
    """The reconciler's own account may do anything to what it manages."""
    old = object_of(spec, style=style)
    operation = data.draw(st.sampled_from(["CREATE", "UPDATE", "DELETE"]))
    new = {**copy.deepcopy(old), "spec": anything} if operation != "DELETE" else None
    asked = subject(operation, old=None if operation == "CREATE" else old, new=new, user=ACCOUNTS[style])
    assert decide(asked, NoFacts(), POLICY, now=NOW).drifted == ()


@given(st.data(), specs, styles)
def test_changing_only_undeclared_fields_is_never_denied(data: st.DataObject, spec: Map, style: str) -> None:
    """What Git does not state is anyone's to change, add or remove, however often."""
    changed: Any = spec
    for _ in range(data.draw(st.integers(1, 3))):
        changed = mutation(data, changed, declared=False) or changed
    assert update(object_of(spec, style=style), changed).drifted == ()


@given(st.data(), specs, styles)
def test_adding_a_declared_change_to_any_allowed_request_denies_it(data: st.DataObject, spec: Map, style: str) -> None:
    """However many undeclared changes surround it, one change of a declared field is found."""
    changed: Any = spec
    for _ in range(data.draw(st.integers(0, 2))):
        changed = mutation(data, changed, declared=False) or changed
    drifted = mutation(data, changed, declared=True)
    assume(drifted is not None and not same(drifted.to_json(), changed.to_json()))
    assert denied(update(object_of(spec, style=style), drifted))


@given(st.data(), specs, styles)
def test_a_change_is_found_through_every_api_version_or_left_undecided(
    data: st.DataObject, spec: Map, style: str
) -> None:
    """Fields declared in another API version are never taken for undeclared."""
    drifted = mutation(data, spec, declared=True)
    assume(drifted is not None and not same(drifted.to_json(), spec.to_json()))
    decided = update(object_of(spec, style=style, version="apps/v1beta2"), drifted.to_json())
    assert decided.undecided or denied(decided)


@given(st.data(), specs, styles)
def test_declared_elements_keep_their_order(data: st.DataObject, spec: Map, style: str) -> None:
    """Two declared elements of a keyed list that change places are a change (init containers run in order)."""
    lists = [s for s in sites(spec) if isinstance(s.node, Keyed)]
    lists = [s for s in lists if sum(owned_by(e, RECONCILER) for e in s.node.elements) > 1]
    assume(lists)
    site = data.draw(st.sampled_from(lists))
    turned = put(spec, site.steps, Keyed(site.node.names, site.node.elements[::-1]))
    assert denied(update(object_of(spec, style=style), turned.to_json()))


@given(st.data(), specs, styles)
def test_a_repeated_element_does_not_hide_a_declared_one(data: st.DataObject, spec: Map, style: str) -> None:
    """A second element with a declared element's key is a change of it (the last one wins in a pod's env)."""
    lists = [s for s in sites(spec) if isinstance(s.node, Keyed) and owned_by(s.node, RECONCILER)]
    assume(lists)
    site = data.draw(st.sampled_from(lists))
    element = data.draw(st.sampled_from([e for e in site.node.elements if owned_by(e, RECONCILER)]))
    twin = Map({**element.children, "added": Leaf("x", frozenset())}, frozenset())
    doubled = put(spec, site.steps, Keyed(site.node.names, (*site.node.elements, twin)))
    assert denied(update(object_of(spec, style=style), doubled.to_json()))


@given(specs, json_values)
def test_a_terminating_object_is_never_judged(spec: Map, anything: Any) -> None:
    """Whatever happens to an object that is being deleted passes."""
    old = object_of(spec, deletionTimestamp="2026-01-01T00:00:00Z")
    assert update(old, anything).drifted == ()


@given(specs, st.sampled_from(["[]", "[{}]", "entry", "path"]), styles)
def test_stripping_ownership_is_denied(spec: Map, how: str, style: str) -> None:
    """Resetting managedFields, or taking an entry or a path from the reconciler without a change of value, is denied."""
    old = object_of(spec, style=style)
    new = copy.deepcopy(old)
    listed = new["metadata"]["managedFields"]
    if how == "path":
        listed[0]["fieldsV1"]["f:metadata"].popitem()
    else:
        new["metadata"]["managedFields"] = {"[]": [], "[{}]": [{}], "entry": listed[1:]}[how]
    assert denied(decide(subject("UPDATE", old=old, new=new), NoFacts(), POLICY, now=NOW))


@given(specs, st.sampled_from(["name", "namespace"]), st.sampled_from([None, "other"]))
def test_touching_tracking_labels_is_denied(spec: Map, label: str, value: str | None) -> None:
    """Changing or removing a label by which Flux finds the object is denied."""
    old = object_of(spec)
    new = copy.deepcopy(old)
    labels = new["metadata"]["labels"] = dict(old["metadata"]["labels"])
    labels.pop(f"kustomize.toolkit.fluxcd.io/{label}")
    if value:
        labels[f"kustomize.toolkit.fluxcd.io/{label}"] = value
    assert denied(decide(subject("UPDATE", old=old, new=new), NoFacts(), POLICY, now=NOW))


@given(specs, st.text(max_size=20))
def test_only_the_cluster_and_the_reconciler_delete(spec: Map, name: str) -> None:
    """A deletion by the garbage collector passes, one by anybody else does not, whatever their name."""
    old = object_of(spec)
    assert decide(subject("DELETE", old=old, user=COLLECTOR), NoFacts(), POLICY, now=NOW).drifted == ()
    assert denied(decide(subject("DELETE", old=old, user=UserInfo(username=name)), NoFacts(), POLICY, now=NOW))


@given(specs, st.lists(st.text(max_size=10), max_size=3))
def test_finalizers_and_owner_references_are_nobodys_intent(spec: Map, finalizers: list[str]) -> None:
    """Changes of finalizers and ownerReferences alone pass."""
    old = object_of(spec)
    new = copy.deepcopy(old)
    new["metadata"]["finalizers"] = finalizers
    new["metadata"]["ownerReferences"] = [{"kind": "Cluster", "name": "c", "uid": "1", "controller": True}]
    assert decide(subject("UPDATE", old=old, new=new), NoFacts(), POLICY, now=NOW).drifted == ()


@given(json_values, json_values)
def test_same_is_equality_of_json(left: Any, right: Any) -> None:
    """Two values are the same exactly when their canonical JSON is, numbers compared by value."""

    def canonical(value: Any) -> str:
        def plain(v: Any) -> Any:
            if isinstance(v, float) and v.is_integer():
                return int(v)
            if isinstance(v, dict):
                return {k: plain(x) for k, x in v.items()}
            return [plain(x) for x in v] if isinstance(v, list) else v

        return json.dumps(plain(value), sort_keys=True)

    assert same(left, right) is (canonical(left) == canonical(right))


@given(st.sampled_from(["CREATE", "UPDATE", "DELETE", "CONNECT"]), json_values, json_values, json_values, json_values)
def test_nonsense_is_undecided_at_worst(operation: str, meta: Any, spec: Any, fields: Any, new_meta: Any) -> None:
    """No object, however malformed, makes the decision fail in any other way than to say that it cannot decide."""
    listed = [entry(RECONCILER, fields), fields]
    old = {"apiVersion": "apps/v1", "metadata": {"labels": meta, "managedFields": listed}, "spec": spec}
    new = {"apiVersion": "apps/v1", "metadata": new_meta, "spec": fields}
    asked = subject("UPDATE")
    asked.operation = operation
    asked.raw_object, asked.raw_old_object = json.dumps(new).encode(), json.dumps(old).encode()
    with contextlib.suppress(UndecidedError):
        decide(asked, NoFacts(), POLICY, now=NOW)


@given(specs, styles, st.sampled_from(["UPDATE", "DELETE"]))
def test_an_object_that_is_escaped_is_looked_at_all_the_same(spec: Map, style: str, operation: str) -> None:
    """Markers are found however their JSON is written: the quick look at the bytes never hides a managed object."""
    old = object_of(spec, style=style)
    new = copy.deepcopy(old)
    new["metadata"]["managedFields"] = []
    asked = subject(operation, old=old, new=new if operation == "UPDATE" else None)
    for word in (b"toolkit", b"tracking-id", b"configsync.gke.io"):
        asked.raw_old_object = asked.raw_old_object.replace(word, f"\\u{word[0]:04x}".encode() + word[1:])
    assert denied(decide(asked, NoFacts(), POLICY, now=NOW))
