"""ClusterExternalSecrets: where there shall be which ExternalSecret, and what is left alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_secrets.external.cluster import (
    FAILED,
    FORCE_SYNC,
    Act,
    ClusterExternal,
    Place,
    Plan,
    cluster_of,
    owner_of,
    plan,
    said,
    status_of,
    wanted_in,
)
from gateway_secrets.external.validate import faults

Json = dict[str, Any]
INNER = {"secretStoreRef": {"name": "vault", "kind": "ClusterSecretStore"}, "dataFrom": [{"extract": {"key": "x"}}]}


def document(name: str = "shared", annotations: dict[str, str] | None = None, **spec: Any) -> Json:
    meta = {"name": name, "uid": f"uid-of-{name}", "annotations": annotations or {}}
    whole = {"externalSecretSpec": INNER, **spec}
    return {"apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "metadata": meta, "spec": whole}


def cluster(name: str = "shared", **spec: Any) -> ClusterExternal:
    return cluster_of(document(name, **spec))


class Model:
    """A cluster in which plans are carried out."""

    def __init__(self, places: dict[str, Place], objects: dict[tuple[str, str], Json]) -> None:
        self.places = places
        self.objects = objects

    def plan(self, about: ClusterExternal) -> Plan:
        present = {
            namespace: found if owner_of(found["metadata"])[0] == about.name else None
            for (namespace, name), found in self.objects.items()
            if name == about.external_name
        }
        own = [found for found in self.objects.values() if owner_of(found["metadata"])[1] == about.uid]
        return plan(about, self.places, present, own, {})

    def carry_out(self, decided: Plan) -> None:
        for step in decided.steps:
            key = step.namespace, step.document["metadata"]["name"]
            assert (key in self.objects) is (step.act is not Act.CREATE)
            if step.act is Act.DELETE:
                del self.objects[key]
            else:
                self.objects[key] = step.document


def test_by_name_and_by_label() -> None:
    """In namespaces that are named, or that any selector selects; not in those that are being deleted."""
    places = {
        "web": Place({"team": "web"}),
        "ops": Place({"team": "ops"}),
        "old": Place({"team": "web"}, ending=True),
        "kube-system": Place(),
    }
    model = Model(places, {})
    about = cluster(
        namespaceSelector={"matchLabels": {"team": "nobody"}},
        namespaceSelectors=[{"matchExpressions": [{"key": "team", "operator": "In", "values": ["web"]}]}],
        namespaces=["ops", "absent"],
    )
    assert model.plan(about).wanted == ("ops", "web")
    assert Model(places, {}).plan(cluster(namespaceSelectors=[{}])).wanted == ("kube-system", "ops", "web")
    assert Model(places, {}).plan(cluster()).wanted == ()


def test_what_is_made() -> None:
    """Its spec as it is, name, labels and annotations as stated, the owner; ``force-sync`` is passed on."""
    pairs = {"labels": {"a": "b"}, "annotations": {"c": "d"}}
    stated = document(
        annotations={FORCE_SYNC: "now", "other": "x"}, externalSecretName="db", externalSecretMetadata=pairs
    )
    made = wanted_in(cluster_of(stated), "web", {})
    assert made["spec"] == INNER
    metadata = made["metadata"]
    assert (metadata["name"], metadata["namespace"], metadata["labels"]) == ("db", "web", {"a": "b"})
    assert metadata["annotations"] == {"c": "d", FORCE_SYNC: "now"}
    assert owner_of(metadata) == ("shared", "uid-of-shared")


def test_one_that_is_not_its_own_is_left_alone() -> None:
    """It is said, and nothing is written; the other namespaces are provided."""
    foreign = {"metadata": {"name": "shared", "namespace": "web"}, "spec": {"mine": True}}
    model = Model({"web": Place(), "ops": Place()}, {("web", "shared"): foreign})
    decided = model.plan(cluster(namespaces=["web", "ops"]))
    assert [(step.act, step.namespace) for step in decided.steps] == [(Act.CREATE, "ops")]
    assert decided.failed == {"web": "there is an ExternalSecret shared already, which is not its own"}


def test_what_the_api_server_adds_is_no_change() -> None:
    """Its defaults, once they are known: else the two would write for ever."""
    about = cluster(namespaces=["web"])
    shall = wanted_in(about, "web", {})
    there = {**shall, "spec": {**INNER, "refreshInterval": "1h0m0s"}}
    facts = {"web": Place()}, {"web": there}, [there]
    assert [step.act for step in plan(about, *facts, {}).steps] == [Act.REPLACE]
    assert plan(about, *facts, {"web": (said(shall), said(there))}).steps == ()
    changed = {**there, "spec": {**INNER, "refreshInterval": "2h"}}
    assert plan(about, facts[0], {"web": changed}, [changed], {"web": (said(shall), said(there))}).steps != ()


def test_one_that_is_being_deleted_is_waited_for() -> None:
    """It is neither written nor deleted once more."""
    about = cluster(namespaces=["web"])
    there = wanted_in(about, "web", {})
    there["metadata"]["deletionTimestamp"] = "2026-11-26T00:00:00Z"
    decided = plan(about, {"web": Place()}, {"web": there}, [there], {})
    assert decided.steps == ()
    assert "being deleted" in decided.failed["web"]


NAMES = ["web", "ops", "dev"]
PLACES = st.dictionaries(
    st.sampled_from(NAMES), st.builds(Place, st.dictionaries(st.just("team"), st.sampled_from(["a", "b"])), st.booleans())
)  # fmt: skip
SPECS = st.fixed_dictionaries(
    {
        "namespaces": st.lists(st.sampled_from(NAMES), max_size=2),
        "externalSecretName": st.sampled_from(["", "db"]),
        "namespaceSelectors": st.lists(st.sampled_from([{"matchLabels": {"team": "a"}}, {"matchLabels": {"team": "b"}}]), max_size=2),
        "externalSecretMetadata": st.just({}) | st.just({"labels": {"x": "y"}}),
    }
)  # fmt: skip
FOREIGN = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["shared", "db", "own"])), max_size=3)


@given(PLACES, SPECS, SPECS, FOREIGN)
def test_it_converges_and_touches_nothing_else(
    places: dict[str, Place], first: Json, second: Json, foreign: list[tuple[str, str]]
) -> None:
    """Whatever it said before: then there is one in each namespace that it selects, none elsewhere, and others' are as they were."""
    others = {
        key: {"metadata": {"namespace": key[0], "name": key[1], "labels": {"mine": "1"}}, "spec": {}} for key in foreign
    }
    neighbour = cluster("neighbour", namespaces=NAMES, externalSecretName="own")
    others |= {(name, "own"): wanted_in(neighbour, name, {}) for name in places if (name, "own") not in others}
    model = Model(places, dict(others))
    model.carry_out(model.plan(cluster(**first)))
    about = cluster(**second)
    decided = model.plan(about)
    model.carry_out(decided)
    assert model.plan(about).steps == ()
    assert {key: found for key, found in model.objects.items() if key in others} == others
    mine = {key[0] for key, found in model.objects.items() if owner_of(found["metadata"])[0] == "shared"}
    assert mine == set(decided.wanted) - decided.failed.keys()


def test_status() -> None:
    """As ESO writes it: where it is, where it is not and why, and a condition; what others noted stays."""
    before = {"conditions": [{"type": "Other", "status": "True"}]}
    after = status_of(before, "db", ("web", "ops"), {"web": "why"})
    assert after == {
        "conditions": [
            {"type": "Other", "status": "True"},
            {"type": "Ready", "status": "False", "message": FAILED},
        ],
        "externalSecretName": "db",
        "failedNamespaces": [{"namespace": "web", "reason": "why"}],
        "provisionedNamespaces": ["ops"],
    }
    assert status_of(after, "db", (), {}) == {
        "conditions": [{"type": "Other", "status": "True"}, {"type": "Ready", "status": "True"}],
        "externalSecretName": "db",
    }
    refused = status_of(after, "", (), {}, "spec: wrong")
    assert refused["provisionedNamespaces"] == ["ops"]
    assert refused["conditions"][-1]["message"] == "spec: wrong"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"externalSecretSpec": {"secretStoreRef": {"name": "vault"}}}, "spec.externalSecretSpec"),
        ({"externalSecretSpec": {**INNER, "refreshInterval": "x"}}, "spec.externalSecretSpec.refreshInterval"),
        ({"externalSecretSpec": {**INNER, "data": 1}}, "spec.externalSecretSpec.data"),
        ({"refreshTime": "soon"}, "spec.refreshTime"),
        ({"externalSecretName": "A b"}, "spec.externalSecretName"),
        ({"namespaceSelectors": [{"matchExpressions": [{"key": "a", "operator": "Is"}]}]},
         "spec.namespaceSelectors[0].matchExpressions[0].operator"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(spec: Json, field: str) -> None:
    """Before anything is made, at admission too: with itself, and with what it would make."""
    assert [one.field for one in faults(document(**spec))] == [field]


def test_one_that_is_right() -> None:
    """No fault; and seconds, if it is to be looked at again."""
    assert faults(document(refreshTime="1m", namespaces=["web"])) == []
    assert cluster(refreshTime="1m").spec.refresh_seconds() == 60
    assert cluster(refreshTime="0").spec.refresh_seconds() is None
    assert msgspec.structs.asdict(cluster())["resync"] is None
