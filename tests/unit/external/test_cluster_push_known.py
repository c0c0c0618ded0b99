"""ClusterPushSecrets: whose one is, by the stores of its PushSecrets, and what is made of it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.controllers.cluster_external.known import PUSH_TWIN, HeldStore, Known, held_cluster, held_one, held_place
from gateway.controllers.external.claims import Claims
from gateway.kube import Key
from gateway_secrets.external.cluster import (
    FORCE_SYNC,
    OF_PUSHES,
    Act,
    Place,
    cluster_of,
    plan,
    said,
    status_of,
    wanted_in,
)

Json = dict[str, Any]
CLUSTERED = {"name": "shared", "kind": "ClusterSecretStore"}
CHOSEN = {"kind": "ClusterSecretStore", "labelSelector": {"matchLabels": {"of": "us"}}}
OURS, THEIRS, UNSAID = "govgate", "another", ""


def document(*refs: Json, **spec: Any) -> Json:
    inner = {"secretStoreRefs": list(refs), "selector": {"secret": {"name": "s"}}}
    whole = {"pushSecretSpec": inner, "namespaceSelectors": [{}], **spec}
    return {"metadata": {"name": "all", "uid": "uid-of-all", "annotations": {FORCE_SYNC: "1"}}, "spec": whole}


def known(stores: dict[str, tuple[str, Json]], *handed_over: str) -> Known:
    """``stores``: by ``namespace/name``, whose, and with which labels."""
    held = {Key(*name.split("/")): HeldStore(whose, labels) for name, (whose, labels) in stores.items()}
    made = Known(Claims(handed_over), PUSH_TWIN)
    made.store = lambda _, key: held.get(key)
    made.stores = lambda: iter(held.items())
    return made


@pytest.mark.parametrize(
    ("refs", "stores", "whose"),
    [
        ([CLUSTERED], {"/shared": (OURS, {})}, "ours"),
        ([CLUSTERED], {"/shared": (THEIRS, {})}, "others"),
        ([CLUSTERED], {}, "unknown"),
        ([{"name": "own"}], {"a/own": (OURS, {}), "b/own": (OURS, {})}, "ours"),
        ([{"name": "own"}], {"a/own": (OURS, {})}, "ours"),
        ([{"name": "own"}], {"a/own": (OURS, {}), "b/own": (THEIRS, {})}, "mixed"),
        ([CLUSTERED, {"name": "own"}], {"/shared": (OURS, {}), "a/own": (THEIRS, {})}, "mixed"),
        ([CHOSEN], {"/x": (OURS, {"of": "us"}), "/y": (THEIRS, {})}, "ours"),
        ([CHOSEN], {"/x": (OURS, {"of": "us"}), "/y": (THEIRS, {"of": "us"})}, "mixed"),
        ([CHOSEN], {"/x": (OURS, {})}, "unknown"),
    ],
)
def test_whose_one_is(refs: list[Json], stores: dict[str, tuple[str, Json]], whose: str) -> None:
    """Govgate's if all its stores are, in all its namespaces; who says nothing does not count."""
    held = held_cluster(document(*refs), PUSH_TWIN)
    assert known(stores).whose(held, ["a", "b"]) == whose


def test_namespaces_that_were_handed_over() -> None:
    """There a store that says nothing is govgate's; where only some were, somebody has to decide."""
    held = held_cluster(document({"name": "own"}), PUSH_TWIN)
    stores: dict[str, tuple[str, Json]] = {"a/own": (UNSAID, {}), "b/own": (UNSAID, {})}
    assert known(stores, "a", "b").whose(held, ["a", "b"]) == "ours"
    assert known(stores, "a").whose(held, ["a", "b"]) == "mixed"


def test_whom_a_store_concerns() -> None:
    """Who names it, and who chooses it as it was or as it is."""
    made = known({})
    for name, ref in (("names", CLUSTERED), ("chooses", CHOSEN)):
        made.cluster_changed(Key("", name), None, held_cluster(document(ref), PUSH_TWIN))
    before, after = HeldStore(OURS, {"of": "us"}), HeldStore(OURS, {})
    assert made.of_store(Key("", "shared"), before, after) == {Key("", "names"), Key("", "chooses")}
    assert made.of_store(Key("", "other"), None, after) == set()
    assert made.of_store(Key("", "other"), None, before) == {Key("", "chooses")}


def test_what_is_made() -> None:
    """With ESO's own fields; ``force-sync`` is what its metadata say, and a finalizer of what was pushed stays."""
    pairs = {"annotations": {FORCE_SYNC: "2"}}
    about = cluster_of(document(CLUSTERED, pushSecretName="out", pushSecretMetadata=pairs), OF_PUSHES)
    made = wanted_in(about, "web", {"metadata": {"finalizers": ["f"]}})
    metadata = made["metadata"]
    assert (made["apiVersion"], made["kind"]) == ("external-secrets.io/v1alpha1", "PushSecret")
    assert (metadata["name"], metadata["annotations"], metadata["finalizers"]) == ("out", {FORCE_SYNC: "2"}, ["f"])
    assert made["spec"] == document(CLUSTERED)["spec"]["pushSecretSpec"]
    assert (held_one(made, PUSH_TWIN).owner, held_one(made).owner) == ("all", "")
    stray = made | {"metadata": metadata | {"ownerReferences": []}}
    assert said(made) != said(stray)
    assert status_of({}, "out", ("web",), {}, of=OF_PUSHES)["pushSecretName"] == "out"


def test_finalizers_of_namespaces_are_no_matter_of_it() -> None:
    """ESO leaves some for ClusterExternalSecrets alone."""
    left = {"metadata": {"name": "web", "finalizers": ["externalsecrets.external-secrets.io/ces-all", "other"]}}
    assert held_place(left, PUSH_TWIN).finalizers == ()
    assert held_place(left).finalizers == ("all",)


def test_one_of_another_name_waits_for_the_former() -> None:
    """That takes away what it stored, in the same places, when it is deleted: so it has to be gone first."""
    former = wanted_in(cluster_of(document(CLUSTERED, pushSecretName="old"), OF_PUSHES), "web", {})
    about = cluster_of(document(CLUSTERED, pushSecretName="new"), OF_PUSHES)
    decided = plan(about, {"web": Place()}, {}, [former], {})
    assert [step.act for step in decided.steps] == [Act.DELETE]
    assert decided.failed == {"web": "the PushSecret old is being deleted"}
    ending = former | {"metadata": former["metadata"] | {"deletionTimestamp": "2026-11-26T00:00:00Z"}}
    assert plan(about, {"web": Place()}, {}, [ending], {}).steps == ()
    assert [step.act for step in plan(about, {"web": Place()}, {}, [], {}).steps] == [Act.CREATE]
